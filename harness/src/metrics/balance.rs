//! How evenly the load lies on the paths that could have shared it: of each host and each of its volumes the paths that
//! served it throughout the window, and of those the ones of the best access class.
//!
//! Of several volumes a path needs to be in the set of one. A path was optimised in a window if it was so all the time.
//! Sums are integers; what is divided is rounded to six digits, so that the same run gives the same bytes.

use super::usability::Usability;

/// The paths of a window that a balance is judged over; `hosts` names each path's host.
pub fn set(usability: &Usability, hosts: &[u16], uses: &[(u16, usize)], segments: u8) -> Vec<bool> {
    let mut set = vec![false; hosts.len()];
    for (host, volume) in uses {
        let of_host = || (0..hosts.len()).filter(|p| hosts[*p] == *host);
        let served = |p: usize| usability.throughout(p, *volume, segments);
        let any_optimized = of_host().any(|p| served(p) == Some(true));
        for path in of_host() {
            let best = match served(path) {
                Some(optimized) => optimized || !any_optimized,
                None => false,
            };
            set[path] |= best;
        }
    }
    set
}

fn ratio(part: u128, of: u128) -> f64 {
    const STEPS: u128 = 1_000_000;
    ((part * STEPS + of / 2) / of) as f64 / STEPS as f64
}

/// A path's part of what the set carried; 0 outside the set.
pub fn share(ios: &[u64], set: &[bool], path: usize) -> Option<f64> {
    let total = total(ios, set);
    if total == 0 {
        return None;
    }
    if !set[path] {
        return Some(0.0);
    }
    Some(ratio(u128::from(ios[path]), total))
}

/// Jain's fairness: 1 when all carry the same, 1/n when one carries everything.
pub fn jain(ios: &[u64], set: &[bool]) -> Option<f64> {
    let total = total(ios, set);
    // A run has far fewer than 2^50 I/Os: no product overflows.
    let squares: u128 = members(ios, set).map(|n| n * n).sum();
    let paths = members(ios, set).count() as u128;
    (total > 0).then(|| ratio(total * total, squares * paths))
}

/// The largest share less the smallest.
pub fn spread(ios: &[u64], set: &[bool]) -> Option<f64> {
    let total = total(ios, set);
    let (low, high) = (members(ios, set).min()?, members(ios, set).max()?);
    (total > 0).then(|| ratio(high - low, total))
}

fn members<'a>(ios: &'a [u64], set: &'a [bool]) -> impl Iterator<Item = u128> + 'a {
    let both = ios.iter().zip(set);
    both.filter(|(_, inside)| **inside)
        .map(|(n, _)| u128::from(*n))
}

fn total(ios: &[u64], set: &[bool]) -> u128 {
    members(ios, set).sum()
}
