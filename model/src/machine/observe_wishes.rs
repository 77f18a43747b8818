//! Notes what a receiver asked for in its answer: to be sent nothing any more, or no more than so many a minute.

use super::{
    Context, Effect,
    observed_rows::{self, ObserveReply},
};
use crate::{
    catalog::{CatalogRow, DisabledBy, Item, Kind},
    ids::DestinationId,
    policy::receiver::{AllowedRate, Asked},
    state::{
        kv::Kv,
        tables::{self, TableError},
    },
};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObserveWishes {
    pub destination: DestinationId,
    pub disable: Option<DisabledBy>,
    pub rate: Option<AllowedRate>,
}

pub(super) fn apply(
    kv: &mut impl Kv,
    context: &Context<'_>,
    command: ObserveWishes,
    effects: &mut Vec<Effect>,
) -> Result<ObserveReply, TableError> {
    let id = command.destination;
    let Some(Item::Destination(configured)) = super::item(kv, Kind::Destination, id.0)? else {
        return Ok(ObserveReply::Refused);
    };
    let mut observed = tables::destination_observed(kv, id)?.unwrap_or_default();
    let in_force = observed.over(&configured);
    let asked = Asked {
        disable: command.disable,
        rate: command.rate,
        abort: false,
    };
    let Some(left) = asked.change(&in_force, context.now) else {
        return observed_rows::kept(kv);
    };
    observed.note(&in_force, &left, context.index);
    let row = CatalogRow::OfDestination(id, Some(observed));
    observed_rows::keep(kv, context, row, effects)
}
