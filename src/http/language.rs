//! The language of tickets: `Accepts-Language` (sic) with `nob`, `nno`, `eng`, or the usual `Accept-Language` (contract,
//! section 1).

use axum::http::{HeaderMap, HeaderName, header};
use farelog_events::distribution::Language;

/// The header as the ticket distribution API spells it.
pub static ACCEPTS_LANGUAGE: HeaderName = HeaderName::from_static("accepts-language");

/// The language that the request asks for: by the API's own header first, then by the usual one; `None` where neither
/// names a language that there is.
pub fn of(headers: &HeaderMap) -> Option<Language> {
    preferred(headers, &ACCEPTS_LANGUAGE).or_else(|| preferred(headers, &header::ACCEPT_LANGUAGE))
}

fn preferred(headers: &HeaderMap, name: &HeaderName) -> Option<Language> {
    let mut best: Option<(Language, f32)> = None;
    let ranges = headers
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    for range in ranges {
        let (tag, parameters) = range.split_once(';').unwrap_or((range, ""));
        let weight = weight(parameters);
        let Some(language) = language(tag.trim()).filter(|_| weight > 0.0) else {
            continue;
        };
        // Of equal weights the first counts.
        if best.is_none_or(|(_, heaviest)| weight > heaviest) {
            best = Some((language, weight));
        }
    }
    best.map(|(language, _)| language)
}

/// The weight of a language range (RFC 9110, section 12.4.2): 1 where it does not say, 0 where it is malformed.
fn weight(parameters: &str) -> f32 {
    let Some((_, weight)) = parameters.split_once('=') else {
        return 1.0;
    };
    weight.trim().parse().unwrap_or(0.0)
}

fn language(tag: &str) -> Option<Language> {
    let primary = tag.split('-').next().unwrap_or(tag);
    match primary.to_ascii_lowercase().as_str() {
        "nob" | "nb" | "no" => Some(Language::Nob),
        "nno" | "nn" => Some(Language::Nno),
        "eng" | "en" => Some(Language::Eng),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(values: &[(&HeaderName, &str)]) -> Language {
        let mut headers = HeaderMap::new();
        for (name, value) in values {
            headers.append(*name, value.parse().unwrap());
        }
        of(&headers).unwrap_or_default()
    }

    #[test]
    fn the_header_of_the_api_goes_before_the_usual_one() {
        let usual = &header::ACCEPT_LANGUAGE;
        assert_eq!(asked(&[]), Language::Nob);
        assert_eq!(asked(&[(&ACCEPTS_LANGUAGE, "eng")]), Language::Eng);
        assert_eq!(
            asked(&[(&ACCEPTS_LANGUAGE, "nno"), (usual, "en")]),
            Language::Nno
        );
        assert_eq!(
            asked(&[(&ACCEPTS_LANGUAGE, "swe"), (usual, "en")]),
            Language::Eng
        );
    }

    #[test]
    fn the_usual_header_is_read_by_weight() {
        let usual = &header::ACCEPT_LANGUAGE;
        assert_eq!(asked(&[(usual, "en-GB,en;q=0.9,nb;q=0.8")]), Language::Eng);
        assert_eq!(asked(&[(usual, "sv, en;q=0.3, nn;q=0.7")]), Language::Nno);
        assert_eq!(asked(&[(usual, "en;q=0, *")]), Language::Nob);
        assert_eq!(asked(&[(usual, "en;q=x")]), Language::Nob);
    }
}
