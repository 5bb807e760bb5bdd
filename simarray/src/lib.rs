//! The simulated storage array.
pub mod api;
