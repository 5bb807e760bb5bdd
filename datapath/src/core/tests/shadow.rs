//! `fence = "shadow"`, sentence by sentence: what is kept, seen, written once more and forgotten.

use super::doubt::{confirm, ok, one, write};
use super::*;
use crate::core::{ShadowAction, ShadowId, ShadowStep};

const MS: fn(u64) -> Duration = Duration::from_millis;

fn shadowed(shards: u16) -> Config {
    Config {
        fence: FencePolicy::Shadow,
        shards,
        ..config(2)
    }
}

fn shadows(b: &Bench) -> Vec<ShadowAction> {
    let all = b.said.iter().filter_map(|a| match a {
        Action::Shadow(action) => Some(*action),
        _ => None,
    });
    all.collect()
}

fn peers(b: &Bench) -> Vec<PeerMessage> {
    let all = b.said.iter().filter_map(|a| match a {
        Action::Peer(message) => Some(*message),
        _ => None,
    });
    all.collect()
}

/// The last writes of shadows that were sent: path, ticket, first block, offset in the shadow.
fn settling(b: &Bench) -> Vec<(u16, Ticket, u64, u32)> {
    let all = shadows(b).into_iter().filter_map(|a| match a {
        ShadowAction::Write {
            path,
            ticket,
            lba,
            offset,
            fua,
            ..
        } => {
            assert!(fua, "what a flush has promised must hold");
            Some((path.0, ticket, lba, offset))
        }
        _ => None,
    });
    all.collect()
}

fn fills(b: &Bench) -> Vec<(u64, u32, u32, u32)> {
    let all = shadows(b).into_iter().filter_map(|a| match a {
        ShadowAction::Fill {
            id,
            offset,
            buf_offset,
            blocks,
            ..
        } => Some((id.seq, offset, buf_offset, blocks)),
        _ => None,
    });
    all.collect()
}

fn none_issued(b: &Bench) -> bool {
    !b.said.iter().any(|a| matches!(a, Action::Issue { .. }))
}

fn note(step: ShadowStep, seq: u64, lba: u64) -> Input {
    Input::Peer(PeerMessage::Shadow {
        step,
        id: ShadowId { seq, shard: 1 },
        volume: VolumeId(0),
        lba,
        blocks: 8,
    })
}

/// A write of blocks 0 to 8 was lost and done again, on one shard: its ghost is out.
fn haunted() -> (Bench, u16, Epoch) {
    let mut b = Bench::up(shadowed(1));
    let lost = write(&mut b, 0, 8, 1);
    let epoch = b.epoch(lost.0);
    b.said.clear();
    b.brk(lost.0);
    let again = one(&mut b);
    ok(&mut b, again);
    assert_eq!(b.completed(), [(1, Outcome::Ok)]);
    b.said.clear();
    (b, lost.0, epoch)
}

#[test]
fn a_write_over_a_ghost_is_kept_shown_sent_and_completed_at_once() {
    let (mut b, ..) = haunted();
    b.submit(Op::Write, 4, 8, 2);
    assert!(
        matches!(
            shadows(&b)[..],
            [
                ShadowAction::Keep { blocks: 8, .. },
                ShadowAction::Show {
                    lba: 4,
                    blocks: 8,
                    ..
                }
            ]
        ),
        "{:?}",
        b.said
    );
    assert_eq!(b.core.open_shadows().bytes, 8 * 512);
    let kept = one(&mut b);
    ok(&mut b, kept);
    assert_eq!(b.completed(), [(2, Outcome::Ok)]);
    b.core.abandon();
}

