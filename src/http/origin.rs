//! Protection of a server without passwords from web pages that a person on this machine has open.
//!
//! A browser sends requests to a loopback address for any page. Two ways in are shut: a page of another origin can't
//! change anything (its requests say where they come from), and a page whose name was made to resolve to this
//! machine can't read anything (its requests name that host).

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse, Response};
use tower_http::csrf::{CsrfLayer, ProtectionError};

use super::problem::Problem;
use crate::errors;

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

/// Refuses a request to a host that this server is not.
pub fn known_host(request: &Request, public_url: &str) -> Result<(), Problem> {
    if is_known(request.uri(), request.headers(), public_url) {
        return Ok(());
    }
    Err(Problem::new(
        &errors::HOST_UNKNOWN,
        "The request names a host that this server does not serve.",
    ))
}

/// Scheme and host of an address.
fn origin(public_url: &str) -> Option<String> {
    let uri: Uri = public_url.parse().ok()?;
    Some(format!("{}://{}", uri.scheme_str()?, uri.authority()?))
}

fn is_known(uri: &Uri, headers: &HeaderMap, public_url: &str) -> bool {
    let named = match (uri.authority(), headers.get(header::HOST)) {
        (Some(authority), _) => Some(authority.clone()),
        (None, Some(host)) => match Authority::try_from(host.as_bytes()) {
            Ok(authority) => Some(authority),
            Err(_) => return false,
        },
        // Only what is no browser leaves it out.
        (None, None) => None,
    };
    let Some(named) = named else {
        return true;
    };
    let host = named.host();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let is_local = host.eq_ignore_ascii_case("localhost")
        || address
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback());
    let public: Option<Uri> = public_url.parse().ok();
    let is_public = public
        .as_ref()
        .and_then(Uri::host)
        .is_some_and(|public| public.eq_ignore_ascii_case(host));
    is_local || is_public
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(host: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        let path = Uri::from_static("/v1/orders/o/timeline");
        is_known(&path, &headers, "https://points.example.com/farelog")
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
            "a b",
        ] {
            assert!(!known(host), "{host}");
        }
        let path = Uri::from_static("/health/live");
        assert!(is_known(&path, &HeaderMap::new(), ""));
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
