//! Request bodies: each becomes the thing afterwards, over what is kept of it.

pub mod bookmark;
pub mod connection;
pub mod deduplicate;
pub mod destination;
pub mod destination_auth;
pub mod destination_kind;
pub mod destination_signing;
pub mod destination_tls;
pub mod issue_trigger;
pub mod notifications;
pub mod over;
pub mod project;
pub mod rules;
pub mod source;
pub mod source_auth;
pub mod source_secrets;
pub mod transform_rule;
pub mod transformation;
