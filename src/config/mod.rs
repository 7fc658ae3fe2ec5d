//! What `farelog serve` can be told: by a flag, else by a `FARELOG_…` variable, else by the file, else by default.

mod file;
mod listen;
mod nats;
mod nats_servers;
mod public_url;
mod settings;
mod stream_name;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use farelog_events::ingest::STREAM_DEFAULT;

pub use nats::{NatsArgument, NatsChoice};
pub use nats_servers::{NatsServers, shown_address};
pub use settings::{LogFormat, Settings};

use crate::cli::exit::Failure;
use crate::guarantee::MonitoringUrl;
use crate::outbox::{self, OutboxOptions};
use listen::ListenAddress;
use public_url::PublicUrl;
use stream_name::StreamName;

/// The flags of `farelog serve`.
#[derive(Debug, Args)]
#[command(
    after_help = "Every flag but --config can stand in the file too, under its own name: `listen = \"127.0.0.1:0\"`.\n\
    A flag goes before its variable, the variable before the file.\n\n\
    Examples:\n  farelog serve\n  farelog serve --nats nats://127.0.0.1:4222 --data-dir /var/lib/farelog --config farelog.toml"
)]
pub struct ServeArgs {
    /// A TOML file with settings
    #[arg(long, env = "FARELOG_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

/// Connections that are open at a time when nothing else is said.
const CONNECTIONS_MAX_DEFAULT: NonZeroUsize = NonZeroUsize::new(1_024).unwrap();

/// What the server does, with every default filled in.
#[derive(Debug)]
pub struct Config {
    /// The broker.
    pub nats: NatsChoice,
    /// The port of the broker that farelog runs itself; any free one when `None`.
    pub nats_port: Option<u16>,
    /// Whether that broker syncs each event to disk before it acknowledges it.
    pub nats_sync_always: bool,
    /// A file with credentials for the broker.
    pub nats_credentials: Option<PathBuf>,
    /// The monitoring address of a broker that runs elsewhere.
    pub nats_monitoring: Option<MonitoringUrl>,
    /// Whether questions are taken over NATS.
    pub nats_queries: bool,
    /// The stream to read.
    pub stream: String,
    /// Whether to take a stream that is not the log's for its continuation, once.
    pub adopt_stream: bool,
    /// What goes out to other systems.
    pub outbox: OutboxOptions,
    /// Where log and projections are.
    pub data_dir: PathBuf,
    /// Where HTTP is served; a loopback address.
    pub listen: SocketAddr,
    /// What stands before the addresses that answers name.
    pub public_url: PublicUrl,
    /// How log lines are written.
    pub log_format: LogFormat,
    /// Which log lines are written.
    pub log_filter: String,
    /// Connections that are open at a time.
    pub connections_max: NonZeroUsize,
}

impl Config {
    /// Reads the file, if one is named, and fills in defaults.
    ///
    /// # Errors
    /// Usage: the file can't be read or has something that is not understood, or a value is refused.
    pub fn load(args: ServeArgs) -> Result<Self, Failure> {
        let settings = match &args.config {
            Some(path) => args.settings.or(file::read(path)?),
            None => args.settings,
        };
        Self::resolve(settings)
    }

    fn resolve(settings: Settings) -> Result<Self, Failure> {
        let listen = settings.listen.unwrap_or_default();
        let nats = settings.nats.unwrap_or_default();
        if nats == NatsChoice::Embedded && settings.nats_monitoring.is_some() {
            return Err(Failure::Usage(
                "--nats-monitoring is refused: the embedded NATS server has no monitoring address; name a running server \
                 with --nats too"
                    .to_owned(),
            ));
        }
        let stream = settings
            .stream
            .map_or_else(|| STREAM_DEFAULT.to_owned(), StreamName::into_string);
        let outbox_stream = settings.outbox_stream.map_or_else(
            || outbox::STREAM_DEFAULT.to_owned(),
            StreamName::into_string,
        );
        if stream == outbox_stream {
            return Err(Failure::Usage(format!(
                "--stream and --outbox-stream are both {stream}: farelog would read the facts that it sends, so name two \
                 streams"
            )));
        }
        Ok(Self {
            nats,
            nats_port: settings.nats_port,
            nats_sync_always: settings.nats_sync_always.unwrap_or(false),
            nats_credentials: settings.nats_credentials,
            nats_monitoring: settings.nats_monitoring,
            nats_queries: settings.nats_queries.unwrap_or(true),
            stream,
            adopt_stream: settings.adopt_stream.unwrap_or(false),
            outbox: OutboxOptions {
                stream: outbox_stream,
                after: settings.outbox_after,
            },
            data_dir: settings
                .data_dir
                .unwrap_or_else(|| PathBuf::from("./farelog-data")),
            listen: listen.checked()?,
            public_url: settings.public_url.unwrap_or_default(),
            log_format: settings.log_format.unwrap_or_default(),
            log_filter: settings.log_filter.unwrap_or_else(|| {
                "info,async_nats=warn,async_nats::connector=off,lsm_tree=warn".to_owned()
            }),
            connections_max: settings.connections_max.unwrap_or(CONNECTIONS_MAX_DEFAULT),
        })
    }
}

impl ListenAddress {
    /// The address, if nobody beyond this machine can reach it.
    fn checked(self) -> Result<SocketAddr, Failure> {
        let Self(address) = self;
        if address.ip().is_loopback() {
            return Ok(address);
        }
        Err(Failure::Usage(format!(
            "--listen {address} is refused: the HTTP interface knows no passwords, so it listens on a loopback address \
             only (127.0.0.1 or [::1]); to serve others, put a proxy before it that knows them"
        )))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: ServeArgs,
    }

