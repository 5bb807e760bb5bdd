//! The run in rows of 10 ms. When the rows become too many, ten neighbours become one: a run of any length fits, and
//! the same run always has the same rows.

use super::paths::PathMetrics;
use crate::report::model::TimelineRow;
use protocol::{Duration, Instant};

const FINEST: Duration = Duration::from_millis(10);
/// Rows at most …
const ROWS_MAX: usize = 20_000;
/// … and numbers in all of them at most, because each row has one for each path.
const CELLS_MAX: usize = 4_000_000;
const MERGED: usize = 10;

#[derive(Clone, Copy, Debug, Default)]
struct Row {
    ios: u64,
    errors: u64,
    bytes: u64,
    latency_sum_ns: u128,
    latency_max_ns: u64,
}

impl Row {
    fn merge(&mut self, other: &Row) {
        self.ios += other.ios;
        self.errors += other.errors;
        self.bytes += other.bytes;
        self.latency_sum_ns += other.latency_sum_ns;
        self.latency_max_ns = self.latency_max_ns.max(other.latency_max_ns);
    }
}

#[derive(Debug)]
pub struct Timeline {
    now: Row,
    /// The end of the row that is being filled.
    pub row_ends: Instant,
    width: Duration,
    paths: usize,
    rows_max: usize,
    rows: Vec<Row>,
    /// Answers of each path in each row, row by row.
    per_path: Vec<u32>,
    /// Answers of each path before the present row.
    before: Vec<u64>,
}

impl Timeline {
    pub fn new(paths: usize) -> Timeline {
        Timeline {
            now: Row::default(),
            row_ends: Instant::ZERO + FINEST,
            width: FINEST,
            paths,
            rows_max: (CELLS_MAX / paths.max(1)).clamp(MERGED, ROWS_MAX),
            rows: Vec::new(),
            per_path: Vec::new(),
            before: vec![0; paths],
        }
    }

    #[inline]
    pub fn completed(&mut self, bytes: u64, latency: Duration, ok: bool) {
        self.now.ios += 1;
        self.now.errors += u64::from(!ok);
        self.now.bytes += bytes;
        self.now.latency_sum_ns += u128::from(latency.0);
        self.now.latency_max_ns = self.now.latency_max_ns.max(latency.0);
    }

    /// Ends the rows that are over at `now`.
    pub fn advance(&mut self, now: Instant, paths: &[PathMetrics]) {
        while self.row_ends <= now {
            if self.rows.len() == self.rows_max {
                self.coarsen();
                continue;
            }
            self.end_row(paths);
            self.row_ends += self.width;
        }
    }

    fn end_row(&mut self, paths: &[PathMetrics]) {
        self.rows.push(std::mem::take(&mut self.now));
        for (path, before) in paths.iter().zip(&mut self.before) {
            let ios = path.ios();
            let in_row = u32::try_from(ios - *before).unwrap_or(u32::MAX);
            self.per_path.push(in_row);
            *before = ios;
        }
    }

    /// Ten rows become one; those left over at the end become the beginning of the row that is being filled.
    #[cold]
    fn coarsen(&mut self) {
        let whole = self.rows.len() / MERGED;
        for to in 0..whole {
            let mut sum = Row::default();
            for row in &self.rows[to * MERGED..(to + 1) * MERGED] {
                sum.merge(row);
            }
            self.rows[to] = sum;
            for path in 0..self.paths {
                let cells = (to * MERGED..(to + 1) * MERGED).map(|r| r * self.paths + path);
                let ios = cells.fold(0u32, |sum, c| sum.saturating_add(self.per_path[c]));
                self.per_path[to * self.paths + path] = ios;
            }
        }
        for row in whole * MERGED..self.rows.len() {
            let rest = self.rows[row];
            self.now.merge(&rest);
            for path in 0..self.paths {
                self.before[path] -= u64::from(self.per_path[row * self.paths + path]);
            }
        }
        self.rows.truncate(whole);
        self.per_path.truncate(whole * self.paths);
        self.width = Duration(self.width.0 * MERGED as u64);
        self.row_ends = Instant(self.width.0 * (whole as u64 + 1));
    }

    /// Every row up to `end`, the last one possibly cut short.
    pub fn close(mut self, end: Instant, paths: &[PathMetrics]) -> Vec<TimelineRow> {
        self.advance(end, paths);
        let begins = Instant(self.row_ends.0 - self.width.0);
        let pending = self.now.ios > 0 || paths.iter().zip(&self.before).any(|(p, b)| p.ios() > *b);
        if end > begins || pending {
            self.end_row(paths);
        }
        let per_path = |r: usize| &self.per_path[r * self.paths..(r + 1) * self.paths];
        let rows = self.rows.iter().enumerate();
        rows.map(|(r, row)| TimelineRow {
            at_ns: r as u64 * self.width.0,
            ios: row.ios,
            errors: row.errors,
            bytes: row.bytes,
            mean_ns: match u128::from(row.ios) {
                0 => 0,
                ios => ((row.latency_sum_ns + ios / 2) / ios) as u64,
            },
            max_ns: row.latency_max_ns,
            per_path_ios: per_path(r).iter().map(|n| u64::from(*n)).collect(),
        })
        .collect()
    }
}
