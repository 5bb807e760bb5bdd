//! `mpio`: the multipath daemon. `/dev/ublkbN` in front, the kernel's per-path block devices behind, the core between them.

use clap::Parser;
use mpio::{cli, run};
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
