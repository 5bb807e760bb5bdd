//! `auto`: which format a trace has, by its first line or records. Its name decides only between formats that both fit.

use super::devices::Devices;
use super::error::{Kind, Place, TraceError};
use super::format::Format;
use super::input::Input;
use super::line::{Line, LineFormat};
use super::reader::text_format;
use super::vscsi::Version;
use std::path::Path;

/// Header lines and blkparse's chatter may stand before the first record.
const LINES_LOOKED_AT: u64 = 16;

pub fn detect(input: &mut Input) -> Result<Format, TraceError> {
    let file = input.file.clone();
    let (sample, whole) = input.sample()?;
    let mut fit = Vec::new();
    let mut tried = Vec::new();
    for format in Format::ALL {
        match fits(format, sample, whole) {
            Ok(()) => fit.push(format),
            Err(why) => tried.push(format!("\n    {}: {why}", format.name())),
        }
    }
    let hinted = fit.iter().copied().find(|f| is_hint(&file, *f));
    match (fit.as_slice(), hinted) {
        ([only], _) => Ok(*only),
        ([], _) => {
            let what = format!(
                "no trace format that is known begins like this; tried:{}",
                tried.concat()
            );
            Err(TraceError::new(
                Kind::UnknownContent,
                &file,
                Place::File,
                what,
            ))
        }
        (_, Some(hinted)) => Ok(hinted),
        (several, None) => {
            let names: Vec<&str> = several.iter().map(|f| f.name()).collect();
            let what = format!(
                "its beginning fits several formats: {}; say which one it is",
                names.join(", ")
            );
            Err(TraceError::new(
                Kind::AmbiguousContent,
                &file,
                Place::File,
                what,
            ))
        }
    }
}

/// Whether the first record (and what may stand before it) is one of `format`.
fn fits(format: Format, sample: &[u8], whole: bool) -> Result<(), String> {
    let Some(mut parser) = text_format(format, sample) else {
        return Version::probe(sample).map(|_| ()).map_err(|bad| bad.what);
    };
    let mut devices = Devices::default();
    let mut lines = sample.split(|b| *b == b'\n').peekable();
    let mut number = 0;
    while let Some(line) = lines.next() {
        if lines.peek().is_none() && !whole {
            return Err("its first line does not end".to_string());
        }
        number += 1;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.trim_ascii().is_empty() {
            continue;
        }
        match parser.line(number, line, &mut devices) {
            // fio's header is its proof.
            Ok(Line::Header) if format == Format::Fio => return Ok(()),
            Ok(Line::Header) => {}
            Ok(_) => return Ok(()),
            Err(bad) => return Err(format!("line {number}: {}", bad.what)),
        }
        if number == LINES_LOOKED_AT {
            break;
        }
    }
    // Nothing but the names of its columns: a trace without I/O.
    if number > 0 && !sample.trim_ascii().is_empty() {
        return Ok(());
    }
    Err("there are only blank lines".to_string())
}

/// Whether a part of the file's name is the format's: `web.tencent.csv.gz`, `tencent_web.csv`.
fn is_hint(file: &Path, format: Format) -> bool {
    let name = file.file_name().map_or_else(String::new, |n| {
        n.to_string_lossy().to_ascii_lowercase().replace('_', ".")
    });
    match format {
        Format::VscsiCsv => name.contains("vscsi"),
        other => name.split('.').any(|part| part == other.name()),
    }
}
