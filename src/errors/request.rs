//! Codes about a request as such, whatever it asks for.

use super::codes;

codes! { REQUEST_CODES;
    VALIDATION_FAILED = "validation-failed", Some(400), "The request is not valid",
        "One or more parameters, headers or fields of the body are missing, malformed, out of range or unknown. \
         The member `errors` names each with its field, a message and a code of its own.",
        "Correct the fields that `errors` names. Unknown parameters and fields are refused rather than ignored, so \
         look for misspellings first; /openapi.json lists what each operation takes.";
    REQUEST_UNREADABLE = "request-unreadable", Some(400), "What was sent is no request",
        "The server could not read what was sent as a request of HTTP/1.1: its first line or one of its headers is malformed, or it has two hosts.",
        "Send it with an HTTP client rather than by hand, and look whether a proxy in between changes it.";
    ADDRESS_TOO_LONG = "address-too-long", Some(414), "The address is too long",
        "The path with its query is longer than the server takes.",
        "Ask for less at once: fewer or shorter query parameters.";
    HEADERS_TOO_LARGE = "headers-too-large", Some(431), "The headers are too large",
        "The request has more than 100 headers, or its head is larger than 64 KiB.",
        "Send fewer or shorter headers. Cookies and tokens of other servers are of no use here.";
    CROSS_ORIGIN = "cross-origin", Some(403), "A web page of another origin asked for a change",
        "A browser sent the request for a page that is not of this server. The interface knows no passwords, so a page \
         that happens to be open must not be able to change anything.",
        "Call from a program, not from a page. Where a page is meant to call, serve it under the address that the \
         server is given as --public-url.";
    HOST_UNKNOWN = "host-unknown", Some(421), "The server is not this host",
        "The header `Host` names neither this machine nor the server's public address. So can a web page look whose \
         name was made to resolve to this machine.",
        "Call the server by its loopback address. Where a proxy hands the original host on, start the server with that \
         address as --public-url.";
    PATH_UNKNOWN = "path-unknown", Some(404), "There is nothing at this address",
        "No operation has this path.",
        "Compare the path with /openapi.json, which lists every operation of this server. Identifiers in a path \
         are percent-encoded, and there is no slash at the end.";
    METHOD_NOT_ALLOWED = "method-not-allowed", Some(405), "The address does not take this method",
        "The path exists, but not for this HTTP method. The header `Allow` lists the methods it has.",
        "Use one of the methods in `Allow`.";
    REQUEST_TIMEOUT = "request-timeout", Some(408), "The request took too long",
        "The request was not received and answered within the server's time limit, for example because its body came \
         too slowly. A change that was asked for may still be recorded.",
        "Send it again: every operation that changes something may be repeated without doing it twice.";
    BODY_TOO_LARGE = "body-too-large", Some(413), "The body is too large",
        "The request's body is larger than the server takes.",
        "Send less than the limit that `detail` names.";
    ANSWER_TOO_LARGE = "answer-too-large", Some(413), "The answer is too large for NATS",
        "What was asked over NATS has an answer that is larger than the broker lets a message be. It has no body therefore. A \
         change that was asked for is recorded.",
        "Ask the same over HTTP, where a registration is answered again and not done twice, or let the broker take larger messages (its `max_payload`).";
    MEDIA_TYPE_UNSUPPORTED = "media-type-unsupported", Some(415), "The body is in a form that is not understood",
        "The header `Content-Type` or `Content-Encoding` names a form that this operation does not read.",
        "Send `Content-Type: application/json`, and nothing compressed; a program may be published as `application/toml` too.";
    INTERNAL_ERROR = "internal-error", Some(500), "The server failed",
        "Something went wrong within the server. The cause is in its log, under the correlation id of this answer.",
        "Try again once. If it stays, give the operator of the server the `correlationId`.";
    SERVICE_UNAVAILABLE = "service-unavailable", Some(503), "The server can't take this at the moment",
        "The server is starting, stopping, or has stopped taking changes after a failed write.",
        "Try again in a few seconds; /health/ready says what the server is waiting for.";
    POSITION_NOT_REACHED = "position-not-reached", Some(504), "The answer is not that far yet",
        "The request asked for an answer that reflects at least `minStreamSequence` or `minPosition`, and that was not \
         reached within `timeoutMs`, or can't be told for a stream sequence since ingestion has stopped. This does not \
         mean that the event was lost.",
        "Ask again, or with a larger `timeoutMs`. If it stays, compare the sequence with the one at /health/ready: \
         ingestion may be behind or stopped, or the number may be of another stream.";
}
