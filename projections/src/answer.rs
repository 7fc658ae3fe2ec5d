//! What queries take and give.

use chrono::{DateTime, Utc};
use farelog_events::dead_letter::{DeadLetter, DeadLetterReason};
use farelog_events::id::OrderId;
use farelog_events::log::{Position, Record};
use serde::{Deserialize, Serialize};

/// An answer, and the log position that it reflects: it has every effect of every record up to there.
#[derive(Debug, Clone)]
pub struct Answer<T> {
    /// The position.
    pub position: Position,
    /// The answer.
    pub value: T,
}

/// Which page of a list: `page` counts from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// The page, from 1.
    pub page: usize,
    /// Items on a page, at least 1.
    pub per_page: usize,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Paged<T> {
    /// The items on it.
    pub items: Vec<T>,
    /// Items on all pages.
    pub total_items: usize,
    /// Pages.
    pub total_pages: usize,
}

impl<T> Paged<T> {
    /// A page's items, of so many.
    pub fn new(items: Vec<T>, total_items: usize, page: Page) -> Self {
        Self {
            items,
            total_items,
            total_pages: total_items.div_ceil(page.per_page.max(1)),
        }
    }

    /// The page of those items that are admitted. The rest is counted and let go.
    pub fn of<E>(
        all: impl IntoIterator<Item = Result<T, E>>,
        page: Page,
        admits: impl Fn(&T) -> bool,
    ) -> Result<Self, E> {
        let mut items = Vec::new();
        let mut total = 0;
        for item in all {
            let item = item?;
            if !admits(&item) {
                continue;
            }
            if total >= page.offset() && items.len() < page.per_page {
                items.push(item);
            }
            total += 1;
        }
        Ok(Self::new(items, total, page))
    }

    /// The same page with its items made into something else.
    pub fn map<U>(self, make: impl FnMut(T) -> U) -> Paged<U> {
        Paged {
            items: self.items.into_iter().map(make).collect(),
            total_items: self.total_items,
            total_pages: self.total_pages,
        }
    }
}

impl Page {
    /// How many items stand before this page.
    pub fn offset(self) -> usize {
        self.page.saturating_sub(1).saturating_mul(self.per_page)
    }
}

/// What became of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DeadLetterState {
    /// Nothing yet.
    Open,
    /// It was retried, and taken in.
    Retried,
    /// It was given up.
    Discarded,
}

/// A dead letter without its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetterSummary {
    /// The position of its record.
    pub number: Position,
    /// The kind of reason.
    pub reason: DeadLetterReason,
    /// The reason in a sentence.
    pub detail: String,
    /// The order that it seems to be about.
    pub order_id: Option<OrderId>,
    /// The NATS subject.
    pub subject: String,
    /// The stream that it came from.
    pub stream: String,
    /// Its sequence there.
    pub stream_sequence: u64,
    /// When the stream took it.
    pub published_at: DateTime<Utc>,
    /// When the log took it.
    pub recorded_at: DateTime<Utc>,
    /// What became of it.
    pub state: DeadLetterState,
    /// Size of the message's payload.
    pub bytes: usize,
}

impl DeadLetterSummary {
    /// The summary of a dead letter that was just recorded.
    pub fn new(record: &Record, letter: DeadLetter) -> Self {
        Self {
            number: record.position,
            reason: letter.reason,
            detail: letter.detail,
            order_id: letter.order_id,
            subject: letter.message.subject,
            stream: letter.message.stream,
            stream_sequence: letter.message.stream_sequence,
            published_at: letter.message.published_at,
            recorded_at: record.recorded_at,
            state: DeadLetterState::Open,
            bytes: letter.message.payload.len(),
        }
    }
}
