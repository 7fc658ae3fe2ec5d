//! The name that a caller gives itself (contract, section 1).
//!
//! Nothing depends on it: it stands in the log lines of the request, so that whoever reads them knows whom to ask.

use axum::http::{HeaderMap, HeaderName};

/// The header in which a caller names itself, `<company>-<application>`.
pub static ET_CLIENT_NAME: HeaderName = HeaderName::from_static("et-client-name");

/// Longest name of a caller that is taken for one, in bytes.
pub const CLIENT_NAME_BYTES_MAX: usize = 128;

/// The name that the caller gives itself. One that is not of the form `<company>-<application>`, is too long, or has
/// characters that could forge a log line, is none.
pub fn client_name(headers: &HeaderMap) -> Option<&str> {
    let name = headers.get(&ET_CLIENT_NAME)?.to_str().ok()?.trim();
    let (company, application) = name.split_once('-')?;
    let is_fit = name.len() <= CLIENT_NAME_BYTES_MAX
        && !company.is_empty()
        && !application.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_graphic() || byte == b' ');
    is_fit.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: &[u8]) -> Option<String> {
        let mut headers = HeaderMap::new();
        let value = axum::http::HeaderValue::from_bytes(value).unwrap();
        headers.insert(&ET_CLIENT_NAME, value);
        client_name(&headers).map(str::to_owned)
    }

    #[test]
    fn a_name_has_a_company_and_an_application() {
        assert_eq!(
            of(b" acme-ticket shop ").as_deref(),
            Some("acme-ticket shop")
        );
        for unfit in [&b""[..], b"acme", b"-shop", b"acme-"] {
            assert_eq!(of(unfit), None, "{unfit:?}");
        }
    }

    #[test]
    fn what_is_not_fit_for_a_log_line_is_no_name() {
        let long = [b"a-".as_slice(), &[b'b'; CLIENT_NAME_BYTES_MAX]].concat();
        for unfit in [b"acme-\tshop".as_slice(), "acme-b\u{e5}t".as_bytes(), &long] {
            assert_eq!(of(unfit), None, "{unfit:?}");
        }
        assert_eq!(client_name(&HeaderMap::new()), None);
    }
}
