//! The multipath daemon, as a library for its own binary, and for the harness, which puts its simulated array behind the same front end.

mod alua;
pub mod cli;
mod config;
mod control;
mod device;
pub mod front;
mod generate;
mod handover;
mod identity;
mod kernel;
mod nvme;
mod plane;
mod record;
pub mod run;
mod seen;
mod serve;
mod shard;
pub mod single;
mod state;
mod sys;
mod sysfs;
mod untold;
mod uring;
