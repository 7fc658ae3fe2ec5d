//! Codes of deferred registration and of its revocation (domain, section 4).

use super::codes;

codes! { REGISTRATION_CODES;
    REGISTRATION_REFUSED = "registration-refused", Some(422), "No points could be given",
        "The registration was understood, and nothing of the order line gives points to this customer. `reasons` lists \
         every cause, by point definition where they differ. Nothing was recorded.",
        "Look up each reason's code here. `?dryRun=true` asks the same without recording anything.";
    ORDER_LINE_UNKNOWN = "order-line-unknown", Some(422), "The order has no such line",
        "Events of the order are in the log, but none that adds this line.",
        "Check the line's id. If it was just added, ask again with `minStreamSequence`.";
    CUSTOMER_NOT_MEMBER = "customer-not-member", None, "The customer is not a member",
        "The customer has no membership of the program that is in force now.",
        "Enrol the customer with POST .../members, then register again.";
    NOT_MEMBER_AT_TRIGGER = "not-member-at-trigger", None, "The customer was not a member then",
        "The program asks that the customer was a member already when the points were triggered \
         (`registration.requireMembershipAtTrigger`), and the customer was not.",
        "These points can't be given; the program's rules say so.";
    PROGRAM_INACTIVE = "program-inactive", None, "The program was not active then",
        "When the points would have been triggered, the program was not published yet or was inactive.",
        "These points can't be given: a program gives points only for what happens while it is active.";
    WINDOW_CLOSED = "window-closed", None, "Too late to register",
        "More time has passed since the points were triggered than the program's `registration.window` allows.",
        "These points can't be given any more.";
    NOT_CONFIRMED = "not-confirmed", None, "The line is not confirmed",
        "The line was added, but no confirmation covers it yet.",
        "Register again once the order is confirmed.";
    LINE_CANCELLED = "line-cancelled", None, "The line is cancelled",
        "The line or its order was cancelled, or the line was replaced by another, and the program keeps nothing for \
         such lines.",
        "Register the line that took its place, if there is one.";
    REFUNDED = "refunded", None, "The line is refunded",
        "So much of the line's price was paid back that no points are left.",
        "These points can't be given.";
    ALREADY_EARNED = "already-earned", None, "The points were given already",
        "The line's points of this definition went to a customer when they were triggered, without a registration.",
        "Nothing is to be done; the order's transactions say to which member they went.";
    REGISTERED_TO_ANOTHER = "registered-to-another", None, "The line is registered to another customer",
        "Another customer registered this line in this program before.",
        "If that was a mistake, the operator can take it back with `farelog replay revoke`; the line is free then.";
    NO_DEFINITION_MATCHED = "no-definition-matched", None, "Nothing in the program fits this line",
        "No point definition of the program gives points for this line.",
        "`farelog replay explain --order` shows what each definition made of the line.";
    NOT_TRIGGERED = "not-triggered", None, "The points are not due yet",
        "A definition fits the line, but its trigger, for example the activation of the ticket, has not come.",
        "Register again after that event.";
    CAP_REACHED = "cap-reached", None, "The member has all points that the cap allows",
        "The definition's cap leaves no room for these points.",
        "These points can't be given; room that is freed later goes to later purchases only.";
    EXPIRED = "expired", None, "The points would have expired by now",
        "Given when they were triggered, the points would not count any more.",
        "These points can't be given.";
    NOT_REGISTERED = "not-registered", Some(422), "There is no registration to take back",
        "The line has no deferred registration in this program that is in force.",
        "Check order and line; points that were given without a registration are not taken back this way.";
}
