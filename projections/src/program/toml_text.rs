//! Texts in a TOML source: from a place in the text to its place in the source.

use super::problem::Place;

/// The byte in `source`, a TOML string with its quotes, that the character at `place` of its content is written with.
///
/// Counts quotes, the line break behind an opening `'''`, and escapes. Where the content has no such place, the closing
/// quotes.
pub(super) fn source_offset(source: &str, place: Place) -> usize {
    let Some(quote @ ('"' | '\'')) = source.chars().next() else {
        return 0;
    };
    let triple: String = [quote; 3].iter().collect();
    let is_multiline = source.len() >= 6 && source.starts_with(&triple);
    let mut offset = if is_multiline { 3 } else { 1 };
    if is_multiline {
        offset += match source.as_bytes()[offset..] {
            [b'\r', b'\n', ..] => 2,
            [b'\n', ..] => 1,
            _ => 0,
        };
    }
    let end = source
        .len()
        .saturating_sub(if is_multiline { 3 } else { 1 });
    let mut at = Place { line: 1, column: 1 };
    while offset < end {
        let rest = &source[offset..end];
        let written = if quote == '"' {
            written(rest)
        } else {
            plain(rest)
        };
        if at >= place && written.content.is_some() {
            break;
        }
        offset += written.bytes;
        match written.content {
            Some('\n') => {
                at = Place {
                    line: at.line + 1,
                    column: 1,
                }
            }
            Some(_) => at.column += 1,
            None => {}
        }
    }
    offset.min(end)
}

/// How the first character of a text is written: in how many bytes, and which it is (none for an escaped line break).
struct Written {
    bytes: usize,
    content: Option<char>,
}

fn plain(rest: &str) -> Written {
    match rest.chars().next() {
        Some('\r') if rest[1..].starts_with('\n') => Written {
            bytes: 2,
            content: Some('\n'),
        },
        Some(c) => Written {
            bytes: c.len_utf8(),
            content: Some(c),
        },
        None => Written {
            bytes: 1,
            content: None,
        },
    }
}

fn written(rest: &str) -> Written {
    let Some(escape) = rest.strip_prefix('\\') else {
        return plain(rest);
    };
    let of = |bytes, content| Written {
        bytes,
        content: Some(content),
    };
    match escape.chars().next() {
        Some('n') => of(2, '\n'),
        Some('x') => of(4, 'x'),
        Some('u') => of(6, 'x'),
        Some('U') => of(10, 'x'),
        Some(c) if c.is_whitespace() => Written {
            bytes: 1 + (escape.len() - escape.trim_start().len()),
            content: None,
        },
        Some(c) => of(1 + c.len_utf8(), c),
        None => of(1, '\\'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn character_at(source: &str, line: usize, column: usize) -> &str {
        &source[source_offset(source, Place { line, column })..]
    }

    #[test]
    fn places_are_found_in_every_kind_of_toml_string() {
        assert_eq!(character_at("'a < b'", 1, 3), "< b'");
        assert_eq!(character_at(r#""a < b""#, 1, 5), r#"b""#);
        assert_eq!(character_at(r#""p == \"X\" < 1""#, 1, 10), r#"< 1""#);
        assert_eq!(character_at(r#""\u00e6 < 1""#, 1, 3), r#"< 1""#);
        assert_eq!(character_at("'''\na\n  < b'''", 2, 3), "< b'''");
        assert_eq!(character_at("'''\r\na\r\n< b'''", 2, 1), "< b'''");
        assert_eq!(
            character_at("\"\"\"\na \\\n   < b\"\"\"", 1, 3),
            "< b\"\"\""
        );
        assert_eq!(character_at("'æ < b'", 1, 3), "< b'");
    }

    #[test]
    fn a_place_behind_the_text_is_its_end() {
        assert_eq!(character_at("'ab'", 7, 7), "'");
        assert_eq!(character_at("''", 1, 1), "'");
        assert_eq!(source_offset("7", Place { line: 1, column: 1 }), 0);
    }
}
