//! An HTTP client that keeps its connection: as little as a load needs, so that the server is what is measured.

use std::net::SocketAddr;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Who asks, as farelog's interface wants to know it.
const CLIENT_NAME: &str = "farelog-bench";
/// Largest head or body of an answer.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A connection, which serves one request after the other.
pub struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
}

/// An answer.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'c> {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: &'c [u8],
}

impl Connection {
    /// Connects to a server.
    ///
    /// # Errors
    /// Nobody listens.
    pub async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            request: Vec::new(),
            answer: Vec::new(),
        })
    }

    /// Asks for a path.
    ///
    /// # Errors
    /// The connection fails, or the answer is none of HTTP with a length.
    pub async fn get(&mut self, path: &str) -> anyhow::Result<Answer<'_>> {
        self.ask("GET", path, "").await
    }

    /// Posts JSON.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn post(&mut self, path: &str, json: &str) -> anyhow::Result<Answer<'_>> {
        self.ask("POST", path, json).await
    }

    async fn ask(&mut self, method: &str, path: &str, body: &str) -> anyhow::Result<Answer<'_>> {
        use std::io::Write as _;

        self.request.clear();
        write!(
            self.request,
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nET-Client-Name: {CLIENT_NAME}\r\n"
        )?;
        if !body.is_empty() {
            write!(
                self.request,
                "Content-Type: application/json\r\nContent-Length: {}\r\n",
                body.len()
            )?;
        }
        write!(self.request, "\r\n{body}")?;
        self.stream.write_all(&self.request).await?;

        self.answer.clear();
        let head = loop {
            if let Some(end) = find(&self.answer, b"\r\n\r\n") {
                break end + 4;
            }
            self.read_more().await?;
        };
        let (status, length) = read_head(&self.answer[..head])?;
        while self.answer.len() < head + length {
            self.read_more().await?;
        }
        Ok(Answer {
            status,
            body: &self.answer[head..head + length],
        })
    }

    async fn read_more(&mut self) -> anyhow::Result<()> {
        if self.answer.len() > ANSWER_BYTES_MAX {
            bail!("the answer is larger than {ANSWER_BYTES_MAX} bytes");
        }
        if self.stream.read_buf(&mut self.answer).await? == 0 {
            bail!("the server closed the connection");
        }
        Ok(())
    }
}

/// Status and length of the body.
fn read_head(head: &[u8]) -> anyhow::Result<(u16, usize)> {
    let head = std::str::from_utf8(head)?;
    let mut lines = head.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1))
        .context("the answer has no status")?
        .parse()?;
    let length = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map_or(Ok(0), |(_, length)| length.trim().parse())?;
    Ok((status, length))
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_tells_status_and_length() {
        let head =
            b"HTTP/1.1 422 Unprocessable Entity\r\ncontent-type: x\r\ncontent-length: 17\r\n\r\n";
        assert_eq!(read_head(head).unwrap(), (422, 17));
        assert_eq!(
            read_head(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap(),
            (204, 0)
        );
    }
}
