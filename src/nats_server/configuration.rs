//! The configuration file of the embedded server.

use std::path::Path;

use super::{EmbeddedError, EmbeddedOptions, program::Program};

/// Largest message that the server takes, in bytes. More than an event may have
/// ([`farelog_events::envelope::MESSAGE_BYTES_MAX`]), so that one that is too large is kept as a dead letter for
/// its operator to see, and is not just an error at a publisher; NATS advises against more.
const MAX_PAYLOAD_BYTES: usize = 8 * 1024 * 1024;

/// What the configuration file says: one listener, on this machine only, and JetStream with its files in the directory.
///
/// # Errors
/// [`EmbeddedError::NoSyncAlways`]: that is asked for, and the program does not know it.
pub(super) fn text(
    options: &EmbeddedOptions,
    port: Option<u16>,
    program: &Program,
) -> Result<String, EmbeddedError> {
    // To nats-server -1 is any free port, and 0 its default one.
    let port = port
        .filter(|&port| port != 0)
        .map_or_else(|| "-1".to_owned(), |port| port.to_string());
    let dir = quoted(&options.dir);
    let sync = match (options.sync_always, program.knows_sync_always()) {
        (false, _) => "",
        (true, true) => "    sync_interval: always\n",
        (true, false) => {
            return Err(EmbeddedError::NoSyncAlways {
                version: program.version.to_string(),
            });
        }
    };
    // JetStream makes a directory `jetstream` in its store directory.
    Ok(format!(
        "# Written by farelog at each start; changes are lost.\n\
         server_name: \"farelog\"\n\
         host: \"127.0.0.1\"\n\
         port: {port}\n\
         ports_file_dir: {dir}\n\
         max_payload: {MAX_PAYLOAD_BYTES}\n\
         jetstream {{\n    store_dir: {dir}\n{sync}}}\n"
    ))
}

/// A path as a string of the configuration.
fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(sync_always: bool) -> EmbeddedOptions {
        EmbeddedOptions {
            dir: "/data/\"odd\"/nats".into(),
            port: None,
            sync_always,
        }
    }

    #[test]
    fn it_listens_on_this_machine_alone_and_keeps_its_files_in_the_directory() {
        let old = Program::of_version("2.9");
        assert_eq!(
            text(&options(false), None, &old).unwrap(),
            r#"# Written by farelog at each start; changes are lost.
server_name: "farelog"
host: "127.0.0.1"
port: -1
ports_file_dir: "/data/\"odd\"/nats"
max_payload: 8388608
jetstream {
    store_dir: "/data/\"odd\"/nats"
}
"#
        );
        let with_port = text(&options(false), Some(4222), &old).unwrap();
        assert!(with_port.contains("\nport: 4222\n"));
    }

    #[test]
    fn what_an_old_program_would_not_start_with_is_refused() {
        let error = text(&options(true), None, &Program::of_version("2.9")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "nats-server 2.9 can't sync each message before it acknowledges it; install 2.10 or newer, or set \
             nats-sync-always to false"
        );
        let new = text(&options(true), None, &Program::of_version("2.10")).unwrap();
        assert!(new.contains("\n    sync_interval: always\n"));
    }
}
