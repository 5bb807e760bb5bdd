//! `harness trace`: looks into block traces, and converts them.

use super::{INTERNAL, INVALID, Stop, Streams, args};
use crate::trace::{self, Kind, TraceError};
use std::fs;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// What the disk does to us is an internal error; what is wrong with a trace is the input's.
impl From<TraceError> for Stop {
    fn from(e: TraceError) -> Stop {
        Stop {
            code: match e.kind() {
                Kind::Read | Kind::Write => INTERNAL,
                _ => INVALID,
            },
            message: e.to_string(),
        }
    }
}

pub fn run(args: &args::Trace, streams: &mut Streams<'_>) -> Result<i32, Stop> {
    let mut out = BufWriter::new(&mut *streams.out);
    match args {
        args::Trace::Info { file, format } => trace::info(file, format, &mut out)?,
        args::Trace::Head {
            file,
            format,
            count,
        } => trace::head(file, format, *count, &mut out)?,
        args::Trace::Convert {
            file,
            format,
            to,
            out: named,
        } => {
            let target = target(file, to, named.as_deref())?;
            let done = trace::convert(file, format, to, &target)?;
            writeln!(out, " {}: {done}", target.display())?;
        }
    }
    out.flush()?;
    Ok(0)
}

/// The file to write. Nothing is overwritten that was not named, and the trace itself never.
fn target(file: &Path, to: &str, named: Option<&Path>) -> Result<PathBuf, Stop> {
    let target = match named {
        Some(named) => named.to_path_buf(),
        None => beside(file, to),
    };
    if target.extension().is_some_and(|e| e == "zst") {
        return Err(Stop::usage(format!(
            "{}: zstd is read, not written: name it .gz, or without a suffix",
            target.display()
        )));
    }
    let is_source = match (fs::canonicalize(file), fs::canonicalize(&target)) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    };
    if is_source {
        return Err(Stop::usage(format!(
            "{}: is the trace itself; name another file with --out",
            target.display()
        )));
    }
    if named.is_none() && target.exists() {
        return Err(Stop::usage(format!(
            "{}: is there already; name it with --out to replace it",
            target.display()
        )));
    }
    Ok(target)
}

/// The trace's name in the current folder, without its packing and with the format's ending.
fn beside(file: &Path, to: &str) -> PathBuf {
    let mut name = PathBuf::from(file.file_name().unwrap_or("trace".as_ref()));
    if name.extension().is_some_and(|e| e == "gz" || e == "zst") {
        name.set_extension("");
    }
    // A format's name is one plain word; whatever else was given is refused by the converter.
    let ending: String = to.chars().filter(char::is_ascii_alphanumeric).collect();
    name.with_extension(ending)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_converted_trace_is_named_after_its_source() {
        let named = |file: &str| {
            beside(Path::new(file), "fio")
                .to_string_lossy()
                .into_owned()
        };
        assert_eq!(named("/a/b/c.vscsi.gz"), "c.fio");
        assert_eq!(named("two-disks.msr.csv"), "two-disks.msr.fio");
        assert_eq!(named("x"), "x.fio");
    }
}
