//! A scenario file: its model, its parser, and the draws of one seed.
pub mod model;
