//! Writes in doubt: `fence = "in_doubt"`, sentence by sentence, on one shard and on two whose messages a test delivers
//! by hand.

use super::*;

const MS: fn(u64) -> Duration = Duration::from_millis;

pub(super) fn in_doubt(paths: usize) -> Config {
    Config {
        fence: FencePolicy::InDoubt,
        ..config(paths)
    }
}

/// What a bench issued: path, ticket, first block.
pub(super) type Sent = (u16, Ticket, u64);

pub(super) fn sent(b: &mut Bench) -> Vec<Sent> {
    let all = b.issued();
    all.into_iter().map(|(p, t, lba, _)| (p, t, lba)).collect()
}

pub(super) fn one(b: &mut Bench) -> Sent {
    let all = sent(b);
    assert_eq!(all.len(), 1, "{all:?}");
    all[0]
}

pub(super) fn write(b: &mut Bench, lba: u64, blocks: u32, cookie: u64) -> Sent {
    b.said.clear();
    b.submit(Op::Write, lba, blocks, cookie);
    one(b)
}

pub(super) fn ok(b: &mut Bench, (path, ticket, _): Sent) {
    b.done(path, ticket, Status::Ok);
}

pub(super) fn confirm(b: &mut Bench, path: u16, epoch: Epoch) {
    let path = PathId(path);
    b.tell(Input::FenceConfirmed { path, epoch });
}

fn done_with(b: &mut Bench) -> Vec<u64> {
    let all = b.completed();
    b.said.retain(|a| !matches!(a, Action::Complete { .. }));
    assert!(all.iter().all(|c| c.1 == Outcome::Ok), "{all:?}");
    all.into_iter().map(|c| c.0).collect()
}

fn held(b: &Bench) -> Vec<Duration> {
    b.events()
        .into_iter()
        .filter_map(|e| match e {
            Event::Held { waited, .. } => Some(waited),
            _ => None,
        })
        .collect()
}

#[test]
fn a_lost_write_that_overlaps_nothing_is_sent_and_completed_at_once() {
    for array_confirms in [true, false] {
        let mut c = in_doubt(2);
        c.array_confirms = array_confirms;
        let mut b = Bench::up(c);
        let first = write(&mut b, 0, 8, 1);
        // Neighbours do not overlap.
        b.submit(Op::Write, 8, 8, 2);
        b.said.clear();
        b.brk(first.0);
        assert_eq!(b.fences().len(), usize::from(array_confirms));
        let again = one(&mut b);
        assert_eq!((again.0, again.2), (1 - first.0, 0));
        ok(&mut b, again);
        assert_eq!(done_with(&mut b), [1]);
        assert_eq!(held(&b), []);
        b.core.abandon();
    }
}

#[test]
fn the_array_is_asked_before_anything_is_sent_again() {
    let mut b = Bench::up(in_doubt(2));
    let first = write(&mut b, 0, 8, 1);
    b.brk(first.0);
    let fence = |a: &Action| matches!(a, Action::Fence { .. });
    let issue = |a: &Action| matches!(a, Action::Issue { .. });
    let (f, i) = (b.said.iter().position(fence), b.said.iter().position(issue));
    assert!(f.is_some() && f < i, "{:?}", b.said);
    b.core.abandon();
}

#[test]
fn a_new_write_that_overlaps_an_open_attempt_waits_and_reads_do_not() {
    for op in [Op::Write, Op::Discard, Op::WriteZeroes] {
        let mut b = Bench::up(in_doubt(2));
        let first = write(&mut b, 100, 8, 1);
        let epoch = b.epoch(first.0);
        b.brk(first.0);
        let again = one(&mut b);
        ok(&mut b, again);
        assert_eq!(done_with(&mut b), [1]);
        b.submit(op, 107, 8, 2);
        b.submit(op, 93, 60, 3);
        assert!(b.issued().is_empty(), "{op:?} overlaps the ghost");
        b.submit(Op::Read, 100, 8, 4);
        b.submit(Op::Flush, 0, 0, 5);
        b.submit(op, 108, 8, 6);
        b.submit(op, 85, 8, 7);
        assert_eq!(b.issued().len(), 4, "the others run");
        b.now += MS(3);
        confirm(&mut b, first.0, epoch);
        assert_eq!(held(&b), [MS(3), MS(3)]);
        assert_eq!(b.issued().len(), 2);
        b.core.abandon();
    }
}

