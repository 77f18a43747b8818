//! The private side: the admin API, the cluster's own verbs, health and metrics.

mod api_error;
mod attempts;
mod auth;
mod body;
mod bookmark_input;
mod bookmarks;
mod bulk;
mod bulk_query;
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
mod ignored_filter;
mod names;
mod page;
mod query;
#[cfg(test)]
mod replay_stories;
mod request_filter;
mod requests;
mod routes;
mod rules;
mod selection;
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
pub(crate) use selection::Selection;
pub(crate) use source_marks::{keep_handshake, note_secret_use};