#[test]
fn reads_see_it_in_whole_or_in_part_and_others_go_by() {
    let (mut b, ..) = haunted();
    let kept = write(&mut b, 4, 8, 2);
    ok(&mut b, kept);
    b.said.clear();
    b.submit(Op::Read, 6, 4, 3);
    assert!(none_issued(&b));
    assert_eq!(fills(&b), [(1, 2, 0, 4)]);
    assert_eq!(b.completed(), [(3, Outcome::Ok)]);
    b.said.clear();
    b.submit(Op::Read, 0, 8, 4);
    assert_eq!(fills(&b), []);
    let part = one(&mut b);
    ok(&mut b, part);
    assert_eq!(fills(&b), [(1, 0, 4, 4)]);
    assert_eq!(b.completed(), [(4, Outcome::Ok)]);
    b.said.clear();
    b.submit(Op::Read, 12, 8, 5);
    let beside = one(&mut b);
    ok(&mut b, beside);
    assert_eq!(fills(&b), []);
    b.core.abandon();
}

#[test]
fn a_read_that_was_out_when_a_shadow_came_is_read_again() {
    let (mut b, ..) = haunted();
    b.submit(Op::Read, 0, 8, 2);
    let out = one(&mut b);
    let kept = write(&mut b, 4, 8, 3);
    ok(&mut b, kept);
    b.said.clear();
    ok(&mut b, out);
    assert_eq!(b.completed(), []);
    let again = one(&mut b);
    ok(&mut b, again);
    assert_eq!(fills(&b), [(1, 0, 4, 4)]);
    assert_eq!(b.completed(), [(2, Outcome::Ok)]);
    b.core.abandon();
}

#[test]
fn after_the_proof_it_is_written_once_more_and_forgotten() {
    let (mut b, path, epoch) = haunted();
    let kept = write(&mut b, 4, 8, 2);
    ok(&mut b, kept);
    b.said.clear();
    confirm(&mut b, path, epoch);
    let [(on, ticket, 4, 0)] = settling(&b)[..] else {
        panic!("{:?}", b.said)
    };
    // Meanwhile writes wait, and reads see it.
    b.submit(Op::Write, 0, 8, 3);
    assert!(none_issued(&b));
    b.submit(Op::Read, 4, 8, 4);
    assert_eq!(fills(&b), [(1, 0, 0, 8)]);
    b.said.clear();
    b.done(on, ticket, Status::Ok);
    assert!(matches!(
        shadows(&b)[..],
        [ShadowAction::Hide { .. }, ShadowAction::Free { .. }]
    ));
    assert_eq!(b.core.open_shadows(), OpenShadows::default());
    let waited = one(&mut b);
    ok(&mut b, waited);
    b.said.clear();
    b.submit(Op::Read, 4, 8, 5);
    let read = one(&mut b);
    ok(&mut b, read);
    assert_eq!(fills(&b), []);
    assert_eq!(b.core.leaks(), Leaks::default());
}

#[test]
fn a_younger_one_over_all_of_it_takes_its_place() {
    let (mut b, path, epoch) = haunted();
    for cookie in 2..6 {
        let kept = write(&mut b, 0, 8, cookie);
        ok(&mut b, kept);
        assert_eq!(b.core.open_shadows().count, 1);
    }
    let kept = write(&mut b, 0, 4, 6);
    ok(&mut b, kept);
    b.said.clear();
    confirm(&mut b, path, epoch);
    let spans: Vec<(u64, u32)> = settling(&b).iter().map(|s| (s.2, s.3)).collect();
    assert_eq!(spans, [(4, 4), (0, 0)], "each what it still shows");
    b.core.abandon();
}

#[test]
fn writes_that_were_out_at_once_are_completed_when_they_are_shown() {
    let mut b = Bench::up(shadowed(1));
    let lost = write(&mut b, 0, 8, 1);
    let live = write(&mut b, 4, 8, 2);
    assert_ne!(lost.0, live.0);
    b.brk(lost.0);
    let again = one(&mut b);
    ok(&mut b, live);
    assert_eq!(b.completed(), [(2, Outcome::Ok)]);
    b.said.clear();
    ok(&mut b, again);
    assert_eq!(b.completed(), [(1, Outcome::Ok)]);
    assert_eq!(b.core.open_shadows().count, 2);
    b.core.abandon();
}

