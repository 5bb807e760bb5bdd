//! The same cuts on two worlds: the kernel's `nvmet` behind the kernel's own initiator, inside a virtual machine, and the
//! simulated array behind the core. Each half prints the facts of a case as one line; `ci/worlds/run` compares them with the table in
//! `ci/worlds/README.md`, so that neither world can drift away from what the simulator's documentation says about it.
//!
//! ```text
//! worlds kernel [CASE…]            as root, in ci/vm: breaks paths of the running kernel
//! worlds simulator EVENTS.jsonl    the facts of a run that harness recorded with --events io
//! worlds list                      the names of the cases
//! ```

mod block;
mod cuts;
mod error;
mod facts;
mod kernel;
mod shell;
mod simulator;
mod stage;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["kernel", names @ ..] => on_the_kernel(names),
        ["simulator", events] => match simulator::facts(std::path::Path::new(events)) {
            Ok(facts) => {
                println!("{facts}");
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("worlds: {events}: {error}");
                ExitCode::FAILURE
            }
        },
        ["list"] => {
            for case in &kernel::CASES {
                println!("{}", case.name);
            }
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("usage: worlds kernel [CASE…] | worlds simulator EVENTS.jsonl | worlds list");
            ExitCode::from(2)
        }
    }
}

/// A case that cannot be judged does not keep the others from being played.
fn on_the_kernel(names: &[&str]) -> ExitCode {
    if let Some(name) = names
        .iter()
        .find(|name| kernel::CASES.iter().all(|case| case.name != **name))
    {
        eprintln!("worlds: {name} is no case; `worlds list` names them");
        return ExitCode::from(2);
    }
    let mut code = ExitCode::SUCCESS;
    for case in &kernel::CASES {
        if !names.is_empty() && !names.contains(&case.name) {
            continue;
        }
        match kernel::run(case) {
            Ok(facts) => println!("kernel {}: {facts}", case.name),
            Err(error) => {
                println!("kernel {}: not judged: {error}", case.name);
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}
