//! `reset`, `drop`, `drop_answers`, `delay`, `throttle` at a port: what arrives, executes and is answered, and when.

mod common;
use common::*;
use protocol::{Duration, Instant, Status};
use simarray::api::*;

const OK: Status = Status::Ok;

fn reset(ids: &[u16]) -> Fault {
    Fault::Reset { paths: paths(ids) }
}

fn silence(ids: &[u16]) -> Fault {
    Fault::Drop { paths: paths(ids) }
}

#[test]
fn reset_breaks_both_ends_at_once_drops_the_queue_and_lets_what_runs_execute() {
    let mut c = config();
    c.parallel = 1;
    let mut p = Port::connected(c);
    p.send(0, 1, write(0, 1));
    p.send(0, 2, write(8, 2));
    p.send(2, 3, write(16, 3));
    let t = MS + WRITE_ARRIVES + 30 * US;
    p.at(t);
    p.send(0, 4, write(24, 4));
    p.start(1, reset(&[0]));
    assert_eq!(p.array.next_event(), Some(Instant(t)));
    assert_eq!(
        p.array.in_flight(),
        2,
        "the running one and the other path's"
    );
    p.run_until(2 * MS);
    assert_eq!(p.broken(), [(t, 0)]);
    assert_eq!(p.executed().iter().map(|e| e.1).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(p.executed()[0].0, MS + WRITE_EXECUTES);
    assert_eq!(p.answers().iter().map(|a| a.1).collect::<Vec<_>>(), [3]);
    assert_eq!(p.arrived().len(), 3);
    assert_eq!(p.array.in_flight(), 0);
    assert_eq!(p.array.associations(), 3);
}

#[test]
fn during_a_reset_new_connections_are_refused_after_a_round_trip() {
    let mut p = Port::connected(config());
    p.start(1, reset(&[0]));
    p.start(2, reset(&[0]));
    p.array.connect(Instant(MS), assoc(0, 2));
    p.at(2 * MS);
    assert_eq!(p.refused(), [(MS + 2 * 25_256, 0)]);
    p.end(1);
    p.array.connect(Instant(2 * MS), assoc(0, 3));
    p.at(3 * MS);
    assert_eq!(p.refused().len(), 2, "another reset still holds");
    p.end(2);
    p.array.connect(Instant(3 * MS), assoc(0, 4));
    p.at(4 * MS);
    assert_eq!(p.connections().len(), 1);
    // A setup that a reset meets half way is refused, not broken.
    p.array.close(Instant(4 * MS), assoc(0, 4));
    p.array.connect(Instant(4 * MS), assoc(0, 5));
    p.at(4 * MS + 30 * US);
    p.start(3, reset(&[0]));
    p.at(5 * MS);
    assert_eq!(p.refused().last(), Some(&(4 * MS + 30 * US, 0)));
    assert_eq!(p.broken(), [(MS, 0)]);
}

#[test]
fn drop_keeps_what_both_ends_send_and_delivers_it_200_ms_after_the_heal() {
    let mut p = Port::connected(config());
    p.send(0, 1, write(0, 1)); // running when silence begins
    p.at(MS + 60 * US);
    p.send(0, 2, write(8, 2)); // on the wire when it begins
    p.at(MS + 61 * US);
    p.start(1, silence(&[0]));
    p.at(2 * MS);
    p.send(0, 3, write(16, 3)); // sent into it
    p.at(500 * MS);
    assert_eq!(
        p.executed(),
        [(MS + WRITE_EXECUTES, 1)],
        "at the array: executes"
    );
    assert_eq!(p.answers(), []);
    assert_eq!(p.array.in_flight(), 2);
    p.end(1);
    p.at(S);
    let back = 700 * MS;
    assert_eq!(p.arrived()[1..], [(back, 2), (back, 3)]);
    assert_eq!(
        p.executed()[1..],
        [(back + 50 * US, 2), (back + 50 * US, 3)]
    );
    let t = back + 50 * US + WRITE_BACK;
    assert_eq!(p.answers(), [(back, 1, OK), (t, 2, OK), (t + 24, 3, OK)]);
    assert_eq!(p.broken(), []);
}

#[test]
fn what_is_sent_after_the_heal_waits_behind_what_is_kept() {
    let mut p = Port::connected(config());
    p.start(1, silence(&[0]));
    p.send(0, 1, read(0));
    p.at(10 * MS);
    p.end(1);
    p.send(0, 2, read(0));
    p.at(210 * MS - 10 * US);
    p.send(0, 3, read(0));
    p.at(S);
    assert_eq!(
        p.arrived(),
        [
            (210 * MS, 1),
            (210 * MS, 2),
            (210 * MS - 10 * US + READ_ARRIVES, 3)
        ]
    );
}

#[test]
fn a_second_silence_before_the_retransmission_keeps_on() {
    let mut p = Port::connected(config());
    p.start(1, silence(&[0]));
    p.start(2, silence(&[0]));
    p.send(0, 1, read(0));
    p.at(10 * MS);
    p.end(1);
    p.at(300 * MS);
    assert_eq!(p.arrived(), [], "the other one is still active");
    p.end(2);
    p.at(400 * MS);
    p.start(3, silence(&[0]));
    p.at(600 * MS);
    assert_eq!(p.arrived(), []);
    p.end(3);
    p.at(S);
    assert_eq!(p.arrived(), [(800 * MS, 1)]);
}

#[test]
fn a_sender_that_closes_in_silence_loses_what_it_sent_and_tells_after_the_heal() {
    let mut p = Port::connected(config());
    p.send(0, 1, write(0, 1));
    p.at(MS + WRITE_EXECUTES);
    p.start(1, silence(&[0]));
    p.send(0, 2, write(8, 2));
    let now = p.at(2 * MS);
    p.array.close(now, assoc(0, 1));
    assert_eq!(p.array.in_flight(), 0, "it never left the host");
    p.at(5 * MS);
    p.end(1);
    p.at(205 * MS - 1);
    assert_eq!(p.array.associations(), 4);
    p.at(205 * MS);
    assert_eq!(p.array.associations(), 3);
    p.at(S);
    assert_eq!(p.executed(), [(MS + WRITE_EXECUTES, 1)]);
    assert_eq!(p.answers(), []);
    assert_eq!(p.arrived().len(), 1);
}

#[test]
fn a_connection_in_silence_is_made_200_ms_after_the_heal_unless_given_up() {
    let mut p = Port::new(config());
    p.start(1, silence(&[0, 2]));
    p.array.connect(Instant(0), assoc(0, 1));
    p.array.connect(Instant(0), assoc(2, 1));
    let now = p.at(MS);
    p.array.close(now, assoc(2, 1));
    p.at(20 * S);
    p.end(1);
    p.at(21 * S);
    let leg = 25_256;
    assert_eq!(p.connections(), [(20 * S + 200 * MS + 5 * leg + 512, 0)]);
    assert_eq!(p.refused(), []);
    assert_eq!(p.array.associations(), 1);
}

#[test]
fn the_array_ends_an_association_that_was_silent_for_10_s() {
    let mut c = config();
    c.parallel = 1;
    c.service_write = Duration::from_secs(9);
    let mut p = Port::connected(c);
    p.send(0, 1, write(0, 1));
    p.send(0, 2, write(8, 2));
    p.send(0, 3, write(16, 3));
    p.at(2 * MS);
    p.start(1, silence(&[0]));
    p.at(10 * S + 2 * MS - 1);
    assert_eq!(p.array.associations(), 4);
    p.at(10 * S + 2 * MS);
    assert_eq!(p.array.associations(), 3);
    assert_eq!(
        p.array.in_flight(),
        1,
        "the queued third one is dropped, the second runs"
    );
    p.at(20 * S);
    p.end(1);
    p.at(30 * S);
    let first = MS + WRITE_ARRIVES + 9 * S;
    assert_eq!(p.executed(), [(first, 1), (first + 9 * S, 2)]);
    assert_eq!(
        p.answers(),
        [],
        "also of the first: the array's end has closed"
    );
    assert_eq!(p.broken(), [(20 * S + 200 * MS, 0)]);
}

#[test]
fn without_a_cross_controller_reset_nothing_executes_later_than_cqt_after_the_loss() {
    let mut c = config();
    c.ccr = None;
    c.service_write = Duration::from_millis(11_900);
    let mut p = Port::connected(c);
    p.start(1, silence(&[0, 2]));
    p.end(1);
    p.at(S);
    p.send(0, 1, write(0, 1));
    p.at(S + MS);
    p.start(2, silence(&[0])); // lost at 11.001 s, quiesced at 13.001 s
    p.at(S + 200 * MS);
    p.send(2, 2, write(8, 2));
    p.at(S + 300 * MS);
    p.start(3, silence(&[2])); // lost at 11.3 s, quiesced at 13.3 s
    p.at(2 * S);
    p.at(13 * S);
    assert_eq!(p.array.in_flight(), 1, "the first executed at 12.9 s");
    p.at(13 * S + 200 * MS);
    assert_eq!(p.executed().iter().map(|e| e.1).collect::<Vec<_>>(), [1, 2]);

    let mut c = config();
    c.ccr = None;
    c.service_write = Duration::from_millis(12_100);
    let mut p = Port::connected(c);
    p.send(0, 1, write(0, 1));
    p.at(2 * MS);
    p.start(1, silence(&[0])); // lost at 10.002 s, quiesced at 12.002 s
    p.at(12 * S + 2 * MS);
    assert_eq!(p.array.in_flight(), 1);
    p.at(12 * S + 2 * MS + 1);
    assert_eq!(p.array.in_flight(), 0);
    p.at(20 * S);
    assert_eq!(p.executed(), []);
}

#[test]
fn silences_that_begin_again_before_anything_is_resent_are_one() {
    // 5 s of silence, 100 ms of a heal in which nothing is sent again, and silence: lost 10 s after the first began.
    let mut p = Port::connected(config());
    p.start(1, silence(&[0, 2]));
    p.at(5 * S);
    p.end(1);
    p.at(5 * S + 100 * MS);
    p.start(2, silence(&[0]));
    p.at(5 * S + 300 * MS);
    p.start(3, silence(&[2])); // here the host was heard in between
    p.at(10 * S + MS - 1);
    assert_eq!(p.array.associations(), 4);
    p.at(10 * S + MS);
    assert_eq!(p.array.associations(), 3);
    p.at(15 * S + 300 * MS - 1);
    assert_eq!(p.array.associations(), 3);
    p.at(15 * S + 300 * MS);
    assert_eq!(p.array.associations(), 2);
}

#[test]
fn drop_answers_lets_commands_arrive_and_execute() {
    let mut p = Port::connected(config());
    p.start(1, Fault::DropAnswers { paths: paths(&[0]) });
    p.send(0, 1, write(0, 1));
    p.at(20 * S);
    assert_eq!(p.executed(), [(MS + WRITE_EXECUTES, 1)]);
    assert_eq!(p.answers(), []);
    assert_eq!(p.array.associations(), 4, "keep-alives arrive");
    p.end(1);
    p.at(21 * S);
    assert_eq!(p.answers(), [(20 * S + 200 * MS, 1, OK)]);
    // A close in the silent direction's face is heard at once.
    p.start(2, Fault::DropAnswers { paths: paths(&[2]) });
    p.send(2, 2, read(0));
    p.at(22 * S);
    p.array.close(Instant(22 * S), assoc(2, 1));
    p.at(23 * S);
    assert_eq!(p.array.associations(), 3);
    p.end(2);
    p.at(24 * S);
    assert_eq!(p.answers().len(), 1);
    assert_eq!(
        p.array.data_taken(),
        0,
        "the kept answer's buffer is given back"
    );
}

fn delay(add: (u64, u64), jitter: u64) -> Fault {
    Fault::Delay {
        paths: paths(&[0]),
        add_lo: Duration(add.0),
        add_hi: Duration(add.1),
        jitter: Duration(jitter),
    }
}

#[test]
fn delay_adds_to_both_directions_of_its_path_only() {
    let mut p = Port::connected(config());
    p.start(1, delay((3 * MS, 3 * MS), 0));
    p.send(0, 1, read(0));
    p.send(2, 2, read(0));
    p.at(20 * MS);
    let t = MS + READ_EXECUTES + READ_BACK;
    assert_eq!(p.answers(), [(t, 2, OK), (t + 6 * MS, 1, OK)]);
    p.end(1);
    p.send(0, 3, read(0));
    p.at(30 * MS);
    assert_eq!(p.answers()[2], (20 * MS + READ_EXECUTES + READ_BACK, 3, OK));
}

#[test]
fn jitter_spreads_around_the_delay_and_never_reorders_a_connection() {
    let mut p = Port::connected(config());
    p.start(1, delay((MS, MS), 500 * US));
    let mut sent = Vec::new();
    for tag in 0..2000 {
        let t = MS + tag * 2 * MS;
        p.at(t);
        p.send(0, tag, read(0));
        sent.push(t + READ_ARRIVES);
    }
    p.at(5 * S);
    let late: Vec<u64> = p
        .arrived()
        .iter()
        .zip(&sent)
        .map(|(a, s)| a.0 - s)
        .collect();
    assert_eq!(late.len(), 2000);
    let (least, most) = (late.iter().min().unwrap(), late.iter().max().unwrap());
    assert!((500 * US..520 * US).contains(least), "{least}");
    assert!((1480 * US..=1500 * US).contains(most), "{most}");
    let mean = late.iter().sum::<u64>() / 2000;
    assert!((980 * US..1020 * US).contains(&mean), "{mean}");
}

#[test]
fn a_throttle_of_bandwidth_holds_both_directions_to_its_rate() {
    let mut p = Port::connected(config());
    let throttle = |bits_per_s| Fault::ThrottleBits {
        paths: paths(&[0]),
        bits_per_s,
    };
    p.start(1, throttle(80_000_000)); // 100 ns a byte
    p.send(0, 1, write(0, 1));
    p.send(0, 2, write(8, 2));
    p.at(2 * MS);
    let first = MS + WRITE_ARRIVES + 416_800;
    assert_eq!(p.arrived(), [(first, 1), (first + 416_800, 2)]);
    assert_eq!(p.answers()[0], (first + 50_000 + WRITE_BACK + 2400, 1, OK));
    // The end of the throttle lets go what waits in it: the head is half through, 208,400 ns are left of it.
    p.log.clear();
    p.send(0, 3, write(0, 3));
    p.send(0, 4, write(8, 4));
    p.at(2 * MS + 4168 + 208_400);
    p.end(1);
    p.at(3 * MS);
    let t = 2 * MS + 4168 + 208_400 + 25_000 + 4168;
    assert_eq!(p.arrived(), [(t, 3), (t + 4168, 4)]);
}

#[test]
fn a_throttle_of_ios_spaces_the_commands() {
    let mut p = Port::connected(config());
    p.start(
        1,
        Fault::ThrottleIops {
            paths: paths(&[0]),
            milli_per_s: 100_000, // 100 a second
        },
    );
    for tag in 0..4 {
        p.send(0, tag, read(0));
    }
    p.array.refresh(Instant(MS), assoc(0, 1));
    p.at(25 * MS);
    let first = MS + READ_ARRIVES;
    assert_eq!(
        p.arrived(),
        [(first, 0), (first + 10 * MS, 1), (first + 20 * MS, 2)]
    );
    p.end(1);
    p.at(30 * MS);
    assert_eq!(p.arrived()[3], (25 * MS + 25_072, 3));
}
