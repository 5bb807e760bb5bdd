//! `--seeds A..B`: both ends included, because a person who writes 1..20 means twenty seeds.

use std::str::FromStr;

/// More seeds than this in one run are a mistake, or a job for several runs.
const MAX_SEEDS: u64 = 100_000;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seeds {
    pub first: u64,
    pub last: u64,
}

impl Seeds {
    pub fn iter(self) -> impl Iterator<Item = u64> {
        self.first..=self.last
    }
}

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let SeedRange { first, last } = text.parse()?;
        if last - first >= MAX_SEEDS {
            return Err(format!("at most {MAX_SEEDS} seeds in one run"));
        }
        Ok(Seeds { first, last })
    }
}

/// As many seeds as one likes: a search keeps nothing of a seed that passes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SeedRange {
    pub first: u64,
    pub last: u64,
}

impl FromStr for SeedRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |t: &str| t.trim().parse::<u64>().ok();
        let Some((first, last)) = text
            .split_once("..")
            .and_then(|(a, b)| Some((number(a)?, number(b)?)))
        else {
            return Err("expected A..B with two whole numbers, such as 1..20".into());
        };
        if first > last {
            return Err(format!(
                "{first} is larger than {last}: did you mean {last}..{first}?"
            ));
        }
        Ok(SeedRange { first, last })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_belong_to_it() {
        let seeds: Seeds = "3..5".parse().unwrap();
        assert_eq!(seeds.iter().collect::<Vec<_>>(), [3, 4, 5]);
        let one: Seeds = "18446744073709551615..18446744073709551615"
            .parse()
            .unwrap();
        assert_eq!(one.iter().count(), 1);
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for (text, said) in [
            ("3..1", "did you mean 1..3?"),
            ("3", "expected A..B"),
            ("a..b", "expected A..B"),
            ("-1..3", "expected A..B"),
            ("1..=3", "expected A..B"),
            ("0..100000", "at most 100000 seeds"),
            ("0..18446744073709551615", "at most 100000 seeds"),
        ] {
            let error = text.parse::<Seeds>().unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
