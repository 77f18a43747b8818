//! Comparison of scalars: loosely across types, strictly within lists, by order.

use super::number::Number;
use crate::tree::Tree;
use std::cmp::Ordering;

/// `"5"` is `5`, `true` is `1`, `null` is only `null`. Lists and objects equal no scalar.
pub(super) fn loosely_equal(one: &Tree, other: &Tree) -> bool {
    match (one, other) {
        (Tree::Text(one), Tree::Text(other)) => one == other,
        (Tree::Null, other) | (other, Tree::Null) => *other == Tree::Null,
        _ => numbers(one, other).is_some_and(|(one, other)| one.is(&other)),
    }
}

/// Strict equality of two scalars: the same type and the same value. Not for lists and objects.
pub(super) fn strictly_equal(one: &Tree, other: &Tree) -> bool {
    match (one, other) {
        (Tree::Number(one), Tree::Number(other)) => {
            Number::written(one).is(&Number::written(other))
        }
        (Tree::Text(one), Tree::Text(other)) => one == other,
        (Tree::Bool(one), Tree::Bool(other)) => one == other,
        (Tree::Null, Tree::Null) => true,
        _ => false,
    }
}

/// Text against text by its characters, a number against a number or a text that is one by value; anything else has no order.
pub(super) fn order(one: &Tree, other: &Tree) -> Option<Ordering> {
    match (one, other) {
        (Tree::Text(one), Tree::Text(other)) => Some(one.cmp(other)),
        (Tree::Text(_) | Tree::Number(_), Tree::Text(_) | Tree::Number(_)) => {
            numbers(one, other).map(|(one, other)| one.order(&other))
        }
        _ => None,
    }
}

fn numbers(one: &Tree, other: &Tree) -> Option<(Number, Number)> {
    Some((Number::of(one)?, Number::of(other)?))
}
