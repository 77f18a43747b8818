//! Keeps what a sender's handshake left. The first secret that a sender brings stays: a stranger must not take a source
//! over.

use super::{
    Context, Effect,
    observed_rows::{self, ObserveReply},
};
use crate::{
    catalog::{CatalogRow, HandshakeKind, Observed, Secret, Source, SourceObserved},
    ids::SourceId,
    state::{kv::Kv, tables::TableError},
};
use serde::{Deserialize, Serialize};

/// Bytes that may be left: a stranger names them.
const VALUE_MAX: usize = 8 * 1024;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeepHandshake {
    pub source: SourceId,
    /// The scheme that the sender spoke. The source may have another by now.
    pub scheme: String,
    pub kind: HandshakeKind,
    pub value: Secret,
}

pub(super) fn apply(
    kv: &mut impl Kv,
    context: &Context<'_>,
    command: &KeepHandshake,
    effects: &mut Vec<Effect>,
) -> Result<ObserveReply, TableError> {
    let Some((source, mut observed)) = observed_rows::source(kv, command.source)? else {
        return Ok(ObserveReply::Refused);
    };
    if source.verification.scheme != command.scheme || command.value.reveal().len() > VALUE_MAX {
        return Ok(ObserveReply::Refused);
    }
    if is_known(&source, &observed, command) {
        // The sender asked twice.
        return observed_rows::kept(kv);
    }
    let left = Some(Observed {
        value: command.value.clone(),
        at: context.now,
        index: context.index,
    });
    match command.kind {
        HandshakeKind::SecretLearned => {
            let in_force = observed.over(&source);
            if !in_force.verification.secrets.is_empty() {
                return Ok(ObserveReply::Refused);
            }
            observed.learned = left;
        }
        HandshakeKind::ConfirmUrl => observed.confirm_url = left,
    }
    let row = CatalogRow::OfSource(source.id, Some(observed));
    observed_rows::keep(kv, context, row, effects)
}

fn is_known(source: &Source, observed: &SourceObserved, command: &KeepHandshake) -> bool {
    let left = match command.kind {
        HandshakeKind::SecretLearned => &observed.learned,
        HandshakeKind::ConfirmUrl => &observed.confirm_url,
    };
    let earlier = source.verification.handshake.as_ref();
    left.as_ref()
        .is_some_and(|left| left.value == command.value)
        || earlier.is_some_and(|it| it.kind == command.kind && it.value == command.value)
}
