//! The data of `ProgramPublished` (domain, section 1).

use serde::Deserialize;
use serde_json::value::RawValue;

/// The program's document in the data: the data itself, or what stands under `program`.
///
/// The domain says "program, whole", which publishers read either way. No document has a field of that name, so the two
/// can't be confused.
pub fn document(data: &str) -> &str {
    #[derive(Deserialize)]
    struct Wrapped<'d> {
        #[serde(borrow)]
        program: &'d RawValue,
    }
    serde_json::from_str::<Wrapped<'_>>(data).map_or(data, |wrapped| wrapped.program.get())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_stands_in_the_data_as_it_is_or_under_its_name() {
        for data in [r#"{"id": 7}"#, r#"{"program": {"id": 7}}"#] {
            assert_eq!(document(data), r#"{"id": 7}"#);
        }
    }
}
