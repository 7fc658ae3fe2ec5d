//! The settings by name, each perhaps not set.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use serde::Deserialize;

use super::listen::ListenAddress;
use super::nats::{NatsArgument, NatsChoice};
use super::public_url::PublicUrl;
use super::stream_name::StreamName;
use crate::cli::argument;
use crate::guarantee::MonitoringUrl;

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For a person.
    #[default]
    Text,
    /// For a collector: one JSON object a line.
    Json,
}

/// Declares the settings once, as flags, variables and keys of the file, and how one set falls back to another.
macro_rules! settings {
    ($($(#[$attribute:meta])* $name:ident: $type:ty,)+) => {
        /// The settings of `farelog serve` by name; `None` where nothing is said.
        #[derive(Debug, Clone, PartialEq, Default, Deserialize, clap::Args)]
        #[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
        pub struct Settings {
            $($(#[$attribute])* pub $name: Option<$type>,)+
        }

        impl Settings {
            /// These settings, and where they say nothing, those.
            #[must_use]
            pub fn or(self, those: Self) -> Self {
                Self {
                    $($name: self.$name.or(those.$name),)+
                }
            }
        }
    };
}

settings! {
    /// The NATS server: an address, several with commas between, or `embedded` for one that farelog runs itself
    /// [default: embedded]
    #[arg(long, env = "FARELOG_NATS", value_name = "URL|embedded", value_parser = NatsArgument)]
    nats: NatsChoice,
    /// Port of the embedded NATS server [default: any free one]
    #[arg(long, env = "FARELOG_NATS_PORT", value_name = "PORT", value_parser = argument::number_within(0..=u16::MAX))]
    nats_port: u16,
    /// Have the embedded NATS server sync each event to disk before it acknowledges it: safe against a power cut, much
    /// slower
    #[arg(long, env = "FARELOG_NATS_SYNC_ALWAYS", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_name = "BOOL")]
    nats_sync_always: bool,
    /// A file with credentials for the NATS server
    #[arg(long, env = "FARELOG_NATS_CREDENTIALS", value_name = "FILE")]
    nats_credentials: PathBuf,
    /// The monitoring address of the NATS server, to learn how often it syncs to disk
    #[arg(long, env = "FARELOG_NATS_MONITORING", value_name = "URL")]
    nats_monitoring: MonitoringUrl,
    /// Take questions over NATS; who reaches the NATS server may then register too, unless its permissions forbid it
    /// [default: true]
    #[arg(long, env = "FARELOG_NATS_QUERIES", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_name = "BOOL")]
    nats_queries: bool,
    /// The stream to read [default: ORDERS]
    #[arg(long, env = "FARELOG_STREAM", value_name = "NAME")]
    stream: StreamName,
    /// Take a stream that is not the one that the log was fed from for its continuation
    #[arg(long, env = "FARELOG_ADOPT_STREAM", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_name = "BOOL")]
    adopt_stream: bool,
    /// The stream that facts for other systems go to [default: FARELOG]
    #[arg(long, env = "FARELOG_OUTBOX_STREAM", value_name = "NAME")]
    outbox_stream: StreamName,
    /// Where it can't be told which facts were sent: send those behind this log position
    #[arg(long, env = "FARELOG_OUTBOX_AFTER", value_name = "POSITION", value_parser = argument::number::<u64>)]
    outbox_after: u64,
    /// Where log and projections are kept [default: ./farelog-data]
    #[arg(long, env = "FARELOG_DATA_DIR", value_name = "DIR")]
    data_dir: PathBuf,
    /// Where HTTP is served, on this machine only; port 0 is any free one [default: 127.0.0.1:8080]
    #[arg(long, env = "FARELOG_LISTEN", value_name = "ADDR")]
    listen: ListenAddress,
    /// What stands before the addresses that answers name, where a proxy serves them under another
    #[arg(long, env = "FARELOG_PUBLIC_URL", value_name = "URL")]
    public_url: PublicUrl,
    /// How log lines are written to stderr [default: text]
    #[arg(long, env = "FARELOG_LOG_FORMAT", value_enum)]
    log_format: LogFormat,
    /// Which log lines are written, for example `info,farelog_events=debug` [default:
    /// info,async_nats=warn,async_nats::connector=off,lsm_tree=warn]
    #[arg(long, env = "FARELOG_LOG_FILTER", value_name = "DIRECTIVES")]
    log_filter: String,
    /// Connections that are open at a time [default: 1024]
    #[arg(long, env = "FARELOG_CONNECTIONS_MAX", value_name = "N",
        value_parser = |text: &str| text.parse::<NonZeroUsize>().map_err(|_| "give a whole number from 1"))]
    connections_max: NonZeroUsize,
}
