//! The scenario harness: replays workloads through the datapath over a simulated array, in virtual time,
//! breaks paths, and judges what the applications saw.

pub mod check;
pub mod cli;
pub mod fuzz;
pub mod metrics;
pub mod report;
pub mod scenario;
pub mod serve;
pub mod target;
pub mod trace;
pub mod workload;
pub mod world;
