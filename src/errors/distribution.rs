//! Codes of ticket distribution (domain, section 5).

use super::codes;

codes! { DISTRIBUTION_CODES;
    ORDER_NOT_CONFIRMED = "order-not-confirmed", Some(409), "The order is not confirmed",
        "Ticket distributions are made of confirmed order lines, and no confirmation of this order is in the log.",
        "Generate again after the order is confirmed; `minStreamSequence` waits for a confirmation that was just \
         published.";
    NOT_GENERATED = "not-generated", Some(409), "Nothing was generated yet",
        "The order has no ticket distributions to distribute.",
        "Call the operation that generates ticket distributions first.";
    ORDER_VERSION_NOT_SUPPORTED = "order-version-not-supported", Some(422), "The order was changed",
        "This deprecated operation handles orders of version 1 only, and the order was opened for change since.",
        "Use its successor, POST /sales/v1/ticket-distribution-groups/{orderId}/distribute.";
    NOTHING_TO_DISTRIBUTE = "nothing-to-distribute", Some(422), "Nothing can be distributed this way",
        "None of the order's ticket distributions has a fulfilment method that this operation handles.",
        "Use POST /sales/v1/ticket-distribution-groups/{orderId}/distribute, which handles every method.";
    TOO_MANY_TICKETS = "too-many-tickets", Some(422), "The order is too large",
        "Generating would make more ticket distributions or groups at once than one log record can bring into being.",
        "Split the order into smaller ones.";
}
