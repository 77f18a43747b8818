//! The envelopes that several answers share.

use schemars::JsonSchema;
use serde::Serialize;

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "{T}List")]
pub struct List<T> {
    pub pagination: Pagination,
    /// Models of this page.
    pub count: usize,
    pub models: Vec<T>,
    /// Partitions that did not answer in time; what they hold is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<Vec<Gap>>,
}

/// The position of a page in its list.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Pagination {
    pub order_by: &'static str,
    pub dir: Direction,
    pub limit: usize,
    /// The cursor of the page behind this one; left out at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// The cursor of the page before this one; left out at the beginning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prev: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    Asc,
    Desc,
}

/// A partition that an answer lacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Gap {
    pub partition: u16,
    pub message: &'static str,
}

impl Gap {
    pub fn of(partition: u16) -> Self {
        Self {
            partition,
            message: "no leader with a majority answered in time; what it holds is left out",
        }
    }
}

impl<T> List<T> {
    /// Names the partitions that are missing from the list. A whole answer looks as it always did.
    #[must_use]
    pub fn lacking(self, missing: Option<Vec<Gap>>) -> Self {
        Self { missing, ..self }
    }
}

/// All of something that has no pages.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "All{T}")]
pub struct All<T> {
    pub count: usize,
    pub models: Vec<T>,
}

impl<T> All<T> {
    pub fn of(models: Vec<T>) -> Self {
        Self {
            count: models.len(),
            models,
        }
    }
}

/// The number of things that a list would show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Count {
    pub count: usize,
}

/// The id of what was deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Deleted {
    pub id: String,
}
