//! The production datapath: the multipath core, and the trait that joins it to the world.
pub mod core;
pub mod ring;