#[test]
fn a_lost_write_beside_a_live_one_that_overlaps_it_is_completed_by_proof_and_so_is_the_other() {
    let mut b = Bench::up(in_doubt(2));
    let lost = write(&mut b, 0, 8, 1);
    let live = write(&mut b, 4, 8, 2);
    assert_ne!(lost.0, live.0);
    let epoch = b.epoch(lost.0);
    b.brk(lost.0);
    let again = one(&mut b);
    ok(&mut b, live);
    ok(&mut b, again);
    assert_eq!(b.completed(), [], "the ghost may still reverse their order");
    b.now += MS(2);
    confirm(&mut b, lost.0, epoch);
    assert_eq!(held(&b), [MS(2), MS(2)]);
    assert_eq!(done_with(&mut b), [2, 1]);
    assert_eq!(b.core.leaks(), Leaks::default());
}

#[test]
fn two_lost_writes_that_overlap_are_completed_when_both_attempts_are_over() {
    let mut b = Bench::up(in_doubt(3));
    let x = write(&mut b, 0, 8, 1);
    let y = write(&mut b, 4, 8, 2);
    let epochs = [b.epoch(x.0), b.epoch(y.0)];
    b.brk(x.0);
    let x2 = one(&mut b);
    b.brk(y.0);
    // The first may have been lost a second time with the other.
    let rest = sent(&mut b);
    let last = rest[0].0;
    for s in [x2].into_iter().chain(rest) {
        if s.0 == last {
            ok(&mut b, s);
        }
    }
    assert_eq!(b.completed(), []);
    confirm(&mut b, x.0, epochs[0]);
    assert_eq!(b.completed(), []);
    confirm(&mut b, y.0, epochs[1]);
    let mut all = done_with(&mut b);
    all.sort_unstable();
    assert_eq!(all, [1, 2]);
    assert_eq!(b.core.leaks(), Leaks::default());
}

#[test]
fn a_write_that_is_lost_twice_has_two_open_attempts() {
    let mut b = Bench::up(in_doubt(3));
    let first = write(&mut b, 0, 8, 1);
    let e1 = b.epoch(first.0);
    b.brk(first.0);
    let second = one(&mut b);
    let e2 = b.epoch(second.0);
    b.brk(second.0);
    let third = one(&mut b);
    ok(&mut b, third);
    assert_eq!(done_with(&mut b), [1], "its own attempts do not harm it");
    b.submit(Op::Write, 7, 1, 2);
    for (path, epoch) in [(first.0, e1), (second.0, e2)] {
        assert!(b.issued().is_empty(), "an attempt is open");
        confirm(&mut b, path, epoch);
    }
    assert_eq!(b.issued().len(), 1);
    b.core.abandon();
}

#[test]
fn a_retry_that_fails_for_good_is_told_and_its_range_stays_in_doubt() {
    let mut b = Bench::up(in_doubt(2));
    let first = write(&mut b, 0, 8, 1);
    let epoch = b.epoch(first.0);
    b.brk(first.0);
    let again = one(&mut b);
    // LBA out of range: of the command, not of the path.
    let status = Status::Nvme(protocol::NvmeStatus::new(0x080));
    b.done(again.0, again.1, status);
    assert!(matches!(b.completed()[0], (1, Outcome::Errno(_))));
    b.said.clear();
    b.submit(Op::Write, 0, 8, 2);
    assert!(b.issued().is_empty());
    confirm(&mut b, first.0, epoch);
    assert_eq!(b.issued().len(), 1);
    b.core.abandon();
}

#[test]
fn a_refused_retry_is_not_kept_back_by_what_is_in_doubt() {
    let mut b = Bench::up(in_doubt(2));
    let lost = write(&mut b, 0, 8, 1);
    let live = write(&mut b, 4, 8, 2);
    let epoch = b.epoch(lost.0);
    b.brk(lost.0);
    let again = one(&mut b);
    b.done(live.0, live.1, Status::Busy);
    b.pass_answering(MS(10), MS(30), &[0, 1]);
    let live = one(&mut b);
    ok(&mut b, live);
    ok(&mut b, again);
    assert_eq!(b.completed(), []);
    confirm(&mut b, lost.0, epoch);
    assert_eq!(done_with(&mut b).len(), 2);
}

