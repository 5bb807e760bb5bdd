//! Numbers in text, exactly: no signs, no blanks, no floats.

use super::error::Bad;

pub const NS_PER_US: u64 = 1_000;
pub const NS_PER_S: u64 = 1_000_000_000;
/// What `lba` and `sector` count in every format here.
pub const SECTOR_BYTES: u64 = 512;

/// A piece of a line.
#[derive(Clone, Copy, Debug)]
pub struct Field<'l> {
    /// Bytes from the start of the line.
    pub at: usize,
    pub text: &'l [u8],
}

impl Field<'_> {
    pub fn bad(&self, expected: &str) -> Bad {
        Bad::found(self.at, self.text, expected)
    }

    /// A whole number.
    pub fn number(&self, expected: &str) -> Result<u64, Bad> {
        digits(self.text).ok_or_else(|| self.bad(expected))
    }

    /// A whole number of `unit`s, in base units.
    pub fn scaled(&self, unit: u64, expected: &str) -> Result<u64, Bad> {
        let n = self.number(expected)?;
        n.checked_mul(unit)
            .ok_or_else(|| Bad::range(self.at, format!("{n} is too large for {expected}")))
    }

    /// Seconds with up to nine decimals that count (more are cut), in nanoseconds.
    pub fn decimal_seconds(&self, expected: &str) -> Result<u64, Bad> {
        let (whole, fraction) = match self.text.iter().position(|b| *b == b'.') {
            None => (self.text, &b""[..]),
            Some(dot) => (&self.text[..dot], &self.text[dot + 1..]),
        };
        let point_alone = self.text.len() == whole.len() + 1;
        if point_alone || !fraction.iter().all(u8::is_ascii_digit) {
            return Err(self.bad(expected));
        }
        let seconds = digits(whole).ok_or_else(|| self.bad(expected))?;
        let mut ns = 0;
        for place in 0..9 {
            ns = ns * 10 + fraction.get(place).map_or(0, |d| u64::from(d - b'0'));
        }
        seconds
            .checked_mul(NS_PER_S)
            .and_then(|s| s.checked_add(ns))
            .ok_or_else(|| Bad::range(self.at, format!("{seconds} s is too large for {expected}")))
    }
}

pub fn digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    let mut value = 0u64;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    Some(value)
}

/// Hexadecimal, without `0x`.
pub fn hex_byte(text: &[u8]) -> Option<u8> {
    if text.is_empty() || text.len() > 2 {
        return None;
    }
    let mut value = 0;
    for byte in text {
        value = value * 16 + char::from(*byte).to_digit(16)? as u8;
    }
    Some(value)
}

/// The words of a line, cut at blanks and tabs.
pub struct Words<'l> {
    line: &'l [u8],
    at: usize,
}

impl<'l> Words<'l> {
    pub fn new(line: &'l [u8]) -> Self {
        Words { line, at: 0 }
    }

    /// What is left, without leading blanks.
    pub fn rest(&mut self) -> Field<'l> {
        while self.line.get(self.at).is_some_and(|b| is_blank(*b)) {
            self.at += 1;
        }
        Field {
            at: self.at,
            text: &self.line[self.at..],
        }
    }

    /// The next word; an empty one at the line's end where there is none.
    pub fn word(&mut self) -> Field<'l> {
        let rest = self.rest();
        let len = rest.text.iter().position(|b| is_blank(*b));
        let text = &rest.text[..len.unwrap_or(rest.text.len())];
        self.at += text.len();
        Field { at: rest.at, text }
    }
}

pub fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}
