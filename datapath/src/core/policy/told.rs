//! Choices that are told from outside: the simulation's references, `oracle` and static splits. The core keeps what is its
//! own (which paths are usable, retries, fences); only the order of preference among the paths comes from whoever can see
//! more than a host may, or wants to measure a fixed split.
//!
//! Each path has a cost, and a step that each command which is given to it adds. With the oracle the costs are the times at
//! which a command would be finished, and are told anew before each choice; the step serves the pieces of one large I/O. With
//! a split they are told once, the step being inverse to the path's weight: stride scheduling, which never strays from the
//! split by more than one command. All usable paths take part, the non-optimised too.

/// What is told of a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Told {
    pub cost: u64,
    pub step: u64,
}

impl Told {
    /// Only while there is nothing else.
    pub const NEVER: Told = Told {
        cost: u64::MAX,
        step: 0,
    };
    /// So that a weight of 1 leaves room for 2^32 commands, and one of 2^16 is still told from its neighbour.
    const SCALE: u64 = 1 << 32;

    /// A path's part of a split. Without any weight it is left alone.
    pub fn weight(weight: u32) -> Told {
        match Self::SCALE.checked_div(u64::from(weight)) {
            Some(step) => Told { cost: step, step },
            None => Told::NEVER,
        }
    }
}

#[derive(Debug)]
pub struct Memory {
    paths: Vec<Told>,
    /// What the last choice cost: a path that comes back later has nothing to catch up on.
    floor: u64,
}

impl Memory {
    pub fn new(paths: usize) -> Self {
        Memory {
            paths: vec![Told::default(); paths],
            floor: 0,
        }
    }

    pub fn tell(&mut self, told: &[Told]) {
        for (path, told) in self.paths.iter_mut().zip(told) {
            *path = *told;
        }
        self.floor = 0;
    }

    pub fn choose(&mut self, candidates: &[u16], spill: &[u16], cursor: &mut u32) -> u16 {
        let n = candidates.len();
        let start = *cursor as usize % n;
        let turned = candidates[start..].iter().chain(&candidates[..start]);
        let mut best = candidates[start];
        let mut best_cost = u64::MAX;
        for path in turned.chain(spill) {
            let cost = self.paths[usize::from(*path)].cost.max(self.floor);
            if cost < best_cost {
                (best, best_cost) = (*path, cost);
            }
        }
        if best_cost != u64::MAX {
            self.floor = best_cost;
            let path = &mut self.paths[usize::from(best)];
            path.cost = best_cost.saturating_add(path.step);
        }
        let at = candidates.iter().position(|p| *p == best).unwrap_or(start);
        *cursor = (at + 1) as u32;
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_path_without_weight_is_used_when_nothing_else_is_left() {
        let mut m = Memory::new(3);
        m.tell(&[0, 1, 0].map(Told::weight));
        let mut cursor = 0;
        assert_eq!(m.choose(&[0, 1, 2], &[], &mut cursor), 1);
        assert_eq!(m.choose(&[0, 2], &[1], &mut cursor), 1);
        let got: Vec<u16> = (0..4)
            .map(|_| m.choose(&[0, 2], &[], &mut cursor))
            .collect();
        assert_eq!(got, [2, 0, 2, 0], "in turn");
    }

    #[test]
    fn a_path_that_comes_back_has_nothing_to_catch_up_on() {
        let mut m = Memory::new(2);
        m.tell(&[1, 1].map(Told::weight));
        let mut cursor = 0;
        for _ in 0..1000 {
            m.choose(&[0], &[], &mut cursor);
        }
        let back: Vec<u16> = (0..100)
            .map(|_| m.choose(&[0, 1], &[], &mut cursor))
            .collect();
        assert_eq!(back.iter().filter(|p| **p == 1).count(), 50);
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            rng_seed: proptest::test_runner::RngSeed::Fixed(1),
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn a_split_is_kept_to_within_one_command(weights in prop::collection::vec(0..100u32, 1..8)) {
            let total: u32 = weights.iter().sum();
            prop_assume!(total > 0);
            let mut m = Memory::new(weights.len());
            m.tell(&weights.iter().map(|w| Told::weight(*w)).collect::<Vec<_>>());
            let all: Vec<u16> = (0..weights.len() as u16).collect();
            let (mut cursor, mut given) = (0, vec![0u64; weights.len()]);
            for n in 1..2000u64 {
                given[usize::from(m.choose(&all, &[], &mut cursor))] += 1;
                for (got, weight) in given.iter().zip(&weights) {
                    // Stride scheduling: each pair of paths is apart by less than one command of each.
                    let due = n * u64::from(*weight);
                    let off = (got * u64::from(total)).abs_diff(due);
                    prop_assert!(off <= u64::from(total) * weights.len() as u64, "{given:?} of {weights:?}");
                }
            }
            for (got, weight) in given.iter().zip(&weights) {
                let due = 1999 * u64::from(*weight) / u64::from(total);
                prop_assert!(got.abs_diff(due) <= weights.len() as u64, "{given:?} of {weights:?}");
            }
        }

        #[test]
        fn the_least_told_cost_wins_and_the_first_in_turn_among_equals(
            told in prop::collection::vec(0..8u64, 1..9),
            spilled in 0..4usize,
            cursor in 0..100u32,
        ) {
            let n = told.len();
            let mut m = Memory::new(n);
            m.tell(&told.iter().map(|cost| Told { cost: *cost, step: 0 }).collect::<Vec<_>>());
            let spilled = spilled.min(n - 1);
            let all: Vec<u16> = (0..n as u16).collect();
            let (candidates, spill) = all.split_at(n - spilled);
            let start = cursor as usize % candidates.len();
            let mut order: Vec<u16> = candidates.to_vec();
            order.rotate_left(start);
            order.extend(spill);
            let want = order.iter().copied().min_by_key(|p| told[usize::from(*p)]);
            let mut turn = cursor;
            prop_assert_eq!(Some(m.choose(candidates, spill, &mut turn)), want);
        }
    }
}
