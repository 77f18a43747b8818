//! Transformations without code: what holds whatever the steps and the message are.

mod bounds;
mod properties;
