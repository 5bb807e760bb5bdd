//! Sizes, overdue transitions, and I/O that is lost again and again.

use super::*;

fn shows(b: &mut Bench, path: u16, blocks: u64) {
    b.tell(Input::Identity {
        path: PathId(path),
        volume: VOLUME,
        identity: Some(Identity(77)),
        blocks,
    });
}

fn resized(b: &Bench) -> Vec<(u64, u64)> {
    let of = |a: &Action| match a {
        Action::Event(Event::Resized { from, to, .. }) => Some((*from, *to)),
        _ => None,
    };
    b.said.iter().filter_map(of).collect()
}

/// The paths that 20 reads of the first block take.
fn carriers(b: &mut Bench) -> Vec<u16> {
    let mut paths = Vec::new();
    for i in 0..20 {
        b.submit(Op::Read, 0, 1, i);
        for (p, t, ..) in b.issued() {
            paths.push(p);
            b.done(p, t, Status::Ok);
        }
    }
    paths.sort_unstable();
    paths.dedup();
    paths
}

#[test]
fn a_volume_grows_when_the_last_usable_path_shows_it() {
    let mut b = Bench::up(config(2));
    shows(&mut b, 0, BLOCKS * 2);
    assert!(resized(&b).is_empty());
    b.submit(Op::Read, BLOCKS, 1, 1);
    assert_eq!(
        b.completed(),
        [(1, Outcome::Errno(verdict::EIO))],
        "still beyond the end"
    );
    shows(&mut b, 1, BLOCKS * 4);
    assert_eq!(resized(&b), [(BLOCKS, BLOCKS * 2)], "as much as both show");
    b.submit(Op::Read, BLOCKS, 1, 2);
    let (p, t, ..) = b.issued()[0];
    b.done(p, t, Status::Ok);
    assert_eq!(b.completed(), [(2, Outcome::Ok)]);
}

#[test]
fn a_path_that_is_gone_does_not_hold_growth_back() {
    let mut b = Bench::up(config(2));
    shows(&mut b, 0, BLOCKS * 2);
    b.brk(1);
    assert_eq!(resized(&b), [(BLOCKS, BLOCKS * 2)]);
}

#[test]
fn a_volume_shrinks_only_on_the_operators_word() {
    let mut b = Bench::up(config(2));
    shows(&mut b, 0, BLOCKS / 2);
    assert_eq!(
        carriers(&mut b),
        [1],
        "a path that shows less is left out while another shows all"
    );
    shows(&mut b, 1, BLOCKS / 2);
    assert_eq!(carriers(&mut b), [0, 1], "all show less: I/O goes on");
    assert!(resized(&b).is_empty());
    b.said.clear();
    b.tell(Input::TakeSize { volume: VOLUME });
    assert_eq!(resized(&b), [(BLOCKS, BLOCKS / 2)]);
    b.submit(Op::Read, BLOCKS / 2, 1, 99);
    assert_eq!(b.completed(), [(99, Outcome::Errno(verdict::EIO))]);
    b.said.clear();
    b.tell(Input::TakeSize { volume: VOLUME });
    b.tell(Input::TakeSize {
        volume: VolumeId(7),
    });
    assert!(resized(&b).is_empty(), "nothing to take");
}

#[test]
fn the_operator_may_take_what_one_short_path_shows() {
    let mut b = Bench::up(config(2));
    shows(&mut b, 0, BLOCKS / 2);
    b.tell(Input::TakeSize { volume: VOLUME });
    assert_eq!(resized(&b), [(BLOCKS, BLOCKS / 2)]);
    assert_eq!(carriers(&mut b), [0, 1]);
}

fn losses(b: &Bench) -> Vec<(u16, LossCause)> {
    let of = |a: &Action| match a {
        Action::Event(Event::Lost { path, cause, .. }) => Some((path.0, *cause)),
        _ => None,
    };
    b.said.iter().filter_map(of).collect()
}

const MS: fn(u64) -> Duration = Duration::from_millis;

