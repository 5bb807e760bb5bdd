//! The loop that `ci/instructions` counts: `per_io POLICY PATHS IOS [LARGE_EVERY]` runs it, `per_io` alone prints the policies' names.

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "../tests/common/steady.rs"]
mod steady;

use common::{request, up};
use datapath::core::Policy;
use std::process::ExitCode;
use steady::Steady;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.is_empty() {
        for (name, _) in Policy::ALL {
            println!("{name}");
        }
        return ExitCode::SUCCESS;
    }
    let number = |at: usize| arguments.get(at)?.parse::<u64>().ok();
    let policy = Policy::ALL.iter().find(|(name, _)| *name == arguments[0]);
    let (Some((_, policy)), Some(paths @ 1..=128), Some(ios)) = (policy, number(1), number(2))
    else {
        eprintln!(
            "usage: per_io [POLICY PATHS IOS [LARGE_EVERY]]: a policy's name, 1 to 128 paths, how many I/Os, of which one in how many is of 1 MiB"
        );
        return ExitCode::from(2);
    };
    let mut steady = Steady::new(*policy, paths as u16, number(3).unwrap_or(0));
    for _ in 0..ios {
        steady.step();
    }
    steady.end();
    ExitCode::SUCCESS
}
