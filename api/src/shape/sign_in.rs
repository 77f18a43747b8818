//! The body with which a command line signs in.

use super::bounds::Text;
use schemars::JsonSchema;

/// The machine that signs in.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "SignInInput")]
pub struct SignInShape {
    /// What its user calls it. Nothing is kept of it: a client is known by its key.
    pub device_name: Option<Text<255>>,
}
