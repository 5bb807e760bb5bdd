//! Large commands apart from small ones. A command of 1 MiB holds a link of 10 Gbit/s for 0.84 ms, and what is sent over the
//! same port in that time waits for it: to the small command beside it that is five times what it would take. Counting
//! what is out does not help, since most of the time that a large command is out it is no longer, or not yet, on the link
//! that the small one needs. So for each port and path there is a clock that says until when large commands hold it: each
//! that is sent puts the clock forward by what it takes on the wire.
//!
//! - A small command goes where it is expected first with these waits in it.
//! - Large commands, while small ones are about, are packed: on the first port, as long as they are not finished much sooner
//!   on a later one. Spread evenly they would often hold all ports at once, and every small command would wait; packed
//!   they leave the last port free most of the time. Since the first port is never left idle for it, they lose little by it themselves.
//!
//! What a large command takes on the wire is learned from large commands: the shortest time lately for each unit of
//! work, halved, as it passes two links, the host's and the array's. Clocks are kept for each direction.
//!
//! Shards see only what they send themselves, and half the wire is as good as unknown. So each publishes its clocks on the
//! [`Board`]: a row that it alone writes, and that its siblings read. It is a hint, and nothing but the choice among usable paths rests
//! on it. A shard looks at its siblings' rows once for each command; they change only when one sends a large command.

use super::View;
use super::adaptive::{Weighed, least};
use protocol::Instant;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// One cache line.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Line([AtomicU64; 8]);

impl Line {
    const CELLS: usize = 8;
}

/// What the shards of one volume on one host tell each other of large commands: a row for each, of whole cache lines,
/// written by that shard alone.
#[derive(Clone, Debug, Default)]
pub struct Board {
    lines: Arc<[Line]>,
    /// Lines of a row; 0: nobody to tell.
    each: usize,
}

impl Board {
    /// The first line of a row: until when anything is held, and how often the clocks have been changed.
    const UNTIL: usize = 0;
    const VERSION: usize = 1;

    /// For shards that all have the same so many paths. A shard alone needs none: [`Board::default`].
    pub fn new(shards: u16, paths: usize) -> Board {
        if shards < 2 {
            return Board::default();
        }
        let each = 1 + clocks(paths).div_ceil(Line::CELLS);
        Board {
            lines: (0..usize::from(shards) * each)
                .map(|_| Line::default())
                .collect(),
            each,
        }
    }

    fn row(&self, shard: usize) -> &[Line] {
        &self.lines[shard * self.each..][..self.each]
    }

    fn rows(&self) -> usize {
        self.lines.len().checked_div(self.each).unwrap_or(0)
    }

    fn clock(row: &[Line], at: usize) -> &AtomicU64 {
        &row[1 + at / Line::CELLS].0[at % Line::CELLS]
    }
}

/// For each port and each path one in each direction; there are no more ports than paths.
fn clocks(paths: usize) -> usize {
    paths * 4
}

/// What is about to be sent, as far as a policy cares.
#[derive(Clone, Copy, Debug)]
pub struct Command {
    /// See [`View::work_of`].
    pub work: u32,
    /// Its data come from the array.
    pub inbound: bool,
}

#[derive(Debug)]
pub struct Large {
    board: Board,
    shard: usize,
    /// By path: the first path of its port.
    ports: Vec<u16>,
    /// By path: what a unit of work holds a wire, in 1/256 ns; 0 until a large command was answered.
    unit_fp: Vec<u64>,
    /// By path: what the latest large command took, in ns. Clocks that run away from what is true are held back by it.
    latest: Vec<u64>,
    /// Until when, by port and then by path, and by direction. In ns, like `until`, which is the latest of them.
    clocks: Vec<u64>,
    until: u64,
    /// By path the latest of its own and its port's clocks.
    held: Vec<u64>,
    /// The version of each row that `clocks` has already.
    seen: Vec<u64>,
    /// How much small commands are about: each raises it by one, each large one takes a quarter away.
    small: u32,
    /// Scratch of `pack`: by port the path that would be first and when it would be.
    firsts: Vec<Option<First>>,
}

#[derive(Clone, Copy, Debug)]
struct First {
    at: usize,
    done: u64,
    wait: u64,
    wire: u64,
}

