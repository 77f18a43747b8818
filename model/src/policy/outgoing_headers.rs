//! Headers that a destination's configuration gives to what is delivered, and what a record of them hides.

pub use super::transform::{check_header_name as check_name, check_header_value as check_value};

/// Headers that one destination may add.
pub const HEADERS_MAX: usize = 20;

/// The placeholder that a record shows in a credential's place.
pub const REDACTED: &str = "[redacted]";

/// Whether a header is a credential whoever set it. Lower-case names.
#[must_use]
pub fn is_credential(name: &str) -> bool {
    matches!(name, "authorization" | "cookie" | "proxy-authorization")
}

/// Whether a header that the operator added is surely no credential. Lower-case names.
#[must_use]
pub fn is_harmless(name: &str) -> bool {
    matches!(
        name,
        "accept" | "accept-language" | "cache-control" | "content-type" | "user-agent"
    )
}
