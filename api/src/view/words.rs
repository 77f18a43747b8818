//! Times, ids and names of `model` as they are spelled in answers, with schemas that say so.

use crate::{choice, times};
use model::{
    ids::{
        AttemptId, BookmarkId, CliSessionId, ConnectionId, DestinationId, EventId, ExecutionId,
        IssueId, IssueTriggerId, OperationId, ProjectId, RequestId, SourceId, TransformationId,
    },
    time::Timestamp,
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, Serializer};
use std::{borrow::Cow, fmt::Display};

/// A time: RFC 3339 with milliseconds, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time(pub Timestamp);

impl Time {
    pub fn some(at: Option<Timestamp>) -> Option<Self> {
        at.map(Self)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&times::show(self.0))
    }
}

impl JsonSchema for Time {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "date-time"})
    }
}

/// An id: what it is an id of stands before its digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id<T>(pub T);

/// The kinds of ids.
pub trait Prefixed {
    const PREFIX: &'static str;
}

macro_rules! prefixed {
    ($($id:ident),*) => {
        $(impl Prefixed for $id {
            const PREFIX: &'static str = $id::PREFIX;
        })*
    };
}
prefixed!(
    BookmarkId,
    CliSessionId,
    ConnectionId,
    DestinationId,
    EventId,
    IssueId,
    IssueTriggerId,
    OperationId,
    ProjectId,
    RequestId,
    SourceId,
    TransformationId
);

impl Prefixed for AttemptId {
    const PREFIX: &'static str = "atm";
}

impl Prefixed for ExecutionId {
    const PREFIX: &'static str = "exe";
}

impl<T> From<T> for Id<T> {
    fn from(id: T) -> Self {
        Self(id)
    }
}

impl<T: Display> Serialize for Id<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<T: Prefixed> JsonSchema for Id<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("{}Id", T::PREFIX).into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": format!("^{}_[0-9a-z]+$", T::PREFIX)})
    }
}

/// A name of an enum of `model`, as the API spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word<T>(pub T);

impl<T> From<T> for Word<T> {
    fn from(word: T) -> Self {
        Self(word)
    }
}

impl<T: Serialize> Serialize for Word<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<T: for<'de> Deserialize<'de>> JsonSchema for Word<T> {
    fn schema_name() -> Cow<'static, str> {
        let name = std::any::type_name::<T>();
        name.rsplit("::").next().unwrap_or(name).into()
    }

    fn schema_id() -> Cow<'static, str> {
        std::any::type_name::<Self>().into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "enum": choice::names::<T>()})
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::traffic::EventStatus;

    #[test]
    fn a_word_s_schema_names_all_of_its_enum() {
        let schema = Word::<EventStatus>::json_schema(&mut SchemaGenerator::default());
        let names = schema.get("enum").expect("an enum").clone();
        assert_eq!(
            names,
            serde_json::json!([
                "SCHEDULED",
                "QUEUED",
                "HOLD",
                "SUCCESSFUL",
                "FAILED",
                "CANCELLED"
            ])
        );
    }

    #[test]
    fn an_id_is_shown_by_its_pattern() {
        let event = EventId(7);
        let execution = ExecutionId {
            event,
            index: 1,
            place: 0,
        };
        for (shown, prefix) in [
            (SourceId(1).to_string(), SourceId::PREFIX),
            (
                AttemptId { event, number: 2 }.to_string(),
                <AttemptId as Prefixed>::PREFIX,
            ),
            (execution.to_string(), <ExecutionId as Prefixed>::PREFIX),
        ] {
            let digits = shown
                .strip_prefix(prefix)
                .and_then(|it| it.strip_prefix('_'));
            let fits = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_lowercase();
            assert!(digits.is_some_and(|it| it.bytes().all(fits)), "{shown}");
        }
    }
}
