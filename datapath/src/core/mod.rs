//! The multipath core.
pub mod api;
pub mod path;
pub mod verdict;
