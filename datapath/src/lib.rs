//! The production datapath.