#[test]
fn quiesce_ends_the_doubt_where_nothing_else_does() {
    let mut c = in_doubt(2);
    c.array_confirms = false;
    let mut b = Bench::up(c);
    let lost = write(&mut b, 0, 8, 1);
    b.brk(lost.0);
    let again = one(&mut b);
    ok(&mut b, again);
    b.submit(Op::Write, 0, 8, 2);
    b.said.clear();
    b.pass_answering(MS(10), MS(11_980), &[0, 1]);
    assert!(b.issued().is_empty());
    b.pass_answering(MS(10), MS(30), &[0, 1]);
    assert_eq!(held(&b), [Duration::from_secs(12)]);
    assert_eq!(b.issued().len(), 1);
    b.core.abandon();
}

#[test]
fn a_late_answer_ends_its_own_attempt_and_is_not_believed() {
    let mut b = Bench::up(in_doubt(2));
    let first = write(&mut b, 0, 8, 1);
    let other = write(&mut b, 64, 8, 2);
    let third = write(&mut b, 32, 8, 3);
    assert_eq!(first.0, third.0);
    b.brk(first.0);
    b.said.clear();
    b.submit(Op::Write, 0, 8, 4);
    b.submit(Op::Write, 32, 8, 5);
    assert!(b.issued().is_empty());
    // An answer of another attempt ends nothing.
    let wrong = Ticket {
        generation: first.1.generation + 1,
        ..first.1
    };
    b.done(first.0, wrong, Status::Ok);
    assert!(b.issued().is_empty());
    b.done(first.0, first.1, Status::Ok);
    assert_eq!(b.completed(), []);
    assert_eq!(one(&mut b).2, 0);
    // The last one closes the association.
    b.done(third.0, third.1, Status::Ok);
    let closed = |e: &Event| matches!(e, Event::Closed { by_fence: true, .. });
    assert!(b.events().iter().any(closed));
    assert_eq!(one(&mut b).2, 32);
    ok(&mut b, other);
    b.core.abandon();
}

#[test]
fn a_late_answer_frees_a_held_write_under_hold() {
    let mut b = Bench::up(config(2));
    let first = write(&mut b, 0, 8, 1);
    b.brk(first.0);
    b.said.clear();
    b.done(first.0, first.1, Status::Ok);
    assert_eq!(b.completed(), []);
    let again = one(&mut b);
    ok(&mut b, again);
    assert_eq!(done_with(&mut b), [1]);
    assert_eq!(b.core.leaks(), Leaks::default());
}

#[test]
fn a_full_table_holds_what_does_not_fit_and_says_so() {
    let mut b = Bench::up(in_doubt(2));
    b.core.doubts_max = 2;
    let mut first = None;
    for n in 0..8 {
        let s = write(&mut b, n * 16, 8, n);
        first = first.or(Some(s));
    }
    let first = first.expect("eight");
    let epoch = b.epoch(first.0);
    b.brk(first.0);
    let full = b.events().into_iter().find_map(|e| match e {
        Event::DoubtsFull { held, .. } => Some(held),
        _ => None,
    });
    assert_eq!(full, Some(2));
    assert_eq!(sent(&mut b).len(), 2, "two had room");
    confirm(&mut b, first.0, epoch);
    assert_eq!(held(&b).len(), 2);
    assert_eq!(sent(&mut b).len(), 2);
    assert_eq!(b.core.own_doubts, 0, "there is room again");
    b.core.abandon();
}

#[test]
fn with_a_full_table_a_held_write_fails_with_the_end_of_its_association() {
    let mut c = config(1);
    c.queue_for = MS(100);
    let mut b = Bench::up(c);
    b.core.doubts_max = 0;
    let s = write(&mut b, 0, 8, 1);
    b.brk(s.0);
    b.pass(MS(101));
    assert_eq!(b.completed(), [], "nothing could bar what comes after");
    b.pass(Duration::from_secs(12));
    assert_eq!(b.completed(), [(1, Outcome::Errno(verdict::EIO))]);
    assert_eq!(b.core.leaks(), Leaks::default());
}