#[test]
fn a_transition_beyond_the_arrays_limit_ends_the_connection() {
    let mut b = Bench::up(config(2));
    b.access(0, Access::Transitioning);
    b.pass_answering(MS(20), MS(9_900), &[0, 1]);
    assert!(losses(&b).is_empty());
    b.pass_answering(MS(20), MS(200), &[0, 1]);
    assert_eq!(losses(&b), [(0, LossCause::Transition)]);
}

#[test]
fn a_transition_that_ends_in_time_harms_nobody() {
    let mut b = Bench::up(config(2));
    for _ in 0..3 {
        b.access(0, Access::Transitioning);
        b.pass_answering(MS(20), MS(6_000), &[0, 1]);
        b.access(0, Access::NonOptimized);
        b.pass_answering(MS(20), MS(100), &[0, 1]);
    }
    assert!(losses(&b).is_empty());
}

/// A command that takes down every path that it is sent on is given up, and its range stays in doubt; what else there is goes on.
#[test]
fn a_command_that_kills_path_after_path_is_given_up() {
    let mut config = config(1);
    config.fence = FencePolicy::None;
    config.queue_for = Duration::from_secs(2);
    config.io_timeout = Duration::from_secs(1);
    let mut b = Bench::up(config);
    b.submit(Op::Read, 0, 1, 1);
    let (mut kills, began) = (0, b.now);
    let end = loop {
        if let Some(end) = b.completed().first() {
            break *end;
        }
        for (p, ..) in b.issued() {
            kills += 1;
            b.brk(p);
        }
        b.pass(MS(60));
        b.bring_up(0, Access::Optimized);
        assert!(
            b.now.since(began) < Duration::from_secs(20),
            "retried for ever"
        );
    };
    assert_eq!(end, (1, Outcome::Errno(verdict::EIO)));
    assert!(kills >= u32::from(times::LOSSES_MAX), "only {kills}");
    assert!(b.now.since(began) >= Duration::from_secs(2));
}

/// However often and however long all paths are down, the core holds `max_requests` and no more, and its tables stay as large as that.
#[test]
fn memory_is_bounded_while_all_paths_are_down() {
    let mut config = config(2);
    config.max_requests = 100;
    config.queue_for = MS(500);
    config.hedge_permille = HEDGE_PERMILLE;
    let mut b = Bench::up(config);
    let mut cookie = 0;
    for outage in 0..5 {
        // Some are on their way when both paths go.
        let (mut taken, mut refused) = (0, 0);
        for n in 0..1_000 {
            if n == 40 {
                b.brk(0);
                b.brk(1);
            }
            cookie += 1;
            let op = [Op::Read, Op::Write, Op::Discard, Op::Flush][n as usize % 4];
            b.submit(op, n, 1, cookie);
            match b.completed().first() {
                Some((_, Outcome::Errno(verdict::EAGAIN))) => refused += 1,
                Some(other) => panic!("{other:?}"),
                None => taken += 1,
            }
            b.said.clear();
        }
        assert_eq!((taken, refused), (100, 900), "outage {outage}");
        b.pass(MS(600));
        let failed = b.completed().len();
        assert_eq!(failed, 100, "outage {outage}: all that waited");
        // One slot each, and one for each path's probe.
        assert!(b.core.slots.len() <= 102, "{}", b.core.slots.len());
        assert_eq!(b.core.leaks(), Leaks::default());
        b.said.clear();
        for path in 0..2 {
            b.bring_up(path, Access::Optimized);
            b.pass_answering(MS(10), MS(20), &[0, 1]);
        }
        let (held, ranges) = (b.core.closings.len(), b.core.doubts.len());
        assert!(held <= 2 * (outage + 1) && ranges <= 100 * (outage + 1));
        // The array proves the end of what was lost.
        b.said.clear();
        for (path, epoch) in b.core.associations().collect::<Vec<_>>() {
            b.tell(Input::FenceConfirmed { path, epoch });
        }
        assert_eq!((b.core.closings.len(), b.core.doubts.len()), (0, 0));
    }
}
