//! The totals of a search: what `summary.json` holds and what is said at the end. Everything in it can be added, so that a
//! search on many machines has the same summary as one on one.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::str::FromStr;

/// Counts of losses above this are one bucket.
const MANY: u64 = 1_000;
const BUCKET_NS: u64 = 100_000_000;

/// `k/n`: the seeds that leave the remainder `k` when divided by `n`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Shard {
    pub index: u64,
    pub of: u64,
}

impl Shard {
    pub const WHOLE: Shard = Shard { index: 0, of: 1 };

    pub fn has(self, seed: u64) -> bool {
        seed % self.of.max(1) == self.index
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |t: &str| t.trim().parse::<u64>().ok();
        let parsed = text
            .split_once('/')
            .and_then(|(k, n)| Some((number(k)?, number(n)?)));
        match parsed {
            Some((index, of)) if index < of => Ok(Shard { index, of }),
            Some((index, of)) if of > 0 => Err(format!(
                "shards count from 0: the last of {of} is {}/{of}, not {index}/{of}",
                of - 1
            )),
            _ => Err("expected k/n, such as 0/8 for the first of eight shards".into()),
        }
    }
}

/// Seeds that one process went through: all of `shard` from `first` to `last`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Part {
    pub shard: Shard,
    pub first: u64,
    pub last: u64,
}

impl Part {
    pub fn has(&self, seed: u64) -> bool {
        self.shard.has(seed) && (self.first..=self.last).contains(&seed)
    }

