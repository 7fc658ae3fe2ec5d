//! `If-Match` (RFC 9110, section 13.1.1): what a program's version must be, so that two people don't undo each other's
//! publications.

use axum::http::{HeaderMap, header};
use farelog_events::id::ProgramId;

use super::problem::Problem;
use crate::errors;

/// The version that must be current, as `If-Match` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// Whatever there is.
    Anything,
    /// `*`: any version, but one.
    Some,
    /// One of these.
    OneOf(Vec<u32>),
}

impl Expected {
    /// Reads `If-Match`; without one, anything is expected.
    ///
    /// # Errors
    /// 400 for what is no list of entity tags.
    pub fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let mut values = headers.get_all(header::IF_MATCH).iter().peekable();
        if values.peek().is_none() {
            return Ok(Self::Anything);
        }
        let text = values
            .map(|value| value.to_str().unwrap_or_default())
            .collect::<Vec<_>>()
            .join(",");
        let text = text.trim();
        if text == "*" {
            return Ok(Self::Some);
        }
        let versions = entity_tags(text).map(|tags| {
            // The comparison is a strong one: a weak tag, or one that was never given out, is of no version.
            let strong = tags.into_iter().filter_map(|tag| tag.strip_prefix('"'));
            strong
                .filter_map(|tag| tag.strip_suffix('"'))
                .filter_map(|tag| tag.parse().ok())
                .collect()
        });
        versions.map(Self::OneOf).ok_or_else(|| {
            Problem::field(
                "If-Match",
                &errors::FIELD_MALFORMED,
                "must be a version in quotation marks, like \"3\", or *",
            )
        })
    }

    /// Compares it with the version that there is.
    ///
    /// # Errors
    /// 412 where it is another.
    pub fn check(&self, program: ProgramId, current: Option<u32>) -> Result<(), Problem> {
        let fits = match self {
            Self::Anything => true,
            Self::Some => current.is_some(),
            Self::OneOf(versions) => current.is_some_and(|current| versions.contains(&current)),
        };
        if fits {
            return Ok(());
        }
        let stands = current.map_or("was never published".to_owned(), |version| {
            format!("is in version {version}")
        });
        Err(Problem::new(
            &errors::VERSION_MISMATCH,
            format!("Program {program} {stands}, which is not what If-Match names."),
        ))
    }
}

/// The entity tags of a list, weak ones with their `W/`; `None` where it is no such list. A tag may hold a comma.
fn entity_tags(list: &str) -> Option<Vec<&str>> {
    let mut tags = Vec::new();
    let mut rest = list.trim_matches([' ', '\t', ',']);
    while !rest.is_empty() {
        let opening = if rest.starts_with("W/") { 2 } else { 0 };
        let tag = rest[opening..].strip_prefix('"')?;
        let end = opening + 1 + tag.find('"')? + 1;
        let (tag, behind) = rest.split_at(end);
        tags.push(tag);
        let behind = behind.trim_start_matches([' ', '\t']);
        if !behind.is_empty() && !behind.starts_with(',') {
            return None;
        }
        rest = behind.trim_start_matches([' ', '\t', ',']);
    }
    (!tags.is_empty()).then_some(tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn if_match_names_versions() {
        let of = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_MATCH, value.parse().unwrap());
            Expected::of(&headers)
        };
        let id = "7".parse().unwrap();
        assert!(of("\"3\"").unwrap().check(id, Some(3)).is_ok());
        assert!(of("\"3\"").unwrap().check(id, Some(4)).is_err());
        assert!(of("\"3\", \"4\"").unwrap().check(id, Some(4)).is_ok());
        assert!(of("\"3\"").unwrap().check(id, None).is_err());
        assert!(of("*").unwrap().check(id, Some(1)).is_ok());
        assert!(of("*").unwrap().check(id, None).is_err());
        for no_list in ["3", "", ",", "\"3", "\"3\" \"4\"", "*, \"3\"", "w/\"3\""] {
            assert!(of(no_list).is_err(), "{no_list}");
        }
        assert_eq!(Expected::of(&HeaderMap::new()).unwrap(), Expected::Anything);
    }

    // A weak tag and one that no version ever had were once a 400: as if the caller had misspelt the header.
    #[test]
    fn a_tag_that_can_not_match_is_a_mismatch_and_no_mistake() {
        let id = "7".parse().unwrap();
        for tags in ["W/\"3\"", "\"abc\"", "\"\"", "\"3,4\"", "\"99999999999\""] {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_MATCH, tags.parse().unwrap());
            let refused = Expected::of(&headers).unwrap().check(id, Some(3));
            assert_eq!(refused.unwrap_err().code(), &errors::VERSION_MISMATCH);
            headers.append(header::IF_MATCH, "\"3\"".parse().unwrap());
            assert!(Expected::of(&headers).unwrap().check(id, Some(3)).is_ok());
        }
    }
}
