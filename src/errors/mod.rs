//! The catalogue of error codes: every code that an interface can answer with, and what its page says.
//!
//! A code is a value of type [`ErrorCode`], not a text, so that an error can't be answered without the page behind
//! it: a problem is built from `&errors::ORDER_UNKNOWN`, and `/docs/errors/order-unknown` explains that value.

mod dead_letter;
mod distribution;
mod field;
mod operation;
mod page;
mod program;
mod registration;
mod request;
mod resource;

pub use dead_letter::*;
pub use distribution::*;
pub use field::*;
pub use operation::*;
pub use page::{html, index_html};
pub use program::*;
pub use registration::*;
pub use request::*;
pub use resource::*;

/// A code, with what a person needs to know who meets it.
#[derive(Debug, PartialEq, Eq)]
pub struct ErrorCode {
    /// The code as it stands in answers, for example `order-unknown`. It never changes and is never used again.
    pub code: &'static str,
    /// The HTTP status of an answer with this code; `None` for a code that only stands within an answer: a reason, or
    /// what is wrong with a field.
    pub status: Option<u16>,
    /// A few words, the same for every occurrence.
    pub title: &'static str,
    /// What happened.
    pub meaning: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

/// Declares codes as statics, and a table of them.
macro_rules! codes {
    ($table:ident; $($name:ident = $code:literal, $status:expr, $title:literal, $meaning:literal, $remedy:literal;)+) => {
        $(
            #[doc = concat!($title, " (`", $code, "`).")]
            pub static $name: $crate::errors::ErrorCode = $crate::errors::ErrorCode {
                code: $code,
                status: $status,
                title: $title,
                meaning: $meaning,
                remedy: $remedy,
            };
        )+
        /// The codes of this part of the catalogue.
        pub static $table: &[&$crate::errors::ErrorCode] = &[$(&$name,)+];
    };
}
use codes;

/// Every code.
pub fn all() -> impl Iterator<Item = &'static ErrorCode> {
    [
        REQUEST_CODES,
        FIELD_CODES,
        RESOURCE_CODES,
        REGISTRATION_CODES,
        DISTRIBUTION_CODES,
        PROGRAM_CODES,
        OPERATION_CODES,
        DEAD_LETTER_CODES,
    ]
    .into_iter()
    .flatten()
    .copied()
}

/// The code that is written like this.
pub fn find(code: &str) -> Option<&'static ErrorCode> {
    all().find(|known| known.code == code)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_code_is_unique_and_fit_for_an_address() {
        let mut seen = HashSet::new();
        for code in all() {
            assert!(seen.insert(code.code), "{} stands twice", code.code);
            assert!(
                code.code
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'),
                "{}",
                code.code
            );
        }
    }

    #[test]
    fn a_page_says_in_sentences_what_happened_and_what_to_do() {
        for code in all() {
            assert!(!code.title.ends_with('.'), "{}", code.code);
            for text in [code.meaning, code.remedy] {
                assert!(text.len() > 15 && text.ends_with('.'), "{}", code.code);
            }
            if let Some(status) = code.status {
                assert!((400..600).contains(&status), "{}", code.code);
            }
        }
    }
}
