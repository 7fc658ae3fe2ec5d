//! The outbox against a real nats-server: each fact is in the stream once and in the order of the log, whatever befalls
//! the outbox, the broker and what either remembers.

mod any_history;
mod late;
mod outage;
mod recovery;
mod refusal;
mod stage;
