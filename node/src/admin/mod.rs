//! The private side: the admin API, the cluster's own verbs, health and metrics.

mod api_error;
mod attempts;
mod auth;
mod body;
mod catalog_page;
mod changes;
mod cluster;
mod connection_input;
mod connections;
mod destination_input;
mod destinations;
mod event_filter;
mod events;
mod freshness;
mod health;
mod issue_data;
mod issue_filter;
mod issue_trigger_input;
mod issue_triggers;
mod issues;
mod names;
mod notifications;
mod page;
mod query;
mod request_filter;
mod requests;
mod routes;
mod rules;
mod source_auth;
mod source_input;
mod source_marks;
mod source_types;
mod sources;
#[cfg(test)]
mod stories;
mod times;
mod traffic_data;
mod traffic_page;
mod traffic_scan;
mod views;

pub(crate) use routes::configure;
pub(crate) use source_marks::{keep_handshake, note_secret_use};
