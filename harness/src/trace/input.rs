//! The bytes of a trace, through one buffer of fixed size: a sample of its beginning, lines, or records of a fixed length.
//!
//! An error of reading or unpacking waits until what was read before it has been given out, so that everything that can be read is,
//! and the error's place is where the bytes end.

use super::error::{Kind, Place, TraceError};
use super::packed::{self, Packing};
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

const BUFFER_BYTES: usize = 256 << 10;
/// What `auto` may look at.
const SAMPLE_BYTES: usize = 64 << 10;
/// No format has longer lines; a file without line ends must not be read into memory.
pub const LONGEST_LINE: usize = 64 << 10;

pub struct Input {
    source: Box<dyn Read + Send>,
    pub packing: Packing,
    pub file: PathBuf,
    buffer: Box<[u8]>,
    /// What is read and not yet given out: `buffer[start..end]`.
    start: usize,
    end: usize,
    /// Unpacked bytes before `start`, and lines or records given out.
    pub byte: u64,
    pub number: u64,
    ended: bool,
    failed: Option<TraceError>,
}

/// What is left of a trace of fixed records.
pub enum Chunk {
    Full(Range<usize>),
    Short(usize),
    End,
}

impl Input {
    pub fn open(path: &Path) -> Result<Input, TraceError> {
        let error = |kind, what: String| TraceError::new(kind, path, Place::File, what);
        let file = File::open(path).map_err(|e| error(Kind::Open, format!("cannot open: {e}")))?;
        let meta = file
            .metadata()
            .map_err(|e| error(Kind::Open, format!("cannot open: {e}")))?;
        if meta.is_dir() {
            let what = "is a folder, expected a trace file";
            return Err(error(Kind::Folder, what.to_string()));
        }
        Input::new(Box::new(file), path)
    }

    /// Of anything that can be read; `name` is for messages and as a hint.
    pub fn new(raw: Box<dyn Read + Send>, name: &Path) -> Result<Input, TraceError> {
        let (packing, source) = packed::unpack(raw).map_err(|e| {
            let what = format!("cannot read: {e}");
            TraceError::new(Kind::Read, name, Place::File, what)
        })?;
        Ok(Input {
            source,
            packing,
            file: name.to_path_buf(),
            buffer: vec![0; BUFFER_BYTES].into_boxed_slice(),
            start: 0,
            end: 0,
            byte: 0,
            number: 0,
            ended: false,
            failed: None,
        })
    }

    /// Reads on; false where nothing more comes.
    fn fill(&mut self) -> bool {
        if self.ended {
            return false;
        }
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        loop {
            match self.source.read(&mut self.buffer[self.end..]) {
                Ok(0) => self.ended = true,
                Ok(n) => {
                    self.end += n.min(self.buffer.len() - self.end);
                    return true;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => {
                    self.failed = Some(self.read_error(&e));
                    self.ended = true;
                }
            }
            return false;
        }
    }

    fn read_error(&self, e: &io::Error) -> TraceError {
        let bytes = self.byte + (self.end - self.start) as u64;
        let packing = self.packing.name();
        let (kind, what) = match (self.packing, e.kind()) {
            (Packing::Plain, _) => (Kind::Read, format!("cannot read on: {e}")),
            (_, io::ErrorKind::UnexpectedEof) => (
                Kind::Truncated,
                format!("the {packing} data ends too early, after {bytes} unpacked bytes"),
            ),
            (_, io::ErrorKind::InvalidData) => (
                Kind::Corrupt,
                format!("the {packing} data cannot be unpacked after {bytes} bytes: {e}"),
            ),
            _ => (Kind::Read, format!("cannot read on: {e}")),
        };
        TraceError::new(kind, &self.file, Place::File, what)
    }

    /// The end of what can be read: clean, or with the error that waited.
    fn end(&mut self) -> Result<(), TraceError> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    /// The beginning, and whether it is all there is.
    pub fn sample(&mut self) -> Result<(&[u8], bool), TraceError> {
        while self.end - self.start < SAMPLE_BYTES && self.fill() {}
        if self.start == self.end {
            self.end()?;
            let what = match self.packing {
                Packing::Plain => "is empty, expected a trace",
                _ => "is empty after unpacking, expected a trace",
            };
            return Err(TraceError::new(Kind::Empty, &self.file, Place::File, what));
        }
        let whole = self.ended && self.failed.is_none();
        Ok((&self.buffer[self.start..self.end], whole))
    }

    /// The next line, without its end (`\n` or `\r\n`), as a range for `bytes`.
    #[inline]
    pub fn line(&mut self) -> Result<Option<Range<usize>>, TraceError> {
        let mut searched = 0;
        let (len, next) = loop {
            let rest = &self.buffer[self.start + searched..self.end];
            if let Some(at) = newline(rest) {
                break (searched + at, searched + at + 1);
            }
            searched += rest.len();
            if searched > LONGEST_LINE {
                break (searched, searched);
            }
            if !self.fill() {
                if searched == 0 || self.failed.is_some() {
                    self.end()?;
                    return Ok(None);
                }
                break (searched, searched);
            }
        };
        self.number += 1;
        if len > LONGEST_LINE {
            let place = Place::Line {
                line: self.number,
                column: LONGEST_LINE as u64 + 1,
                byte: self.byte,
            };
            let what =
                format!("the line is longer than {LONGEST_LINE} bytes, no trace has such lines");
            return Err(TraceError::new(Kind::LineTooLong, &self.file, place, what));
        }
        let start = self.start;
        self.take(next);
        let returned = self.buffer[start..start + len].ends_with(b"\r");
        Ok(Some(start..start + len - usize::from(returned)))
    }

    /// The next `bytes` bytes.
    #[inline]
    pub fn chunk(&mut self, bytes: usize) -> Result<Chunk, TraceError> {
        while self.end - self.start < bytes {
            if !self.fill() {
                self.end()?;
                let left = self.end - self.start;
                return Ok(if left == 0 {
                    Chunk::End
                } else {
                    Chunk::Short(left)
                });
            }
        }
        let start = self.start;
        self.number += 1;
        self.take(bytes);
        Ok(Chunk::Full(start..start + bytes))
    }

    fn take(&mut self, bytes: usize) {
        self.start += bytes;
        self.byte += bytes as u64;
    }

    /// What the latest `line` or `chunk` spoke of.
    #[inline]
    pub fn bytes(&self, range: Range<usize>) -> &[u8] {
        &self.buffer[range]
    }
}

/// Word by word: lines are short, but there are millions of them.
#[inline]
fn newline(bytes: &[u8]) -> Option<usize> {
    const LANES: usize = 16;
    let mut at = 0;
    for lanes in bytes.chunks_exact(LANES) {
        if lanes.iter().fold(false, |any, b| any | (*b == b'\n')) {
            break;
        }
        at += LANES;
    }
    bytes[at..].iter().position(|b| *b == b'\n').map(|i| at + i)
}
