//! The loss of one attempt: what exceeds the hard limit on a path that answers.

use super::*;

const MS: fn(u64) -> Duration = Duration::from_millis;

fn limited(paths: usize, fence: FencePolicy) -> Config {
    let mut c = config(paths);
    c.io_timeout = MS(500);
    c.fence = fence;
    c
}

fn lost(b: &Bench) -> usize {
    let is = |e: &&Event| matches!(e, Event::Lost { .. });
    b.events().iter().filter(is).count()
}

fn abandoned(b: &Bench) -> Vec<(u16, Ticket)> {
    let of = |a: &Action| match a {
        Action::Abandon { path, ticket } => Some((path.0, *ticket)),
        _ => None,
    };
    b.said.iter().filter_map(of).collect()
}

fn fenced(b: &Bench) -> usize {
    b.fences().len()
}

/// Sends one command and lets it exceed the limit while its path answers probes. What was said since is kept.
fn stuck(b: &mut Bench, op: Op, lba: u64, cookie: u64) -> (u16, Ticket) {
    b.submit(op, lba, 8, cookie);
    let (path, ticket, ..) = b.issued()[0];
    b.pass_answering(MS(1), MS(499), &[0, 1]);
    assert_eq!(abandoned(b), [], "not before its time");
    b.said.clear();
    b.pass_answering(MS(1), MS(3), &[0, 1]);
    (path, ticket)
}

/// What was issued since the last look; all that was said is kept.
fn again(b: &Bench) -> Vec<(u16, Ticket)> {
    let of = |a: &Action| match a {
        Action::Issue { path, ticket, .. } => Some((path.0, *ticket)),
        _ => None,
    };
    b.said.iter().filter_map(of).collect()
}

#[test]
fn a_stuck_read_is_sent_again_elsewhere_and_its_path_stays() {
    let mut b = Bench::up(limited(2, FencePolicy::InDoubt));
    let (path, ticket) = stuck(&mut b, Op::Read, 0, 1);
    assert_eq!(abandoned(&b), [(path, ticket)]);
    assert_eq!((lost(&b), fenced(&b)), (0, 0));
    let retry = again(&b);
    assert_eq!(retry.len(), 1);
    assert_eq!(retry[0].0, 1 - path, "elsewhere");
    b.done(path, ticket, Status::Ok);
    assert_eq!(b.completed(), [], "a late answer is no result");
    b.done(retry[0].0, retry[0].1, Status::Ok);
    assert_eq!(b.completed(), [(1, Outcome::Ok)]);
    assert_eq!(b.core.leaks(), Leaks::default());
}

#[test]
fn what_is_beside_a_stuck_command_is_left_alone() {
    let mut b = Bench::up(limited(2, FencePolicy::InDoubt));
    b.submit(Op::Write, 0, 8, 1);
    let (path, first, ..) = b.issued()[0];
    // More on the same path, younger than the limit when the first exceeds it.
    b.pass_answering(MS(1), MS(300), &[0, 1]);
    b.said.clear();
    for n in 0..8 {
        b.submit(Op::Write, 1_000 + n * 8, 8, 10 + n);
    }
    let beside = b.issued();
    b.pass_answering(MS(1), MS(203), &[0, 1]);
    assert_eq!(abandoned(&b), [(path, first)]);
    assert_eq!(again(&b).len(), 1, "the one that was stuck");
    for (p, t, ..) in beside {
        b.done(p, t, Status::Ok);
    }
    assert_eq!(b.completed().len(), 8, "each with its own answer, at once");
    b.core.abandon();
}

#[test]
fn a_path_that_answers_nothing_is_lost_as_a_whole() {
    let mut b = Bench::up(limited(1, FencePolicy::InDoubt));
    b.submit(Op::Read, 0, 8, 1);
    b.said.clear();
    b.pass(MS(502));
    assert_eq!((lost(&b), abandoned(&b).len()), (1, 0));
    b.core.abandon();
}

#[test]
fn a_path_that_has_fallen_silent_is_lost_as_a_whole() {
    let mut b = Bench::up(limited(1, FencePolicy::InDoubt));
    b.submit(Op::Read, 0, 8, 1);
    b.pass(MS(1));
    b.submit(Op::Read, 8, 8, 2);
    let sent = b.issued();
    // The later one is answered, then nothing more.
    b.done(0, sent[1].1, Status::Ok);
    b.said.clear();
    b.pass(MS(502));
    assert_eq!((lost(&b), abandoned(&b).len()), (1, 0));
    b.core.abandon();
}

