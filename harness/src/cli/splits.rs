//! Static splits for `best`: which fixed parts of the I/Os to each path are the best ones for a scenario.
//!
//! Paths that are alike (latency, rate, access class, and the faults that hit them) share a part equally, so that a split is
//! one of 100 % between groups of like paths, in steps of 2 %: 51 splits where there are two groups. More groups are searched
//! by coordinates: from equal parts for all paths on, 32 % are moved from one group to another as long as that helps, then
//! 16 %, 8 %, 4 % and 2 %. Two groups are searched in the same way, which for a valley visits the least of all 51. Where all
//! paths are alike there is nothing to search: the one split is that of `round_robin`.
//!
//! The search is by mean latency and again by p99, on the first seed. What wins there, and what had the most throughput
//! on the way, is then measured over all seeds, like a policy.

use super::Stop;
use super::execute::Setting;
use crate::report::outcome::Outcome;
use crate::scenario::policy::Choice;
use crate::scenario::topology::{self, PathSpec};
use crate::scenario::{self, Scenario};
use std::collections::BTreeMap;

/// A part is counted in these: 2 % each.
const PARTS: u32 = 50;
const OBJECTIVES: [&str; 2] = ["app.all.mean_ns", "app.all.p99_ns"];

/// For each path of a host its group.
fn groups(s: &Scenario) -> Vec<usize> {
    let paths = topology::paths(s);
    let hit: Vec<Vec<(u16, protocol::PathId)>> = s
        .faults
        .iter()
        .map(|f| topology::resolve(&f.on, s))
        .collect();
    let of_path = |index: usize| {
        let same = |p: &&PathSpec| usize::from(p.path.0) == index;
        let traits = paths.iter().filter(same).map(|p| {
            let faults: Vec<bool> = hit.iter().map(|h| h.contains(&(p.host, p.path))).collect();
            let owned: Vec<bool> = s.volumes.iter().map(|v| v.owner == p.controller).collect();
            let owned = if s.array.asymmetric {
                owned
            } else {
                Vec::new()
            };
            (p.latency, p.bits_per_s, p.present, faults, owned)
        });
        traits.collect::<Vec<_>>()
    };
    let of_host = paths.iter().filter(|p| p.host == 0).count();
    let mut seen = Vec::new();
    (0..of_host)
        .map(|index| {
            let traits = of_path(index);
            let known = seen.iter().position(|t| *t == traits);
            known.unwrap_or_else(|| {
                seen.push(traits);
                seen.len() - 1
            })
        })
        .collect()
}