    /// A seed that both went through.
    pub fn common(&self, other: &Part) -> Option<u64> {
        let (few, many) = if self.shard.of >= other.shard.of {
            (self, other)
        } else {
            (other, self)
        };
        let from = few.first.max(many.first);
        let to = few.last.min(many.last);
        let step = few.shard.of.max(1);
        let ahead = (few.shard.index + step - from % step) % step;
        let mut seed = from.checked_add(ahead)?;
        // The remainders repeat after as many steps.
        for _ in 0..=many.shard.of {
            if seed > to {
                return None;
            }
            if many.has(seed) {
                return Some(seed);
            }
            seed = seed.checked_add(step)?;
        }
        None
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Finding {
    pub seed: u64,
    pub exit: i32,
    pub what: String,
    pub text: String,
    pub folder: String,
    pub repro: String,
}

/// What one seed adds.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Line {
    pub seed: u64,
    pub verdict: String,
    pub exit: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finding: Option<String>,
    pub virtual_ns: u64,
    pub wall_ns: u64,
    pub ios: u64,
    pub errors: u64,
    /// Errors were legitimate: why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub envelope: Vec<String>,
    pub losses: BTreeMap<String, u64>,
    pub failovers: u64,
    pub redone: u64,
    pub duplicates: u64,
    pub twice: bool,
    pub fingerprint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Totals {
    pub seeds: u64,
    pub ios: u64,
    /// Errors of applications, all of them inside the envelope unless there is a finding.
    pub errors: u64,
    /// Seeds in which no error at all was legitimate.
    pub strict_seeds: u64,
    pub virtual_ns: u64,
    /// Of all runs together, whatever ran beside them.
    pub run_ns: u64,
    pub losses: BTreeMap<String, u64>,
    pub failovers: u64,
    pub redone: u64,
    /// Commands that the array executed for one request beyond the first.
    pub duplicates: u64,
    /// Seeds that ran twice, for their fingerprints.
    pub twice: u64,
    /// Seeds by virtual time in steps of 100 ms, and by losses.
    pub by_virtual_100ms: BTreeMap<u64, u64>,
    pub by_losses: BTreeMap<u64, u64>,
}

impl Totals {
    pub fn add(&mut self, line: &Line) {
        self.seeds += 1;
        self.ios += line.ios;
        self.errors += line.errors;
        self.strict_seeds += u64::from(line.envelope.is_empty());
        self.virtual_ns += line.virtual_ns;
        self.run_ns += line.wall_ns;
        self.failovers += line.failovers;
        self.redone += line.redone;
        self.duplicates += line.duplicates;
        self.twice += u64::from(line.twice);
        let mut lost = 0;
        for (kind, n) in &line.losses {
            *self.losses.entry(kind.clone()).or_insert(0) += n;
            lost += n;
        }
        *self
            .by_virtual_100ms
            .entry(line.virtual_ns / BUCKET_NS)
            .or_insert(0) += 1;
        *self.by_losses.entry(lost.min(MANY)).or_insert(0) += 1;
    }

    pub fn join(&mut self, other: &Totals) {
        self.seeds += other.seeds;
        self.ios += other.ios;
        self.errors += other.errors;
        self.strict_seeds += other.strict_seeds;
        self.virtual_ns += other.virtual_ns;
        self.run_ns += other.run_ns;
        self.failovers += other.failovers;
        self.redone += other.redone;
        self.duplicates += other.duplicates;
        self.twice += other.twice;
        for (from, to) in [
            (&other.by_virtual_100ms, &mut self.by_virtual_100ms),
            (&other.by_losses, &mut self.by_losses),
        ] {
            for (key, n) in from {
                *to.entry(*key).or_insert(0) += n;
            }
        }
        for (kind, n) in &other.losses {
            *self.losses.entry(kind.clone()).or_insert(0) += n;
        }
    }

    pub fn all_losses(&self) -> u64 {
        self.losses.values().sum()
    }

    /// The virtual time of the median seed, to 100 ms.
    pub fn median_virtual_ns(&self) -> u64 {
        middle(&self.by_virtual_100ms) * BUCKET_NS
    }

    pub fn median_losses(&self) -> u64 {
        middle(&self.by_losses)
    }
}

fn middle(counts: &BTreeMap<u64, u64>) -> u64 {
    let half = counts.values().sum::<u64>().div_ceil(2);
    let mut seen = 0;
    for (key, n) in counts {
        seen += n;
        if seen >= half {
            return *key;
        }
    }
    0
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Summary {
    pub schema: u32,
    /// The very binary: results of two builds are results of two programs.
    pub build: String,
    pub profile: String,
    pub parts: Vec<Part>,
    pub totals: Totals,
    pub findings: Vec<Finding>,
    pub exit: i32,
    pub wall_ns: u64,
}

impl Summary {
    /// The exit code that the findings ask for: a panic before all, then the smallest of 10 to 14; 4 where nothing ran.
    pub fn settle(&mut self) {
        let codes = || self.findings.iter().map(|f| f.exit);
        self.exit = match codes().min() {
            Some(code) => code,
            None if self.totals.seeds == 0 => 4,
            None => 0,
        };
    }

    /// For people.
    pub fn text(&self, style: crate::report::style::Style) -> String {
        use crate::report::human;
        use std::fmt::Write;
        let t = &self.totals;
        let mut out = String::new();
        let seconds = |ns: u64| format!("{:.1} s", ns as f64 / 1e9);
        let _ = writeln!(
            out,
            "\n {} ({} without a legitimate error, {} run twice), {} I/Os, {} of virtual time in {} ({} of runs)",
            human::plural(t.seeds as usize, "seed"),
            t.strict_seeds,
            t.twice,
            t.ios,
            seconds(t.virtual_ns),
            seconds(self.wall_ns),
            seconds(t.run_ns),
        );
        let _ = writeln!(
            out,
            " median seed: {:.1} s of virtual time, {}",
            t.median_virtual_ns() as f64 / 1e9,
            human::plural(t.median_losses() as usize, "loss").replace("losss", "losses"),
        );
        let kinds: Vec<String> = t.losses.iter().map(|(k, n)| format!("{k} {n}")).collect();
        let _ = writeln!(
            out,
            " injected losses: {} ({})",
            t.all_losses(),
            kinds.join(", ")
        );
        let _ = writeln!(
            out,
            " failovers: {}, commands redone {}, executed beyond the first {}; legitimate errors {}",
            t.failovers, t.redone, t.duplicates, t.errors
        );
        let mut kinds: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
        for f in &self.findings {
            kinds.entry(&f.what).or_default().push(f);
        }
        let found = human::plural(self.findings.len(), "finding");
        let shown = if self.findings.is_empty() {
            style.good(&found)
        } else {
            style.bad(&found)
        };
        let _ = writeln!(out, " {shown}");
        for (what, all) in kinds {
            let _ = writeln!(out, "   {} × {what}", all.len());
            for f in all.iter().take(3) {
                let _ = writeln!(out, "      seed {}: {}", f.seed, human::cut(&f.text, 160));
                let _ = writeln!(out, "      repeat: {}", f.repro);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_what_leaves_its_remainder() {
        let shard: Shard = "2/3".parse().unwrap();
        let seeds: Vec<u64> = (0..10).filter(|s| shard.has(*s)).collect();
        assert_eq!(seeds, [2, 5, 8]);
        for (text, said) in [
            ("3/3", "the last of 3 is 2/3"),
            ("0/0", "expected k/n"),
            ("1", "expected k/n"),
            ("-1/2", "expected k/n"),
        ] {
            let error = text.parse::<Shard>().unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn common_seeds_are_found_for_any_two_shards() {
        for (n, m) in [(1, 1), (2, 2), (2, 3), (4, 6), (1, 5)] {
            for k in 0..n {
                for l in 0..m {
                    for (a, b, c, d) in [(0, 40, 0, 40), (3, 9, 8, 30), (5, 6, 7, 9)] {
                        let one = Part {
                            shard: Shard { index: k, of: n },
                            first: a,
                            last: b,
                        };
                        let two = Part {
                            shard: Shard { index: l, of: m },
                            first: c,
                            last: d,
                        };
                        let truth = (0..50).find(|s| one.has(*s) && two.has(*s));
                        assert_eq!(one.common(&two), truth, "{one:?} {two:?}");
                        assert_eq!(two.common(&one), truth);
                    }
                }
            }
        }
    }

    #[test]
    fn the_median_is_the_middle_seed() {
        let mut t = Totals::default();
        for (ms, lost) in [(900, 0), (1_250, 3), (2_000, 4)] {
            t.add(&Line {
                virtual_ns: ms * 1_000_000,
                losses: [("reset".to_string(), lost)].into(),
                ..Line::default()
            });
        }
        assert_eq!(t.median_virtual_ns(), 1_200_000_000);
        assert_eq!(t.median_losses(), 3);
        assert_eq!(t.all_losses(), 7);
    }
}
