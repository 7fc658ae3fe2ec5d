//! Who calls the ticket distribution API, by its headers (contract, section 1).

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use farelog_events::distribution::Language;

use super::language;
use super::problem::{FieldProblem, Problem};
use crate::errors;

/// Longest point of sale or distribution channel, in bytes.
pub const CALLER_HEADER_BYTES_MAX: usize = 128;

/// The caller of an operation on tickets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// `Entur-Pos`: the point of sale.
    pub pos: Option<String>,
    /// `Entur-Distribution-Channel`: the distribution channel, "DCI".
    pub distribution_channel: Option<String>,
    /// The language that is asked for, if one is.
    pub language: Option<Language>,
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(Self {
            pos: text(&parts.headers, "Entur-Pos")?,
            distribution_channel: text(&parts.headers, "Entur-Distribution-Channel")?,
            language: language::of(&parts.headers),
        })
    }
}

/// What goes into the log is checked; an absent header and an empty one are the same.
fn text(headers: &HeaderMap, name: &str) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(name) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or("\0").trim();
    if text.is_empty() {
        return Ok(None);
    }
    let is_fit = text.len() <= CALLER_HEADER_BYTES_MAX
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() || byte == b' ');
    if is_fit {
        return Ok(Some(text.to_owned()));
    }
    Err(Problem::validation(vec![FieldProblem::new(
        name,
        &errors::FIELD_MALFORMED,
        format!("must be at most {CALLER_HEADER_BYTES_MAX} visible ASCII characters"),
    )]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pos(value: &[u8]) -> Result<Option<String>, Problem> {
        let mut headers = HeaderMap::new();
        let value = axum::http::HeaderValue::from_bytes(value).unwrap();
        headers.insert("entur-pos", value);
        text(&headers, "Entur-Pos")
    }

    #[test]
    fn a_header_that_would_go_into_the_log_is_checked() {
        assert_eq!(pos(b" App ").unwrap().as_deref(), Some("App"));
        assert_eq!(pos(b"").unwrap(), None);
        for unfit in ["Bodø".as_bytes(), b"a\tb", &[b'x'; 129]] {
            assert_eq!(pos(unfit).unwrap_err().errors()[0].field, "Entur-Pos");
        }
        assert_eq!(text(&HeaderMap::new(), "Entur-Pos").unwrap(), None);
    }
}
