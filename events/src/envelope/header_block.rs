//! The headers of a message as they go over the wire: a version line, and a line for each header.
//!
//! What can be read is what the NATS client can read, so that a message is the same whether it was delivered or asked for.

/// What every block begins with.
const VERSION: &str = "NATS/1.0";
/// The one status that says nothing.
const STATUS_OK: &str = "200";

/// The headers of a block, in its order.
///
/// # Errors
/// A sentence that says why it can't be read.
pub(crate) fn parse(block: &[u8]) -> Result<Vec<(String, String)>, String> {
    let text = std::str::from_utf8(block).map_err(|error| {
        let place = error.valid_up_to();
        format!("the headers are not UTF-8 text: byte {place} is wrong")
    })?;
    let mut lines = text.lines().zip(0_usize..);
    let begin = lines
        .next()
        .and_then(|(line, _)| line.strip_prefix(VERSION));
    let Some(status) = begin else {
        return Err(format!("the headers do not begin with {VERSION}"));
    };
    if let Some(status) = status.split_whitespace().next()
        && status != STATUS_OK
    {
        let shown: String = status.chars().take(64).collect();
        return Err(format!(
            "the headers begin with the status {shown}, which only the broker gives"
        ));
    }
    let mut headers: Vec<(String, String)> = Vec::new();
    // Whether a line that begins with a space goes on with the header before it.
    let mut may_go_on = false;
    for (line, number) in lines {
        if may_go_on
            && line.starts_with(char::is_whitespace)
            && let Some((_, value)) = headers.last_mut()
        {
            value.push_str(line);
            continue;
        }
        may_go_on = !line.is_empty();
        if line.is_empty() {
            continue;
        }
        let Some((name, value)) = line.split_once(':') else {
            return Err(format!("header line {number} has no colon"));
        };
        if !name.chars().all(|c| c.is_ascii_graphic()) {
            return Err(format!(
                "the name in header line {number} has characters other than visible ASCII ones"
            ));
        }
        headers.push((name.to_owned(), value.trim_start().to_owned()));
    }
    for (_, value) in &mut headers {
        value.truncate(value.trim_end().len());
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    #[test]
    fn headers_come_in_their_order_with_their_values_trimmed() {
        let block = b"NATS/1.0\r\nce-id:  7 \r\nTrace: b\r\nTrace: a: \xc3\xb8\r\nEmpty:\r\n\r\n";
        let expected = [
            ("ce-id", "7"),
            ("Trace", "b"),
            ("Trace", "a: ø"),
            ("Empty", ""),
        ];
        assert_eq!(parse(block), Ok(headers(&expected)));
        assert_eq!(parse(b"NATS/1.0\r\n\r\n"), Ok(headers(&[])));
        assert_eq!(
            parse(b"NATS/1.0 200 OK\r\nA: 1\r\n\r\n"),
            Ok(headers(&[("A", "1")]))
        );
    }

    #[test]
    fn a_value_may_go_on_in_lines_that_begin_with_a_space() {
        let block = b"NATS/1.0\r\nA: one\r\n two \r\n\tthree \r\nB: 1\r\n\r\n";
        let expected = [("A", "one two \tthree"), ("B", "1")];
        assert_eq!(parse(block), Ok(headers(&expected)));
    }

    #[test]
    fn what_can_t_be_read_is_named() {
        let cases: [(&[u8], &str); 8] = [
            (b"", "the headers do not begin with NATS/1.0"),
            (
                b"NATS/1.0\r\nA: \xf8\r\n\r\n",
                "the headers are not UTF-8 text: byte 13 is wrong",
            ),
            (
                b"NATS/1.0 503 No Responders\r\n\r\n",
                "the headers begin with the status 503, which only the broker gives",
            ),
            (
                b"NATS/1.0fine\r\n\r\n",
                "the headers begin with the status fine, which only the broker gives",
            ),
            (
                b"NATS/1.0\r\nA: 1\r\nB 2\r\n\r\n",
                "header line 2 has no colon",
            ),
            (
                b"NATS/1.0\r\nA B: 1\r\n\r\n",
                "the name in header line 1 has characters other than visible ASCII ones",
            ),
            (
                "NATS/1.0\r\nÅ: 1\r\n\r\n".as_bytes(),
                "the name in header line 1 has characters other than visible ASCII ones",
            ),
            // Of no header.
            (
                b"NATS/1.0\r\n A: 1\r\n\r\n",
                "the name in header line 1 has characters other than visible ASCII ones",
            ),
        ];
        for (block, problem) in cases {
            assert_eq!(parse(block), Err(problem.to_owned()));
        }
    }
}
