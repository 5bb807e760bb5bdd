//! A LUN reset as the proof that a stuck write is over: only where the operator says that this host alone uses the volume (`exclusive`), since it
//! aborts the commands of every initiator on every path.
//!
//! That the array has forgotten a command does not make it gone: the kernel may send it again, when its timer runs out or when the
//! driver gives it back as "reset". A reset counts as proof only where all of this holds:
//!
//! 1. The kernel sends nothing again on its own: `max_retries` of the disk was 0 when it was opened, and is.
//! 2. Every command of ours on the path is with the device's driver (`inflight` says as many as are out): none waits in a queue of
//!    the kernel's, to be sent later. Where the kernel would cut our commands, or make one of several (`nomerges`), nobody could count,
//!    and there is no reset.
//! 3. The device answers the reset on the same path: what was on the way before it is behind it.
//! 4. After it nothing was sent to the device (`iorequest_cnt`), for long enough that what the driver gives back as "reset" would
//!    have been.
//!
//! What is out on the other paths would be aborted with it, without a word to their drivers: so while it lasts the shards take no new
//! request of the volume, and it waits a moment for those that are under way.
#![forbid(unsafe_code)]

use super::driver::Driver;
use super::inbox::{Message, Outbox};
use super::keeper::Want;
use super::paths::BlockPath;
use super::volume::VolumeIo;
use crate::sys;
use crate::sysfs::Folder;
use datapath::core::Input;
use datapath::core::path::Link;
use protocol::{Duration, Instant, PathId};
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time;

/// So long commands under way on other paths are waited for.
const DRAIN: Duration = Duration::from_millis(200);
/// And so long the shards, which wake ten times a second.
const SHARDS: time::Duration = time::Duration::from_secs(2);
/// Requests are not held for longer, whatever becomes of the reset.
const HOLD: time::Duration = time::Duration::from_secs(5);
/// What the driver gives back as "reset" is sent again within this time.
const SETTLE: time::Duration = time::Duration::from_millis(500);
const TICK: time::Duration = time::Duration::from_millis(1);

/// What the keeper and the shards share of one reset.
#[derive(Debug, Default)]
pub struct Quiet {
    /// Shards that have not said yet that they are.
    left: AtomicU32,
    /// Commands out on the path, of those that have, and how many of them are neither reads nor writes.
    out: AtomicU32,
    others: AtomicU32,
}

/// A volume's part in a shard.
#[derive(Debug, Default)]
pub struct Reset {
    /// After a write has been stuck for so long on a lost path; `None`: never.
    pub after: Option<Duration>,
    /// New requests wait.
    pub holds: bool,
    /// Those that do.
    pub held: Vec<u16>,
    /// The path, until when others are waited for, and whom to tell.
    asked: Option<(u16, Instant, Arc<Quiet>)>,
}

impl Reset {
    pub fn begin(&mut self, now: Instant, path: u16, paths: &mut [BlockPath], quiet: Arc<Quiet>) {
        self.holds = true;
        self.asked = Some((path, now + DRAIN, quiet));
        let p = &mut paths[usize::from(path)];
        p.hushed = true;
        p.cover();
    }

    /// Tells the keeper once, when nothing is under way elsewhere.
    pub fn tell_quiet(&mut self, now: Instant, paths: &[BlockPath]) {
        let Some((path, until, quiet)) = &self.asked else {
            return;
        };
        let others = paths.iter().enumerate();
        let busy = others.filter(|(at, p)| *at != usize::from(*path) && p.out > 0);
        if now < *until && busy.count() > 0 {
            return;
        }
        let p = &paths[usize::from(*path)];
        quiet.out.fetch_add(p.out, Ordering::Relaxed);
        quiet.others.fetch_add(p.others, Ordering::Relaxed);
        quiet.left.fetch_sub(1, Ordering::Release);
        self.asked = None;
    }

    /// The paths that want one now.
    pub fn due(&self, now: Instant, paths: &mut [BlockPath]) -> Option<u16> {
        let after = self.after?;
        for (at, p) in paths.iter_mut().enumerate() {
            if !p.has_lost_writes() {
                p.stuck_since = None;
                continue;
            }
            let since = *p.stuck_since.get_or_insert(now);
            // One that has come back has I/O of its own, which would be lost with the reset, and hide what it proves.
            let quiet = p.seen.link != Link::Up && !p.hushed;
            if quiet && now >= since + after {
                // Not again before as long a time.
                p.stuck_since = Some(now);
                return Some(at as u16);
            }
        }
        None
    }
}

