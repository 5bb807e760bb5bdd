//! The multipath core.
pub mod api;
pub mod path;
