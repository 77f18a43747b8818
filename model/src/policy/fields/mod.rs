//! Values that a request has at named places.

mod json;
mod picker;

pub use picker::Picker;
