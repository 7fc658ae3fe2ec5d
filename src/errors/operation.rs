//! Codes of what operators ask for: long work, and many claims at once.

use super::codes;

codes! { OPERATION_CODES;
    WORK_UNDER_WAY = "work-under-way", Some(409), "Other long work is under way",
        "A simulation or a rebuild runs on this server. Each takes a core and some disk for as long as it runs, so there is \
         one at a time.",
        "Wait until it has ended, or end it where it was started, then ask again.";
    PLAN_OF_ANOTHER_LOG = "plan-of-another-log", Some(409), "The plan is of another log",
        "The claims were planned on the log of another server, or on one that this log was made anew of. What they would give \
         here was never looked at.",
        "Make a plan on this server with `farelog replay register --from-file`, look at it, and apply that.";
    LOG_MOVED = "log-moved", None, "The log has moved under a planned claim",
        "After the claim was planned something changed its order, the line's registration, or what the claim would give. \
         Nothing was recorded for it.",
        "Make a new plan and look at what it says of this claim; claims that were applied are reported as done.";
    CLAIMED_BY_SEVERAL = "claimed-by-several", None, "Several customers claim the line",
        "The file has claims of the same order line in the same program for different customers. None of them is applied.",
        "Find out who travelled, and leave that claim in the file.";
}
