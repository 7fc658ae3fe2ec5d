//! The broker that events come from.

use std::str::FromStr;

use serde::Deserialize;

use super::nats_servers::NatsServers;

/// Which broker.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "String")]
pub enum NatsChoice {
    /// One that farelog starts under its data directory and stops with itself.
    #[default]
    Embedded,
    /// Running ones.
    Servers(NatsServers),
}

impl FromStr for NatsChoice {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "embedded" {
            return Ok(Self::Embedded);
        }
        text.parse().map(Self::Servers)
    }
}

impl TryFrom<String> for NatsChoice {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
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
        assert_eq!(servers.addresses().len(), 2);
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
}
