//! The production datapath.
pub mod core;