/// From here on small commands are about. What is left over where large requests are cut into commands stays below.
const ABOUT: u32 = 8;
/// So that no burst of large commands makes them forgotten at once, and none of small ones is remembered for long.
const SMALL_MAX: u32 = 64;
/// The shortest time lately creeps up by 1/2^8 of the difference.
const UNIT_WEIGHT: u32 = 8;

impl Large {
    /// `ports` says for each path by which port it leaves the host.
    pub fn new(ports: &[u16], board: Board, shard: u16) -> Large {
        let paths = ports.len();
        let first = |port: &u16| ports.iter().position(|p| p == port).unwrap_or(0) as u16;
        let fits = board.each == 0 || board.each > clocks(paths) / Line::CELLS;
        let board = if fits { board } else { Board::default() };
        Large {
            shard: usize::from(shard),
            ports: ports.iter().map(first).collect(),
            unit_fp: vec![0; paths],
            latest: vec![0; paths],
            clocks: vec![0; clocks(paths)],
            until: 0,
            held: vec![0; paths],
            seen: vec![0; board.rows()],
            small: 0,
            firsts: vec![None; paths],
            board,
        }
    }

    /// Whether this command must be chosen for here: a large one beside small ones, or a small one beside large ones.
    #[inline]
    pub fn concerns(&mut self, now: Instant, command: Command) -> bool {
        if command.work >= View::LARGE_WORK {
            let about = self.small >= ABOUT;
            self.small -= self.small / 4;
            return about;
        }
        self.small = (self.small + 1).min(SMALL_MAX);
        if self.small < ABOUT {
            return false;
        }
        now.0 < self.until || !self.seen.is_empty() && self.siblings_hold(now)
    }

    #[inline]
    fn siblings_hold(&self, now: Instant) -> bool {
        let heads = self.board.lines.iter().step_by(self.board.each);
        let mut untils = heads.map(|line| line.0[Board::UNTIL].load(Ordering::Relaxed));
        untils.any(|until| now.0 < until)
    }

    /// Takes over what siblings have published.
    fn merge(&mut self) {
        let own = self.shard;
        for shard in (0..self.seen.len()).filter(|s| *s != own) {
            let row = self.board.row(shard);
            let version = row[0].0[Board::VERSION].load(Ordering::Acquire);
            if version == self.seen[shard] {
                continue;
            }
            self.seen[shard] = version;
            for (at, clock) in self.clocks.iter_mut().enumerate() {
                *clock = (*clock).max(Board::clock(row, at).load(Ordering::Relaxed));
            }
            self.hold();
        }
    }

    /// After a change of clocks.
    fn hold(&mut self) {
        for path in 0..self.held.len() as u16 {
            let (port, own) = self.places(path);
            let c = &self.clocks;
            let until = c[port].max(c[port + 1]).max(c[own]).max(c[own + 1]);
            self.held[usize::from(path)] = until;
        }
    }

    /// Where the clocks of this path's port are, and its own.
    #[inline]
    fn places(&self, path: u16) -> (usize, usize) {
        let ports = self.ports.len() * 2;
        let own = ports + usize::from(path) * 2;
        (usize::from(self.ports[usize::from(path)]) * 2, own)
    }

    /// How long a command without data of its own waits for large ones.
    #[inline]
    fn wait(&self, now: Instant, path: u16) -> u64 {
        self.held[usize::from(path)].saturating_sub(now.0)
    }

    /// What so much work holds a wire of this path, in ns.
    fn wire(&self, path: u16, work: u32) -> u64 {
        self.unit_fp[usize::from(path)].saturating_mul(u64::from(work)) >> View::FRACTION
    }

    /// The candidate for a command, and how long it is expected to take there, in ns.
    #[inline(never)]
    pub fn choose(
        &mut self,
        now: Instant,
        views: &[View],
        candidates: &[u16],
        command: Command,
        cursor: u32,
        scratch: &mut [Weighed],
    ) -> (u64, usize) {
        self.merge();
        if command.work >= View::LARGE_WORK {
            return self.pack(now, views, candidates, command, cursor);
        }
        let delay = |p: u16, v: &View| {
            v.beside_large(now, command.work)
                .saturating_add(self.wait(now, p))
        };
        least(views, candidates, cursor, scratch, delay)
    }

