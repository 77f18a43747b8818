//! One destination on one node, without I/O.
