//! The messages of NATS's protocol, as far as a proxy has to know them.

use std::io;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};

/// A message whole: a line, and behind one that carries a payload so many bytes as its last word says.
pub(crate) struct Message {
    words: Vec<String>,
    pub(crate) bytes: Vec<u8>,
}

impl Message {
    /// The next message; `None` where the other side has closed the connection.
    pub(crate) async fn read(
        from: &mut BufReader<impl AsyncRead + Unpin>,
    ) -> io::Result<Option<Self>> {
        let mut bytes = Vec::new();
        if from.read_until(b'\n', &mut bytes).await? == 0 {
            return Ok(None);
        }
        let line = String::from_utf8_lossy(&bytes);
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let message = Self { words, bytes };
        let Some(size) = message.payload_bytes() else {
            return Ok(Some(message));
        };
        let mut payload = vec![0; size + "\r\n".len()];
        from.read_exact(&mut payload).await?;
        let Self { words, mut bytes } = message;
        bytes.extend_from_slice(&payload);
        Ok(Some(Self { words, bytes }))
    }

    fn payload_bytes(&self) -> Option<usize> {
        match self.operation() {
            "PUB" | "HPUB" | "MSG" | "HMSG" => self.words.last()?.parse().ok(),
            _ => None,
        }
    }

    fn operation(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// What the client calls itself, where it does so here.
    pub(crate) fn client_name(&self) -> Option<String> {
        let options = self.bytes.strip_prefix(b"CONNECT ")?;
        let options: Value = serde_json::from_slice(options).ok()?;
        Some(options["name"].as_str()?.to_owned())
    }

    /// The subject that the client publishes on.
    pub(crate) fn published_on(&self) -> Option<&str> {
        matches!(self.operation(), "PUB" | "HPUB").then(|| self.words[1].as_str())
    }

    /// The subject on which the client that publishes wants its answer.
    pub(crate) fn answer_on(&self) -> Option<&str> {
        match (self.operation(), self.words.len()) {
            ("PUB", 4) | ("HPUB", 5) => Some(&self.words[2]),
            _ => None,
        }
    }

    /// The subject of what the server delivers.
    pub(crate) fn delivered_on(&self) -> Option<&str> {
        matches!(self.operation(), "MSG" | "HMSG").then(|| self.words[1].as_str())
    }
}
