//! Codes about the things that an address names: orders, programs, members, dead letters.

use super::codes;

codes! { RESOURCE_CODES;
    ORDER_UNKNOWN = "order-unknown", Some(404), "The order is not known",
        "No event of this order is in the log as far as the answer reflects it (header `Farelog-Position`). As a \
         reason of a refused registration it stands in `reasons`, and the status is 422.",
        "Check the id. If the order was just published, ask with `minStreamSequence` set to the sequence that \
         JetStream acknowledged; an event that could not be read is listed by `farelog dead-letters list`.";
    TRANSACTION_UNKNOWN = "transaction-unknown", Some(404), "The transaction is not known",
        "No points transaction has this id, as far as the answer reflects the log (header `Farelog-Position`). A transaction \
         that was cancelled keeps its id.",
        "List the transactions of the order with GET /personalisation/v1/transactions?orderId=, or of the member. If the \
         event was just published, ask with `minStreamSequence`.";
    PROGRAM_UNKNOWN = "program-unknown", Some(404), "The program is not known",
        "No program with this id was published.",
        "List the programs with GET /personalisation/v1/programs, or publish this one with PUT.";
    PROGRAM_REFUSED = "program-refused", Some(400), "The program is not valid",
        "The program's document was read but breaks a rule: an expression does not compile or names what does not \
         exist, a reference is used twice, a cap or an expiry needs a period that is not there. `errors` names each \
         place in the document. An event that publishes such a program becomes a dead letter with this reason, and its \
         `detail` says why.",
        "Correct the places that are named and publish again; the version before stays in force.";
    VERSION_MISMATCH = "version-mismatch", Some(412), "The program has another version by now",
        "`If-Match` names a version of the program that is not the current one: somebody published in between.",
        "Read the program again, apply the change to it, and publish with the `ETag` of that answer.";
    MEMBER_UNKNOWN = "member-unknown", Some(404), "The member is not known",
        "The program has no member with this id.",
        "List the program's members, for example with `?customerId=`. A member's id is not the customer's.";
    MEMBER_MERGED = "member-merged", Some(409), "Another membership counts for the customer",
        "The member's customer was merged with another, and of their memberships in the program the other's counts for both. \
         What is recorded of either customer is about that one; `memberId` names it.",
        "Change or end the membership that `memberId` names. The points that this member was given stay, and the customer's \
         status shows both.";
    DEAD_LETTER_UNKNOWN = "dead-letter-unknown", Some(404), "There is no such dead letter",
        "No dead letter has this number. A dead letter's number is the log position at which it was recorded.",
        "List them with `farelog dead-letters list`, or GET /v1/operate/dead-letters?state=all.";
    DEAD_LETTER_SETTLED = "dead-letter-settled", Some(409), "The dead letter is settled already",
        "The dead letter was retried with success, or discarded, before. What was decided stays.",
        "Nothing is left to do. To take a discarded message in after all, publish it again.";
    ERROR_CODE_UNKNOWN = "error-code-unknown", Some(404), "There is no such error code",
        "No page explains this code, since no answer carries it.",
        "GET /docs/errors lists every code.";
}
