//! The broker that events come from.

use std::ffi::OsStr;
use std::str::FromStr;

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::{Arg, Command, Error};
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

/// Reads the flag and its variable. What is refused is not shown: it may have a password in it.
#[derive(Clone)]
pub struct NatsArgument;

impl TypedValueParser for NatsArgument {
    type Value = NatsChoice;

    fn parse_ref(
        &self,
        command: &Command,
        argument: Option<&Arg>,
        value: &OsStr,
    ) -> Result<NatsChoice, Error> {
        let read = value.to_str().ok_or("write it in UTF-8");
        read.and_then(str::parse).map_err(|why| {
            let argument = argument.map(ToString::to_string).unwrap_or_default();
            let refusal = format!("invalid value for '{argument}': {why}\n");
            Error::raw(ErrorKind::ValueValidation, refusal).with_cmd(command)
        })
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
