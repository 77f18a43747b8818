//! Schemes that no description as data fits. One file each.

pub(super) mod adobe;
pub(super) mod adyen;
pub(super) mod braintree;
pub(super) mod cloudevents;
pub(super) mod contentful;
pub(super) mod dropbox_sign;
pub(super) mod ebay;
pub(super) mod graph;
pub(super) mod hook0;
pub(super) mod hubspot;
pub(super) mod linkedin;
pub(super) mod plivo;
pub(super) mod praxis;
pub(super) mod shipstation;
pub(super) mod sns;
pub(super) mod strava;
pub(super) mod treezor;
pub(super) mod twilio;
