//! The ground of farelog: what an order event is, how it is read from NATS, and the log that keeps it.
//!
//! - [`id`], [`money`]: the values that events are made of; they validate when they are read.
//! - [`time`], [`number`]: times and whole numbers as they come from outside.
//! - [`order`], [`distribution`], [`member`], [`program`], [`registration`]: the data of each event type, as the domain names it.
//! - [`event`]: the types themselves, what an event is about, and decoding of its data.
//! - [`bytes`]: numbers, texts and times as bytes, of which stored forms are made.
//! - [`json`]: JSON from outside, read by type, with errors that are sentences of farelog's own.
//! - [`envelope`]: the three forms in which a message brings an event.
//! - [`log`]: the event log: its contract, on sled and in memory, and the one writer.
//! - [`tree`]: a merge tree beside the log, for what can be made again from it.
//! - [`dead_letter`]: what could not be read, kept.
//! - [`queue`]: a queue between two threads, bounded by bytes.
//! - [`ingest`]: from a JetStream stream into the log.
//!
//! There are no rules here about points or tickets, and no HTTP: what a higher crate decides (is this program
//! valid?) is handed in as [`log::writer::Admission`].

pub mod bytes;
pub mod dead_letter;
pub mod distribution;
pub mod envelope;
pub mod event;
pub mod id;
pub mod ingest;
pub mod json;
pub mod log;
pub mod member;
pub mod money;
pub mod number;
pub mod order;
pub mod program;
pub mod queue;
pub mod registration;
mod text;
pub mod time;
pub mod tree;
