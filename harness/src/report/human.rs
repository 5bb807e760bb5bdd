//! Numbers as people read them: three digits and a unit.

use super::model::{ExpectResult, Value};

/// Three significant digits, or as many as the whole part has.
fn digits(value: f64) -> String {
    if value >= 99.95 {
        format!("{value:.0}")
    } else if value >= 9.995 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

fn scaled(value: f64, step: f64, units: &[&str]) -> String {
    let mut value = value;
    let mut unit = 0;
    while value >= step - 0.5 && unit + 1 < units.len() {
        value /= step;
        unit += 1;
    }
    format!("{} {}", digits(value), units[unit])
        .trim_end()
        .to_string()
}

/// `812 us`, `12.3 ms`, `3.00 s`.
pub fn time(ns: u64) -> String {
    if ns < 1_000 {
        return format!("{ns} ns");
    }
    let us = ns as f64 / 1e3;
    if us < 60e6 {
        return scaled(us, 1_000.0, &["us", "ms", "s"]);
    }
    let seconds = ns / 1_000_000_000;
    format!("{} min {:02} s", seconds / 60, seconds % 60)
}

/// `41`, `9,999` as `9999`, `590 k`, `1.05 M`.
pub fn count(n: u64) -> String {
    if n < 10_000 {
        return n.to_string();
    }
    scaled(n as f64 / 1e3, 1_000.0, &["k", "M", "G", "T"])
}

/// As `count`, for what is measured in fractions.
pub fn amount(value: f64) -> String {
    if value < 0.0 || !value.is_finite() {
        return value.to_string();
    }
    if value >= 10_000.0 {
        return count(value.round() as u64);
    }
    if value.fract() == 0.0 {
        return format!("{value:.0}");
    }
    if value < 1.0 {
        return format!("{value:.3}");
    }
    digits(value)
}

/// `4.00 KiB`, `1.13 GiB`.
pub fn bytes(n: u64) -> String {
    if n < 1_024 {
        return format!("{n} B");
    }
    scaled(n as f64 / 1_024.0, 1_024.0, &["KiB", "MiB", "GiB", "TiB"])
}

/// `25.0%`
pub fn percent(share: f64) -> String {
    format!("{:.1}%", share * 100.0)
}

pub fn value(value: Value, is_time: bool) -> String {
    match (value, is_time) {
        (Value::Int(ns), true) => time(ns),
        (Value::Float(ns), true) => time(ns.max(0.0).round() as u64),
        (Value::Int(n), false) => count(n),
        (Value::Float(x), false) => amount(x),
    }
}

/// What an expectation found.
pub fn actual(e: &ExpectResult) -> String {
    e.actual
        .map_or_else(|| "nothing measured".into(), |v| value(v, e.is_time))
}

/// A moment of virtual time as a fixed-width number of seconds: `1.000210`.
pub fn moment(at_ns: u64) -> String {
    let us = at_ns / 1_000;
    format!("{}.{:06}", us / 1_000_000, us % 1_000_000)
}

/// `1 seed`, `8 seeds`.
pub fn plural(n: usize, one: &str) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{n} {one}{s}")
}

/// Breaks a text into lines of at most `width` characters, between words where there are any.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(8);
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for word in text.split_whitespace() {
        let mut word: Vec<char> = word.chars().collect();
        if used > 0 && used + 1 + word.len() > width {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        while word.len() > width {
            let rest = word.split_off(width);
            lines.push(word.into_iter().collect());
            word = rest;
        }
        if used > 0 {
            line.push(' ');
            used += 1;
        }
        used += word.len();
        line.extend(word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// At most `width` characters, the last an ellipsis where something was cut.
pub fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_string();
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_and_a_unit() {
        let times = [
            (0, "0 ns"),
            (999, "999 ns"),
            (1_000, "1.00 us"),
            (812_000, "812 us"),
            (999_700, "1.00 ms"),
            (12_345_678, "12.3 ms"),
            (99_960_000, "100 ms"),
            (3_000_000_000, "3.00 s"),
            (61_000_000_000, "1 min 01 s"),
        ];
        for (ns, text) in times {
            assert_eq!(time(ns), text);
        }
        assert_eq!(
            [count(0), count(9_999), count(590_123), count(1_050_000)],
            ["0", "9999", "590 k", "1.05 M"]
        );
        assert_eq!(
            [amount(0.998), amount(0.0), amount(196_666.7), amount(12.34)],
            ["0.998", "0", "197 k", "12.3"]
        );
        assert_eq!(
            [bytes(12), bytes(4_096), bytes(1_208_320_000)],
            ["12 B", "4.00 KiB", "1.13 GiB"]
        );
        assert_eq!(moment(1_000_210_999), "1.000210");
    }

    #[test]
    fn texts_keep_their_width() {
        let lines = wrap("one two  three fourteen-letters-and-more x", 9);
        assert_eq!(
            lines,
            ["one two", "three", "fourteen-", "letters-a", "nd-more x"]
        );
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("äöü", 3), "äöü");
    }
}
