//! blkparse's default text: `major,minor cpu sequence seconds.nanoseconds pid action RWBS sector + sectors [process]`.
//!
//! An I/O shows up once for each step of its life. What is replayed are the queue events (`Q`), as btreplay does, or the issues to the
//! driver (`D`) where the trace's beginning has no `Q`; everything else is no new I/O and counted as others, as are passthrough
//! commands (a byte count and a dump instead of a sector) and blkparse's own summary at the end.
//!
//! RWBS is `[F]` (flush first), one of `D` `W` `R` `N`, and then `F` (force unit access), `A`, `S`, `M` … . A flush with data becomes
//! two I/Os: the flush, then the write. The device is `major,minor`.

use super::devices::Devices;
use super::error::Bad;
use super::line::{Line, LineFormat, record};
use super::text::{Field, SECTOR_BYTES, Words, digits};
use protocol::Op;

/// blktrace(8), blkparse(1): what an event can be.
const ACTIONS: [&[u8]; 18] = [
    b"A", b"B", b"C", b"D", b"F", b"G", b"I", b"M", b"P", b"Q", b"R", b"S", b"T", b"U", b"UT",
    b"X", b"m", b"?",
];
const EXPECTED_ACTION: &str = "an action: A B C D F G I M P Q R S T U UT X m";
const EXPECTED_RWBS: &str = "RWBS flags: [F] one of D W R N, then any of F A S M E B";

#[derive(Default)]
pub struct Blkparse {
    /// `Q` or `D`: from the sample, else whichever comes first.
    replayed: Option<u8>,
    in_summary: bool,
}

/// RWBS, taken apart.
struct Flags {
    op: Option<Op>,
    preflush: bool,
    fua: bool,
}

impl Blkparse {
    /// Chooses `Q` or `D` by what the beginning of the trace has.
    pub fn from_sample(sample: &[u8]) -> Self {
        let action = |line: &[u8]| {
            let mut words = Words::new(line);
            for _ in 0..5 {
                words.word();
            }
            match words.word().text {
                [action] => Some(*action),
                _ => None,
            }
        };
        let has = |wanted| {
            sample
                .split(|b| *b == b'\n')
                .any(|l| action(l) == Some(wanted))
        };
        Blkparse {
            replayed: [b'Q', b'D'].into_iter().find(|a| has(*a)),
            in_summary: false,
        }
    }

    /// Lines that blkparse prints around the events.
    fn chatter(&mut self, line: &[u8]) -> bool {
        let text = line.trim_ascii_start();
        let per_cpu = text.strip_prefix(b"CPU").is_some_and(|rest| {
            let number = rest.iter().take_while(|b| b.is_ascii_digit()).count();
            number > 0 && rest[number..].starts_with(b" (")
        });
        if per_cpu || text.starts_with(b"Total (") {
            self.in_summary = true;
            return true;
        }
        if text.starts_with(b"Input file ") {
            return true;
        }
        let worded = text.first().is_some_and(u8::is_ascii_alphabetic);
        self.in_summary &= worded;
        self.in_summary
    }
}

impl LineFormat for Blkparse {
    fn line(&mut self, _number: u64, line: &[u8], devices: &mut Devices) -> Result<Line, Bad> {
        if self.chatter(line) {
            return Ok(Line::Other);
        }
        let mut words = Words::new(line);
        let device = words.word();
        if !is_device(device.text) {
            return Err(device.bad("a device as major,minor"));
        }
        words.word().number("a CPU number")?;
        words.word().number("a sequence number")?;
        let stamp = words.word();
        words.word().number("a process id")?;
        let action = words.word();
        if !ACTIONS.contains(&action.text) {
            return Err(action.bad(EXPECTED_ACTION));
        }
        if !matches!(action.text, b"Q" | b"D") {
            return Ok(Line::Other);
        }
        let flags = words.word();
        let place = words.rest();
        let Some((sector, sectors)) = range(&mut words, place)? else {
            return Ok(Line::Other);
        };
        let flags = read_flags(flags)?;
        let at_ns = stamp.decimal_seconds("a time in seconds, as 0.000012345")?;
        if self.replayed.is_none() {
            self.replayed = action.text.first().copied();
        }
        if self.replayed != action.text.first().copied() {
            return Ok(Line::Other);
        }
        let device = devices.id(device.at, device.text)?;
        let op = match flags.op {
            _ if sectors == 0 && flags.preflush => Op::Flush,
            None if flags.preflush => Op::Flush,
            None => return Ok(Line::Other),
            Some(op) => op,
        };
        let mut io = record(at_ns, op, (sector, sectors), device, place.at)?;
        io.fua = flags.fua && op == Op::Write;
        Ok(match op {
            Op::Flush => Line::Io(io),
            _ if flags.preflush => Line::FlushAndIo(io),
            _ => Line::Io(io),
        })
    }
}

fn is_device(text: &[u8]) -> bool {
    let comma = text.iter().position(|b| *b == b',');
    comma.is_some_and(|c| digits(&text[..c]).is_some() && digits(&text[c + 1..]).is_some())
}

/// Offset and length in bytes; both 0 for an event without data; `None` for a passthrough command.
fn range(words: &mut Words<'_>, place: Field<'_>) -> Result<Option<(u64, u64)>, Bad> {
    // A process' name may hold anything, blanks too, so that it ends the fields.
    if place.text.is_empty() || place.text.starts_with(b"[") {
        return Ok(Some((0, 0)));
    }
    let sector = words.word();
    let first = sector.scaled(SECTOR_BYTES, "a sector (512 bytes)")?;
    let plus = words.word();
    match plus.text {
        b"+" => {
            let len = words
                .word()
                .scaled(SECTOR_BYTES, "a number of sectors (512 bytes)")?;
            Ok(Some((first, len)))
        }
        // A sector without a size, before the process or a time in parentheses.
        text if text.starts_with(b"[") || text.is_empty() => Ok(Some((first, 0))),
        text if text.starts_with(b"(") => Ok(None),
        _ => Err(plus.bad("'+' and a number of sectors")),
    }
}

fn read_flags(field: Field<'_>) -> Result<Flags, Bad> {
    let (mut preflush, rest) = match field.text {
        [b'F', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let (op, modifiers) = match rest {
        [b'R', m @ ..] => (Some(Op::Read), m),
        [b'W', m @ ..] => (Some(Op::Write), m),
        [b'D', m @ ..] => (Some(Op::Discard), m),
        [b'N', m @ ..] => (None, m),
        // The kernel's own spelling of a flush without data: `F`, `FS`, `FF`.
        m if preflush => (None, m),
        _ => return Err(field.bad(EXPECTED_RWBS)),
    };
    let mut fua = false;
    for modifier in modifiers {
        match modifier {
            b'F' => fua = true,
            // A barrier of old kernels: a flush before it, and on the media when it is done.
            b'B' => (fua, preflush) = (true, true),
            b'A' | b'S' | b'M' | b'E' => {}
            _ => return Err(field.bad(EXPECTED_RWBS)),
        }
    }
    Ok(Flags { op, preflush, fua })
}
