//! Reads a trace record by record, whatever its format and packing.

use super::Record;
use super::alibaba::Alibaba;
use super::blkparse::Blkparse;
use super::devices::Devices;
use super::error::{Bad, Kind, Place, TraceError};
use super::fio::Fio;
use super::format::Format;
use super::input::{Chunk, Input};
use super::line::{Line, LineFormat};
use super::msr::Msr;
use super::packed::{Packing, foreign};
use super::spc::Spc;
use super::tencent::Tencent;
use super::vscsi::Version;
use super::vscsi_csv::VscsiCsv;
use protocol::Op;
use std::io::Read;
use std::path::Path;

pub struct Reader {
    input: Input,
    format: Format,
    parser: Parser,
    devices: Devices,
    records: u64,
    others: u64,
    /// A record whose line also asked for the flush that was given out before it.
    kept: Option<Record>,
    /// Where the latest record began.
    place: Place,
    failed: Option<TraceError>,
}

enum Parser {
    Text(Text),
    Binary { version: Version, device: u32 },
}

/// Static dispatch over the text formats: a line costs no indirect call.
pub enum Text {
    Fio(Fio),
    Blkparse(Blkparse),
    Msr(Msr),
    Alibaba(Alibaba),
    Tencent(Tencent),
    Spc(Spc),
    VscsiCsv(VscsiCsv),
}

impl LineFormat for Text {
    #[inline]
    fn line(&mut self, number: u64, line: &[u8], devices: &mut Devices) -> Result<Line, Bad> {
        match self {
            Text::Fio(f) => f.line(number, line, devices),
            Text::Blkparse(f) => f.line(number, line, devices),
            Text::Msr(f) => f.line(number, line, devices),
            Text::Alibaba(f) => f.line(number, line, devices),
            Text::Tencent(f) => f.line(number, line, devices),
            Text::Spc(f) => f.line(number, line, devices),
            Text::VscsiCsv(f) => f.line(number, line, devices),
        }
    }
}

/// The parser of a text format; `None` for a binary one.
pub(super) fn text_format(format: Format, sample: &[u8]) -> Option<Text> {
    Some(match format {
        Format::Fio => Text::Fio(Fio::default()),
        Format::Blkparse => Text::Blkparse(Blkparse::from_sample(sample)),
        Format::Msr => Text::Msr(Msr),
        Format::Alibaba => Text::Alibaba(Alibaba),
        Format::Tencent => Text::Tencent(Tencent),
        Format::Spc => Text::Spc(Spc),
        Format::VscsiCsv => Text::VscsiCsv(VscsiCsv),
        Format::Vscsi => return None,
    })
}

impl Reader {
    /// `format` is the name of one, or `auto`.
    pub fn open(path: &Path, format: &str) -> Result<Reader, TraceError> {
        let format = Format::named(format, path)?;
        Reader::start(Input::open(path)?, format)
    }

    /// Of anything that can be read; `name` is for messages, and a hint for `auto` (`format` is `None`).
    pub fn new(
        raw: Box<dyn Read + Send>,
        name: &Path,
        format: Option<Format>,
    ) -> Result<Reader, TraceError> {
        Reader::start(Input::new(raw, name)?, format)
    }

    fn start(mut input: Input, format: Option<Format>) -> Result<Reader, TraceError> {
        let file = input.file.clone();
        let (sample, _) = input.sample()?;
        if let Some(foreign) = foreign(sample) {
            let what = format!("is {foreign}; a trace is read plain, gzip or zstd");
            return Err(TraceError::new(Kind::Packing, &file, Place::File, what));
        }
        let format = match format {
            Some(format) => format,
            None => super::detect::detect(&mut input)?,
        };
        let mut devices = Devices::default();
        let (sample, _) = input.sample()?;
        let parser = match text_format(format, sample) {
            Some(text) => Parser::Text(text),
            None => {
                let place = Place::Record { record: 1, byte: 0 };
                let version = Version::probe(sample)
                    .map_err(|bad| TraceError::new(bad.kind, &file, place, bad.what))?;
                let device = devices
                    .id(0, b"0")
                    .map_err(|bad| TraceError::new(bad.kind, &file, place, bad.what))?;
                Parser::Binary { version, device }
            }
        };
        Ok(Reader {
            input,
            format,
            parser,
            devices,
            records: 0,
            others: 0,
            kept: None,
            place: Place::File,
            failed: None,
        })
    }