impl Driver<'_> {
    /// A lost write has been stuck for long.
    pub fn ask_for_reset(&mut self, now: Instant) {
        if let Some(path) = self.v.reset.due(now, &mut self.v.paths) {
            self.ask(path, Want::Reset);
        }
    }

    /// The requests that were held go on, as if they had been asked for now; how long they took counts from when they were.
    pub fn resume(&mut self, now: Instant) {
        self.v.reset.holds = false;
        for tag in std::mem::take(&mut self.v.reset.held) {
            let asked_at = self.v.tags[usize::from(tag)].at;
            let input = self.asked(now, tag, 0);
            self.v.tags[usize::from(tag)].at = asked_at;
            self.v.pending.extend(input);
        }
    }
}

impl VolumeIo {
    pub fn was_reset(&mut self, path: u16, proven: bool) {
        let p = &mut self.paths[usize::from(path)];
        p.hushed = false;
        p.stuck_since = None;
        if proven {
            let path = PathId(path);
            let over = p.reset_proves().into_iter();
            let over = over.map(|epoch| Input::FenceConfirmed { path, epoch });
            self.pending.extend(over);
        }
    }
}

/// A setting that was changed, and what it was.
pub type Before = (PathBuf, String);

/// Makes the kernel send each command of ours once, and as one; what has to be put back at the end. Only before a command is out: a
/// setting of the queue waits for every one, and holds up those that come.
pub fn prepare(sys: &Folder) -> Vec<Before> {
    let set = |file: PathBuf, to: &str| {
        let before = std::fs::read_to_string(&file).ok()?;
        let before = before.trim().to_string();
        if before == to {
            return None;
        }
        std::fs::write(&file, to).ok()?;
        Some((file, before))
    };
    let retries = disk(sys).map(|d| d.at("max_retries"));
    let retries = retries.and_then(|file| set(file, "0"));
    let merges = set(sys.at("queue/nomerges"), "2");
    retries.into_iter().chain(merges).collect()
}

/// What `prepare` changed. A setting of a queue that a command is still out on is left: it would wait for the command.
pub fn put_back(changed: impl Iterator<Item = Before>) {
    for (file, before) in changed {
        let queue = file.parent().filter(|p| p.ends_with("queue"));
        let sys = queue.and_then(|q| q.parent()).map(Folder::new);
        if sys.is_some_and(|sys| in_flight(&sys) != Some(0)) {
            let file = file.display();
            tracing::warn!("{file} stays changed, commands are out: it was {before}");
            continue;
        }
        let _ = std::fs::write(file, before);
    }
}

fn disk(sys: &Folder) -> Option<Folder> {
    let disks = sys.below("device/scsi_disk");
    let name = disks.names().into_iter().next()?;
    Some(disks.below(&name))
}

/// `scsi_device`'s counts are hexadecimal.
fn sent(sys: &Folder) -> Option<u64> {
    let text = sys.text("device/iorequest_cnt")?;
    u64::from_str_radix(text.trim_start_matches("0x"), 16).ok()
}

/// Reads and writes that are with the device's driver.
fn in_flight(sys: &Folder) -> Option<u64> {
    let text = sys.text("inflight")?;
    text.split_whitespace().map(|n| n.parse::<u64>().ok()).sum()
}

/// On a thread of the keeper's. The shards hold the volume's requests until this says otherwise; whether every write that was lost on the
/// path before is over, or why that is not known.
pub fn carry_out(
    shards: &[Outbox],
    (volume, path): (u16, u16),
    file: &Arc<File>,
    sys: &Folder,
    largest: u64,
) -> Result<(), String> {
    let quiet = Arc::new(Quiet {
        left: AtomicU32::new(shards.len() as u32),
        ..Quiet::default()
    });
    for shard in shards {
        let quiet = quiet.clone();
        shard.send(Message::Quiet {
            volume,
            path,
            quiet,
        });
    }
    let counted = wait_for(&quiet).and_then(|(out, others)| match others {
        0 => may(sys, out, largest),
        _ => Err("a flush or a discard is out on it, which the kernel may send in pieces".into()),
    });
    let done = counted.and_then(|before| Ok((before, ioctl(file)?)));
    for shard in shards {
        shard.send(Message::Resume { volume });
    }
    let (before, answered) = done?;
    answered?;
    std::thread::sleep(SETTLE);
    match sent(sys) {
        Some(now) if now == before => Ok(()),
        _ => Err("it was answered, but the kernel has sent commands again since".into()),
    }
}

