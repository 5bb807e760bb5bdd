//! The simulated storage array.
pub mod api;
mod array;

pub use array::Array;
