//! Values that a request has at named places.

mod canonical;
mod picker;

pub use picker::Picker;
