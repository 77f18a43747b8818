//! Which rows a list or a bulk operation is about, out of its parameters.

pub mod events;
pub mod executions;
pub mod ignored;
pub mod issues;
pub mod requests;

use crate::{problem::Problem, query::Query};
use std::str::FromStr;

/// The ids that a parameter names. One that can't be an id matches nothing, as one that is gone does.
pub fn ids<T: FromStr>(query: &Query, name: &str) -> Option<Vec<T>> {
    let texts = query.all(name).into_iter();
    let ids = texts.filter_map(|text| text.parse().ok()).collect();
    query.has(name).then_some(ids)
}

/// Values that will do; any will where none is named.
pub fn named<T>(values: Vec<T>) -> Option<Vec<T>> {
    (!values.is_empty()).then_some(values)
}

/// Refuses filters of the API that this version does not have.
pub fn refuse(query: &Query, unsupported: &[&str]) -> Result<(), Problem> {
    match unsupported.iter().find(|name| query.has(name)) {
        None => Ok(()),
        Some(name) => Err(Problem::not_available(&format!("{name}: this filter"))),
    }
}
