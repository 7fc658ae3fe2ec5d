//! Messages byte by byte, over a bare socket: a server takes more than any client would publish, and other clients than
//! farelog's publish more than it can read.

use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::protocol::Message;

/// A message as its publisher puts it on the wire.
pub struct BareMessage<'a> {
    /// What stands for the subject.
    pub subject: &'a [u8],
    /// What stands for the headers, the version line and the empty line at the end included; `None`: it has none.
    pub headers: Option<&'a [u8]>,
    /// The payload.
    pub payload: &'a [u8],
}

impl BareMessage<'_> {
    pub(crate) fn published(&self) -> Vec<u8> {
        let headers = self.headers.unwrap_or_default();
        let size = headers.len() + self.payload.len();
        let (operation, sizes) = match self.headers {
            Some(headers) => ("HPUB ", format!(" {} {size}\r\n", headers.len())),
            None => ("PUB ", format!(" {size}\r\n")),
        };
        let parts = [
            operation.as_bytes(),
            self.subject,
            sizes.as_bytes(),
            headers,
            self.payload,
            b"\r\n",
        ];
        parts.concat()
    }
}

/// Says this to the server at an address, on a connection of its own. Returns once the server has read it all; its answers
/// reach nobody.
pub(crate) async fn say(server: &str, words: impl IntoIterator<Item = Vec<u8>>) {
    let server = TcpStream::connect(server).await.unwrap();
    let (from_server, mut to_server) = server.into_split();
    let connect = b"CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true}\r\n";
    to_server.write_all(connect).await.unwrap();
    for bytes in words {
        to_server.write_all(&bytes).await.unwrap();
    }
    to_server.write_all(b"PING\r\n").await.unwrap();
    let mut from_server = BufReader::new(from_server);
    while let Some(message) = Message::read(&mut from_server).await.unwrap() {
        if message.bytes == b"PONG\r\n" {
            return;
        }
    }
    panic!("the server closed the connection");
}
