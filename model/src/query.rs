//! Questions as data: which events, requests, attempts, executions or issues somebody asks for. A list, a count and a
//! bulk operation ask the same ones, of any rows that can be read, wherever they lie.

mod attempts;
mod events;
mod executions;
mod ids;
mod ignored;
mod issues;
mod range;
mod requests;
mod selection;

pub use attempts::AttemptQuery;
pub use events::{EventQuery, next_attempt_at};
pub use executions::ExecutionQuery;
pub use ids::{Ids, SLACK_MS};
pub use ignored::IgnoredQuery;
pub use issues::IssueQuery;
pub use range::{Range, Relation};
pub use requests::RequestQuery;
pub use selection::{Asked, Selection};