#[test]
fn what_waits_for_a_proof_fails_with_the_deadline_of_a_volume_without_path() {
    let mut c = in_doubt(2);
    c.queue_for = MS(500);
    let mut b = Bench::up(c);
    let lost = write(&mut b, 0, 8, 1);
    let live = write(&mut b, 0, 8, 2);
    b.brk(lost.0);
    b.said.clear();
    b.submit(Op::Write, 0, 8, 3);
    ok(&mut b, live);
    b.brk(live.0);
    b.pass(MS(499));
    assert_eq!(b.completed(), []);
    b.pass(MS(2));
    let mut failed = b.completed();
    failed.sort_unstable_by_key(|c| c.0);
    let eio = Outcome::Errno(verdict::EIO);
    assert_eq!(failed, [(1, eio), (2, eio), (3, eio)]);
    assert_eq!(b.core.leaks(), Leaks::default());
}

#[test]
fn fua_stays_on_a_retry() {
    let mut b = Bench::up(in_doubt(2));
    b.tell(Input::Submit(Request {
        volume: VOLUME,
        op: Op::Write,
        lba: 0,
        blocks: 8,
        fua: true,
        failfast: false,
        buf: BufId(1),
        cookie: 1,
    }));
    let (path, ..) = b.issued()[0];
    b.brk(path);
    assert!(
        b.said
            .iter()
            .any(|a| matches!(a, Action::Issue { fua: true, .. }))
    );
    b.core.abandon();
}

/// Two shards; what one tells the other waits until the test delivers it.
pub(super) struct Pair {
    pub(super) shards: [Bench; 2],
    mail: [std::collections::VecDeque<PeerMessage>; 2],
}

impl Pair {
    pub(super) fn new(c: &Config) -> Pair {
        let shard = |shard| {
            Bench::up(Config {
                shard,
                shards: 2,
                ..c.clone()
            })
        };
        Pair {
            shards: [shard(0), shard(1)],
            mail: Default::default(),
        }
    }

    pub(super) fn collect(&mut self) {
        for from in 0..2 {
            let mut mail = Vec::new();
            self.shards[from].said.retain(|a| match a {
                Action::Peer(m) => {
                    mail.push(*m);
                    false
                }
                _ => true,
            });
            self.mail[1 - from].extend(mail);
        }
    }

    /// Delivers what waits for this shard; returns how much that was.
    pub(super) fn deliver(&mut self, to: usize) -> usize {
        self.collect();
        let mail = std::mem::take(&mut self.mail[to]);
        let n = mail.len();
        for message in mail {
            self.shards[to].tell(Input::Peer(message));
        }
        self.collect();
        n
    }

    pub(super) fn settle(&mut self) {
        while self.deliver(0) + self.deliver(1) > 0 {}
    }

    pub(super) fn abandon(self) {
        self.shards.into_iter().for_each(|b| b.core.abandon());
    }
}

#[test]
fn nothing_is_sent_again_before_the_sibling_has_noted_it() {
    let mut p = Pair::new(&in_doubt(2));
    let lost = write(&mut p.shards[0], 0, 8, 1);
    p.shards[0].brk(lost.0);
    assert_eq!(p.shards[0].fences().len(), 1, "the array is asked at once");
    p.collect();
    assert_eq!(sent(&mut p.shards[0]), []);
    p.deliver(1);
    assert_eq!(sent(&mut p.shards[0]), []);
    p.deliver(0);
    let again = one(&mut p.shards[0]);
    ok(&mut p.shards[0], again);
    assert_eq!(done_with(&mut p.shards[0]), [1]);
    p.abandon();
}

#[test]
fn a_sibling_keeps_new_writes_off_a_range_until_it_is_closed() {
    let mut p = Pair::new(&in_doubt(2));
    let lost = write(&mut p.shards[0], 0, 8, 1);
    let epoch = p.shards[0].epoch(lost.0);
    p.shards[0].brk(lost.0);
    p.settle();
    let again = one(&mut p.shards[0]);
    ok(&mut p.shards[0], again);
    p.shards[1].submit(Op::Write, 7, 8, 2);
    p.shards[1].submit(Op::Discard, 0, 1_000, 3);
    assert_eq!(sent(&mut p.shards[1]), []);
    p.shards[1].submit(Op::Read, 7, 8, 4);
    p.shards[1].submit(Op::Write, 8, 8, 5);
    assert_eq!(sent(&mut p.shards[1]).len(), 2);
    confirm(&mut p.shards[0], lost.0, epoch);
    assert_eq!(sent(&mut p.shards[1]), []);
    p.collect();
    p.settle();
    assert_eq!(held(&p.shards[1]).len(), 2);
    assert_eq!(sent(&mut p.shards[1]).len(), 2);
    p.abandon();
}

