//! The pages of the catalogue, as HTML.

use std::fmt::Write as _;

use super::{ErrorCode, all};

const STYLE: &str = "body{font:1rem/1.5 system-ui,sans-serif;max-width:42rem;margin:3rem auto;padding:0 1rem}\
    code{background:#eee;padding:0 .2em}dt{margin-top:1em}";

/// The page that explains a code.
pub fn html(code: &ErrorCode) -> String {
    let status = match code.status {
        Some(status) => format!("HTTP status {status}."),
        None => "This code stands within an answer, beside others.".to_owned(),
    };
    document(
        code.code,
        &format!(
            "<h1><code>{}</code></h1>\n<p><strong>{}.</strong> {status}</p>\n<h2>What happened</h2>\n<p>{}</p>\n\
             <h2>What to do</h2>\n<p>{}</p>\n<p><a href=\"../errors\">All error codes</a></p>\n",
            code.code,
            marked_up(code.title),
            marked_up(code.meaning),
            marked_up(code.remedy),
        ),
    )
}

/// The list of all codes, each with a link to its page.
pub fn index_html() -> String {
    let mut list = String::from("<h1>Error codes</h1>\n<dl>\n");
    for code in all() {
        let status = code
            .status
            .map_or_else(String::new, |status| format!(" ({status})"));
        // Writing to a String can't fail.
        let _ = writeln!(
            list,
            "<dt><a href=\"errors/{0}\"><code>{0}</code></a>{status}</dt><dd>{1}.</dd>",
            code.code,
            marked_up(code.title),
        );
    }
    list.push_str("</dl>\n");
    document("Error codes", &list)
}

fn document(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{title} - farelog</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
    )
}

/// Text as HTML; what stands between backticks is code.
fn marked_up(text: &str) -> String {
    let mut html = String::with_capacity(text.len() + 32);
    let mut in_code = false;
    for character in text.chars() {
        match character {
            '`' => {
                html.push_str(if in_code { "</code>" } else { "<code>" });
                in_code = !in_code;
            }
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '&' => html.push_str("&amp;"),
            other => html.push(other),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_escaped_and_marks_code() {
        let page = html(&ErrorCode {
            code: "any",
            status: Some(400),
            title: "Any",
            meaning: "The header `Name: <one>` is missing.",
            remedy: "Ask A & B.",
        });
        assert!(page.contains("<code>Name: &lt;one&gt;</code>"));
        assert!(page.contains("A &amp; B"));
        assert!(page.contains("HTTP status 400."));
    }

    #[test]
    fn code_marks_are_closed_on_every_page() {
        for code in all() {
            let page = html(code);
            assert_eq!(
                page.matches("<code>").count(),
                page.matches("</code>").count(),
                "{}",
                code.code
            );
            assert!(index_html().contains(&format!("\"errors/{}\"", code.code)));
        }
    }
}
