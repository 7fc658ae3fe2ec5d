//! The address that others know the server by.

use std::str::FromStr;

use axum::http::Uri;
use serde::Deserialize;

/// An `http` or `https` address without a query, kept without a slash at the end.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "String")]
pub struct PublicUrl(String);

impl PublicUrl {
    /// The address; empty where none is set.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PublicUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let uri: Option<Uri> = text.parse().ok();
        let fits = uri.is_some_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https"))
                && uri
                    .host()
                    .is_some_and(|host| host.is_ascii() && !host.is_empty())
                && uri.query().is_none()
                && !text.contains('@')
        });
        if fits {
            Ok(Self(text.trim_end_matches('/').to_owned()))
        } else {
            Err("write it as an address like https://points.example.com/farelog".to_owned())
        }
    }
}

impl TryFrom<String> for PublicUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_absolute_and_has_no_query() {
        let of = |text: &str| text.parse::<PublicUrl>();
        assert_eq!(
            of("https://a.example/x/").unwrap().as_str(),
            "https://a.example/x"
        );
        for unfit in [
            "a.example",
            "ftp://a.example",
            "https://",
            "https://a.example?x",
            "/x",
            "https://u@a.example",
        ] {
            assert!(of(unfit).is_err(), "{unfit}");
        }
    }
}
