//! The command line: its words, and what is refused before anything is read.

use super::seeds::{SeedRange, Seeds};
use crate::fuzz::summary::Shard;
use crate::scenario::quantity::{self, Unit};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;

pub const EXIT_CODES: &str = "Exit codes:
  0  all pass                          10  a safety rule is broken
  1  internal error                    11  a liveness rule is broken (stuck_io, livelock)
  2  usage, or an invalid scenario,    12  an expectation failed
     trace or configuration            13  worse than the baseline
  4  nothing ran                       14  not deterministic
                                       77  all skipped
Several at once: the smallest of 10 to 14.";

/// Replays workloads through the multipath datapath against a simulated array, breaks paths, and judges the outcome.
#[derive(Parser, Debug)]
#[command(name = "harness", version, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run scenarios: files, or folders of them
    #[command(after_help = EXIT_CODES)]
    Run(Run),
    /// Read and validate scenarios; nothing runs
    Check(Check),
    /// Run scenarios under several policies, side by side
    Compare(Compare),
    /// Look into a block trace, or convert it
    #[command(subcommand)]
    Trace(Trace),
    /// Run drawn topologies, workloads and faults, and keep what fails
    #[command(after_help = EXIT_CODES)]
    Fuzz(Fuzz),
    /// The smallest scenario that still fails as the run in this folder
    Shrink(Shrink),
    /// Join the results of a sharded search
    #[command(after_help = EXIT_CODES)]
    Merge(Merge),
    /// /dev/ublkbN on the in-process simulated array, in wall time, with the scenario's faults
    Serve(Serve),
    /// Live faults on a served array
    Fault(Fault),
    /// The HTML report of a run (not built yet)
    #[command(disable_help_flag = true)]
    Report(Later),
}

#[derive(Args, Debug)]
pub struct Serve {
    /// The scenario: its array, paths, datapath and faults. Its workloads are left out
    #[arg(long, value_name = "FILE")]
    pub scenario: PathBuf,
    /// Serve this seed instead of the scenario's own
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Change a key of the scenario to a TOML value (repeatable)
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = set)]
    pub sets: Vec<(String, String)>,
    /// Where `harness fault` finds it
    #[arg(long, value_name = "PATH", default_value = crate::serve::control::SOCKET)]
    pub socket: PathBuf,
}

#[derive(Args, Debug)]
pub struct Fault {
    #[command(subcommand)]
    pub command: FaultCommand,
    /// Where `harness serve` listens
    #[arg(long, value_name = "PATH", default_value = crate::serve::control::SOCKET, global = true)]
    pub socket: PathBuf,
}

#[derive(Subcommand, Debug)]
pub enum FaultCommand {
    /// Begin a fault now
    Add(FaultAdd),
    /// Every fault so far: its number, and whether it is active
    List {
        #[arg(long)]
        json: bool,
    },
    /// End a fault, or all of them
    Clear {
        /// Its number, or all
        #[arg(value_name = "N|all")]
        which: String,
    },
}

#[derive(Args, Debug)]
pub struct FaultAdd {
    /// What happens, as in a scenario: drop, reset, delay …
    #[arg(value_name = "DO")]
    pub kind: String,
    /// On what: path:h0-A0, controller:A, fabric:red, array …
    #[arg(long, value_name = "TARGET")]
    pub on: String,
    /// For how long [default: until it is cleared]
    #[arg(long = "for", value_name = "TIME")]
    pub lasts: Option<String>,
    /// The fault's parameters, such as add=5ms or share=50
    #[arg(value_name = "KEY=VALUE", value_parser = set)]
    pub parameters: Vec<(String, String)>,
}

#[derive(Args, Debug)]
pub struct Later {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    pub rest: Vec<OsString>,
}

/// What to run, and as what.
#[derive(Args, Debug)]
pub struct What {
    /// Scenario files, or folders that are searched for them
    #[arg(value_name = "PATH", default_value = "scenarios")]
    pub paths: Vec<PathBuf>,
    /// Run this seed instead of the scenario's own
    #[arg(long, value_name = "N", conflicts_with = "seeds")]
    pub seed: Option<u64>,
    /// Run each seed of this range, both ends included
    #[arg(long, value_name = "A..B")]
    pub seeds: Option<Seeds>,
    /// Change a key of every scenario to a TOML value, such as datapath.policy='"numa"' (repeatable)
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = set)]
    pub sets: Vec<(String, String)>,
    /// Runs at a time [default: the number of cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,
    /// How commands travel: model (straight to the simulated array) or wire (NVMe/TCP bytes; not built yet)
    #[arg(long, value_enum, value_name = "FIDELITY")]
    pub fidelity: Option<Fidelity>,
    /// What is under test: sim, or in wall time a block device (/dev/ublkbN) or a daemon's volume (mpio:NAME)
    #[arg(long, value_name = "TARGET", default_value = "sim")]
    pub target: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Fidelity {
    Model,
    Wire,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Events {
    /// Every command, besides states, faults, verdicts, failovers and rules
    Io,
}

#[derive(Args, Debug)]
pub struct Run {
    #[command(flatten)]
    pub what: What,
    /// Choose paths by this policy instead of the scenario's
    #[arg(long, value_name = "POLICY")]
    pub policy: Option<String>,
    /// Compare the headline metrics with the baselines in this folder
    #[arg(long, value_name = "DIR")]
    pub baseline: Option<PathBuf>,
    /// Write the baselines (to --baseline, or results/baseline) instead of comparing with them
    #[arg(long)]
    pub update_baseline: bool,
    /// Where each run leaves its folder
    #[arg(long, value_name = "DIR", default_value = "results/runs")]
    pub out: PathBuf,
    /// What events.jsonl holds besides states, faults, failovers and rules
    #[arg(long, value_enum, value_name = "WHAT")]
    pub events: Option<Events>,
    /// Print one JSON object a line for each run; the report for people goes to standard error
    #[arg(long)]
    pub json: bool,
    /// Write a JUnit report
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Print annotations for GitHub, and its step summary
    #[arg(long)]
    pub github: bool,
    /// Print failures and the summary only
    #[arg(long)]
    pub quiet: bool,
    /// With a real target: how this machine carries the scenario's faults out
    #[arg(long, value_name = "FILE")]
    pub inject: Option<PathBuf>,
    /// With a real target: write over a device that holds data
    #[arg(long)]
    pub overwrite: bool,
    /// Run everything twice: exit 14 where fingerprints or output files differ
    #[arg(long)]
    pub twice: bool,
}

#[derive(Args, Debug)]
pub struct Check {
    /// Scenario files, or folders that are searched for them
    #[arg(value_name = "PATH", default_value = "scenarios")]
    pub paths: Vec<PathBuf>,
    /// Change a key of every scenario to a TOML value (repeatable)
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = set)]
    pub sets: Vec<(String, String)>,
    /// Print errors only
    #[arg(long)]
    pub quiet: bool,
}

