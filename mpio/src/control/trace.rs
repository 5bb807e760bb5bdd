//! `mpio trace`: what a volume serves, as a fio iolog (version 3), which fio replays and the harness makes a scenario of. The daemon sends
//! records over the admin socket for as long as the client listens; the client writes the file, and ends at its bound.
#![forbid(unsafe_code)]

use super::protocol::{Answer, Refusal, Traced, refused};
use super::{Control, NameError};
use crate::record::{Record, Recorder};
use protocol::Op;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::OwnedWriteHalf;

/// How often records are taken out: well before their queue is full.
const EVERY: Duration = Duration::from_millis(5);
/// Records in one answer.
const BATCH: usize = 8192;
/// An idle volume is heard of this often, so that either end notices that the other has gone.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(5);

pub const HEADER: &str = "fio version 3 iolog\n";

/// The recorder is given to one client at a time, which has it for the time of its trace.
struct Running<'a>(tokio::sync::MutexGuard<'a, Recorder>);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl Control {
    /// Until the client goes.
    pub(super) async fn trace(
        &self,
        name: &str,
        client: &mut (impl AsyncRead + Unpin),
        out: &mut OwnedWriteHalf,
    ) -> io::Result<()> {
        let found = self.names().volume(name).map(|(at, _)| at);
        let volume = match found {
            Ok(volume) => volume,
            Err(e) => return say(out, &unknown(&e)).await,
        };
        let Ok(recorder) = self.recorder.try_lock() else {
            let what = "somebody traces already: one trace at a time";
            return say(out, &refused(Refusal::Busy, what)).await;
        };
        recorder.start(volume);
        let running = Running(recorder);
        let mut told_at: Option<tokio::time::Instant> = None;
        let mut records = Vec::with_capacity(BATCH);
        loop {
            running.0.take(BATCH, &mut records);
            let quiet = told_at.is_some_and(|at| at.elapsed() < SIGN_OF_LIFE);
            if !(records.is_empty() && quiet) {
                let answer = Answer::Traced(Traced {
                    records: records.iter().map(packed).collect(),
                    missed: running.0.missed(),
                });
                say(out, &answer).await?;
                told_at = Some(tokio::time::Instant::now());
            }
            if records.len() < BATCH {
                let mut word = [0];
                tokio::select! {
                    () = tokio::time::sleep(EVERY) => {}
                    // It has nothing more to say: it is gone.
                    _ = client.read(&mut word) => return Ok(()),
                }
            }
        }
    }
}

fn unknown(e: &NameError) -> Answer {
    refused(Refusal::Name, e.to_string())
}

pub(super) async fn say(out: &mut OwnedWriteHalf, answer: &Answer) -> io::Result<()> {
    let mut text = serde_json::to_string(answer)?;
    text.push('\n');
    tokio::time::timeout(PATIENCE, out.write_all(text.as_bytes())).await?
}

fn packed(r: &Record) -> (u64, u8, u64, u32) {
    let op = match r.op {
        Op::Read => b'r',
        Op::Write => b'w',
        Op::Flush => b'f',
        Op::Discard => b'd',
        Op::WriteZeroes => b'z',
    };
    (r.at.0, op, r.offset, r.bytes)
}

/// Records as lines of an iolog that may have so many bytes and no more.
#[derive(Debug)]
pub struct Iolog {
    file: String,
    began_ns: Option<u64>,
    left: u64,
    pub ios: u64,
    pub full: bool,
}

impl Iolog {
    /// `file` stands for the volume in the log. Returns what the log begins with.
    pub fn begin(file: &str, max_bytes: u64) -> (Iolog, String) {
        let text = format!("{HEADER}0 {file} add\n0 {file} open\n");
        let log = Iolog {
            file: file.into(),
            began_ns: None,
            left: max_bytes.saturating_sub(text.len() as u64),
            ios: 0,
            full: false,
        };
        (log, text)
    }

