//! What the rules found: every breach is counted, the first hundred have a text.

use super::Finding;
use protocol::Instant;

/// Texts of one run; a defect that breaks a rule breaks it again and again.
const TEXTS: usize = 100;

#[derive(Debug, Default)]
pub struct Findings {
    list: Vec<Finding>,
    kept: usize,
    /// A handful of rules: a list is the fastest map, and has an order.
    counts: Vec<(&'static str, u64)>,
}

impl Findings {
    /// Counts, and keeps the text where there is room for it; the first of each rule always has one.
    #[cold]
    pub fn report(&mut self, rule: &'static str, at: Instant, text: impl FnOnce() -> String) {
        let first = match self.counts.iter_mut().find(|c| c.0 == rule) {
            Some(count) => {
                count.1 += 1;
                false
            }
            None => {
                self.counts.push((rule, 1));
                true
            }
        };
        if first || self.kept < TEXTS {
            self.kept += 1;
            self.list.push(Finding {
                rule,
                at,
                text: text(),
            });
        }
    }

    pub fn count(&self, rule: &str) -> u64 {
        self.counts.iter().find(|c| c.0 == rule).map_or(0, |c| c.1)
    }

    pub fn drain(&mut self) -> std::vec::Drain<'_, Finding> {
        self.list.drain(..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_all_and_keeps_a_hundred_and_the_first_of_each_rule() {
        let mut findings = Findings::default();
        for i in 0..250 {
            findings.report("stale_read", Instant(i), || format!("number {i}"));
        }
        findings.report("ghost_write", Instant(999), || String::from("another"));
        assert_eq!(findings.count("stale_read"), 250);
        assert_eq!(findings.count("ghost_write"), 1);
        assert_eq!(findings.count("lost_write"), 0);
        let kept: Vec<Finding> = findings.drain().collect();
        assert_eq!(kept.len(), 101);
        assert_eq!(kept[0].text, "number 0");
        assert_eq!(kept[100].rule, "ghost_write");
        findings.report("ghost_write", Instant(1_000), || String::from("too late"));
        assert_eq!(findings.drain().count(), 0);
        assert_eq!(findings.count("ghost_write"), 2);
    }
}
