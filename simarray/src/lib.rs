//! The simulated array.