    /// The port for a large command: the first that does not take much longer than a later one.
    fn pack(
        &mut self,
        now: Instant,
        views: &[View],
        candidates: &[u16],
        command: Command,
        cursor: u32,
    ) -> (u64, usize) {
        let n = candidates.len();
        let start = cursor as usize % n;
        self.firsts.fill(None);
        for at in (start..n).chain(0..start) {
            let path = candidates[at];
            let (port, own) = self.places(path);
            let direction = usize::from(command.inbound);
            let wire = self.wire(path, command.work);
            let until = |at: usize| self.clocks[at + direction].saturating_sub(now.0);
            let wait = until(port);
            let arrived = wait.saturating_add(wire).max(until(own));
            let besides = views[usize::from(path)].beside_large(now, 0);
            let done = arrived.saturating_add(wire).saturating_add(besides);
            let first = &mut self.firsts[usize::from(self.ports[usize::from(path)])];
            if first.is_none_or(|f| done < f.done) {
                *first = Some(First {
                    at,
                    done,
                    wait,
                    wire,
                });
            }
        }
        // What each port is worth to those before it: longer by half a large command, and by twice what already waits
        // there, so that a second one goes to the last port only when the others are full.
        let mut later = u64::MAX;
        let mut chosen = (later, start);
        for f in self.firsts.iter().rev().flatten() {
            if f.done <= later {
                chosen = (f.done, f.at);
            }
            let spared = (f.wire / 2).saturating_add(f.wait.saturating_mul(2));
            later = later.min(f.done.saturating_add(spared));
        }
        chosen
    }

    /// A large command is sent.
    #[cold]
    pub fn sent(&mut self, now: Instant, path: u16, command: Command) {
        self.merge();
        let wire = self.wire(path, command.work);
        if wire == 0 {
            return;
        }
        let (port, own) = self.places(path);
        let (port, own) = (
            port + usize::from(command.inbound),
            own + usize::from(command.inbound),
        );
        let latest = self.latest[usize::from(path)];
        let most = (now.0 + wire).saturating_add(latest.saturating_mul(2));
        let left = (self.clocks[port].max(now.0) + wire).min(most);
        let arrived = (self.clocks[own].max(left) + wire).min(most.saturating_add(wire));
        self.clocks[port] = left;
        self.clocks[own] = arrived;
        self.until = self.until.max(arrived);
        self.hold();
        if self.seen.is_empty() {
            return;
        }
        let row = self.board.row(self.shard);
        for at in [port, own] {
            Board::clock(row, at).store(self.clocks[at], Ordering::Relaxed);
        }
        let head = &row[0].0;
        head[Board::UNTIL].store(self.until, Ordering::Relaxed);
        let version = head[Board::VERSION].load(Ordering::Relaxed);
        head[Board::VERSION].store(version + 1, Ordering::Release);
    }

