//! Protection of a server without passwords from web pages that a person on this machine has open.
//!
//! A browser sends requests to a loopback address for any page. Two ways in are shut: a page of another origin can't
//! change anything (its requests say where they come from), and a page whose name was made to resolve to this
//! machine can't read anything (its requests name that host).

use axum::extract::Request;
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse, Response};
use tower_http::csrf::{CsrfLayer, ProtectionError};

use super::problem::Problem;
use super::state::Server;
use crate::errors;
use crate::this_machine::is_this_machine;

/// How a refusal of the layer below is answered.
type Refuse = fn(ProtectionError) -> Response;

/// The layer that refuses changes that a page of another origin asks for.
/// A page of the server's public address is none of another origin. Where the address is none that a browser could
/// name, no page is.
pub fn same_origin(public_url: &str) -> CsrfLayer<Refuse> {
    let trusted = origin(public_url).map(|origin| CsrfLayer::new().add_trusted_origin(origin));
    let layer = trusted.and_then(Result::ok).unwrap_or_default();
    layer.with_rejection_response(refuse as Refuse)
}

fn refuse(_: ProtectionError) -> Response {
    Problem::new(
        &errors::CROSS_ORIGIN,
        "A web page of another origin may not change anything here.",
    )
    .into_response()
}

/// Refuses a request to a host that this server is not, or to two (RFC 9112, section 3.2): a proxy may have gone by the other.
pub fn known_host(request: &Request, server: &Server) -> Result<(), Problem> {
    if request.headers().get_all(header::HOST).iter().count() > 1 {
        return Err(Problem::new(
            &errors::REQUEST_UNREADABLE,
            "The request has more than one header Host.",
        ));
    }
    if is_known(request.uri(), request.headers(), server.public_host()) {
        return Ok(());
    }
    Err(Problem::new(
        &errors::HOST_UNKNOWN,
        "The request names a host that this server does not serve.",
    ))
}

/// The host of the server's public address, if it has one.
pub fn public_host(public_url: &str) -> Option<String> {
    let uri: Uri = public_url.parse().ok()?;
    uri.host().map(str::to_owned)
}

/// Scheme and host of an address.
fn origin(public_url: &str) -> Option<String> {
    let uri: Uri = public_url.parse().ok()?;
    Some(format!("{}://{}", uri.scheme_str()?, uri.authority()?))
}

fn is_known(uri: &Uri, headers: &HeaderMap, public_host: Option<&str>) -> bool {
    let named = match (uri.host(), headers.get(header::HOST)) {
        (Some(host), _) => host,
        (None, Some(host)) => match host.to_str() {
            Ok(host) => without_port(host),
            Err(_) => return false,
        },
        // Only what is no browser leaves it out.
        (None, None) => return true,
    };
    is_this_machine(named) || public_host.is_some_and(|public| public.eq_ignore_ascii_case(named))
}

/// The host of the header of that name. What is none stays what it is, and so is no host that is known.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(host: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        let path = Uri::from_static("/v1/orders/o/timeline");
        let public = public_host("https://points.example.com/farelog");
        is_known(&path, &headers, public.as_deref())
    }

    #[test]
    fn a_host_is_this_machine_or_the_public_one() {
        for host in [
            "localhost:8080",
            "LOCALHOST",
            "127.0.0.1:8080",
            "[::1]:8080",
            "points.example.com",
        ] {
            assert!(known(host), "{host}");
        }
        for host in [
            "attacker.example",
            "127.0.0.1.nip.io:8080",
            "localhost.attacker.example",
            "localhost@attacker.example:80",
            "attacker@localhost",
            "localhost:80:80",
            "a b",
            "",
        ] {
            assert!(!known(host), "{host}");
        }
        let path = Uri::from_static("/health/live");
        assert!(is_known(&path, &HeaderMap::new(), None));
    }

    #[test]
    fn a_public_address_may_have_a_path() {
        assert_eq!(
            origin("https://points.example.com/farelog").as_deref(),
            Some("https://points.example.com")
        );
        assert_eq!(origin(""), None);
    }
}
