//! `If-Match` and `If-None-Match` (RFC 9110, sections 13.1.1 and 13.1.2): what a program's version must be, so that two
//! people don't undo each other's publications, and must not be, so that what a caller has is not sent again.

use std::fmt;

use axum::http::{HeaderMap, HeaderName, header};
use farelog_events::id::ProgramId;

use super::problem::Problem;
use crate::errors;

/// The entity tag of a program as it is shown, without its quotation marks: `3`, or `3-5f1d0c2a9e7b4d10`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VersionTag {
    /// The version, which is all that a publication is held to.
    pub version: u32,
    /// What is shown of the version, where that is not the version's alone: another farelog may see other problems in it.
    pub digest: Option<u64>,
}

impl fmt::Display for VersionTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.version.fmt(f)?;
        self.digest
            .map_or(Ok(()), |digest| write!(f, "-{digest:016x}"))
    }
}

/// What a request demands of a program's version.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Preconditions {
    /// One of these is the current version.
    one_of: Option<Tags>,
    /// None of these is.
    none_of: Option<Tags>,
}

/// Entity tags as a header names them.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Tags {
    /// `*`: any that there is.
    Any,
    /// Named ones, without quotation marks; also such as nothing ever had.
    Named(Vec<String>),
}

impl Preconditions {
    /// What a request demands that is to change something.
    ///
    /// # Errors
    /// A header is no list of entity tags.
    pub fn of_change(headers: &HeaderMap) -> Result<Self, Problem> {
        Ok(Self {
            one_of: Tags::of(headers, &header::IF_MATCH, "If-Match", strong)?,
            none_of: Tags::of(headers, &header::IF_NONE_MATCH, "If-None-Match", weak)?,
        })
    }

    /// What a request demands that is to read something. Its `If-None-Match` only spares it an answer that it has, so
    /// where that is no list of tags the answer is given.
    ///
    /// # Errors
    /// `If-Match` is no list of entity tags.
    pub fn of_reading(headers: &HeaderMap) -> Result<Self, Problem> {
        let none_of = Tags::of(headers, &header::IF_NONE_MATCH, "If-None-Match", weak);
        Ok(Self {
            one_of: Tags::of(headers, &header::IF_MATCH, "If-Match", strong)?,
            none_of: none_of.unwrap_or_default(),
        })
    }

    /// Checks what is to be changed.
    ///
    /// # Errors
    /// 412 `version-mismatch`.
    pub fn check(&self, program: ProgramId, current: Option<u32>) -> Result<(), Problem> {
        self.check_wanted(program, current)?;
        match &self.none_of {
            Some(tags) if tags.name(current) => {
                Err(mismatch(program, current, "what If-None-Match allows"))
            }
            _ => Ok(()),
        }
    }

    /// Checks `If-Match`, which counts for who reads too.
    fn check_wanted(&self, program: ProgramId, current: Option<u32>) -> Result<(), Problem> {
        match &self.one_of {
            Some(tags) if !tags.name(current) => {
                Err(mismatch(program, current, "what If-Match names"))
            }
            _ => Ok(()),
        }
    }

    /// Looks whether a reader has what stands now, by its own word.
    ///
    /// # Errors
    /// 412 `version-mismatch`, where it wants another version by `If-Match`.
    pub fn check_reader(&self, program: ProgramId, current: VersionTag) -> Result<bool, Problem> {
        self.check_wanted(program, Some(current.version))?;
        Ok(match &self.none_of {
            None => false,
            Some(Tags::Any) => true,
            Some(Tags::Named(tags)) => tags.contains(&current.to_string()),
        })
    }
}

fn mismatch(program: ProgramId, current: Option<u32>, header: &str) -> Problem {
    let stands = current.map_or("was never published".to_owned(), |version| {
        format!("is in version {version}")
    });
    Problem::new(
        &errors::VERSION_MISMATCH,
        format!("Program {program} {stands}, which is not {header}."),
    )
}

impl Tags {
    /// Whether they name the version that stands now, if there is one.
    fn name(&self, current: Option<u32>) -> bool {
        current.is_some_and(|version| match self {
            Self::Any => true,
            Self::Named(tags) => tags.iter().any(|tag| is_of(tag, version)),
        })
    }