#[test]
fn what_has_no_data_or_no_room_waits() {
    let (mut b, path, epoch) = haunted();
    b.submit(Op::Discard, 0, 8, 2);
    b.submit(Op::WriteZeroes, 0, 8, 3);
    assert!(none_issued(&b));
    b.core.config.shadow_bytes = 8 * 512;
    let kept = write(&mut b, 0, 8, 4);
    ok(&mut b, kept);
    b.said.clear();
    b.submit(Op::Write, 4, 8, 5);
    assert!(none_issued(&b));
    let full = |e: &Event| matches!(e, Event::ShadowsFull { bytes: 4096, .. });
    assert!(b.events().iter().any(full));
    confirm(&mut b, path, epoch);
    let (on, ticket, ..) = settling(&b)[0];
    b.said.clear();
    b.done(on, ticket, Status::Ok);
    assert_eq!(b.issued().len(), 3);
    b.core.abandon();
}

#[test]
fn a_write_that_is_not_answered_does_not_keep_others_waiting_for_the_end() {
    let (mut b, path, epoch) = haunted();
    let _stuck = write(&mut b, 0, 8, 2);
    b.said.clear();
    confirm(&mut b, path, epoch);
    assert_eq!(settling(&b), []);
    b.submit(Op::Write, 4, 4, 3);
    assert!(none_issued(&b));
    b.pass(MS(6));
    assert_eq!(b.issued().len(), 1, "kept, and sent");
    assert_eq!(b.core.open_shadows().count, 2);
    b.core.abandon();
}

#[test]
fn it_is_shown_when_every_sibling_has_noted_it() {
    let mut b = Bench::up(shadowed(2));
    b.tell(note(ShadowStep::Note, 7, 0));
    assert!(matches!(
        peers(&b)[..],
        [PeerMessage::ShadowNoted {
            step: ShadowStep::Note,
            id: ShadowId { seq: 7, shard: 1 }
        }]
    ));
    // What the sibling shows next nobody knows: a read waits, a write is kept as the younger one.
    b.submit(Op::Read, 0, 8, 1);
    b.submit(Op::Write, 0, 4, 2);
    assert!(none_issued(&b));
    assert_eq!(b.completed(), []);
    b.said.clear();
    b.tell(note(ShadowStep::Open, 7, 0));
    assert_eq!(fills(&b), [(7, 0, 0, 8)]);
    assert_eq!(b.completed(), [(1, Outcome::Ok)]);
    b.said.clear();
    let (step, id) = (ShadowStep::Note, ShadowId { seq: 8, shard: 0 });
    b.tell(Input::Peer(PeerMessage::ShadowNoted { step, id }));
    assert!(matches!(shadows(&b)[..], [ShadowAction::Show { .. }]));
    assert_eq!(b.issued().len(), 1);
    b.core.abandon();
}

#[test]
fn a_sibling_that_has_a_write_out_says_so_when_it_is_over() {
    let mut b = Bench::up(shadowed(2));
    let out = write(&mut b, 4, 8, 1);
    b.said.clear();
    b.tell(note(ShadowStep::Note, 1, 0));
    b.tell(note(ShadowStep::Open, 1, 0));
    b.said.clear();
    b.tell(note(ShadowStep::Quiet(1), 1, 0));
    assert_eq!(peers(&b), []);
    ok(&mut b, out);
    let quiet = ShadowStep::Quiet(1);
    assert!(matches!(peers(&b)[..], [PeerMessage::ShadowNoted { step, .. }] if step == quiet));
    b.said.clear();
    b.submit(Op::Write, 0, 8, 2);
    assert!(none_issued(&b));
    b.tell(note(ShadowStep::Drop, 1, 0));
    assert!(matches!(shadows(&b)[..], [ShadowAction::Free { .. }]));
    assert!(none_issued(&b), "another sibling may still show it");
    b.tell(note(ShadowStep::Free, 1, 0));
    assert_eq!(b.issued().len(), 1);
    b.core.abandon();
}
