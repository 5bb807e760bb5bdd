//! Unpacks gzip and Zstandard, told by their magic bytes whatever the file is called.
//!
//! Both may hold several members or frames one after another. What other packers left is recognised, so that the error says
//! what to do instead of what the first garbled line looks like.

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::FrameDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use std::io::{self, BufRead, BufReader, Cursor, Read};

const READ_BYTES: usize = 64 << 10;
/// Bytes that tell every packing apart.
const MAGIC_BYTES: usize = 6;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Packing {
    Plain,
    Gzip,
    Zstd,
}

impl Packing {
    pub fn name(self) -> &'static str {
        match self {
            Packing::Plain => "not compressed",
            Packing::Gzip => "gzip",
            Packing::Zstd => "zstd",
        }
    }

    fn of(magic: &[u8]) -> Packing {
        match magic {
            [0x1f, 0x8b, ..] => Packing::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Packing::Zstd,
            // A skippable frame.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Packing::Zstd,
            _ => Packing::Plain,
        }
    }
}

/// The unpacked bytes of `raw`.
pub fn unpack(mut raw: Box<dyn Read + Send>) -> io::Result<(Packing, Box<dyn Read + Send>)> {
    let mut magic = Vec::with_capacity(MAGIC_BYTES);
    raw.by_ref()
        .take(MAGIC_BYTES as u64)
        .read_to_end(&mut magic)?;
    let packing = Packing::of(&magic);
    let whole = Cursor::new(magic).chain(raw);
    let bytes: Box<dyn Read + Send> = match packing {
        Packing::Plain => Box::new(whole),
        Packing::Gzip => Box::new(Gzip(MultiGzDecoder::new(BufReader::with_capacity(
            READ_BYTES, whole,
        )))),
        Packing::Zstd => Box::new(Frames {
            source: BufReader::with_capacity(READ_BYTES, whole),
            decoder: FrameDecoder::new(),
            in_frame: false,
        }),
    };
    Ok((packing, bytes))
}

/// What unpacked bytes still are, if they are no trace but a thing that holds one.
pub fn foreign(sample: &[u8]) -> Option<&'static str> {
    match sample {
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, ..] => Some("compressed with bzip2"),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some("compressed with xz"),
        [0x04, 0x22, 0x4d, 0x18, ..] => Some("compressed with lz4"),
        [b'P', b'K', 3, 4, ..] => Some("a zip archive"),
        [b'7', b'z', 0xbc, 0xaf, 0x27, 0x1c, ..] => Some("a 7z archive"),
        [0x1f, 0x8b, 8, ..] => Some("compressed twice (gzip)"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some("compressed twice (zstd)"),
        _ if sample.get(257..262) == Some(b"ustar") => Some("a tar archive"),
        // `struct blk_io_trace`: its magic in either byte order.
        [_, 0x74, 0x61, 0x65, ..] | [0x65, 0x61, 0x74, _, ..] if sample.contains(&0) => {
            Some("a binary blktrace (make text of it: blkparse -i FILE)")
        }
        _ => None,
    }
}

/// Gives the errors of a decoder two kinds only: `UnexpectedEof`, and `InvalidData` for all that cannot be unpacked.
struct Gzip<R: BufRead>(MultiGzDecoder<R>);

impl<R: BufRead> Read for Gzip<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.0.read(out).map_err(|e| match e.kind() {
            io::ErrorKind::InvalidInput => io::Error::new(io::ErrorKind::InvalidData, e),
            _ => e,
        })
    }
}

/// The frames of a Zstandard file, one after another, with their checksums verified.
struct Frames<R: BufRead> {
    source: R,
    decoder: FrameDecoder,
    in_frame: bool,
}

impl<R: BufRead> Frames<R> {
    /// An error of the decoder is one of the file's end where nothing is left to read.
    fn error(&mut self, why: impl std::fmt::Display) -> io::Error {
        match self.source.fill_buf() {
            Ok([]) => io::Error::new(io::ErrorKind::UnexpectedEof, "the frame is not complete"),
            Ok(_) => io::Error::new(io::ErrorKind::InvalidData, why.to_string()),
            Err(e) => e,
        }
    }

    /// False at the end of the file.
    fn next_frame(&mut self) -> io::Result<bool> {
        loop {
            if self.source.fill_buf()?.is_empty() {
                return Ok(false);
            }
            match self.decoder.reset(&mut self.source) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let mut skipped = self.source.by_ref().take(u64::from(length));
                    if io::copy(&mut skipped, &mut io::sink())? < u64::from(length) {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(e) => return Err(self.error(e)),
            }
        }
    }

    fn end_frame(&mut self) -> io::Result<()> {
        self.in_frame = false;
        let wanted = self.decoder.get_checksum_from_data();
        let made = self.decoder.get_calculated_checksum();
        if wanted.is_some() && wanted != made {
            let what = "the checksum of a frame does not match its content";
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        Ok(())
    }
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        use ruzstd::decoding::BlockDecodingStrategy::UptoBlocks;
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            if !self.in_frame {
                if !self.next_frame()? {
                    return Ok(0);
                }
                self.in_frame = true;
            }
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                if let Err(e) = self.decoder.decode_blocks(&mut self.source, UptoBlocks(1)) {
                    return Err(self.error(e));
                }
            }
            let n = self.decoder.read(out)?;
            if n > 0 {
                return Ok(n);
            }
            self.end_frame()?;
        }
    }
}