    /// A large command came back well after so many ns.
    #[cold]
    pub fn answered(&mut self, path: u16, work: u32, ns: u64) {
        let p = usize::from(path);
        self.latest[p] = ns;
        let sample = (ns.min(u64::MAX >> 16) << View::FRACTION) / (2 * u64::from(work.max(1)));
        let known = self.unit_fp[p];
        self.unit_fp[p] = if known == 0 || sample < known {
            sample
        } else {
            super::toward(known, sample, UNIT_WEIGHT)
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::policy::{Policy, Selector};
    use proptest::prelude::*;
    use protocol::Duration;

    const MIB: u64 = 1 << 20;
    const US: u64 = 1000;
    /// What a command of 1 MiB holds a wire in these tests.
    const WIRE: u64 = 400 * 2064;

    fn small() -> Command {
        Command {
            work: View::work_of(1, 4096),
            inbound: true,
        }
    }

    fn write(bytes: u64) -> Command {
        Command {
            work: View::work_of(1, bytes),
            inbound: false,
        }
    }

    /// Two ports of two paths each, of which everything is known.
    struct Shard {
        large: Large,
        views: Vec<View>,
        cursor: u32,
    }

    impl Shard {
        fn of(board: &Board, shard: u16) -> Shard {
            let mut s = Shard {
                large: Large::new(&[7, 7, 3, 3], board.clone(), shard),
                views: vec![View::new(0); 4],
                cursor: 0,
            };
            s.large.small = SMALL_MAX;
            for path in 0..4 {
                let view = &mut s.views[usize::from(path)];
                for _ in 0..2000 {
                    view.sample(Duration(160 * US), 24, 24, 6);
                }
                s.large.answered(path, write(MIB).work, 2 * WIRE);
            }
            s
        }

        fn choose(&mut self, now: Instant, command: Command) -> Option<u16> {
            if !self.large.concerns(now, command) {
                return None;
            }
            let mut scratch = [Weighed::default(); 4];
            let all = [0, 1, 2, 3];
            let (_, at) =
                self.large
                    .choose(now, &self.views, &all, command, self.cursor, &mut scratch);
            self.cursor = at as u32 + 1;
            Some(all[at])
        }

        fn send(&mut self, now: Instant, path: u16, bytes: u64) {
            self.views[usize::from(path)].sent(now, bytes);
            self.large.sent(now, path, write(bytes));
        }
    }

    fn alone() -> Shard {
        Shard::of(&Board::default(), 0)
    }

    #[test]
    fn a_small_command_goes_to_a_port_without_a_large_one_and_there_is_no_care_without_one() {
        let mut s = alone();
        let now = Instant(0);
        assert_eq!(s.choose(now, small()), None);
        s.send(now, 0, MIB);
        for _ in 0..4 {
            let chosen = s.choose(now, small());
            assert!(matches!(chosen, Some(2 | 3)), "{chosen:?}");
        }
        let left = Instant(2 * WIRE);
        assert_eq!(s.choose(left, small()), None, "it has left both links");
    }

    #[test]
    fn a_small_command_waits_rather_than_take_a_path_that_is_farther_still() {
        let mut s = alone();
        let now = Instant(0);
        for view in &mut s.views[2..] {
            for _ in 0..100_000 {
                view.sample(Duration(30_000 * US), 24, 24, 6);
            }
        }
        s.send(now, 0, MIB);
        assert_eq!(s.choose(now, small()), Some(1));
    }

    #[test]
    fn large_commands_beside_small_ones_leave_a_port_free_until_the_other_is_full() {
        let mut s = alone();
        let now = Instant(0);
        s.large.small = 0;
        for _ in 0..ABOUT {
            assert_eq!(s.choose(now, write(MIB)), None, "no small one is about");
            s.choose(now, small());
        }
        s.large.small = SMALL_MAX;
        let mut ports = Vec::new();
        for _ in 0..6 {
            let path = s.choose(now, write(MIB)).expect("one is about");
            s.send(now, path, MIB);
            ports.push(path / 2);
        }
        // The second is half a command late on the second port; from then on the first is given three for each of the
        // second, whose next one would find one before it.
        assert_eq!(ports, [0, 1, 0, 0, 0, 1]);
        let more = (0..20).take_while(|_| s.choose(now, write(MIB)).is_some());
        assert_eq!(more.count(), 2, "then they are forgotten");
    }

    #[test]
    fn siblings_know_of_each_others_large_commands_and_directions_are_apart() {
        let board = Board::new(3, 4);
        let mut shards = [0, 1, 2].map(|shard| Shard::of(&board, shard));
        let now = Instant(0);
        assert_eq!(shards[2].choose(now, small()), None);
        shards[0].send(now, 1, MIB);
        assert!(matches!(shards[2].choose(now, small()), Some(2 | 3)));
        shards[1].send(now, 2, MIB);
        // Both ports are held as long; of the paths the two that carry none are left.
        assert!(matches!(shards[2].choose(now, small()), Some(0 | 3)));
        let inbound = Command {
            inbound: true,
            ..write(MIB)
        };
        shards[2].merge();
        let (port, own) = shards[2].large.places(1);
        assert_eq!(shards[2].large.clocks[port], WIRE);
        assert_eq!(shards[2].large.clocks[own], 2 * WIRE);
        assert_eq!(shards[2].large.clocks[port + 1], 0, "the other direction");
        let packed = shards[2].choose(now, inbound);
        assert_eq!(packed, Some(0), "which is free for a large read");
    }

    impl Shard {
        fn merge(&mut self) {
            self.large.merge();
        }
    }

    #[test]
    fn a_clock_that_runs_away_is_held_back_by_what_commands_take() {
        let mut s = alone();
        let now = Instant(0);
        for _ in 0..100 {
            s.send(now, 0, MIB);
        }
        let (port, _) = s.large.places(0);
        assert_eq!(
            s.large.clocks[port],
            5 * WIRE,
            "itself and twice the latest"
        );
    }

    #[test]
    fn a_board_of_another_size_is_not_used() {
        let large = Large::new(&[0; 64], Board::new(2, 1), 0);
        assert!(large.seen.is_empty());
    }

    #[test]
    fn only_adaptive_publishes() {
        let board = Board::new(2, 2);
        for (policy, told) in [(Policy::QueueDepth, false), (Policy::Adaptive, true)] {
            let mut s = Selector::new(policy, &[0, 1], board.clone(), 0);
            s.large_answered(0, write(MIB).work, Duration(2 * WIRE));
            s.large_sent(Instant(0), 0, write(MIB));
            let mut sibling = Large::new(&[0, 1], board.clone(), 1);
            sibling.small = ABOUT;
            assert_eq!(sibling.concerns(Instant(1), small()), told, "{policy:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            rng_seed: proptest::test_runner::RngSeed::Fixed(1),
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        /// Against two links in a row that are followed message by message, for all shards together.
        #[test]
        fn the_clocks_are_those_of_two_links_in_a_row(
            sent in prop::collection::vec((0..2000 * US, 0..3usize, 0..4u16, 1..4u64), 1..60),
        ) {
            let board = Board::new(3, 4);
            let mut shards = [0, 1, 2].map(|shard| Shard::of(&board, shard));
            let mut now = 0;
            let (mut ports, mut paths) = ([0u64; 2], [0u64; 4]);
            for (gap, shard, path, size) in sent {
                now += gap;
                let bytes = size * MIB / 4 + MIB / 4;
                // The latest of all, so that nothing is held back.
                for s in &mut shards {
                    s.large.latest = vec![u64::MAX / 4; 4];
                }
                let wire = shards[shard].large.wire(path, write(bytes).work);
                shards[shard].send(Instant(now), path, bytes);
                let port = &mut ports[usize::from(path / 2)];
                *port = now.max(*port) + wire;
                let path = &mut paths[usize::from(path)];
                *path = (*port).max(*path) + wire;
                for s in &mut shards {
                    s.merge();
                    for p in 0..4u16 {
                        let want = ports[usize::from(p / 2)].max(paths[usize::from(p)]);
                        prop_assert_eq!(s.large.wait(Instant(now), p), want.saturating_sub(now));
                    }
                }
            }
        }

        /// The plainest way to say it: a small command goes to the least of queue and wait, or with less work to one that is near.
        #[test]
        fn a_small_command_goes_where_it_is_first(
            out in prop::collection::vec((0..4u16, 1..5u64), 1..12),
            later in 0..3000 * US,
            cursor in 0..4u32,
        ) {
            let mut s = alone();
            for (path, size) in out {
                s.send(Instant(0), path, size * MIB / 4 + MIB / 4);
            }
            let now = Instant(later);
            s.cursor = cursor;
            let delay = |p: u16| {
                let v = &s.views[usize::from(p)];
                let work = u64::from(v.work - v.large);
                let beyond = (work + u64::from(small().work)).saturating_sub(v.mean_work.max(work));
                let queue = v.base_fp + (work + u64::from(small().work)) * v.slope_fp
                    + beyond * v.floor_fp;
                let overdue = if now > v.overdue_at { now.0 } else { 0 };
                (queue >> View::FRACTION) + overdue + s.large.wait(now, p)
            };
            let delays: Vec<u64> = (0..4).map(delay).collect();
            let shortest = *delays.iter().min().expect("four");
            let turned = (0..4u16).map(|i| (i + cursor as u16) % 4);
            let near = turned.filter(|p| delays[usize::from(*p)] <= shortest + shortest / 4);
            let want = near.min_by_key(|p| s.views[usize::from(*p)].work);
            let want = (now.0 < s.large.until).then_some(want).flatten();
            prop_assert_eq!(s.choose(now, small()), want);
        }
    }
}