/// A `Closed` that was collected before `sent` looked away is not lost: `sent` forgets what was said.
fn confirm_and_collect(p: &mut Pair, shard: usize, path: u16, epoch: Epoch) {
    confirm(&mut p.shards[shard], path, epoch);
    p.collect();
}

#[test]
fn a_siblings_live_write_that_overlaps_entangles_both() {
    let mut p = Pair::new(&in_doubt(2));
    let lost = write(&mut p.shards[0], 0, 8, 1);
    let live = write(&mut p.shards[1], 4, 8, 2);
    let epoch = p.shards[0].epoch(lost.0);
    p.shards[0].brk(lost.0);
    p.settle();
    let again = one(&mut p.shards[0]);
    ok(&mut p.shards[0], again);
    ok(&mut p.shards[1], live);
    for b in &p.shards {
        assert_eq!(b.completed(), []);
    }
    confirm_and_collect(&mut p, 0, lost.0, epoch);
    assert_eq!(done_with(&mut p.shards[0]), [1]);
    assert_eq!(p.shards[1].completed(), [], "it was not told yet");
    p.settle();
    assert_eq!(done_with(&mut p.shards[1]), [2]);
    p.abandon();
}

#[test]
fn overlapping_writes_lost_on_two_shards_at_once_wait_for_both() {
    let mut p = Pair::new(&in_doubt(2));
    let lost = [
        write(&mut p.shards[0], 0, 8, 1),
        write(&mut p.shards[1], 4, 8, 2),
    ];
    let epochs = [0, 1].map(|i| p.shards[i].epoch(lost[i].0));
    for (b, s) in p.shards.iter_mut().zip(lost) {
        b.brk(s.0);
    }
    // Both announce before either hears.
    p.collect();
    p.settle();
    for b in &mut p.shards {
        let again = one(b);
        ok(b, again);
        assert_eq!(b.completed(), []);
    }
    confirm_and_collect(&mut p, 0, lost[0].0, epochs[0]);
    p.settle();
    for b in &p.shards {
        assert_eq!(b.completed(), []);
    }
    confirm_and_collect(&mut p, 1, lost[1].0, epochs[1]);
    p.settle();
    assert_eq!(done_with(&mut p.shards[0]), [1]);
    assert_eq!(done_with(&mut p.shards[1]), [2]);
    p.abandon();
}

#[test]
fn a_siblings_write_that_was_completed_before_it_heard_entangles_nothing() {
    let mut p = Pair::new(&in_doubt(2));
    let lost = write(&mut p.shards[0], 0, 8, 1);
    let live = write(&mut p.shards[1], 4, 8, 2);
    p.shards[0].brk(lost.0);
    p.collect();
    ok(&mut p.shards[1], live);
    assert_eq!(done_with(&mut p.shards[1]), [2]);
    p.settle();
    let again = one(&mut p.shards[0]);
    ok(&mut p.shards[0], again);
    assert_eq!(done_with(&mut p.shards[0]), [1]);
    p.abandon();
}

#[test]
fn the_end_of_the_association_frees_what_a_silent_sibling_keeps_waiting() {
    let mut p = Pair::new(&in_doubt(2));
    let lost = write(&mut p.shards[0], 0, 8, 1);
    let epoch = p.shards[0].epoch(lost.0);
    p.shards[0].brk(lost.0);
    p.collect();
    p.shards[0].now += MS(1);
    confirm_and_collect(&mut p, 0, lost.0, epoch);
    let again = one(&mut p.shards[0]);
    // The sibling wakes up: it notes the range, and its end; its late word disturbs nothing.
    p.settle();
    assert_eq!(sent(&mut p.shards[0]), []);
    p.shards[1].submit(Op::Write, 0, 8, 2);
    assert_eq!(sent(&mut p.shards[1]).len(), 1);
    ok(&mut p.shards[0], again);
    assert_eq!(done_with(&mut p.shards[0]), [1]);
    assert_eq!(p.shards[0].core.leaks(), Leaks::default());
    p.abandon();
}