fn wait_for(quiet: &Quiet) -> Result<(u32, u32), String> {
    let began = time::Instant::now();
    while quiet.left.load(Ordering::Acquire) > 0 {
        if began.elapsed() > SHARDS {
            return Err("a shard does not answer".into());
        }
        std::thread::sleep(TICK);
    }
    let count = |n: &AtomicU32| n.load(Ordering::Relaxed);
    Ok((count(&quiet.out), count(&quiet.others)))
}

/// What was sent to the device so far, where a reset would prove something.
fn may(sys: &Folder, out: u32, largest: u64) -> Result<u64, String> {
    let unknown = "the kernel does not tell what is out on it";
    let retries = disk(sys).and_then(|d| d.number("max_retries"));
    if retries != Some(0) {
        return Err("the kernel would send its commands again (max_retries)".into());
    }
    let queue = sys.below("queue");
    if queue.number("nomerges") != Some(2) {
        return Err("the kernel makes one command of several (nomerges)".into());
    }
    let limit = |file: &str| queue.number(file).ok_or(unknown);
    // Each page may be a segment, and one more where the memory does not begin with a page.
    let at_once = limit("max_sectors_kb")? << 10;
    let segments = (limit("max_segments")?.saturating_sub(1)) << 12;
    if at_once.min(segments) < largest || limit("chunk_sectors")? > 0 {
        return Err(format!(
            "the kernel may send {largest} bytes in pieces (max_sectors_kb, max_segments, chunk_sectors)"
        ));
    }
    let with_driver = in_flight(sys).ok_or(unknown)?;
    if with_driver != u64::from(out) {
        return Err(format!(
            "{out} commands are out, and its driver has {with_driver} of them"
        ));
    }
    sent(sys).ok_or_else(|| unknown.into())
}