    /// Times count from the first record, in microseconds; one shard's may come a moment after a later one of another's.
    pub fn lines(&mut self, traced: &Traced) -> String {
        let mut text = String::new();
        for (at, op, offset, bytes) in &traced.records {
            let began = *self.began_ns.get_or_insert(*at);
            let us = at.saturating_sub(began) / 1000;
            let file = &self.file;
            let line = match op {
                b'r' => format!("{us} {file} read {offset} {bytes}\n"),
                // fio has no word for zeroes: they are written.
                b'w' | b'z' => format!("{us} {file} write {offset} {bytes}\n"),
                b'd' => format!("{us} {file} trim {offset} {bytes}\n"),
                _ => format!("{us} {file} sync 0 0\n"),
            };
            let Some(left) = self.left.checked_sub(line.len() as u64) else {
                self.full = true;
                return text;
            };
            self.left = left;
            self.ios += 1;
            text.push_str(&line);
        }
        text
    }
}

/// `64MiB`, `10M`, `4096`: bytes.
pub fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim() {
        "" | "B" => 0,
        "K" | "KiB" => 10,
        "M" | "MiB" => 20,
        "G" | "GiB" => 30,
        _ => return Err(format!("\"{text}\": a number of bytes, KiB, MiB or GiB")),
    };
    let number: u64 = number
        .parse()
        .map_err(|_| format!("\"{text}\": a number of bytes, KiB, MiB or GiB"))?;
    number
        .checked_mul(1 << shift)
        .ok_or_else(|| format!("\"{text}\": more than 2^64 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::client::Talk;
    use crate::control::protocol::Request;
    use crate::control::tests::daemon;
    use protocol::Instant;

    fn record(us: u64, op: Op) -> Record {
        Record {
            at: Instant(us * 1000),
            op,
            offset: 8192,
            bytes: 4096,
        }
    }

    #[test]
    fn a_log_has_every_action_and_keeps_its_bound() {
        let ops = [Op::Read, Op::Write, Op::Flush, Op::Discard, Op::WriteZeroes];
        let records = ops.iter().zip(5..).map(|(op, us)| packed(&record(us, *op)));
        let traced = Traced {
            records: records.collect(),
            missed: 0,
        };
        let (mut log, head) = Iolog::begin("db", 1 << 20);
        insta::assert_snapshot!(head + &log.lines(&traced));
        assert_eq!((log.ios, log.full), (5, false));
        for max in 0..200 {
            let (mut log, head) = Iolog::begin("db", max);
            let text = head.clone() + &log.lines(&traced);
            assert!(text.len() as u64 <= max.max(head.len() as u64));
            assert!(text.ends_with('\n'), "whole lines only");
        }
    }

    #[test]
    fn sizes_are_read() {
        let ok = ["4096", "10K", "64MiB", "2 GiB"].map(|t| bytes(t).unwrap());
        assert_eq!(ok, [4096, 10 << 10, 64 << 20, 2 << 30]);
        for bad in ["", "MiB", "-1", "1.5M", "99999999999GiB", "1TB"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_client_hears_what_the_volume_serves_and_another_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("mpio.sock");
        let d = daemon(&socket);
        let request = |volume: &str| Request::Trace {
            volume: volume.into(),
        };
        let mut none = Talk::begin(&socket, &request("x")).unwrap();
        assert!(none.next().unwrap_err().to_string().contains("no volume"));
        let mut talk = Talk::begin(&socket, &request("db")).unwrap();
        let Some(Answer::Traced(first)) = talk.next().unwrap() else {
            panic!("no trace")
        };
        assert_eq!(first.records, [], "a sign of life comes first");
        d.notes.served(0, || record(7, Op::Write));
        let Some(Answer::Traced(traced)) = talk.next().unwrap() else {
            panic!("no trace")
        };
        assert_eq!(traced.records, [(7000, b'w', 8192, 4096)]);
        let mut second = Talk::begin(&socket, &request("db")).unwrap();
        let error = second.next().unwrap_err();
        assert!(error.to_string().contains("one trace at a time"), "{error}");
        drop(talk);
        // The end of the client is noticed, and the next one served.
        for _ in 0..100 {
            let mut next = Talk::begin(&socket, &request("db")).unwrap();
            if next.next().is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("the trace of a client that went is not over");
    }
}
