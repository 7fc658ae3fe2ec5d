//! Reasons of dead letters (contract, section 2): why a message could not be taken in.

use super::codes;

codes! { DEAD_LETTER_CODES;
    TOO_LARGE = "too-large", None, "The message is too large",
        "The message, headers included, is larger than an event may be (1 MiB). It was kept as it came.",
        "Publish a smaller event; a retry can't help, so discard the dead letter.";
    NOT_READABLE = "not-readable", None, "The message can't be read",
        "The message is no JSON, or JSON in none of the envelopes that are understood, or its headers or its subject are not \
         as NATS has them; `detail` says which.",
        "Have the publisher send CloudEvents 1.0 with headers and a subject in UTF-8, and publish the event again.";
    NO_TYPE = "no-type", None, "The event has no type",
        "The envelope names no event type.",
        "Have the publisher set the CloudEvents attribute `type`, and publish the event again.";
    MALFORMED_FIELD = "malformed-field", None, "A field is missing or malformed",
        "A field of the envelope or of the event's data is missing or malformed; `detail` names it.",
        "Have the publisher correct it, and publish the event again under a new id.";
    RESERVED_TYPE = "reserved-type", None, "The type is not taken from others",
        "Events of this type are recorded by farelog itself, and one that arrives from outside is not believed.",
        "Use the interface that does what the event would say, for example deferred registration.";
    CONFLICTING_DUPLICATE = "conflicting-duplicate", None, "Two different events have the same identity",
        "An event about the same with the same source and id is in the log, with other content. The first one counts.",
        "If the second is right, have the publisher send it under an id of its own.";
    UNKNOWN_PROGRAM = "unknown-program", None, "The program was not published",
        "A member event names a program that was not published when the event arrived.",
        "Publish the program, then retry the dead letter.";
    ORDER_TOO_LARGE = "order-too-large", None, "The order has too many events",
        "The events and transactions of the order are more than 16 MiB, a thousand times what orders are, so no more is taken \
         in of it.",
        "Look whether the publisher gives one id to all its orders. A retry is taken in only where the server has forgotten it, \
         by a start; publish the sale under an order id of its own, and discard this.";
}

#[cfg(test)]
mod tests {
    use farelog_events::dead_letter::DeadLetterReason as Reason;

    use crate::errors;

    #[test]
    fn every_reason_has_a_page() {
        for reason in [
            Reason::TooLarge,
            Reason::NotReadable,
            Reason::NoType,
            Reason::MalformedField,
            Reason::ReservedType,
            Reason::ConflictingDuplicate,
            Reason::UnknownProgram,
            Reason::ProgramRefused,
            Reason::OrderTooLarge,
        ] {
            assert!(
                errors::find(reason.as_str()).is_some(),
                "{}",
                reason.as_str()
            );
        }
    }
}
