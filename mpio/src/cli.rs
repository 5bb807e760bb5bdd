//! The command line. Exit codes are those of the project: 0 done; 1 it failed; 2 usage, or an invalid configuration; 4 nothing to act on:
//! no daemon answers, nothing was found.
#![forbid(unsafe_code)]

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

pub const CONFIG: &str = "/etc/mpio/mpio.toml";
pub const SOCKET: &str = "/run/mpio.sock";

#[derive(Debug, Parser)]
#[command(
    name = "mpio",
    version,
    about = "Block multipath in user space",
    after_help = "Exit codes: 0 done; 1 it failed; 2 usage, or an invalid configuration; 4 no daemon answers, or nothing was found.",
    propagate_version = true
)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

/// How a running daemon is asked, and how it is shown.
#[derive(Debug, Args)]
pub struct Ask {
    /// The daemon's socket, as [daemon] socket in its configuration
    #[arg(long, default_value = SOCKET, value_name = "FILE")]
    pub socket: PathBuf,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Read a configuration and say what is wrong with it
    CheckConfig {
        #[arg(default_value = CONFIG, value_name = "FILE")]
        config: PathBuf,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Serve the configuration's volumes until SIGTERM or `mpio stop`
    Serve {
        #[arg(long, default_value = CONFIG, value_name = "FILE")]
        config: PathBuf,
        /// Take the volumes over from the daemon that serves them now, of this or another version, without an error to any program; it
        /// goes on where this one cannot serve
        #[arg(long)]
        take_over: bool,
    },
    /// What a running daemon serves, and the state of each path
    Status {
        /// Only this volume
        volume: Option<String>,
        #[command(flatten)]
        ask: Ask,
    },
    /// The volumes of a running daemon
    #[command(subcommand)]
    Volume(VolumeCommand),
    /// The paths of a running daemon
    #[command(subcommand)]
    Path(PathCommand),
    /// The host's disks as volumes, what stands against using them, and the configuration that would serve them
    Discover {
        /// Take volumes with at least so many paths
        #[arg(long, default_value_t = 2, value_name = "N")]
        paths_min: usize,
        #[command(flatten)]
        ask: Ask,
    },
    /// What a daemon that ended without order left behind
    Recover {
        /// Give this volume's device up: it is deleted, and what waits on it fails. Only while no daemon runs
        #[arg(long, value_name = "VOLUME")]
        give_up: Option<String>,
        #[command(flatten)]
        ask: Ask,
    },
    /// Write what a volume serves as a fio iolog (version 3), until the file is full, the time is over, or it is interrupted
    Trace {
        volume: String,
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// The file grows no larger
        #[arg(long, default_value = "64MiB", value_name = "SIZE", value_parser = crate::control::trace::bytes)]
        max_size: u64,
        /// Ends after so long, as in 30s or 5m
        #[arg(long = "for", value_name = "TIME", value_parser = crate::cli::time)]
        time: Option<std::time::Duration>,
        #[command(flatten)]
        ask: Ask,
    },
    /// What a package ships beside the binary
    #[command(subcommand)]
    Generate(Generate),
    /// Ask a running daemon to end: its devices go, nothing is left behind
    Stop {
        /// Do not wait until it has ended
        #[arg(long)]
        no_wait: bool,
        /// Also where a volume is mounted, or held by another program or map: what is still to be written to it is lost
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        ask: Ask,
    },
}

#[derive(Debug, Subcommand)]
pub enum Generate {
    /// Completions for a shell, on standard output
    Completions { shell: clap_complete::Shell },
    /// The man pages
    Man {
        /// The folder that they are written to
        #[arg(long, value_name = "FOLDER")]
        out: PathBuf,
    },
    /// The systemd unit, on standard output
    Unit,
}

#[derive(Debug, Subcommand)]
pub enum VolumeCommand {
    /// One line for each volume
    List {
        #[command(flatten)]
        ask: Ask,
    },
    /// One volume and its paths
    Show {
        volume: String,
        #[command(flatten)]
        ask: Ask,
    },
    /// Fail all I/O that waits for a path now, instead of at the end of `no_path.queue_for`
    FailQueued {
        volume: String,
        #[command(flatten)]
        ask: Ask,
    },
    /// Take the size that the paths show, also where it is smaller
    TakeSize {
        volume: String,
        #[command(flatten)]
        ask: Ask,
    },
}

#[derive(Debug, Subcommand)]
pub enum PathCommand {
    /// One line for each path
    List {
        /// Only this volume's
        volume: Option<String>,
        #[command(flatten)]
        ask: Ask,
    },
    /// A further device of the volume becomes a path
    Add(OnePath),
    /// A path gets no more I/O; its device is closed when nothing is out on it
    Remove(OnePath),
    /// Use a path as its state allows
    Enable(OnePath),
    /// Use a path only while no enabled one is usable
    Standby(OnePath),
    /// Send no more I/O over a path; what is out on it ends as it would have
    Fail(OnePath),
}

#[derive(Debug, Args)]
pub struct OnePath {
    pub volume: String,
    /// The device: /dev/sda, or sda
    pub path: String,
    #[command(flatten)]
    pub ask: Ask,
}

pub fn time(text: &str) -> Result<std::time::Duration, String> {
    humantime_serde::re::humantime::parse_duration(text).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
