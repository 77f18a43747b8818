//! Every provider, one row each. The rows stand together by the kind of their scheme.

mod body;
mod composed;
mod evidence;
mod fetched;
mod generic;
mod listed;
mod public_key;
mod shared;
mod standard;
mod timed;
mod tokens;

pub use evidence::read_in;
pub use listed::{WITHOUT_SCHEME, documented};

use super::provider::Provider;
use std::{collections::HashMap, sync::LazyLock};

static BY_NAME: LazyLock<HashMap<&'static str, &'static Provider>> =
    LazyLock::new(|| all().map(|provider| (provider.name, provider)).collect());

/// Every provider, the generic ones first, then by name.
pub fn all() -> impl Iterator<Item = &'static Provider> {
    let mut named: Vec<_> = [
        body::ROWS,
        composed::ROWS,
        fetched::ROWS,
        public_key::ROWS,
        shared::ROWS,
        standard::ROWS,
        timed::ROWS,
        tokens::ROWS,
    ]
    .into_iter()
    .flatten()
    .collect();
    named.sort_by_key(|provider| provider.name);
    generic::ROWS.iter().chain(named)
}

/// The provider of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Provider> {
    BY_NAME.get(name).copied()
}
