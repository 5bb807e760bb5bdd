//! Quantities: a number with its unit, read exactly and written in the largest unit that divides it.

use super::model::Span;

/// What is measured, and so which units fit. Values are held in the base unit that the comment names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// Nanoseconds.
    Time,
    /// Bytes.
    Size,
    /// Bits per second.
    Bits,
    /// I/Os per 1,000 seconds.
    Iops,
    /// 0 to 100, a bare number.
    Percent,
    /// A bare number.
    Count,
}

const TIME: &[(&str, u64)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];
const SIZE: &[(&str, u64)] = &[
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];
const BITS: &[(&str, u64)] = &[
    ("bit/s", 1),
    ("kbit/s", 1_000),
    ("Mbit/s", 1_000_000),
    ("Gbit/s", 1_000_000_000),
    ("Tbit/s", 1_000_000_000_000),
    ("B/s", 8),
    ("kB/s", 8_000),
    ("MB/s", 8_000_000),
    ("GB/s", 8_000_000_000),
    ("KiB/s", 8 << 10),
    ("MiB/s", 8 << 20),
    ("GiB/s", 8 << 30),
];
const IOPS: &[(&str, u64)] = &[("/s", 1_000), ("k/s", 1_000_000), ("M/s", 1_000_000_000)];

impl Unit {
    fn table(self) -> &'static [(&'static str, u64)] {
        match self {
            Unit::Time => TIME,
            Unit::Size => SIZE,
            Unit::Bits => BITS,
            Unit::Iops => IOPS,
            Unit::Percent | Unit::Count => &[],
        }
    }

    pub fn suffixes(self) -> Vec<&'static str> {
        self.table().iter().map(|(s, _)| *s).collect()
    }

    /// What was expected, with an example.
    pub fn expected(self) -> &'static str {
        match self {
            Unit::Time => "a time with its unit such as \"30ms\"",
            Unit::Size => "a size with its unit such as \"4KiB\"",
            Unit::Bits => "a rate with its unit such as \"25Gbit/s\"",
            Unit::Iops => "a rate of I/Os such as \"20k/s\"",
            Unit::Percent => "a percentage, a whole number of 0 to 100",
            Unit::Count => "a whole number",
        }
    }

    /// Above this no scenario makes sense, and sums below it cannot overflow.
    pub fn ceiling(self) -> u64 {
        match self {
            Unit::Time => 100_000 * 3_600_000_000_000,
            Unit::Size => 1 << 60,
            Unit::Bits => 1_000_000_000_000_000,
            Unit::Iops => 1_000_000_000_000_000,
            Unit::Percent => 100,
            Unit::Count => 1 << 60,
        }
    }
}

/// Why a text is no quantity.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NotAQuantity {
    pub message: String,
    /// The unit that was written, where it is unknown.
    pub unit: Option<String>,
}

fn no(message: impl Into<String>) -> NotAQuantity {
    NotAQuantity {
        message: message.into(),
        unit: None,
    }
}

/// Reads `"30ms"`, or the range `"4KiB..64KiB"`.
pub fn parse_span(text: &str, unit: Unit) -> Result<Span, NotAQuantity> {
    let Some((lo, hi)) = text.split_once("..") else {
        return parse(text, unit).map(Span::fixed);
    };
    let (lo, hi) = (parse(lo, unit)?, parse(hi, unit)?);
    if lo > hi {
        return Err(no("the range runs backwards"));
    }
    Ok(Span { lo, hi })
}

/// Reads one quantity exactly; a value that is finer than the base unit is refused, not rounded.
pub fn parse(text: &str, unit: Unit) -> Result<u64, NotAQuantity> {
    let text = text.trim();
    let split = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(split);
    let suffix = suffix.trim();
    let factor = match unit {
        Unit::Percent | Unit::Count if suffix.is_empty() => 1,
        Unit::Percent | Unit::Count => {
            return Err(no(format!("expected {}", unit.expected())));
        }
        _ if suffix.is_empty() && !number.is_empty() => {
            return Err(no(format!(
                "expected {}, the unit is missing",
                unit.expected()
            )));
        }
        _ => match unit.table().iter().find(|(s, _)| *s == suffix) {
            Some((_, factor)) => *factor,
            None if number.is_empty() => return Err(no(format!("expected {}", unit.expected()))),
            None => {
                return Err(NotAQuantity {
                    message: format!(
                        "unknown unit '{}', expected {}",
                        super::diag::shortened(suffix),
                        unit.expected()
                    ),
                    unit: Some(suffix.to_string()),
                });
            }
        },
    };
    let value =
        exact(number, factor).map_err(|why| no(format!("{why}, expected {}", unit.expected())))?;
    if value > unit.ceiling() {
        return Err(no(format!(
            "too large: at most {}",
            write(unit.ceiling(), unit)
        )));
    }
    Ok(value)
}