#[derive(Args, Debug)]
pub struct Compare {
    #[command(flatten)]
    pub what: What,
    /// The policies, separated by commas; `best` adds the best of them and of static splits; `all` is all of it
    #[arg(
        long,
        value_name = "A,B,…",
        required_unless_present = "bounds",
        conflicts_with = "bounds",
        value_delimiter = ','
    )]
    pub policies: Vec<String>,
    /// Judge the bounds of this file, with the policies that they need; those of other scenarios are left out
    #[arg(long, value_name = "FILE", conflicts_with_all = ["csv", "json"])]
    pub bounds: Option<PathBuf>,
    /// Print one JSON object a line for each scenario and policy
    #[arg(long)]
    pub json: bool,
    /// Write scenario, policy, metric, median, interval, distance and best as CSV
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// Write the whole matrix as Markdown
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub struct Fuzz {
    /// Run each seed of this range, both ends included
    #[arg(long, value_name = "A..B", conflicts_with_all = ["time", "from"])]
    pub seeds: Option<SeedRange>,
    /// Run seeds for this long in wall time, from --from on
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = wall_time)]
    pub time: std::time::Duration,
    /// The first seed with --time
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub from: u64,
    /// Of n parts run part k, counted from 0: the seeds that leave the remainder k
    #[arg(long, value_name = "K/N")]
    pub shard: Option<Shard>,
    /// What the search is about: swarm, ghosts, crashes, gentle or shadows
    #[arg(long, value_name = "NAME", default_value = "swarm")]
    pub profile: String,
    /// Where summary.json and a folder for each failing seed are left
    #[arg(long, value_name = "DIR", default_value = "results/fuzz")]
    pub out: PathBuf,
    /// Runs at a time [default: the number of cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,
    /// Print one JSON object a line for each seed, and the summary as the last
    #[arg(long)]
    pub json: bool,
    /// End after so many findings
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub findings: usize,
}

#[derive(Args, Debug)]
pub struct Shrink {
    /// The folder of a run that failed: scenario.toml and report.json
    #[arg(value_name = "RUN_DIR")]
    pub folder: PathBuf,
    /// Run at most so many scenarios
    #[arg(long, value_name = "N", default_value_t = 3_000)]
    pub tries: u64,
}

#[derive(Args, Debug)]
pub struct Merge {
    /// Folders that harness fuzz --out wrote, or folders of such
    #[arg(value_name = "DIR", required = true)]
    pub folders: Vec<PathBuf>,
    /// Write the joined summary.json here
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Print the joined summary as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Subcommand, Debug)]
pub enum Trace {
    /// Format, records, span, devices and sizes of a trace
    Info {
        file: PathBuf,
        /// The trace's format
        #[arg(long, default_value = "auto")]
        format: String,
    },
    /// The first records, in one form for all formats
    Head {
        file: PathBuf,
        #[arg(long, default_value = "auto")]
        format: String,
        /// How many records
        #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
        count: u64,
    },
    /// Write the trace in another format
    Convert {
        file: PathBuf,
        #[arg(long, default_value = "auto")]
        format: String,
        /// The format to write: fio
        #[arg(long, value_name = "FORMAT")]
        to: String,
        /// The file to write [default: the trace's name with the format's ending, in this folder]
        #[arg(long, short, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

fn wall_time(text: &str) -> Result<std::time::Duration, String> {
    match quantity::parse(text, Unit::Time) {
        Ok(0) => Err("no time at all".into()),
        Ok(ns) => Ok(std::time::Duration::from_nanos(ns)),
        Err(e) => Err(e.message),
    }
}

fn set(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok((key.trim().to_string(), value.trim().to_string()))
        }
        _ => Err("expected KEY=VALUE, such as workload.0.depth=64".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_set_is_split_at_the_first_sign() {
        assert_eq!(
            set("fault.0.status=\"nvme:0x360\"").unwrap(),
            ("fault.0.status".into(), "\"nvme:0x360\"".into())
        );
        assert_eq!(set("a=b=c").unwrap(), ("a".into(), "b=c".into()));
        assert!(set("a").is_err() && set("=1").is_err());
    }
}
