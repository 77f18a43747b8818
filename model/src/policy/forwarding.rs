//! Forwarding rules for a stranger's request: nothing of its path, query or headers reaches beyond what the
//! destination's owner meant, however it is spelled.

mod escapes;
mod families;
mod header;
mod path;
mod query;
mod senders;
mod taken;

pub use families::{FAMILIES, Family};
pub use header::{OPENED_MAX, check_opened, folded};
pub use path::check as check_path;
pub(super) use path::unescaped;
pub use query::{Names, kept as kept_query};
pub use taken::{Forwarding, takes_target};
