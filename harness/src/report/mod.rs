//! Reports of a run.
pub mod model;
