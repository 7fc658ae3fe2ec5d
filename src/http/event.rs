//! Events that an interface has recorded.

use farelog_events::event::{About, EventKind, NewEvent, OWN_SOURCE};
use farelog_events::json::JsonText;
use farelog_events::log::writer::Moment;
use serde::Serialize;

use super::correlation::CorrelationId;
use super::problem::Problem;

/// An event of farelog's own, caused by a request. Its id is made from where it will stand, so that a decision needs
/// no chance; one decision records at most one event of a kind.
pub fn own_event<T: Serialize>(
    kind: EventKind,
    about: About,
    data: &T,
    moment: &Moment,
    correlation_id: &CorrelationId,
) -> Result<NewEvent, Problem> {
    Ok(NewEvent {
        source: OWN_SOURCE.into(),
        id: format!("{kind}:{}", moment.head.position + 1).into(),
        event_type: kind.name().into(),
        time: moment.now,
        correlation_id: Some(correlation_id.as_str().into()),
        about,
        data: JsonText::of(data).map_err(|error| Problem::internal(&error))?,
    })
}
