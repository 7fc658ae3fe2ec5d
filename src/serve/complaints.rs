//! What is wrong between farelog and its broker: why it is not reached, and what it does not let farelog do. Who asked for
//! something only learns, if at all, that no answer came in time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_nats::{ClientError, ConnectErrorKind, ConnectOptions, Event, Server, ServerError};

use crate::config::shown_address;

/// Most kinds of refusals that are said of one connection: subjects have ids in them.
const REFUSALS_MAX: usize = 32;

/// Says of one connection, under its name, what is wrong. Each try fails anew, and many messages are refused for one
/// permission: the same is said once, until the server is reached again.
#[derive(Debug)]
pub struct Complaints {
    connection: String,
    said: Mutex<Said>,
}

#[derive(Debug, Default)]
struct Said {
    /// Why a server is not reached, by its address.
    unreached: BTreeMap<String, BTreeSet<String>>,
    /// Whether it was said that names can't be resolved: of which server the client does not keep.
    unresolved: bool,
    /// What refusals were about, since the connection was made.
    refusals: BTreeSet<String>,
}

impl Complaints {
    /// Options of a connection of this name that complain.
    pub fn of(connection: &str, options: ConnectOptions) -> ConnectOptions {
        let complaints = Arc::new(Self {
            connection: connection.to_owned(),
            said: Mutex::default(),
        });
        let at_events = Arc::clone(&complaints);
        options
            .event_callback(move |event| {
                at_events.note(&event);
                async {}
            })
            // The one place where the client tells of each server why it was not reached, and it is asked before each round
            // of tries. It asks which to try first, too: that is left to it.
            .reconnect_to_server_callback(move |servers, _| {
                complaints.look_at(&servers);
                async { None }
            })
    }

    fn look_at(&self, servers: &[Server]) {
        let mut failures = Vec::new();
        for server in servers {
            let why = server.last_error.as_deref();
            failures.push((shown_address(&server.addr), why));
        }
        for complaint in self.said().unreached(&failures) {
            tracing::warn!("the connection `{}` to {complaint}", self.connection);
        }
    }

    fn note(&self, event: &Event) {
        let mut said = self.said();
        let connection = &self.connection;
        match event {
            Event::Connected => {
                said.unresolved = false;
                said.refusals.clear();
            }
            Event::ClientError(ClientError::Other(why))
                if *why == ConnectErrorKind::Dns.to_string() && !said.unresolved =>
            {
                said.unresolved = true;
                tracing::warn!(
                    "the connection `{connection}` to NATS could not be made: the name of a server can't be resolved; \
                     check --nats"
                );
            }
            Event::ServerError(ServerError::Other(refusal)) if said.is_new(refusal) => {
                tracing::warn!(
                    "NATS refused what the connection `{connection}` asked of it: {refusal}; others like it are not said"
                );
            }
            _ => {}
        }
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Said {
    /// What is new in why servers, each by its address, were not reached; without a reason it was.
    fn unreached(&mut self, servers: &[(String, Option<&str>)]) -> Vec<String> {
        self.unreached.retain(|known, _| {
            servers
                .iter()
                .any(|(address, why)| address == known && why.is_some())
        });
        let mut new = Vec::new();
        for (address, why) in servers {
            let Some(why) = why else { continue };
            let reasons = self.unreached.entry(address.clone()).or_default();
            if reasons.insert((*why).to_owned()) {
                new.push(format!("{address} could not be made: {why}"));
            }
        }
        new
    }

    /// Whether nothing like this refusal was said, and there is room to say more.
    fn is_new(&mut self, refusal: &str) -> bool {
        self.refusals.len() < REFUSALS_MAX && self.refusals.insert(likeness(refusal))
    }
}

/// What a refusal is about: the operation and the beginning of the subject, which has no ids in it.
fn likeness(refusal: &str) -> String {
    let Some((operation, subject)) = refusal.split_once('"') else {
        return refusal.to_owned();
    };
    let tokens = match subject {
        api if api.starts_with("$JS.API.") => 4,
        inbox if inbox.starts_with("_INBOX.") => 1,
        _ => 2,
    };
    let beginning: Vec<_> = subject.split(['.', '"']).take(tokens).collect();
    format!("{operation}{}", beginning.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(server: &str) -> String {
        format!("nats://{server}:4222")
    }

    /// With several servers the reason was another one at nearly every try, and each was said.
    #[test]
    fn why_a_server_is_not_reached_is_said_once_until_it_was_reached() {
        let mut said = Said::default();
        let (a, b) = (address("a"), address("b"));
        let refused = [(a.clone(), Some("refused")), (b.clone(), None)];
        let slow = [(a.clone(), Some("timed out")), (b.clone(), Some("refused"))];
        let reached = [(a, None), (b, Some("refused"))];

        assert_eq!(
            said.unreached(&refused),
            ["nats://a:4222 could not be made: refused"]
        );
        assert_eq!(said.unreached(&slow).len(), 2);
        for again in [&refused[..1], &slow[..1], &refused[..1]] {
            assert!(said.unreached(again).is_empty(), "{again:?}");
        }
        said.unreached(&reached);
        assert_eq!(said.unreached(&refused).len(), 1);
    }

    /// Each message that was refused was a line, and an outbox publishes many at once, each on a subject of its own.
    #[test]
    fn refusals_that_are_alike_are_said_once() {
        let mut said = Said::default();
        for new in [
            r#"Permissions Violation for Publish to "farelog.points.O1""#,
            r#"Permissions Violation for Subscription to "farelog.points.O1""#,
            r#"Permissions Violation for Publish to "$JS.API.STREAM.CREATE.ORDERS""#,
            r#"Permissions Violation for Publish to "$JS.API.STREAM.INFO.ORDERS""#,
            r#"Permissions Violation for Publish to "_INBOX.a.1""#,
            r#"Permissions Violation for Publish to "farelog""#,
            "Maximum Payload Violation",
        ] {
            assert!(said.is_new(new), "{new}");
            assert!(!said.is_new(new), "{new}");
        }
        for alike in [
            r#"Permissions Violation for Publish to "farelog.points.O2""#,
            r#"Permissions Violation for Publish to "$JS.API.STREAM.CREATE.FARELOG""#,
            r#"Permissions Violation for Publish to "_INBOX.b.2""#,
        ] {
            assert!(!said.is_new(alike), "{alike}");
        }
    }

    #[test]
    fn refusals_have_a_bound() {
        let mut said = Said::default();
        let of = |number| format!(r#"Permissions Violation for Publish to "reply.{number}""#);
        let new = (0..1_000).filter(|number| said.is_new(&of(*number)));
        assert_eq!(new.count(), REFUSALS_MAX);
    }
}
