//! Pieces of JSON, written by hand: what is written for each event takes serde several times as long, field by field.

use serde::Serialize;
use serde_json::{Error, to_writer};

/// Appends what stands before a number, and the number.
pub fn put_number<N: Serialize>(out: &mut Vec<u8>, before: &[u8], number: N) -> Result<(), Error> {
    out.extend(before);
    to_writer(out, &number)
}

/// Appends a text, which nearly never has anything to be escaped.
pub fn put_text(out: &mut Vec<u8>, text: &str) -> Result<(), Error> {
    let is_plain = |byte: u8| byte >= b' ' && byte != b'"' && byte != b'\\';
    if !text.bytes().all(is_plain) {
        return to_writer(out, text);
    }
    out.push(b'"');
    out.extend(text.as_bytes());
    out.push(b'"');
    Ok(())
}