/// The answer, or a bound on the time that it holds others up: then what becomes of it is waited for by nobody.
fn ioctl(file: &Arc<File>) -> Result<Result<(), String>, String> {
    let (tell, answer) = mpsc::channel();
    let file = file.clone();
    let thread = std::thread::Builder::new()
        .name("reset".into())
        .stack_size(64 << 10);
    let spawned = thread.spawn(move || {
        let _ = tell.send(sys::reset_unit(&file));
    });
    spawned.map_err(|e| e.to_string())?;
    match answer.recv_timeout(HOLD) {
        Ok(done) => Ok(done.map_err(|e| format!("the device did not take it: {e}"))),
        Err(_) => Err("the device does not answer it".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datapath::core::Epoch;

    fn device(files: &[(&str, &str)]) -> (tempfile::TempDir, Folder) {
        let folder = tempfile::tempdir().unwrap();
        for (file, text) in files {
            let file = folder.path().join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        let sys = Folder::new(folder.path());
        (folder, sys)
    }

    const READY: [(&str, &str); 7] = [
        ("device/scsi_disk/0:0:0:0/max_retries", "0\n"),
        ("device/iorequest_cnt", "0x1f\n"),
        ("queue/max_sectors_kb", "128\n"),
        ("queue/nomerges", "2\n"),
        ("queue/max_segments", "33\n"),
        ("queue/chunk_sectors", "0\n"),
        ("inflight", "       1        2\n"),
    ];

    #[test]
    fn a_reset_proves_nothing_where_the_kernel_may_send_again() {
        let (_folder, sys) = device(&READY);
        assert_eq!(may(&sys, 3, 128 << 10), Ok(31));
        assert!(may(&sys, 4, 128 << 10).unwrap_err().contains("has 3 of"));
        assert!(may(&sys, 3, 256 << 10).unwrap_err().contains("in pieces"));
        for (at, (file, _)) in READY.iter().enumerate() {
            let mut files = READY;
            files[at].1 = "5\n";
            let (_folder, sys) = device(&files);
            if *file != "device/iorequest_cnt" {
                assert!(may(&sys, 3, 128 << 10).is_err(), "{file}");
            }
            files[at].1 = "what?\n";
            let (_folder, sys) = device(&files);
            assert!(may(&sys, 3, 128 << 10).is_err(), "{file}");
        }
    }

    #[test]
    fn the_disks_own_settings_are_remembered() {
        let retries = "device/scsi_disk/0:0:0:0/max_retries";
        let (_folder, sys) = device(&[(retries, "5\n"), ("queue/nomerges", "0\n")]);
        let before = prepare(&sys);
        let wanted = [(retries, "5"), ("queue/nomerges", "0")];
        assert_eq!(before, wanted.map(|(f, t)| (sys.at(f), t.to_string())));
        let now = |file: &str| sys.number(file).unwrap();
        assert_eq!((now(retries), now("queue/nomerges")), (0, 2));
        assert_eq!(prepare(&sys), [], "it is so already");
        std::fs::write(sys.at("inflight"), "0 1\n").unwrap();
        put_back(before.clone().into_iter());
        assert_eq!((now(retries), now("queue/nomerges")), (5, 2));
        std::fs::write(sys.at("inflight"), "0 0\n").unwrap();
        put_back(before.into_iter());
        assert_eq!(now("queue/nomerges"), 0);
        let (_folder, sys) = device(&[]);
        assert_eq!(prepare(&sys), []);
    }

    #[test]
    fn a_shard_is_quiet_when_other_paths_are_or_have_had_their_time() {
        let mut paths = [BlockPath::new(None), BlockPath::new(None)];
        let (stuck, busy) = (0, 1);
        paths[stuck].sent(Epoch(1), true);
        paths[busy].sent(Epoch(1), false);
        let quiet = Arc::new(Quiet::default());
        quiet.left.store(1, Ordering::Relaxed);
        let mut reset = Reset::default();
        let now = Instant(0);
        reset.begin(now, stuck as u16, &mut paths, quiet.clone());
        assert!(reset.holds && paths[stuck].hushed);
        reset.tell_quiet(now, &paths);
        assert_eq!(quiet.left.load(Ordering::Relaxed), 1);
        paths[busy].returned(PathId(1), Epoch(1), false);
        reset.tell_quiet(now, &paths);
        let told = |quiet: &Quiet| {
            let left = quiet.left.load(Ordering::Relaxed);
            (left, quiet.out.load(Ordering::Relaxed))
        };
        assert_eq!(told(&quiet), (0, 1));
        reset.tell_quiet(now, &paths);
        assert_eq!(told(&quiet), (0, 1), "once");
        quiet.left.store(1, Ordering::Relaxed);
        paths[busy].sent(Epoch(1), false);
        reset.begin(now, stuck as u16, &mut paths, quiet.clone());
        reset.tell_quiet(now + DRAIN, &paths);
        assert_eq!(told(&quiet), (0, 2), "its time is over");
    }

    #[test]
    fn a_path_is_due_when_a_lost_write_is_stuck_and_not_at_once_again() {
        let mut paths = [BlockPath::new(None)];
        let mut reset = Reset::default();
        let second = |n: u64| Instant(n * 1_000_000_000);
        paths[0].sent(Epoch(1), true);
        assert_eq!(
            reset.due(second(9), &mut paths),
            None,
            "it is not exclusive"
        );
        reset.after = Some(Duration::from_secs(2));
        assert_eq!(reset.due(second(9), &mut paths), None, "it is not lost");
        paths[0].lost(PathId(0), Epoch(1));
        paths[0].seen.link = Link::Up;
        assert_eq!(reset.due(second(9), &mut paths), None);
        assert_eq!(reset.due(second(99), &mut paths), None, "it is in use");
        paths[0].seen.link = Link::Lost;
        paths[0].stuck_since = None;
        assert_eq!(reset.due(second(10), &mut paths), None);
        assert_eq!(reset.due(second(12), &mut paths), Some(0));
        assert_eq!(reset.due(second(13), &mut paths), None);
        assert_eq!(reset.due(second(14), &mut paths), Some(0));
        // What was out then, and only that, is over.
        paths[0].cover();
        paths[0].sent(Epoch(2), true);
        paths[0].lost(PathId(0), Epoch(2));
        assert_eq!(paths[0].reset_proves(), [Epoch(1)]);
        assert!(paths[0].has_lost_writes(), "of the second");
        assert_eq!(
            paths[0].returned(PathId(0), Epoch(1), true),
            None,
            "told already"
        );
    }
}
