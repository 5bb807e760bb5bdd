//! `mpio`: the multipath daemon. `/dev/ublkbN` in front, the kernel's per-path block devices behind, the core between them.

mod admin;
mod config;
mod device;
mod front;
mod serve;
mod shard;
mod state;
mod status;

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "mpio", version, about = "Block multipath in user space")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Read a configuration and say what is wrong with it
    CheckConfig { config: PathBuf },
    /// Serve the configuration's volumes until SIGTERM or `mpio stop`
    Serve {
        #[arg(long, default_value = "/etc/mpio/mpio.toml")]
        config: PathBuf,
    },
    /// What a running daemon serves, and the state of each path
    Status {
        #[arg(long, default_value = "/run/mpio.sock")]
        socket: PathBuf,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Ask a running daemon to end: its devices go, nothing is left behind
    Stop {
        #[arg(long, default_value = "/run/mpio.sock")]
        socket: PathBuf,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, text)) => {
            eprintln!("mpio: {text}");
            ExitCode::from(code)
        }
    }
}

/// 2: a wrong configuration; 1: everything else.
fn run(command: Command) -> Result<(), (u8, String)> {
    let load = |file: &PathBuf| config::Config::load(file).map_err(|e| (2, e.to_string()));
    let ask = |socket: &PathBuf, what| admin::ask(socket, what).map_err(|e| (1, e.to_string()));
    match command {
        Command::CheckConfig { config } => {
            let read = load(&config)?;
            println!("{}: {} volumes", config.display(), read.volumes.len());
        }
        Command::Serve { config } => {
            serve::serve(&load(&config)?).map_err(|e| (1, e.to_string()))?
        }
        Command::Status { socket, json } => {
            let status = ask(&socket, "status")?;
            if json {
                println!("{status}");
            } else {
                print!("{}", status::human(&status));
            }
        }
        Command::Stop { socket } => {
            ask(&socket, "stop")?;
        }
    }
    Ok(())
}
