//! Issue policy: which troubles become issues, which trigger decides about them, who is notified, and in what words.

mod gather;
mod message;
mod rule;
mod words;

pub use gather::{Gathering, Partition};
pub use message::{show, slack, topic, webhook};
pub use rule::{Rule, retry_rule, rule, targets};
pub use words::Names;
