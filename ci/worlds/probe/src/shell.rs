//! The few things that are done to the system: a value into a file of sysfs or configfs, a program, a wait for a sign.

use crate::error::{Error, Result, at};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

pub fn put(path: &Path, value: &str) -> Result<()> {
    at(path, std::fs::write(path, value))
}

/// Runs a program; the words are its arguments, as they stand.
pub fn run(program: &str, arguments: &[&str]) -> Result<()> {
    let output = Command::new(program)
        .args(arguments)
        // There is no udev in the machine: dmsetup makes its nodes itself.
        .env("DM_DISABLE_UDEV", "1")
        .output()
        .map_err(|source| Error::Io {
            what: program.to_string(),
            source,
        })?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::Command {
        command: format!("{program} {}", arguments.join(" ")).replace('\n', " "),
        code: output.status.code(),
        text: String::from_utf8_lossy(&output.stderr)
            .trim()
            .replace('\n', " "),
    })
}

/// Asks every 20 ms, until something is there or the time is over.
pub fn wait_for<T>(seconds: u64, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + Duration::from_secs(seconds);
    loop {
        if let Some(found) = ask() {
            return Some(found);
        }
        if Instant::now() >= end {
            return None;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub fn must<T>(what: &str, seconds: u64, ask: impl FnMut() -> Option<T>) -> Result<T> {
    wait_for(seconds, ask).ok_or_else(|| Error::Waited {
        what: what.to_string(),
        seconds,
    })
}