#[test]
fn a_late_answer_ends_the_attempt_at_the_sibling_too() {
    let mut p = Pair::new(&in_doubt(2));
    let first = write(&mut p.shards[0], 0, 8, 1);
    let other = write(&mut p.shards[0], 100, 8, 2);
    let third = write(&mut p.shards[0], 32, 8, 3);
    assert_eq!(first.0, third.0);
    p.shards[0].brk(first.0);
    p.settle();
    p.shards[1].submit(Op::Write, 0, 8, 4);
    p.shards[1].submit(Op::Write, 32, 8, 5);
    assert_eq!(sent(&mut p.shards[1]), []);
    p.shards[0].done(first.0, first.1, Status::Ok);
    p.settle();
    assert_eq!(one(&mut p.shards[1]).2, 0, "the other is still in doubt");
    ok(&mut p.shards[0], other);
    p.abandon();
}

#[test]
fn a_write_that_fails_while_siblings_note_it_is_told_when_they_have() {
    let mut c = in_doubt(1);
    c.queue_for = Duration::ZERO;
    let mut p = Pair::new(&c);
    let lost = write(&mut p.shards[0], 0, 8, 1);
    p.shards[0].brk(lost.0);
    p.shards[0].pass(MS(1));
    assert_eq!(p.shards[0].completed(), []);
    p.settle();
    let eio = Outcome::Errno(verdict::EIO);
    assert_eq!(p.shards[0].completed(), [(1, eio)]);
    assert_eq!(p.shards[0].core.leaks(), Leaks::default());
    p.abandon();
}

#[test]
fn no_shard_of_a_recovered_daemon_writes_before_every_shard_has_its_proof() {
    let mut c = in_doubt(2);
    c.first_epoch = Epoch(10);
    let shard = |shard: u16, prior: Vec<(PathId, Epoch)>| {
        let mut b = Bench::down(Config {
            shard,
            shards: 2,
            prior,
            ..c.clone()
        });
        b.bring_up(0, Access::Optimized);
        b
    };
    // The first shard's predecessor left nothing behind.
    let mut p = Pair {
        shards: [shard(0, vec![]), shard(1, vec![(PathId(1), Epoch(3))])],
        mail: Default::default(),
    };
    p.settle();
    for b in &mut p.shards {
        b.said.clear();
        b.submit(Op::Write, 0, 8, 1);
        b.submit(Op::Write, 500, 8, 2);
        assert_eq!(sent(b), [], "a ghost of any shard may hit it");
        b.submit(Op::Read, 0, 8, 3);
        assert_eq!(sent(b).len(), 1);
    }
    confirm_and_collect(&mut p, 1, 1, Epoch(3));
    assert_eq!(sent(&mut p.shards[1]).len(), 2);
    assert_eq!(sent(&mut p.shards[0]), []);
    p.settle();
    assert_eq!(sent(&mut p.shards[0]).len(), 2);
    p.abandon();
}

/// Entries that were looked at meanwhile.
fn steps(b: &mut Bench, what: impl FnOnce(&mut Bench)) -> u64 {
    use crate::core::ranges::STEPS;
    let before = STEPS.get();
    what(b);
    STEPS.get() - before
}

