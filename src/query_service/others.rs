//! Other servers that take questions at the same broker: there must be none.
//!
//! Each question goes to one of those that take it. Of two logs each would get half of the questions, and of two copies of one log
//! each would accept registrations that the other does not know of.

use std::time::Duration;

use async_nats::connection::State;
use async_nats::service::Service;
use async_nats::{Client, Error, Message};
use axum::body::Bytes;
use futures::StreamExt as _;
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};

use super::NAME;

/// How long another server may take to say that it is there.
const ANSWER_TIME_MAX: Duration = Duration::from_millis(500);
/// How often it is asked, with no answer from a broker that is there, before that is told.
const QUIET_ROUNDS_MAX: u32 = 10;

/// What a server answers who asks which are there.
#[derive(Debug, Deserialize)]
struct Presence {
    id: String,
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    /// The log's id; an earlier farelog does not say it.
    log_id: Option<String>,
}

/// The log of another server that takes questions at this broker, if there is one.
///
/// Asked while `own` answers who asks it: of two that start at once each hears of the other, so that at least one of them stays away.
/// It waits for the broker, until the answer of `own` shows that it was there.
///
/// # Errors
/// The client was closed.
pub async fn other(client: &Client, own: &Service) -> Result<Option<String>, Error> {
    let own = own.info().await.id;
    let mut quiet_rounds = 0;
    loop {
        let inbox = client.new_inbox();
        let mut answers = client.subscribe(inbox.clone()).await?;
        let ping = format!("$SRV.PING.{NAME}");
        client
            .publish_with_reply(ping.clone(), inbox, Bytes::new())
            .await?;
        let deadline = Instant::now() + ANSWER_TIME_MAX;
        let mut is_heard = false;
        while let Ok(Some(answer)) = timeout_at(deadline, answers.next()).await {
            match presence(&answer) {
                Some(there) if there.id == own => is_heard = true,
                Some(there) => {
                    let log_id = there.metadata.log_id;
                    return Ok(Some(log_id.unwrap_or_else(|| "not known".to_owned())));
                }
                None => {}
            }
        }
        if is_heard {
            return Ok(None);
        }
        if client.connection_state() == State::Connected {
            quiet_rounds += 1;
        }
        if quiet_rounds == QUIET_ROUNDS_MAX {
            tracing::warn!(
                "the NATS server does not hand on {ping}, so no questions are taken yet: farelog needs its permissions for \
                 $SRV.> and _INBOX.>"
            );
        }
    }
}

/// Nobody who says so is there where the broker itself answers.
fn presence(answer: &Message) -> Option<Presence> {
    serde_json::from_slice(&answer.payload).ok()
}
