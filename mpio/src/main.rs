//! `mpio`: the multipath daemon. `/dev/ublkbN` in front, the kernel's per-path block devices behind, the core between them.

mod alua;
mod cli;
mod config;
mod control;
mod device;
mod front;
mod generate;
mod identity;
mod plane;
mod record;
mod run;
mod seen;
mod serve;
mod shard;
mod state;
mod sys;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    match run::run(cli::Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("mpio: {e}");
            ExitCode::from(e.exit_code())
        }
    }
}