#[test]
fn a_burst_of_late_answers_costs_what_it_ends_and_no_more() {
    const N: u64 = 1000;
    let mut c = config(2);
    c.fence = FencePolicy::InDoubt;
    c.array_confirms = false;
    c.max_requests = 4 * N as u32;
    let mut b = Bench::up(c);
    for n in 0..2 * N {
        b.submit(Op::Write, 64 * n, 8, n);
    }
    let lost: Vec<_> = b.issued().into_iter().filter(|i| i.0 == 0).collect();
    assert_eq!(lost.len() as u64, N);
    b.brk(0);
    b.said.clear();
    for (n, (_, _, lba, _)) in lost.iter().enumerate() {
        b.submit(Op::Write, *lba, 8, 10_000 + n as u64);
    }
    assert_eq!(b.issued(), []);
    assert_eq!((b.core.doubts.len(), b.core.waiting.len()), (1000, 1000));
    let took = steps(&mut b, |b| {
        for (path, ticket, ..) in &lost {
            b.done(*path, *ticket, Status::Ok);
        }
    });
    assert!(took < 10 * N, "{took}");
    let sent: Vec<u64> = b.issued().iter().map(|i| i.2).collect();
    let lbas: Vec<u64> = lost.iter().map(|i| i.2).collect();
    assert_eq!(
        sent, lbas,
        "each is sent when the range that it waited for is free"
    );
    assert_eq!((b.core.doubts.len(), b.core.waiting.len()), (0, 0));
    b.core.abandon();
}

#[test]
fn many_writes_over_one_block_wait_for_the_last_of_its_attempts() {
    let mut c = config(3);
    c.fence = FencePolicy::InDoubt;
    c.array_confirms = false;
    let mut b = Bench::up(c);
    for n in 0..3 {
        b.submit(Op::Write, 0, 8, n);
    }
    let first: Vec<_> = b.issued();
    b.brk(0);
    b.brk(1);
    b.said.clear();
    for n in 0..4 {
        b.submit(Op::Write, n, 1, 10 + n);
    }
    for (path, ticket, ..) in first.iter().filter(|i| i.0 < 2) {
        assert_eq!(b.issued(), []);
        b.done(*path, *ticket, Status::Ok);
    }
    let lbas: Vec<u64> = b
        .issued()
        .iter()
        .map(|i| i.2)
        .filter(|lba| *lba < 4)
        .collect();
    assert_eq!(lbas, [0, 1, 2, 3], "in their order");
    b.core.abandon();
}

#[test]
fn what_a_sibling_lost_in_a_burst_is_compared_with_what_is_under_way_once() {
    const N: u64 = 1000;
    let mut c = config(2);
    c.fence = FencePolicy::InDoubt;
    c.shards = 2;
    c.max_requests = 4 * N as u32;
    let mut b = Bench::up(c);
    for n in 0..N {
        b.submit(Op::Write, 64 * n, 8, n);
    }
    let mut under_way = b.issued();
    let told = |n: u64, lba: u64| {
        Input::Peer(PeerMessage::InDoubt {
            shard: 1,
            ticket: Ticket {
                slot: n as u32,
                generation: 1,
            },
            volume: VOLUME,
            lba,
            blocks: 4,
            path: PathId(0),
            epoch: Epoch(1),
            alone: false,
        })
    };
    let overlap = |b: &mut Bench| {
        let said = std::mem::take(&mut b.said).into_iter();
        let noted = said.filter_map(|a| match a {
            Action::Peer(PeerMessage::DoubtNoted { overlaps, .. }) => Some(overlaps),
            _ => None,
        });
        noted.filter(|overlaps| *overlaps).count() as u64
    };
    let took = steps(&mut b, |b| {
        for n in 0..N {
            // Every second one overlaps.
            b.tell(told(n, 64 * n + 6 + n % 2 * 6));
        }
    });
    assert_eq!(overlap(&mut b), N / 2);
    assert!(took < 10 * N, "{took}");
    // What is over is not counted, and what is sent since is.
    let (path, ticket, ..) = under_way.remove(1);
    b.done(path, ticket, Status::Ok);
    b.tell(told(N, 64));
    assert_eq!(overlap(&mut b), 0);
    b.submit(Op::Write, 32, 8, 5_000);
    assert_eq!(b.issued().len(), 1);
    b.tell(told(N + 1, 36));
    assert_eq!(overlap(&mut b), 1);
    // And so it is where nothing was in doubt meanwhile.
    for n in 0..N + 2 {
        b.tell(Input::Peer(PeerMessage::Ended {
            shard: 1,
            ticket: Ticket {
                slot: n as u32,
                generation: 1,
            },
        }));
    }
    b.submit(Op::Write, 64 * 2 * N, 8, 5_001);
    b.said.clear();
    b.tell(told(0, 64 * 2 * N));
    assert_eq!(overlap(&mut b), 1);
    b.core.abandon();
}
