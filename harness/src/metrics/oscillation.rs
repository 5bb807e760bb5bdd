//! How much the paths' shares swing: hosts that all see the same path become slow, leave it together and come back together.
//!
//! Of each path, on all hosts together, its part of all I/Os in every 100 ms is taken; the deviation of these over their mean says how
//! much it swings, and the worst path counts. Hosts are taken together because a herd moves together: what one host moves between
//! two ports of one controller, while another moves the other way, no array and no application notices, and in a closed loop whose servers are the
//! bottleneck it wanders freely. The first 100 ms are left out: paths connect, and policies learn. So are paths that
//! carry less than a twentieth of the I/Os: what swings there is chance.

use crate::report::model::TimelineRow;

const WINDOW_NS: u64 = 100_000_000;
const LEAST_SHARE: f64 = 0.05;

/// The worst path's deviation over its mean; `None` over less than two windows, or where rows are too coarse.
pub fn worst(rows: &[TimelineRow], names: &[String], length_ns: u64) -> Option<f64> {
    let width = rows.get(1)?.at_ns;
    let short = |p: usize| names[p].rsplit('.').next().unwrap_or("");
    let mut kinds: Vec<&str> = (0..names.len()).map(short).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let each = usize::try_from(WINDOW_NS.checked_div(width)?).ok()?;
    let whole = rows.iter().filter(|r| r.at_ns + width <= length_ns).count();
    let windows: Vec<Vec<u64>> = rows[..whole]
        .chunks_exact(each.max(1))
        .skip(1)
        .map(|rows| {
            let of = |kind: &&str| {
                let paths = (0..names.len()).filter(|p| short(*p) == *kind);
                let ios = paths.flat_map(|p| rows.iter().map(move |r| r.per_path_ios[p]));
                ios.sum()
            };
            kinds.iter().map(of).collect()
        })
        .collect();
    if each == 0 || windows.len() < 2 {
        return None;
    }
    let worst = (0..kinds.len())
        .filter_map(|k| {
            let shares = windows.iter().filter_map(|ios| {
                let all: u64 = ios.iter().sum();
                (all > 0).then(|| ios[k] as f64 / all as f64)
            });
            swing(&shares.collect::<Vec<f64>>())
        })
        .fold(0.0, f64::max);
    // Six digits, like the other balances.
    Some((worst * 1e6).round() / 1e6)
}

fn swing(shares: &[f64]) -> Option<f64> {
    let n = shares.len() as f64;
    let mean = shares.iter().sum::<f64>() / n;
    if shares.len() < 2 || mean < LEAST_SHARE {
        return None;
    }
    let squares: f64 = shares.iter().map(|s| (s - mean) * (s - mean)).sum();
    Some((squares / n).sqrt() / mean)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// Rows of 10 ms, whose I/Os over each path are given for every 100 ms.
    fn rows(of: &[&[u64]]) -> Vec<TimelineRow> {
        let row = |r: usize| TimelineRow {
            at_ns: r as u64 * 10 * MS,
            ios: 0,
            errors: 0,
            bytes: 0,
            mean_ns: 0,
            max_ns: 0,
            per_path_ios: of[r / 10].to_vec(),
        };
        (0..of.len() * 10).map(row).collect()
    }

    fn names(of: &[&str]) -> Vec<String> {
        of.iter().map(|n| (*n).to_string()).collect()
    }

    #[test]
    fn it_is_the_deviation_over_the_mean_of_the_worst_path() {
        let names = names(&["h0-A0", "h1-A1"]);
        let swinging = rows(&[&[9, 1], &[4, 6], &[6, 4], &[4, 6], &[6, 4]]);
        assert_eq!(worst(&swinging, &names, 500 * MS), Some(0.2));
        let steady = rows(&[&[9, 1], &[5, 5], &[5, 5], &[5, 5]]);
        assert_eq!(worst(&steady, &names, 400 * MS), Some(0.0), "but the first");
        assert_eq!(worst(&steady, &names, 299 * MS), None, "too short");
        let rare = rows(&[&[1, 1], &[0, 99], &[2, 98], &[0, 99]]);
        assert!(worst(&rare, &names, 400 * MS) < Some(0.02), "chance");
    }

    #[test]
    fn hosts_that_move_together_swing_and_hosts_that_change_places_do_not() {
        let names = names(&["host0.h0-A0", "host0.h1-A1", "host1.h0-A0", "host1.h1-A1"]);
        let places = rows(&[&[5, 5, 5, 5], &[4, 6, 6, 4], &[6, 4, 4, 6], &[4, 6, 6, 4]]);
        assert_eq!(worst(&places, &names, 400 * MS), Some(0.0));
        let herd = rows(&[
            &[5, 5, 5, 5],
            &[4, 6, 4, 6],
            &[6, 4, 6, 4],
            &[4, 6, 4, 6],
            &[6, 4, 6, 4],
        ]);
        assert_eq!(worst(&herd, &names, 500 * MS), Some(0.2));
    }
}
