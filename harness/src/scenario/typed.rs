//! Typed values of keys: texts, words of a set, quantities within their bounds.

use super::model::{Range, Span};
use super::quantity::{self, Unit};
use super::reader::{Reader, Section};
use super::tree::{Loc, Value};
use protocol::Duration;

/// When a range of a quantity is drawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Drawn {
    /// Only one value may be given: the names of things depend on it.
    Never,
    PerSeed,
    PerIo,
}

/// A quantity as it was given.
#[derive(Clone, Copy, Debug)]
pub struct Got {
    pub span: Span,
    pub at: Loc,
}

impl Reader<'_> {
    pub fn string<'t>(&mut self, s: &Section<'t>, key: &str) -> Option<&'t str> {
        let node = &s.get(key)?.node;
        if let Value::Str(text) = &node.value {
            return Some(text);
        }
        self.report(node.at, format!("{key} must be a text in quotes"))
            .found(node.describe());
        None
    }

    pub fn flag(&mut self, s: &Section<'_>, key: &str) -> Option<bool> {
        let node = &s.get(key)?.node;
        if let Value::Bool(b) = node.value {
            return Some(b);
        }
        self.report(node.at, format!("{key} must be true or false"))
            .found(node.describe());
        None
    }

    /// The texts of a list.
    pub fn strings<'t>(&mut self, s: &Section<'t>, key: &str) -> Vec<(&'t str, Loc)> {
        let Some(entry) = s.get(key) else {
            return Vec::new();
        };
        let Value::List(list) = &entry.node.value else {
            self.report(entry.node.at, format!("{key} must be a list of texts"))
                .found(entry.node.describe());
            return Vec::new();
        };
        let mut texts = Vec::new();
        for node in list {
            match &node.value {
                Value::Str(text) => texts.push((text.as_str(), node.at)),
                _ => {
                    self.report(node.at, format!("{key} must be a list of texts"))
                        .found(node.describe());
                }
            }
        }
        texts
    }

    /// One word of a set.
    pub fn word<T: Copy>(&mut self, s: &Section<'_>, key: &str, words: &[(&str, T)]) -> Option<T> {
        let text = self.string(s, key)?;
        if let Some((_, value)) = words.iter().find(|(w, _)| *w == text) {
            return Some(*value);
        }
        let allowed: Vec<&str> = words.iter().map(|(w, _)| *w).collect();
        self.report(s.place(key), format!("unknown {key}"))
            .found(format!("\"{text}\""))
            .instead_of(text, &allowed);
        None
    }

    /// A quantity within `min..=max`, in the unit's base.
    pub fn quantity(
        &mut self,
        s: &Section<'_>,
        key: &str,
        unit: Unit,
        drawn: Drawn,
        min: u64,
        max: u64,
    ) -> Option<Got> {
        let node = &s.get(key)?.node;
        let span = match (&node.value, unit) {
            (Value::Int(i), Unit::Count | Unit::Percent) => match u64::try_from(*i) {
                Ok(v) => Ok(Span::fixed(v)),
                Err(_) => Err(quantity::NotAQuantity {
                    message: format!("expected {}", unit.expected()),
                    unit: None,
                }),
            },
            // A number beyond TOML's integers must be written as a text; otherwise texts are for ranges.
            (Value::Str(text), Unit::Count | Unit::Percent) if text.contains("..") => {
                quantity::parse_span(text, unit)
            }
            (Value::Str(text), _) if !matches!(unit, Unit::Count | Unit::Percent) => {
                quantity::parse_span(text, unit)
            }
            (
                Value::Int(_) | Value::Float(_),
                Unit::Time | Unit::Size | Unit::Bits | Unit::Iops,
            ) => Err(quantity::NotAQuantity {
                message: format!("expected {}, in quotes", unit.expected()),
                unit: None,
            }),
            _ => Err(quantity::NotAQuantity {
                message: format!("expected {}", unit.expected()),
                unit: None,
            }),
        };
        let found = node.describe();
        let span = match span {
            Ok(span) => span,
            Err(why) => {
                let d = self
                    .report(node.at, format!("{key}: {}", why.message))
                    .found(found);
                if let Some(suffix) = why.unit {
                    d.instead_of(&suffix, &unit.suffixes());
                }
                return None;
            }
        };
        if span.lo < min || span.hi > max {
            let (lo, hi) = (quantity::write(min, unit), quantity::write(max, unit));
            self.report(node.at, format!("{key} must be {lo} to {hi}"))
                .found(found);
            return None;
        }
        if span.lo < span.hi {
            let step = if unit == Unit::Size { self.block } else { 1 };
            match drawn {
                Drawn::PerIo => {}
                Drawn::Never => {
                    self.report(node.at, format!("{key} cannot be a range"))
                        .found(found);
                    return None;
                }
                Drawn::PerSeed => self.ranges.push(Range {
                    key: format!("{}.{key}", s.key),
                    span,
                    step,
                }),
            }
        }
        Some(Got { span, at: node.at })
    }

    /// A time that may be drawn once per seed; `least` is zero or one nanosecond.
    pub fn time(&mut self, s: &Section<'_>, key: &str, least: u64, default: Duration) -> Duration {
        self.opt_time(s, key, least).unwrap_or(default)
    }

    pub fn opt_time(&mut self, s: &Section<'_>, key: &str, least: u64) -> Option<Duration> {
        let got = self.quantity(
            s,
            key,
            Unit::Time,
            Drawn::PerSeed,
            least,
            Unit::Time.ceiling(),
        )?;
        Some(Duration(got.span.lo))
    }

    pub fn percent(&mut self, s: &Section<'_>, key: &str, default: u64) -> Span {
        self.quantity(s, key, Unit::Percent, Drawn::PerSeed, 0, 100)
            .map_or(Span::fixed(default), |got| got.span)
    }

    /// A number that the topology depends on, so never a range.
    pub fn number(&mut self, s: &Section<'_>, key: &str, min: u64, max: u16, default: u16) -> u16 {
        self.quantity(s, key, Unit::Count, Drawn::Never, min, u64::from(max))
            .and_then(|got| u16::try_from(got.span.lo).ok())
            .unwrap_or(default)
    }

    /// A size of whole blocks of the array.
    pub fn blocks(
        &mut self,
        s: &Section<'_>,
        key: &str,
        drawn: Drawn,
        min: u64,
        max: u64,
    ) -> Option<Got> {
        let got = self.quantity(s, key, Unit::Size, drawn, min, max)?;
        let block = self.block.max(1);
        if !got.span.lo.is_multiple_of(block) || !got.span.hi.is_multiple_of(block) {
            let found = s.get(key).map(|e| e.node.describe()).unwrap_or_default();
            self.report(
                got.at,
                format!("{key} must be a multiple of the array's block, {block}B"),
            )
            .found(found);
            return None;
        }
        Some(got)
    }
}