/// The weights of the paths, where each group has so many parts.
fn weights(groups: &[usize], parts: &[u32]) -> Vec<u32> {
    let size = |g: usize| groups.iter().filter(|other| **other == g).count() as u32;
    let common = (0..parts.len()).map(size).fold(1, lcm);
    let mut weights: Vec<u32> = groups
        .iter()
        .map(|g| parts[*g] * 2 * (common / size(*g)))
        .collect();
    // Two paths are said in percent, more in the smallest numbers that say it.
    if weights.iter().sum::<u32>() != 100 {
        let divisor = weights.iter().copied().fold(0, gcd).max(1);
        weights.iter_mut().for_each(|w| *w /= divisor);
    }
    weights
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn lcm(a: u32, b: u32) -> u32 {
    a / gcd(a, b) * b
}

/// Where the search begins: equal parts for all paths, as near as steps allow.
fn equal(groups: &[usize], count: usize) -> Vec<u32> {
    let mut parts = vec![0; count];
    for (i, g) in groups.iter().enumerate() {
        let until = |n: usize| (n as u32 * PARTS) / groups.len() as u32;
        parts[*g] += until(i + 1) - until(i);
    }
    parts
}

/// Finds the parts with the least `cost`.
fn least<E>(
    start: Vec<u32>,
    mut cost: impl FnMut(&[u32]) -> Result<f64, E>,
) -> Result<Vec<u32>, E> {
    let mut best_cost = cost(&start)?;
    let mut best = start;
    let mut step = PARTS / 3;
    while step > 0 {
        let mut moved = false;
        for from in 0..best.len() {
            for to in 0..best.len() {
                // As far as there is something left to move.
                let amount = step.min(best[from]);
                if from == to || amount == 0 {
                    continue;
                }
                let mut next = best.clone();
                next[from] -= amount;
                next[to] += amount;
                let next_cost = cost(&next)?;
                if next_cost < best_cost {
                    (best, best_cost, moved) = (next, next_cost, true);
                }
            }
        }
        if !moved {
            step /= 2;
        }
    }
    Ok(best)
}

/// The splits that are worth measuring over all seeds.
pub fn search(setting: &Setting<'_>, s: &Scenario, seed: u64) -> Result<Vec<Choice>, Stop> {
    let groups = groups(&scenario::draw(s, seed));
    let count = groups.iter().max().map_or(0, |g| g + 1);
    if count < 2 {
        return Ok(Vec::new());
    }
    let mut known: BTreeMap<Vec<u32>, Option<Outcome>> = BTreeMap::new();
    let mut found = Vec::new();
    for objective in OBJECTIVES {
        let best = least(equal(&groups, count), |parts| {
            if !known.contains_key(parts) {
                let mut s = s.clone();
                Choice::split(weights(&groups, parts)).apply(&mut s.datapath);
                let outcome = setting.execute(&s, seed)?;
                let sound = outcome.ran() && outcome.broken_rules().next().is_none();
                known.insert(parts.to_vec(), sound.then_some(outcome));
            }
            let outcome = known.get(parts).and_then(Option::as_ref);
            let cost = outcome.and_then(|o| o.metric(objective));
            Ok::<f64, Stop>(cost.unwrap_or(f64::INFINITY))
        })?;
        found.push(best);
    }
    let most = known.iter().filter_map(|(parts, outcome)| {
        let bytes = outcome.as_ref()?.metric("app.bytes_per_s")?;
        Some((bytes, parts))
    });
    if let Some((_, parts)) = most.max_by(|a, b| a.0.total_cmp(&b.0)) {
        found.push(parts.clone());
    }
    let mut splits: Vec<Choice> = Vec::new();
    for parts in found {
        let split = Choice::split(weights(&groups, &parts));
        if !splits.contains(&split) {
            splits.push(split);
        }
    }
    Ok(splits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn of(text: &str) -> Vec<usize> {
        let text = format!("[scenario]\ntitle = \"t\"\n[[workload]]\n{text}");
        let s = scenario::parse(&text, std::path::Path::new("t.toml"), "t", &[]).expect("valid");
        groups(&s)
    }

    #[test]
    fn like_paths_are_a_group() {
        // h0-A0, h0-B0, h1-A1, h1-B1.
        assert_eq!(of(""), [0, 1, 0, 1], "optimised and not");
        assert_eq!(of("[array]\naccess = \"symmetric\""), [0; 4]);
        let far = "[array]\naccess = \"symmetric\"\n[[path]]\nname = \"h1-A1\"\nlatency = \"1ms\"";
        assert_eq!(of(far), [0, 0, 1, 0]);
        let slow = "[array]\naccess = \"symmetric\"\n[[fault]]\nat = \"0s\"\non = \"controller:B\"\ndo = \"delay\"\nadd = \"1ms\"";
        assert_eq!(of(slow), [0, 1, 0, 1]);
    }

    #[test]
    fn weights_are_percent_for_two_paths_and_small_for_more() {
        assert_eq!(weights(&[0, 1], &[31, 19]), [62, 38]);
        assert_eq!(weights(&[0, 1, 0, 1], &[50, 0]), [1, 0, 1, 0]);
        assert_eq!(weights(&[0, 1, 1, 2], &[28, 21, 1]), [56, 21, 21, 2]);
        assert_eq!(equal(&[0, 1, 1, 2], 3), [12, 25, 13]);
    }

    #[test]
    fn the_search_finds_the_lowest_point_of_a_valley() {
        for goal in 0..=PARTS {
            let mut asked = 0;
            let found = least(vec![25, 25], |p| {
                asked += 1;
                Ok::<f64, Infallible>(f64::from(p[0].abs_diff(goal)))
            });
            assert_eq!(found, Ok(vec![goal, PARTS - goal]));
            assert!(asked < 40, "{asked} splits asked for {goal}");
        }
        let goal = [30u32, 14, 6];
        let found = least(vec![17, 17, 16], |p| {
            let off: u32 = p.iter().zip(goal).map(|(a, b)| a.abs_diff(b)).sum();
            Ok::<f64, Infallible>(f64::from(off))
        });
        assert_eq!(found, Ok(goal.to_vec()));
    }
}