#[test]
fn a_stuck_write_completes_with_its_retry_and_keeps_later_writes_off() {
    let mut c = limited(2, FencePolicy::InDoubt);
    (c.array_confirms, c.quiesce) = (false, Duration::MAX);
    let mut b = Bench::up(c);
    let (path, ticket) = stuck(&mut b, Op::Write, 0, 1);
    let retry = again(&b)[0];
    b.said.clear();
    b.done(retry.0, retry.1, Status::Ok);
    assert_eq!(b.completed(), [(1, Outcome::Ok)]);
    b.said.clear();
    b.submit(Op::Write, 4, 8, 2);
    b.submit(Op::Write, 64, 8, 3);
    let sent = b.issued();
    assert_eq!(sent.len(), 1, "what overlaps waits, and nothing else");
    assert_eq!(sent[0].2, 64);
    b.done(sent[0].0, sent[0].1, Status::Ok);
    b.said.clear();
    // On a kernel block path the end of an association proves nothing: no time ends this, only the answer.
    b.pass_answering(MS(10), MS(20_000), &[0, 1]);
    assert_eq!((again(&b).len(), lost(&b)), (0, 0));
    b.said.clear();
    b.done(path, ticket, Status::Ok);
    assert_eq!(b.issued().iter().map(|i| i.2).collect::<Vec<_>>(), [4]);
    b.core.abandon();
}

#[test]
fn an_association_is_ended_when_a_write_waits_and_its_end_is_a_proof() {
    let mut b = Bench::up(limited(2, FencePolicy::InDoubt));
    let (path, _) = stuck(&mut b, Op::Write, 0, 1);
    let retry = again(&b)[0];
    b.done(retry.0, retry.1, Status::Ok);
    b.pass_answering(MS(1), MS(100), &[0, 1]);
    assert_eq!(lost(&b), 0, "nobody waits");
    b.said.clear();
    let epoch = b.epoch(path);
    b.submit(Op::Write, 4, 8, 2);
    b.pass_answering(MS(1), MS(120), &[0, 1]);
    assert_eq!(lost(&b), 1);
    assert_eq!(b.fences()[0], (1 - path, path, epoch));
    b.said.clear();
    b.tell(Input::FenceConfirmed {
        path: PathId(path),
        epoch,
    });
    assert_eq!(b.issued().len(), 1, "the one that waited");
    b.core.abandon();
}

#[test]
fn what_is_kept_in_memory_meanwhile_waits_too() {
    let mut b = Bench::up(limited(2, FencePolicy::Shadow));
    let (path, _) = stuck(&mut b, Op::Write, 0, 1);
    let retry = again(&b)[0];
    b.done(retry.0, retry.1, Status::Ok);
    b.said.clear();
    b.submit(Op::Write, 4, 8, 2);
    let (other, sent) = again(&b)[0];
    b.done(other, sent, Status::Ok);
    assert_eq!(b.completed(), [(2, Outcome::Ok)], "it waits for nothing");
    b.pass_answering(MS(1), MS(120), &[0, 1]);
    assert_eq!(lost(&b), 1, "and is not to stay in memory for ever");
    let of = |e: &Event| matches!(e, Event::Lost { path: p, .. } if p.0 == path);
    assert!(b.events().iter().any(of));
    b.core.abandon();
}

#[test]
fn a_write_that_others_wait_for_from_the_start_takes_its_path_along() {
    let mut b = Bench::up(limited(2, FencePolicy::InDoubt));
    b.submit(Op::Write, 0, 8, 1);
    b.submit(Op::Write, 4, 8, 2);
    let sent = b.issued();
    b.pass_answering(MS(1), MS(503), &[0, 1]);
    assert_eq!(abandoned(&b), []);
    assert!(lost(&b) >= 1, "{sent:?}");
    b.core.abandon();
}

#[test]
fn a_held_write_waits_for_its_own_answer_on_a_path_without_proof() {
    let mut c = limited(2, FencePolicy::Hold);
    (c.array_confirms, c.quiesce) = (false, Duration::MAX);
    let mut b = Bench::up(c);
    let (path, ticket) = stuck(&mut b, Op::Write, 0, 1);
    assert_eq!((lost(&b), again(&b).len()), (0, 0));
    b.said.clear();
    b.done(path, ticket, Status::Ok);
    let retry = b.issued();
    assert_eq!(retry.len(), 1);
    b.done(retry[0].0, retry[0].1, Status::Ok);
    assert_eq!(b.completed(), [(1, Outcome::Ok)]);
    assert_eq!(b.core.leaks(), Leaks::default());
}

