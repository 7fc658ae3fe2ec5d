//! The outbox against a real nats-server.
