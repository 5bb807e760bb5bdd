//! Virtual time: one event loop around datapath, array and workloads.