#[test]
fn the_end_of_the_association_closes_what_was_given_up_before() {
    let mut c = limited(2, FencePolicy::InDoubt);
    c.array_confirms = false;
    c.quiesce = MS(3_000);
    let mut b = Bench::up(c);
    let (path, _) = stuck(&mut b, Op::Write, 0, 1);
    let retry = again(&b)[0];
    b.done(retry.0, retry.1, Status::Ok);
    b.pass_answering(MS(10), MS(6_000), &[0, 1]);
    assert_eq!(
        b.core.doubts.len(),
        1,
        "no time ends it while the path stands"
    );
    assert_eq!(b.core.associations().count(), 2, "each once");
    let began = b.now;
    b.brk(path);
    assert_eq!(b.core.associations().count(), 2);
    b.said.clear();
    b.submit(Op::Write, 0, 8, 2);
    assert_eq!(again(&b), []);
    b.pass_answering(MS(10), MS(2_990), &[1 - path]);
    assert_eq!(again(&b), []);
    b.pass_answering(MS(10), MS(20), &[1 - path]);
    assert_eq!(again(&b).len(), 1, "after {:?}", b.now.since(began));
    b.core.abandon();
}

#[test]
fn a_path_that_swallows_dozens_is_lost() {
    let mut c = limited(2, FencePolicy::InDoubt);
    c.queue_for = Duration::from_secs(600);
    let mut b = Bench::up(c);
    let mut swallowed = 0;
    while lost(&b) == 0 {
        b.submit(Op::Read, swallowed * 8, 8, swallowed);
        swallowed += 1;
        // Path 0 swallows all that it is sent and answers its probes; path 1 answers all.
        for (p, t) in again(&b) {
            if p == 1 {
                b.done(p, t, Status::Ok);
            }
        }
        let event = |a: &Action| matches!(a, Action::Event(Event::Lost { .. }));
        b.said.retain(event);
        b.pass_answering(MS(1), MS(5), &[0, 1]);
        assert!(swallowed < 2_000, "for ever");
    }
    assert_eq!(
        b.core.paths[0].strays.len(),
        0,
        "forgotten with the association"
    );
    b.core.abandon();
}

#[test]
fn a_part_of_a_read_is_never_given_up_alone() {
    let mut b = Bench::up(limited(2, FencePolicy::InDoubt));
    b.submit(Op::Read, 0, 128, 1);
    let parts = b.issued();
    assert_eq!(parts.len(), 2, "it is larger than a transfer");
    b.done(parts[0].0, parts[0].1, Status::Ok);
    b.pass_answering(MS(1), MS(503), &[0, 1]);
    assert_eq!((abandoned(&b).len(), lost(&b)), (0, 1));
    b.core.abandon();
}

#[test]
fn a_sibling_that_waits_has_the_association_ended() {
    let mut c = limited(2, FencePolicy::InDoubt);
    c.shards = 2;
    let mut b = Bench::up(c);
    let (path, _) = stuck(&mut b, Op::Write, 0, 1);
    let noted = b.said.iter().find_map(|a| match a {
        Action::Peer(PeerMessage::InDoubt { ticket, alone, .. }) => Some((*ticket, *alone)),
        _ => None,
    });
    let (ticket, alone) = noted.expect("the sibling is told");
    assert!(alone);
    b.tell(Input::Peer(PeerMessage::DoubtNoted {
        shard: 0,
        ticket,
        overlaps: false,
    }));
    assert_eq!(again(&b).len(), 1);
    let (path, epoch) = (PathId(path), b.epoch(path));
    let other = PeerMessage::Waits {
        shard: 1,
        path,
        epoch,
    };
    b.tell(Input::Peer(other));
    assert_eq!(lost(&b), 0, "not this shard's");
    b.tell(Input::Peer(PeerMessage::Waits {
        shard: 0,
        path,
        epoch,
    }));
    assert_eq!(lost(&b), 1);
    b.core.abandon();
}

#[test]
fn a_shard_that_waits_for_a_siblings_attempt_says_so_once() {
    let mut c = limited(2, FencePolicy::InDoubt);
    c.shards = 2;
    let mut b = Bench::up(c);
    let epoch = Epoch(9);
    b.tell(Input::Peer(PeerMessage::InDoubt {
        shard: 1,
        ticket: Ticket {
            slot: 3,
            generation: 4,
        },
        volume: VOLUME,
        lba: 0,
        blocks: 8,
        path: PathId(0),
        epoch,
        alone: true,
    }));
    let waits = |b: &Bench| {
        let is = |a: &&Action| matches!(a, Action::Peer(PeerMessage::Waits { shard: 1, .. }));
        b.said.iter().filter(is).count()
    };
    b.pass_answering(MS(1), MS(200), &[0, 1]);
    assert_eq!(waits(&b), 0);
    b.submit(Op::Write, 0, 8, 1);
    b.submit(Op::Write, 4, 8, 2);
    b.pass_answering(MS(1), MS(200), &[0, 1]);
    assert_eq!(waits(&b), 1);
    b.core.abandon();
}