    fn of(
        headers: &HeaderMap,
        header: &HeaderName,
        name: &str,
        opaque: impl Fn(&str) -> Option<&str>,
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
        let tags = tags.into_iter().filter_map(opaque);
        Ok(Some(Self::Named(tags.map(str::to_owned).collect())))
    }
}

/// What stands within a tag's quotation marks. Where something is to be changed the comparison is a strong one, and a weak
/// tag is of no version.
fn strong(tag: &str) -> Option<&str> {
    tag.strip_prefix('"')?.strip_suffix('"')
}

fn weak(tag: &str) -> Option<&str> {
    strong(tag.strip_prefix("W/").unwrap_or(tag))
}

/// Whether a tag is of a version, whatever was shown of that.
fn is_of(tag: &str, version: u32) -> bool {
    let named = tag.split_once('-').map_or(tag, |(version, _)| version);
    named == version.to_string()
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
            Preconditions::of_change(&headers)
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
            Preconditions::of_change(&HeaderMap::new()).unwrap(),
            Preconditions::default()
        );
    }

    // A weak tag and one that no version ever had were once a 400: as if the caller had misspelt the header.
    #[test]
    fn a_tag_that_can_not_match_is_a_mismatch_and_no_mistake() {
        let id = "7".parse().unwrap();
        for tags in [
            "W/\"3\"",
            "\"abc\"",
            "\"\"",
            "\"3,4\"",
            "\"99999999999\"",
            "\"+3\"",
            "\"03\"",
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_MATCH, tags.parse().unwrap());
            let refused = Preconditions::of_change(&headers)
                .unwrap()
                .check(id, Some(3));
            assert_eq!(refused.unwrap_err().code(), &errors::VERSION_MISMATCH);
            headers.append(header::IF_MATCH, "\"3\"".parse().unwrap());
            assert!(
                Preconditions::of_change(&headers)
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
            Preconditions::of_change(&headers).unwrap()
        };
        assert!(of("*").check(id, None).is_ok());
        assert!(of("*").check(id, Some(1)).is_err());
        assert!(of("\"3\"").check(id, Some(4)).is_ok());
        assert!(of("\"3\"").check(id, Some(3)).is_err());
    }

    // What was shown of a version that gives nothing was once the same to a reader as what was shown of it by a farelog that
    // saw other problems in it, or none.
    #[test]
    fn a_reader_has_what_is_shown_and_not_only_the_version() {
        let id = "7".parse().unwrap();
        let has = |value: &str, digest| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, value.parse().unwrap());
            let known = Preconditions::of_reading(&headers).unwrap();
            let version = 3;
            known
                .check_reader(id, VersionTag { version, digest })
                .unwrap()
        };
        let tag = |digest| format!("\"{}\"", VersionTag { version: 3, digest });
        assert_eq!(tag(None), "\"3\"");
        for shown in [None, Some(1), Some(2)] {
            for known in [None, Some(1), Some(2)] {
                assert_eq!(has(&tag(known), shown), known == shown);
            }
            let of_program = Preconditions {
                one_of: Some(Tags::Named(vec![tag(shown).trim_matches('"').to_owned()])),
                none_of: None,
            };
            assert!(of_program.check(id, Some(3)).is_ok(), "it is the version");
            assert!(of_program.check(id, Some(4)).is_err());
        }
        assert!(has("W/\"3\"", None));
        assert!(has("*", Some(1)));
        assert!(!has("\"2\"", None));
    }

    // It was once refused, though a client that has nothing is only spared nothing.
    #[test]
    fn a_reader_whose_tags_can_not_be_read_is_answered() {
        let current = VersionTag {
            version: 3,
            digest: None,
        };
        let id = "7".parse().unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_NONE_MATCH, "3".parse().unwrap());
        let known = Preconditions::of_reading(&headers).unwrap();
        assert!(!known.check_reader(id, current).unwrap());
        assert!(Preconditions::of_change(&headers).is_err());
        headers.insert(header::IF_MATCH, "\"2\"".parse().unwrap());
        let known = Preconditions::of_reading(&headers).unwrap();
        let refused = known.check_reader(id, current).unwrap_err();
        assert_eq!(refused.code(), &errors::VERSION_MISMATCH);
    }
}