    /// The next I/O, or `None` at the end. An error is final: it comes again however often one asks.
    #[allow(clippy::should_implement_trait)]
    #[inline]
    pub fn next(&mut self) -> Result<Option<Record>, TraceError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let next = match &self.parser {
            Parser::Text(_) => self.next_line(),
            Parser::Binary { version, device } => self.next_binary(*version, *device),
        };
        match next {
            Ok(Some(record)) => {
                self.records += 1;
                Ok(Some(record))
            }
            Ok(None) => Ok(None),
            Err(error) => {
                self.failed = Some(error.clone());
                Err(error)
            }
        }
    }

    fn next_line(&mut self) -> Result<Option<Record>, TraceError> {
        if let Some(kept) = self.kept.take() {
            return Ok(Some(kept));
        }
        let Parser::Text(parser) = &mut self.parser else {
            return Ok(None);
        };
        loop {
            let byte = self.input.byte;
            let Some(range) = self.input.line()? else {
                return Ok(None);
            };
            let (line, number) = (self.input.bytes(range), self.input.number);
            if line.trim_ascii().is_empty() {
                continue;
            }
            let place = |at: usize| Place::Line {
                line: number,
                column: at as u64 + 1,
                byte: byte + at as u64,
            };
            match parser.line(number, line, &mut self.devices) {
                Ok(Line::Io(record)) => {
                    self.place = place(0);
                    return Ok(Some(record));
                }
                Ok(Line::FlushAndIo(record)) => {
                    self.place = place(0);
                    self.kept = Some(record);
                    return Ok(Some(Record {
                        op: Op::Flush,
                        offset_bytes: 0,
                        len_bytes: 0,
                        fua: false,
                        ..record
                    }));
                }
                Ok(Line::Header) => {}
                Ok(Line::Other) => self.others += 1,
                Err(bad) => {
                    let file = &self.input.file;
                    return Err(TraceError::new(bad.kind, file, place(bad.at), bad.what));
                }
            }
        }
    }

    #[inline]
    fn next_binary(&mut self, version: Version, device: u32) -> Result<Option<Record>, TraceError> {
        loop {
            let byte = self.input.byte;
            let chunk = self.input.chunk(version.record_bytes())?;
            let range = match chunk {
                Chunk::Full(range) => range,
                Chunk::End => return Ok(None),
                Chunk::Short(left) => {
                    let record = self.input.number + 1;
                    let what = format!(
                        "the file ends within a record: found {left} bytes, expected {}",
                        version.record_bytes()
                    );
                    let place = Place::Record { record, byte };
                    return Err(TraceError::new(
                        Kind::Truncated,
                        &self.input.file,
                        place,
                        what,
                    ));
                }
            };
            let record = self.input.number;
            match version.parse(self.input.bytes(range), device) {
                Ok(Some(io)) => {
                    self.place = Place::Record { record, byte };
                    return Ok(Some(io));
                }
                Ok(None) => self.others += 1,
                Err(bad) => {
                    let byte = byte + bad.at as u64;
                    let place = Place::Record { record, byte };
                    return Err(TraceError::new(bad.kind, &self.input.file, place, bad.what));
                }
            }
        }
    }

    pub fn format(&self) -> Format {
        self.format
    }

    /// The format with its version, where it has one: `CloudPhysics vscsi binary v1`.
    pub fn title(&self) -> String {
        let version = match &self.parser {
            Parser::Binary { version, .. } => version.number(),
            Parser::Text(Text::Fio(fio)) => fio.version(),
            Parser::Text(_) => 0,
        };
        match version {
            0 => self.format.title().to_string(),
            v => format!("{} v{v}", self.format.title()),
        }
    }

    pub fn packing(&self) -> &'static str {
        match self.input.packing {
            Packing::Plain => "plain",
            packing => packing.name(),
        }
    }

    /// I/Os given out so far.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Lines or records so far that are no I/O by the format's own definition.
    pub fn others(&self) -> u64 {
        self.others
    }

    /// The devices seen so far, in order of their first appearance.
    pub fn devices(&self) -> &[Box<str>] {
        self.devices.names()
    }

    pub fn device(&self, id: u32) -> &str {
        self.devices.names().get(id as usize).map_or("", |n| n)
    }

    /// An error about the record that was given out last.
    pub fn error(&self, kind: Kind, what: impl Into<String>) -> TraceError {
        TraceError::new(kind, &self.input.file, self.place, what)
    }

    /// An error about the trace as a whole.
    pub fn file_error(&self, kind: Kind, what: impl Into<String>) -> TraceError {
        TraceError::new(kind, &self.input.file, Place::File, what)
    }
}