fn exact(number: &str, factor: u64) -> Result<u64, &'static str> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let malformed =
        whole.is_empty() || fraction.contains('.') || (fraction.is_empty() && number.contains('.'));
    if malformed {
        return Err("not a number");
    }
    if fraction.len() > 15 {
        return Err("too many decimals");
    }
    let whole: u64 = whole.parse().map_err(|_| "the number is too large")?;
    let scale = 10u128.pow(fraction.len() as u32);
    let fraction: u64 = if fraction.is_empty() {
        0
    } else {
        fraction.parse().map_err(|_| "not a number")?
    };
    let scaled = u128::from(whole) * scale + u128::from(fraction);
    let value = scaled
        .checked_mul(u128::from(factor))
        .ok_or("the number is too large")?;
    if value % scale != 0 {
        return Err("finer than the smallest unit");
    }
    u64::try_from(value / scale).map_err(|_| "the number is too large")
}

/// Writes a value so that it reads back exactly.
pub fn write(value: u64, unit: Unit) -> String {
    let order: &[&str] = match unit {
        Unit::Percent | Unit::Count => return value.to_string(),
        Unit::Iops if !value.is_multiple_of(1_000) => {
            return format!("{}.{:03}/s", value / 1_000, value % 1_000);
        }
        Unit::Time => &["h", "s", "ms", "us", "ns"],
        Unit::Size => &["TiB", "GiB", "MiB", "KiB", "B"],
        Unit::Bits => &["Tbit/s", "Gbit/s", "Mbit/s", "kbit/s", "bit/s"],
        Unit::Iops => &["M/s", "k/s", "/s"],
    };
    for suffix in order {
        let factor = unit
            .table()
            .iter()
            .find(|(s, _)| s == suffix)
            .map_or(&1, |(_, f)| f);
        if value.is_multiple_of(*factor)
            && (value > 0 || matches!(*suffix, "s" | "B" | "bit/s" | "/s"))
        {
            return format!("{}{suffix}", value / factor);
        }
    }
    value.to_string()
}

pub fn write_span(span: Span, unit: Unit) -> String {
    if span.lo == span.hi {
        write(span.lo, unit)
    } else {
        format!("{}..{}", write(span.lo, unit), write(span.hi, unit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_reads() {
        for (text, unit, value) in [
            ("30ms", Unit::Time, 30_000_000),
            ("1.5us", Unit::Time, 1_500),
            ("2h", Unit::Time, 7_200_000_000_000),
            ("1m", Unit::Time, 60_000_000_000),
            ("64GiB", Unit::Size, 64 << 30),
            ("4kB", Unit::Size, 4_000),
            ("512B", Unit::Size, 512),
            ("25Gbit/s", Unit::Bits, 25_000_000_000),
            ("1MB/s", Unit::Bits, 8_000_000),
            ("20k/s", Unit::Iops, 20_000_000),
            ("0.5/s", Unit::Iops, 500),
            ("70", Unit::Percent, 70),
        ] {
            assert_eq!(parse(text, unit), Ok(value), "{text}");
        }
        for unit in [Unit::Time, Unit::Size, Unit::Bits, Unit::Iops] {
            for suffix in unit.suffixes() {
                let value = parse(&format!("3{suffix}"), unit).unwrap();
                assert_eq!(parse(&write(value, unit), unit), Ok(value), "3{suffix}");
            }
            assert_eq!(parse(&write(0, unit), unit), Ok(0));
        }
    }

    #[test]
    fn nonsense_is_refused_with_a_reason() {
        for (text, unit, why) in [
            ("30", Unit::Time, "unit is missing"),
            ("30MS", Unit::Time, "unknown unit 'MS'"),
            ("0.3ns", Unit::Time, "finer"),
            ("-1s", Unit::Time, "expected"),
            ("", Unit::Size, "expected"),
            ("1.2.3s", Unit::Time, "not a number"),
            ("99999999999999999999999h", Unit::Time, "too large"),
            ("18446744073709551615TiB", Unit::Size, "too large"),
            ("101", Unit::Percent, "too large: at most 100"),
            ("4KiB", Unit::Count, "whole number"),
            ("9s..1s", Unit::Time, "backwards"),
            ("1s..2s..3s", Unit::Time, "expected"),
        ] {
            let e = parse_span(text, unit).unwrap_err();
            assert!(e.message.contains(why), "{text}: {}", e.message);
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_reads_back(value in 0u64..=1 << 58) {
            for unit in [Unit::Time, Unit::Size, Unit::Bits, Unit::Iops, Unit::Count] {
                let value = value.min(unit.ceiling());
                proptest::prop_assert_eq!(parse(&write(value, unit), unit), Ok(value));
            }
        }

        #[test]
        fn no_text_panics(text in ".*") {
            for unit in [Unit::Time, Unit::Size, Unit::Bits, Unit::Iops, Unit::Percent, Unit::Count] {
                let _ = parse_span(&text, unit);
            }
        }
    }
}
