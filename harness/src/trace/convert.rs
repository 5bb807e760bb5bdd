//! Makes a fio iolog (version 3) of any trace, so that fio can replay it on a real device, and as the one format that is easy to
//! edit by hand.
//!
//! Times count from the first record and lose what is below a microsecond; a stamp that runs backwards becomes the latest one. fio
//! has no word for force unit access: that is counted, not hidden. Each device is added and opened where it first appears.

use super::error::{Kind, Place, TraceError};
use super::fio::HEADER_V3;
use super::{Clock, Reader, Record};
use flate2::Compression;
use flate2::write::GzEncoder;
use protocol::Op;
use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// What was written, and what got lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Converted {
    pub records: u64,
    /// Lines or records of the source that are no I/O.
    pub others: u64,
    pub fua_lost: u64,
    pub backwards: u64,
}

impl fmt::Display for Converted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} I/Os written", self.records)?;
        if self.others > 0 {
            write!(f, ", {} entries were no I/O", self.others)?;
        }
        if self.fua_lost > 0 {
            write!(
                f,
                ", {} writes lost their force unit access (fio has none)",
                self.fua_lost
            )?;
        }
        if self.backwards > 0 {
            write!(
                f,
                ", {} stamps ran backwards and were set to the latest",
                self.backwards
            )?;
        }
        Ok(())
    }
}

/// Converts the trace at `path` (`format` may be `auto`) and writes it to `out_path`: packed with gzip where that ends in `.gz`.
/// `to` can be `fio`. The file appears when it is complete.
pub fn convert(
    path: &Path,
    format: &str,
    to: &str,
    out_path: &Path,
) -> Result<Converted, TraceError> {
    if to != "fio" {
        let what = format!(
            "cannot convert to '{}'; traces are written as: fio",
            to.escape_debug()
        );
        return Err(TraceError::new(Kind::NoSuchFormat, path, Place::File, what));
    }
    let packed = match out_path.extension().and_then(|e| e.to_str()) {
        Some("gz") => true,
        Some("zst") => {
            let what = "zstd is read, not written: name it .gz, or without a suffix";
            return Err(TraceError::new(Kind::Write, out_path, Place::File, what));
        }
        _ => false,
    };
    let mut reader = Reader::open(path, format)?;
    let failed = |e: io::Error| {
        TraceError::new(
            Kind::Write,
            out_path,
            Place::File,
            format!("cannot write: {e}"),
        )
    };
    let mut partial = out_path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let file = BufWriter::new(File::create(&partial).map_err(failed)?);
    let done = if packed {
        let mut gz = GzEncoder::new(file, Compression::best());
        write_fio(&mut reader, &mut gz, failed).and_then(|done| {
            gz.finish()
                .and_then(|mut file| file.flush())
                .map_err(failed)?;
            Ok(done)
        })
    } else {
        let mut file = file;
        write_fio(&mut reader, &mut file, failed).and_then(|done| {
            file.flush().map_err(failed)?;
            Ok(done)
        })
    };
    let done = done.and_then(|done| {
        std::fs::rename(&partial, out_path).map_err(failed)?;
        Ok(done)
    });
    if done.is_err() {
        // The first error is the one to tell; a half file is in nobody's way under this name.
        let _ = std::fs::remove_file(&partial);
    }
    done
}

/// Streams all records of `reader` to `out`.
fn write_fio(
    reader: &mut Reader,
    out: &mut dyn Write,
    failed: impl Fn(io::Error) -> TraceError,
) -> Result<Converted, TraceError> {
    let mut done = Converted::default();
    let mut clock = Clock::default();
    let mut first_ns = None;
    let mut opened: Vec<bool> = Vec::new();
    let mut now_us = 0;
    writeln!(out, "{HEADER_V3}").map_err(&failed)?;
    while let Some(record) = reader.next()? {
        let at_ns = clock.at(record.at_ns);
        now_us = (at_ns - *first_ns.get_or_insert(at_ns)) / super::text::NS_PER_US;
        let index = record.device as usize;
        if opened.len() <= index {
            opened.resize(index + 1, false);
        }
        let device = reader.device(record.device);
        if !std::mem::replace(&mut opened[index], true) {
            writeln!(out, "{now_us} {device} add\n{now_us} {device} open").map_err(&failed)?;
        }
        let Record {
            op,
            offset_bytes: offset,
            len_bytes: len,
            ..
        } = record;
        let action = match op {
            Op::Read => "read",
            // No format here has a write of zeroes; one that had would be carried out as a write.
            Op::Write | Op::WriteZeroes => "write",
            Op::Discard => "trim",
            Op::Flush => "sync",
        };
        writeln!(out, "{now_us} {device} {action} {offset} {len}").map_err(&failed)?;
        done.records += 1;
        done.fua_lost += u64::from(record.fua);
    }
    for (id, opened) in opened.iter().enumerate() {
        if *opened {
            writeln!(out, "{now_us} {} close", reader.device(id as u32)).map_err(&failed)?;
        }
    }
    done.others = reader.others();
    done.backwards = clock.backwards();
    Ok(done)
}
