//! The `harness` command: reads what is asked, runs it, judges it, and says it in every form that was asked for.
//!
//! What carries a run out is behind [`Runner`], so that verdicts, exit codes and reports are tested with runs of every
//! kind, also of those that a sound datapath never gives.

mod args;
mod bounds;
mod check;
mod compare;
mod execute;
mod fault;
mod fuzz;
mod gather;
mod guard;
mod judge;
mod merge;
mod pool;
mod progress;
mod repro;
mod run;
mod seeds;
mod serve;
mod shrink;
mod splits;
mod target;
mod trace;

pub use args::Cli;
pub use execute::Runner;

use crate::report::style::Style;
use args::Command;
use clap::Parser;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Where a command writes.
pub struct Streams<'s> {
    pub out: &'s mut dyn Write,
    pub err: &'s mut dyn Write,
    pub out_style: Style,
    pub err_style: Style,
    /// Standard error is a terminal: progress is shown there.
    pub progress: bool,
}

/// Exit codes that are not verdicts.
pub const INTERNAL: i32 = 1;
pub const INVALID: i32 = 2;
pub const NOTHING: i32 = 4;
pub const SKIPPED: i32 = 77;

/// What ends a command early: an exit code, and what to tell the user.
#[derive(Debug)]
pub struct Stop {
    pub code: i32,
    pub message: String,
}

impl Stop {
    pub fn usage(message: impl Into<String>) -> Stop {
        Stop {
            code: INVALID,
            message: message.into(),
        }
    }

    pub fn internal(message: impl Into<String>) -> Stop {
        Stop {
            code: INTERNAL,
            message: message.into(),
        }
    }
}

impl From<io::Error> for Stop {
    fn from(e: io::Error) -> Stop {
        Stop::internal(format!("cannot write the report: {e}"))
    }
}

/// The binary.
pub fn main() -> ExitCode {
    let (out, err) = (io::stdout(), io::stderr());
    let (out_style, err_style) = (Style::of(&out), Style::of(&err));
    let progress = err.is_terminal();
    let mut streams = Streams {
        out: &mut Unbroken(out.lock()),
        // Not locked: a progress bar draws on it too.
        err: &mut Unbroken(err),
        out_style,
        err_style,
        progress,
    };
    let code = command(std::env::args_os(), &execute::Simulated, &mut streams);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

/// One command; its exit code.
pub fn command<A, T>(args: A, runner: &dyn Runner, streams: &mut Streams<'_>) -> i32
where
    A: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(e) => {
            // Help and version are asked for, everything else is a mistake: clap's codes are 0 and 2, as ours.
            let text = e.render();
            let asked = !e.use_stderr();
            let style = if asked {
                streams.out_style
            } else {
                streams.err_style
            };
            let to = if asked {
                &mut streams.out
            } else {
                &mut streams.err
            };
            let _ = match style.colour {
                true => write!(to, "{}", text.ansi()),
                false => write!(to, "{text}"),
            };
            return e.exit_code();
        }
    };
    let done = match cli.command {
        Command::Run(args) => run::run(&args, runner, streams),
        Command::Check(args) => check::run(&args, streams),
        Command::Compare(args) => compare::run(&args, runner, streams),
        Command::Trace(args) => trace::run(&args, streams),
        Command::Fuzz(args) => fuzz::run(&args, runner, streams),
        Command::Shrink(args) => shrink::run(&args, runner, streams),
        Command::Merge(args) => merge::run(&args, streams),
        Command::Serve(args) => serve::run(&args, streams),
        Command::Fault(args) => fault::run(&args, streams),
        Command::Report(_) => later("report"),
    };
    done.unwrap_or_else(|stop| {
        if !stop.message.is_empty() {
            let _ = writeln!(
                streams.err,
                "{} {}",
                streams.err_style.bad("error:"),
                stop.message
            );
        }
        stop.code
    })
}

/// Set when a user wants the command to end: what it broke or made is put away first.
fn interruption() -> Result<Arc<AtomicBool>, Stop> {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, flag.clone())
            .map_err(|e| Stop::internal(format!("signal {signal}: {e}")))?;
    }
    Ok(flag)
}

fn later(name: &str) -> Result<i32, Stop> {
    Err(Stop::usage(format!("harness {name} is not built yet")))
}

/// Output whose reader may go away (`| head`): the run goes on, and its exit code still says how it went.
struct Unbroken<W>(W);

impl<W: Write> Write for Unbroken<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.write(bytes) {
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(bytes.len()),
            other => other,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.0.flush() {
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }
}
