//! Why a deferred registration, or a definition for it, gives nothing (domain, section 4).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::program::CompiledDefinition;

/// Why a claim gives nothing, or a definition gives nothing for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(
    missing_docs,
    reason = "the domain's section 4 says what each means, and `explain` tells it"
)]
pub enum ReasonCode {
    OrderUnknown,
    OrderLineUnknown,
    CustomerNotMember,
    NotMemberAtTrigger,
    ProgramInactive,
    WindowClosed,
    NotConfirmed,
    LineCancelled,
    Refunded,
    AlreadyEarned,
    RegisteredToAnother,
    NoDefinitionMatched,
    NotTriggered,
    CapReached,
    Expired,
}

impl ReasonCode {
    /// Every code.
    pub const ALL: [Self; 15] = [
        Self::OrderUnknown,
        Self::OrderLineUnknown,
        Self::CustomerNotMember,
        Self::NotMemberAtTrigger,
        Self::ProgramInactive,
        Self::WindowClosed,
        Self::NotConfirmed,
        Self::LineCancelled,
        Self::Refunded,
        Self::AlreadyEarned,
        Self::RegisteredToAnother,
        Self::NoDefinitionMatched,
        Self::NotTriggered,
        Self::CapReached,
        Self::Expired,
    ];

    /// The code in the interfaces, for example `already-earned`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OrderUnknown => "order-unknown",
            Self::OrderLineUnknown => "order-line-unknown",
            Self::CustomerNotMember => "customer-not-member",
            Self::NotMemberAtTrigger => "not-member-at-trigger",
            Self::ProgramInactive => "program-inactive",
            Self::WindowClosed => "window-closed",
            Self::NotConfirmed => "not-confirmed",
            Self::LineCancelled => "line-cancelled",
            Self::Refunded => "refunded",
            Self::AlreadyEarned => "already-earned",
            Self::RegisteredToAnother => "registered-to-another",
            Self::NoDefinitionMatched => "no-definition-matched",
            Self::NotTriggered => "not-triggered",
            Self::CapReached => "cap-reached",
            Self::Expired => "expired",
        }
    }

    /// Whether a definition that was refused for it stays refused, whatever comes later.
    pub(super) fn is_final(self) -> bool {
        matches!(
            self,
            Self::AlreadyEarned
                | Self::WindowClosed
                | Self::NotMemberAtTrigger
                | Self::CapReached
                | Self::Expired
        )
    }
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A reason, in a code and a sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reason {
    /// The code.
    pub code: ReasonCode,
    /// A sentence for a person.
    pub detail: String,
    /// The definition that it is about, where definitions differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub point_definition_reference: Option<String>,
}

impl Reason {
    /// A reason that settles the whole line.
    pub fn of_line(code: ReasonCode, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            point_definition_reference: None,
        }
    }

    /// A reason that is about a definition.
    pub(super) fn of_definition(
        code: ReasonCode,
        definition: &CompiledDefinition,
        detail: String,
    ) -> Self {
        Self {
            code,
            detail,
            point_definition_reference: Some(definition.definition.reference.clone()),
        }
    }
}
