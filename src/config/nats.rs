//! The broker that events come from.

use std::fmt;
use std::str::FromStr;

use async_nats::ServerAddr;
use serde::Deserialize;

/// Which broker.
#[derive(Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "String")]
pub enum NatsChoice {
    /// One that farelog starts under its data directory and stops with itself.
    #[default]
    Embedded,
    /// Running ones, by their addresses; all of one cluster.
    Servers(Vec<ServerAddr>),
}

impl FromStr for NatsChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "embedded" {
            return Ok(Self::Embedded);
        }
        let servers: Option<Vec<ServerAddr>> = text.split(',').map(address).collect();
        servers.map(Self::Servers).ok_or_else(|| {
            "write it as `embedded`, or as an address like nats://127.0.0.1:4222, several with commas between".to_owned()
        })
    }
}

/// An address with a host: the client takes one without, and never finds a server.
fn address(text: &str) -> Option<ServerAddr> {
    let address: ServerAddr = text.trim().parse().ok()?;
    (!address.host().is_empty()).then_some(address)
}

impl TryFrom<String> for NatsChoice {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// Addresses without what they may hold before the `@`.
impl fmt::Debug for NatsChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded => f.write_str("embedded"),
            Self::Servers(servers) => f
                .debug_list()
                .entries(servers.iter().map(|server| (server.host(), server.port())))
                .finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_is_embedded_or_addressed() {
        assert_eq!("embedded".parse(), Ok(NatsChoice::Embedded));
        let NatsChoice::Servers(servers) = "nats://a:1, nats://b:2".parse().unwrap() else {
            panic!("not addressed");
        };
        assert_eq!(servers.len(), 2);
        for unfit in [
            "http://a",
            "",
            " ",
            "nats://",
            "nats://:4222",
            "a b",
            "nats://a:1,",
        ] {
            assert!(unfit.parse::<NatsChoice>().is_err(), "{unfit:?}");
        }
    }

    #[test]
    fn a_password_in_an_address_is_not_shown() {
        let choice: NatsChoice = "nats://user:secret@127.0.0.1:4222".parse().unwrap();
        let shown = format!("{choice:?}");
        assert!(shown.contains("127.0.0.1"), "{shown}");
        assert!(!shown.contains("secret"), "{shown}");
    }
}
