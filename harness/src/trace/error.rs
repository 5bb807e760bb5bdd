//! Why a trace cannot be read on: where, what was found, what was expected.

use std::fmt;
use std::path::{Path, PathBuf};

/// The sort of error, for who must act differently on one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// There is no such file, or it may not be read.
    Open,
    /// A folder, where a file is expected.
    Folder,
    /// Reading failed half-way.
    Read,
    /// What was made of the trace cannot be written.
    Write,
    /// Not one byte (after unpacking).
    Empty,
    /// Compressed or archived in a way that is not read.
    Packing,
    /// Compressed data that cannot be unpacked.
    Corrupt,
    /// The file ends within a record or within compressed data.
    Truncated,
    NoSuchFormat,
    /// `auto` knows no format that begins like this.
    UnknownContent,
    /// `auto` knows several.
    AmbiguousContent,
    /// A line or record that the format does not allow.
    Syntax,
    LineTooLong,
    /// A number that is too large to mean anything.
    Range,
    TooManyDevices,
    /// A replay asks for a device that the trace does not have.
    NoSuchDevice,
    /// A replay with `beyond_end = "fail"` met I/O beyond the volume's end.
    BeyondEnd,
    /// An I/O that is larger than a replay carries out.
    TooLarge,
}

/// Where in the (unpacked) trace; lines, columns and records count from 1, bytes from 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    File,
    Line { line: u64, column: u64, byte: u64 },
    Record { record: u64, byte: u64 },
}

/// Boxed, since it travels in the result of each record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TraceError(Box<Inner>);

#[derive(Clone, PartialEq, Eq, Debug)]
struct Inner {
    kind: Kind,
    file: PathBuf,
    place: Place,
    what: String,
}

impl TraceError {
    pub fn new(kind: Kind, file: &Path, place: Place, what: impl Into<String>) -> Self {
        TraceError(Box::new(Inner {
            kind,
            file: file.to_path_buf(),
            place,
            what: what.into(),
        }))
    }

    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    pub fn file(&self) -> &Path {
        &self.0.file
    }

    pub fn place(&self) -> Place {
        self.0.place
    }

    /// What is wrong, without the place.
    pub fn what(&self) -> &str {
        &self.0.what
    }
}

impl fmt::Display for TraceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.0.file.display())?;
        match self.0.place {
            Place::File => {}
            Place::Line { line, column, .. } => write!(f, "{line}:{column}:")?,
            Place::Record { record, byte } => write!(f, " record {record} at byte {byte}:")?,
        }
        write!(f, " {}", self.0.what)
    }
}

impl std::error::Error for TraceError {}

/// What is wrong within one line or record; the reader adds where that is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bad {
    pub kind: Kind,
    /// Bytes from the start of the line or record.
    pub at: usize,
    pub what: String,
}

impl Bad {
    pub fn syntax(at: usize, what: impl Into<String>) -> Self {
        Bad {
            kind: Kind::Syntax,
            at,
            what: what.into(),
        }
    }

    /// The usual sentence.
    pub fn found(at: usize, found: &[u8], expected: &str) -> Self {
        Bad::syntax(at, format!("found {}, expected {expected}", shown(found)))
    }

    pub fn range(at: usize, what: impl Into<String>) -> Self {
        Bad {
            kind: Kind::Range,
            at,
            what: what.into(),
        }
    }
}

/// Foreign bytes, made printable and cut where they are long.
pub fn shown(bytes: &[u8]) -> String {
    const MOST: usize = 40;
    if bytes.is_empty() {
        return "nothing".to_string();
    }
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(MOST)]);
    let more = if bytes.len() > MOST { "…" } else { "" };
    format!("'{}{more}'", text.escape_debug())
}
