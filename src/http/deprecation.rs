//! Operations that have a successor (operations 5 and 6; contract, section 1).

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

/// Since when operations 5 and 6 are deprecated, as a Unix time: 2026-01-01 (RFC 9745).
const DEPRECATED_SINCE: &str = "@1767225600";
static DEPRECATION: HeaderName = HeaderName::from_static("deprecation");

/// Where the order's id stands in the paths of the deprecated operations.
const ORDER_SEGMENT: usize = 4;

/// Says on every response, errors included, that the operation is deprecated and by what it is replaced.
pub async fn deprecated(
    State(public_url): State<Arc<str>>,
    request: Request,
    next: Next,
) -> Response {
    // As it came, with its percent-encoding: fit for an address, whatever it stands for.
    let mut segments = request.uri().path().split('/');
    let order = segments.nth(ORDER_SEGMENT).unwrap_or_default();
    let link = HeaderValue::from_str(&format!(
        "<{public_url}/sales/v1/ticket-distribution-groups/{order}/distribute>; rel=\"successor-version\""
    ));
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(&DEPRECATION, HeaderValue::from_static(DEPRECATED_SINCE));
    if let Ok(link) = link {
        headers.insert(header::LINK, link);
    }
    response
}