    fn load(line: &[&str]) -> Result<Config, Failure> {
        let line = Line::try_parse_from([&["serve"], line].concat());
        Config::load(
            line.map_err(|error| Failure::Usage(error.to_string()))?
                .args,
        )
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    fn refusal(line: &[&str]) -> String {
        match load(line) {
            Err(Failure::Usage(sentence)) => sentence,
            other => panic!("not refused as usage: {other:?}"),
        }
    }

    #[test]
    fn defaults_are_those_of_the_contract() {
        let config = load(&[]).unwrap();
        assert_eq!(config.nats, NatsChoice::Embedded);
        assert_eq!(config.data_dir, PathBuf::from("./farelog-data"));
        assert_eq!(config.listen, "127.0.0.1:8080".parse().unwrap());
        assert_eq!(config.stream, "ORDERS");
        assert!(!config.adopt_stream);
    }

    #[test]
    fn a_flag_goes_before_the_file() {
        let file = file("stream = \"SALES\"\nlisten = \"127.0.0.1:1\"\nadopt-stream = true\n");
        let path = file.path().to_str().unwrap();
        let config = load(&["--config", path, "--listen", "[::1]:0"]).unwrap();
        assert_eq!(config.stream, "SALES");
        assert_eq!(config.listen, "[::1]:0".parse().unwrap());
        assert!(config.adopt_stream);
        let config = load(&["--config", path, "--adopt-stream=false"]).unwrap();
        assert!(!config.adopt_stream);
    }

    #[test]
    fn what_the_file_has_wrong_is_said_with_its_place() {
        let unknown = file("stream = \"SALES\"\nlisen = \"127.0.0.1:1\"\n");
        let said = refusal(&["--config", unknown.path().to_str().unwrap()]);
        assert!(said.contains("line 2, column 1"), "{said}");
        assert!(said.contains("lisen"), "{said}");
        let malformed = file("nats-port = \"four\"\n");
        let said = refusal(&["--config", malformed.path().to_str().unwrap()]);
        assert!(said.contains("line 1, column 13"), "{said}");
        let said = refusal(&["--config", "/nowhere/farelog.toml"]);
        assert!(said.contains("/nowhere/farelog.toml"), "{said}");
    }

    #[test]
    fn an_address_that_others_can_reach_is_refused_with_the_reason() {
        for address in ["0.0.0.0:8080", "[::]:8080", "192.168.1.4:8080"] {
            let said = refusal(&["--listen", address]);
            assert!(said.contains("no passwords"), "{said}");
        }
        assert!(
            load(&["--listen", "localhost:0"])
                .unwrap()
                .listen
                .ip()
                .is_loopback()
        );
        assert!(refusal(&["--listen", "example.com:80"]).contains("--listen"));
    }

    #[test]
    fn streams_have_names_that_a_server_takes_and_are_two() {
        for flag in ["--stream", "--outbox-stream"] {
            assert!(refusal(&[flag, "a b"]).contains("like ORDERS"), "{flag}");
        }
        let both = refusal(&["--stream", "SALES", "--outbox-stream", "SALES"]);
        assert!(both.contains("name two streams"), "{both}");
        assert!(refusal(&["--stream", "FARELOG"]).contains("both FARELOG"));
        assert!(refusal(&["--nats", ""]).contains("nats://127.0.0.1:4222"));
        let named = file("stream = \"a.b\"\n");
        let said = refusal(&["--config", named.path().to_str().unwrap()]);
        assert!(said.contains("like ORDERS"), "{said}");
    }

    #[test]
    fn a_monitoring_address_is_that_of_a_server_that_runs_elsewhere() {
        let monitoring = ["--nats-monitoring", "http://127.0.0.1:8222"];
        let elsewhere = ["--nats", "nats://127.0.0.1:4222"];
        let config = load(&[monitoring, elsewhere].concat()).unwrap();
        assert!(config.nats_monitoring.is_some());
        assert!(refusal(&monitoring).contains("name a running server"));
        assert!(refusal(&["--nats-monitoring", "nats://a:1"]).contains("http://127.0.0.1:8222"));
    }

    #[test]
    fn a_switch_is_on_when_named() {
        assert!(load(&["--adopt-stream"]).unwrap().adopt_stream);
        assert!(load(&["--nats-sync-always"]).unwrap().nats_sync_always);
    }

    #[test]
    fn questions_over_nats_are_taken_unless_that_is_turned_off() {
        assert!(load(&[]).unwrap().nats_queries);
        assert!(!load(&["--nats-queries=false"]).unwrap().nats_queries);
        let file = file("nats-queries = false\n");
        let path = file.path().to_str().unwrap();
        assert!(!load(&["--config", path]).unwrap().nats_queries);
        assert!(
            load(&["--config", path, "--nats-queries"])
                .unwrap()
                .nats_queries
        );
    }
}
