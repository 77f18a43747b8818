//! The replicated state, as tables over a narrow key-value waist.

pub mod codec;
pub mod issues;
pub mod keys;
pub mod kv;
pub mod memory;
pub mod tables;
