//! `If-Match` and `If-None-Match` (RFC 9110, sections 13.1.1 and 13.1.2): what a program's version must be, so that two
//! people don't undo each other's publications, and must not be, so that what a caller has is not sent again.

use axum::http::{HeaderMap, HeaderName, header};
use farelog_events::id::ProgramId;

use super::problem::Problem;
use crate::errors;

/// What a request demands of a program's version.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Preconditions {
    /// One of these is the current version.
    one_of: Option<Versions>,
    /// None of these is.
    none_of: Option<Versions>,
}

/// Versions as a header names them.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Versions {
    /// `*`: any that there is.
    Any,
    /// Named ones; numbers that no version has are of none.
    Named(Vec<u32>),
}

impl Preconditions {
    /// What a request demands.
    ///
    /// # Errors
    /// A header is no list of entity tags.
    pub fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        // The comparison is a strong one where something is to be changed: a weak tag is of no version.
        let strong = |tag: &str| version(tag);
        let weak = |tag: &str| version(tag.strip_prefix("W/").unwrap_or(tag));
        Ok(Self {
            one_of: Versions::of(headers, &header::IF_MATCH, "If-Match", strong)?,
            none_of: Versions::of(headers, &header::IF_NONE_MATCH, "If-None-Match", weak)?,
        })
    }

    /// Checks what is to be changed.
    ///
    /// # Errors
    /// 412 `version-mismatch`.
    pub fn check(&self, program: ProgramId, current: Option<u32>) -> Result<(), Problem> {
        let names = |versions: &Versions| versions.name(current);
        let header = if !self.one_of.as_ref().is_none_or(names) {
            "what If-Match names"
        } else if self.none_of.as_ref().is_some_and(names) {
            "what If-None-Match allows"
        } else {
            return Ok(());
        };
        let stands = current.map_or("was never published".to_owned(), |version| {
            format!("is in version {version}")
        });
        Err(Problem::new(
            &errors::VERSION_MISMATCH,
            format!("Program {program} {stands}, which is not {header}."),
        ))
    }

    /// Whether a reader has the current version, by its own word.
    pub fn has(&self, current: u32) -> bool {
        self.none_of
            .as_ref()
            .is_some_and(|versions| versions.name(Some(current)))
    }
}

impl Versions {
    fn of(
        headers: &HeaderMap,
        header: &HeaderName,
        name: &str,
        version: impl Fn(&str) -> Option<u32>,
    ) -> Result<Option<Self>, Problem> {
        let mut values = headers.get_all(header).iter().peekable();
        if values.peek().is_none() {
            return Ok(None);
        }
        let text = values
            .map(|value| value.to_str().unwrap_or_default())
            .collect::<Vec<_>>()
            .join(",");
        let text = text.trim();
        if text == "*" {
            return Ok(Some(Self::Any));
        }
        let tags = entity_tags(text).ok_or_else(|| {
            Problem::field(
                name,
                &errors::FIELD_MALFORMED,
                "must be a version in quotation marks, like \"3\", or *",
            )
        })?;
        let versions = tags.into_iter().filter_map(version).collect();
        Ok(Some(Self::Named(versions)))
    }

    fn name(&self, current: Option<u32>) -> bool {
        match self {
            Self::Any => current.is_some(),
            Self::Named(versions) => current.is_some_and(|current| versions.contains(&current)),
        }
    }
}

/// The version that a strong entity tag is of.
fn version(tag: &str) -> Option<u32> {
    tag.strip_prefix('"')?.strip_suffix('"')?.parse().ok()
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
            Preconditions::of(&headers)
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
        assert_eq!(
            Preconditions::of(&HeaderMap::new()).unwrap(),
            Preconditions::default()
        );
    }

    // A weak tag and one that no version ever had were once a 400: as if the caller had misspelt the header.
    #[test]
    fn a_tag_that_can_not_match_is_a_mismatch_and_no_mistake() {
        let id = "7".parse().unwrap();
        for tags in ["W/\"3\"", "\"abc\"", "\"\"", "\"3,4\"", "\"99999999999\""] {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_MATCH, tags.parse().unwrap());
            let refused = Preconditions::of(&headers).unwrap().check(id, Some(3));
            assert_eq!(refused.unwrap_err().code(), &errors::VERSION_MISMATCH);
            headers.append(header::IF_MATCH, "\"3\"".parse().unwrap());
            assert!(
                Preconditions::of(&headers)
                    .unwrap()
                    .check(id, Some(3))
                    .is_ok()
            );
        }
    }

    #[test]
    fn if_none_match_names_what_must_not_be_and_what_a_reader_has() {
        let id = "7".parse().unwrap();
        let of = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, value.parse().unwrap());
            Preconditions::of(&headers).unwrap()
        };
        assert!(of("*").check(id, None).is_ok());
        assert!(of("*").check(id, Some(1)).is_err());
        assert!(of("\"3\"").check(id, Some(4)).is_ok());
        assert!(of("\"3\"").check(id, Some(3)).is_err());
        assert!(of("W/\"3\"").has(3));
        assert!(of("*").has(3));
        assert!(!of("\"2\"").has(3));
        assert!(!Preconditions::default().has(3));
    }
}
