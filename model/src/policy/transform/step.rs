//! The steps: one small file each.

mod convert;
mod default;
mod drop_fields;
mod flatten;
mod list;
mod map_values;
mod move_to;
mod pick;
mod rename;
mod set;
mod set_content_type;
mod set_header;
mod set_path;
mod set_query;

use super::{
    Halt,
    input::{Fault, Fields},
    work::Work,
};

/// Fields that one step may name.
const FIELDS_MAX: usize = 100;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    Rename(rename::Rename),
    Move(move_to::Move),
    Pick(pick::Pick),
    Drop(drop_fields::Drop),
    Flatten(flatten::Flatten),
    Set(set::Set),
    Default(default::Default),
    Map(map_values::MapValues),
    Wrap(list::Wrap),
    Unwrap(list::Unwrap),
    Convert(convert::Convert),
    SetHeader(set_header::SetHeader),
    RemoveHeader(set_header::RemoveHeader),
    SetPath(set_path::SetPath),
    SetQuery(set_query::SetQuery),
    RemoveQuery(set_query::RemoveQuery),
    SetContentType(set_content_type::SetContentType),
}

/// The names of the steps: the values that `op` may have.
pub(super) const OPS: [&str; 17] = [
    "rename",
    "move",
    "pick",
    "drop",
    "flatten",
    "set",
    "default",
    "map",
    "wrap",
    "unwrap",
    "convert",
    "set_header",
    "remove_header",
    "set_path",
    "set_query",
    "remove_query",
    "set_content_type",
];

impl Step {
    pub(super) fn read(fields: &Fields<'_>) -> Result<Self, Fault> {
        Ok(match fields.text("op")? {
            "rename" => Self::Rename(rename::Rename::read(fields)?),
            "move" => Self::Move(move_to::Move::read(fields)?),
            "pick" => Self::Pick(pick::Pick::read(fields)?),
            "drop" => Self::Drop(drop_fields::Drop::read(fields)?),
            "flatten" => Self::Flatten(flatten::Flatten::read(fields)?),
            "set" => Self::Set(set::Set::read(fields)?),
            "default" => Self::Default(default::Default::read(fields)?),
            "map" => Self::Map(map_values::MapValues::read(fields)?),
            "wrap" => Self::Wrap(list::Wrap::read(fields)?),
            "unwrap" => Self::Unwrap(list::Unwrap::read(fields)?),
            "convert" => Self::Convert(convert::Convert::read(fields)?),
            "set_header" => Self::SetHeader(set_header::SetHeader::read(fields)?),
            "remove_header" => Self::RemoveHeader(set_header::RemoveHeader::read(fields)?),
            "set_path" => Self::SetPath(set_path::SetPath::read(fields)?),
            "set_query" => Self::SetQuery(set_query::SetQuery::read(fields)?),
            "remove_query" => Self::RemoveQuery(set_query::RemoveQuery::read(fields)?),
            "set_content_type" => {
                Self::SetContentType(set_content_type::SetContentType::read(fields)?)
            }
            _ => {
                let expected = format!("expected one of {}", OPS.join(", "));
                return Err(fields.fault("op", expected));
            }
        })
    }

    pub(super) fn run(&self, work: &mut Work<'_>) -> Result<(), Halt> {
        match self {
            Self::Rename(step) => step.run(work),
            Self::Move(step) => step.run(work),
            Self::Pick(step) => step.run(work),
            Self::Drop(step) => step.run(work),
            Self::Flatten(step) => step.run(work),
            Self::Set(step) => step.run(work),
            Self::Default(step) => step.run(work),
            Self::Map(step) => step.run(work),
            Self::Wrap(step) => step.run(work),
            Self::Unwrap(step) => step.run(work),
            Self::Convert(step) => step.run(work),
            Self::SetHeader(step) => step.run(work),
            Self::SetPath(step) => step.run(work),
            Self::SetQuery(step) => step.run(work),
            Self::RemoveHeader(step) => {
                step.run(work);
                Ok(())
            }
            Self::RemoveQuery(step) => {
                step.run(work);
                Ok(())
            }
            Self::SetContentType(step) => {
                step.run(work);
                Ok(())
            }
        }
    }

    /// The step's name, as the admin wrote it.
    pub(super) fn op(&self) -> &'static str {
        OPS[match self {
            Self::Rename(_) => 0,
            Self::Move(_) => 1,
            Self::Pick(_) => 2,
            Self::Drop(_) => 3,
            Self::Flatten(_) => 4,
            Self::Set(_) => 5,
            Self::Default(_) => 6,
            Self::Map(_) => 7,
            Self::Wrap(_) => 8,
            Self::Unwrap(_) => 9,
            Self::Convert(_) => 10,
            Self::SetHeader(_) => 11,
            Self::RemoveHeader(_) => 12,
            Self::SetPath(_) => 13,
            Self::SetQuery(_) => 14,
            Self::RemoveQuery(_) => 15,
            Self::SetContentType(_) => 16,
        }]
    }
}
