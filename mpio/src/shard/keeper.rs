//! The devices of all volumes: opened once, exclusively, for every shard (an exclusive open is exclusive within a process too, and
//! what proves a dead daemon's commands gone is that *no* file of it is open any more), and looked at: who they are, how large, with
//! what access. All of that may block, for as long as a device likes, so it is done by threads of the keeper's; a device has at
//! most one of them at a time.

use super::inbox::{Message, Outbox};
use super::reset::{self, Before};
use crate::alua::Source;
use crate::sysfs::Folder;
use crate::{device, identity, sys};
use protocol::{Access, Identity};
use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant};

/// Devices with access states are looked at this often even when nothing asks.
const SWEEP: Duration = Duration::from_secs(1);
/// What an array said of the access is not asked again for so long: several shards ask at once.
const FRESH: Duration = Duration::from_millis(20);
/// Several shards want one at once.
const RESET_AGAIN: Duration = Duration::from_secs(1);
/// Threads that stay when there is nothing to do.
const IDLE_MAX: usize = 2;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Want {
    /// The file, with all that is told of the device.
    Open,
    /// Who it is, and its size; access as it was last told.
    Look,
    /// The same, after the kernel has asked the device for its size.
    Rescan,
    /// Access now, because the core asked.
    States,
    /// Access now; told to the core where it changed.
    Sweep,
    /// A reset of its unit, as proof that what is stuck on it is over. The answer is `Message::WasReset`.
    Reset,
}

/// What a device shows.
#[derive(Clone, Debug)]
pub struct Found {
    pub file: Arc<File>,
    /// The kernel's word on the device, to be read at any time.
    pub state: Option<Arc<File>>,
    pub identity: Option<Identity>,
    pub bytes: u64,
    /// `None`: the device has no access states.
    pub access: Option<Access>,
}

#[derive(Clone, Debug)]
pub struct Told {
    pub volume: u16,
    pub path: u16,
    pub want: Want,
    /// Or why not: an errno.
    pub found: Result<Found, i32>,
}

/// What a device is to a volume.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    Path,
    /// The operator took it away.
    Removed,
    Unknown,
}

#[derive(Debug)]
struct Slot {
    volume: u16,
    path: u16,
    name: Option<PathBuf>,
    /// Where the device sits, whatever name it gets when it comes back there.
    address: Option<PathBuf>,
    /// By the operator.
    removed: bool,
    /// The numbers of the device that was opened last.
    number: Option<(u32, u32)>,
    /// This host alone uses the volume, and asks for so many bytes at once.
    exclusive: Option<u64>,
    /// What its disk had of its own, before it was made ready for resets.
    before: Vec<Before>,
    reset_at: Option<Instant>,
    file: Weak<File>,
    asked: Vec<(u16, Want)>,
    busy: bool,
    source: Source,
    access: Option<Access>,
    access_at: Option<Instant>,
}

#[derive(Debug, Default)]
struct Inner {
    slots: Vec<Slot>,
    ready: VecDeque<usize>,
    closing: Vec<Arc<File>>,
    swept_at: Option<Instant>,
    idle: usize,
    threads: usize,
    over: bool,
}

#[derive(Debug)]
pub struct Keeper {
    inner: Mutex<Inner>,
    more: Condvar,
    shards: Vec<Outbox>,
}

impl Keeper {
    /// `volumes`: the devices of each, by path; `None` where a path may be added later.
    pub fn new(volumes: Vec<Vec<Option<PathBuf>>>, shards: Vec<Outbox>) -> Arc<Keeper> {
        let mut slots = Vec::new();
        for (volume, names) in volumes.into_iter().enumerate() {
            for (path, name) in names.into_iter().enumerate() {
                slots.push(Slot {
                    volume: volume as u16,
                    path: path as u16,
                    address: name.as_deref().and_then(device::address),
                    name,
                    removed: false,
                    number: None,
                    exclusive: None,
                    before: Vec::new(),
                    reset_at: None,
                    file: Weak::new(),
                    asked: Vec::new(),
                    busy: false,
                    source: Source::None,
                    access: None,
                    access_at: None,
                });
            }
        }
        Arc::new(Keeper {
            inner: Mutex::new(Inner {
                slots,
                ..Inner::default()
            }),
            more: Condvar::new(),
            shards,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// The volume's units may be reset. To be said before anything is opened.
    pub fn exclusive(&self, volume: u16, largest: u64) {
        let mut inner = self.lock();
        for slot in inner.slots.iter_mut().filter(|s| s.volume == volume) {
            slot.exclusive = Some(largest);
        }
    }

    /// Where the device of a path sits that has not the name it had, or none. To be said before anything is opened.
    pub fn sits(&self, volume: u16, path: u16, address: &Path) {
        let mut inner = self.lock();
        if let Some(at) = inner.find(volume, path) {
            inner.slots[at].address = Some(address.into());
        }
    }

    /// The answer comes to the shard as `Message::Told`. Never blocks for longer than a look at a list.
    pub fn ask(self: &Arc<Self>, shard: u16, volume: u16, path: u16, want: Want) {
        let mut inner = self.lock();
        let Some(at) = inner.find(volume, path) else {
            return;
        };
        if !inner.slots[at].asked.contains(&(shard, want)) {
            inner.slots[at].asked.push((shard, want));
            inner.make_ready(at);
        }
        self.call(inner);
    }

    /// A file that a shard needs no longer: closed by a thread that may wait for it.
    pub fn give_back(self: &Arc<Self>, file: Arc<File>) {
        let mut inner = self.lock();
        inner.closing.push(file);
        self.call(inner);
    }

    /// Asks for all shards: of one device, by its numbers, or of each that is open.
    pub fn notice(self: &Arc<Self>, number: Option<(u32, u32)>, want: Want) {
        let shards = self.shards.len() as u16;
        let mut inner = self.lock();
        for at in 0..inner.slots.len() {
            let slot = &inner.slots[at];
            let meant = number.is_none() || slot.number == number;
            if meant && slot.file.strong_count() > 0 {
                inner.ask_for_all(at, shards, want);
            }
        }
        self.call(inner);
    }

    /// The slot for a device that is added: one that has its name, or its place, or never had a device, or whose device was removed or is gone for
    /// good, and has no command out any more.
    pub fn slot_for(&self, volume: u16, name: &Path) -> Option<u16> {
        let mut inner = self.lock();
        let address = device::address(name);
        let of_volume = |s: &Slot| s.volume == volume;
        let same = |s: &Slot| of_volume(s) && s.is(name, address.as_deref());
        let unused = |s: &Slot| {
            of_volume(s) && (s.name.is_none() || s.removed && s.file.strong_count() == 0)
        };
        let left = |s: &Slot| of_volume(s) && s.is_left();
        let slots = &mut inner.slots;
        let at = slots.iter().position(same);
        let at = at.or_else(|| slots.iter().position(unused));
        let at = at.or_else(|| slots.iter().position(left))?;
        let slot = &mut slots[at];
        slot.name = Some(name.into());
        slot.address = address;
        slot.removed = false;
        Some(slot.path)
    }

    /// A path keeps its standing under another name as long as its place on the bus is the same: but a new name is told as one.
    pub fn standing(&self, volume: u16, name: &Path) -> Standing {
        let inner = self.lock();
        let address = device::address(name);
        let has = |s: &&Slot| s.volume == volume && s.is(name, address.as_deref());
        match inner.slots.iter().find(has) {
            Some(s) if s.removed => Standing::Removed,
            Some(s) if s.name.as_deref() == Some(name) && s.address == address => Standing::Path,
            _ => Standing::Unknown,
        }
    }

    /// The slot that has this device, which is removed.
    pub fn remove(&self, volume: u16, name: &Path) -> Option<u16> {
        let mut inner = self.lock();
        let has = |s: &&mut Slot| s.volume == volume && s.name.as_deref() == Some(name);
        let slot = inner.slots.iter_mut().find(has)?;
        slot.removed = true;
        Some(slot.path)
    }

    /// The same where another volume's device has the name or the place now; whatever comes may have the slot.
    pub fn vacate(&self, volume: u16, name: &Path) -> Option<u16> {
        let address = device::address(name);
        let mut inner = self.lock();
        let has = |s: &&mut Slot| s.volume == volume && s.is(name, address.as_deref());
        let slot = inner.slots.iter_mut().find(has)?;
        slot.removed = true;
        Some(slot.path)
    }

    /// A thread for each device that has something to do, up to one for all: most often one does it all.
    fn call(self: &Arc<Self>, mut inner: MutexGuard<'_, Inner>) {
        let waiting = inner.ready.len() + inner.closing.len();
        if waiting > inner.idle && inner.threads <= inner.slots.len() {
            inner.threads += 1;
            let keeper = self.clone();
            let thread = std::thread::Builder::new()
                .name("keeper".into())
                .stack_size(128 << 10)
                .spawn(move || keeper.work());
            if thread.is_err() {
                inner.threads -= 1;
            }
        }
        drop(inner);
        self.more.notify_one();
    }

    /// No thread begins anything any more.
    pub fn end(&self) {
        let mut inner = self.lock();
        inner.over = true;
        self.more.notify_all();
        // What the disks had of their own.
        for slot in &mut inner.slots {
            reset::put_back(slot.before.drain(..));
        }
    }

    /// After `end`: closes what the shards have given back, and waits until every thread has closed what it had. False: one hangs.
    pub fn settle(&self, within: Duration) -> bool {
        let closing = std::mem::take(&mut self.lock().closing);
        drop(closing);
        let until = Instant::now() + within;
        while self.lock().threads > 0 {
            if Instant::now() >= until {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        true
    }

    fn work(&self) {
        let mut inner = self.lock();
        while !inner.over {
            if let Some(file) = inner.closing.pop() {
                drop(inner);
                drop(file);
                inner = self.lock();
                continue;
            }
            if let Some(at) = inner.ready.pop_front() {
                inner = self.serve(inner, at);
                continue;
            }
            if inner.idle >= IDLE_MAX {
                break;
            }
            inner.idle += 1;
            let (back, _) = self
                .more
                .wait_timeout(inner, SWEEP)
                .unwrap_or_else(|e| e.into_inner());
            inner = back;
            inner.idle -= 1;
            inner.sweep(self.shards.len() as u16);
        }
        inner.threads -= 1;
    }

    fn serve<'a>(&'a self, mut inner: MutexGuard<'a, Inner>, at: usize) -> MutexGuard<'a, Inner> {
        let slot = &mut inner.slots[at];
        slot.busy = true;
        let asked = std::mem::take(&mut slot.asked);
        let mut job = Job {
            name: slot.name.clone(),
            address: slot.address.clone(),
            file: slot.file.upgrade(),
            source: slot.source,
            access: slot.access,
            access_at: slot.access_at,
            number: slot.number,
            prepares: slot.exclusive.is_some(),
            before: Vec::new(),
        };
        let largest = slot.exclusive.unwrap_or(u64::MAX);
        let settled = slot.reset_at.is_some_and(|at| at.elapsed() < RESET_AGAIN);
        let resets = asked.iter().any(|(_, want)| *want == Want::Reset) && !settled;
        if resets {
            slot.reset_at = Some(Instant::now());
        }
        let (volume, path) = (slot.volume, slot.path);
        drop(inner);
        let any = |wants: &[Want]| asked.iter().any(|(_, want)| wants.contains(want));
        let opens = any(&[Want::Open]);
        let (states, rescans) = (any(&[Want::States, Want::Sweep]), any(&[Want::Rescan]));
        let found = job.run(opens, states, rescans);
        let file = found
            .as_ref()
            .map_or(Weak::new(), |f| Arc::downgrade(&f.file));
        if resets && let Ok(found) = &found {
            self.reset((volume, path), found, &job, largest);
        }
        for (shard, want) in asked {
            if want == Want::Reset {
                continue;
            }
            if let Some(outbox) = self.shards.get(usize::from(shard)) {
                outbox.send(Message::Told(Told {
                    volume,
                    path,
                    want,
                    found: found.clone(),
                }));
            }
        }
        let mut inner = self.lock();
        let slot = &mut inner.slots[at];
        if file.strong_count() > 0 {
            slot.file = file;
        }
        slot.busy = false;
        for before in job.before.drain(..) {
            // What it had first, however often it is opened.
            if !slot.before.iter().any(|b| b.0 == before.0) {
                slot.before.push(before);
            }
        }
        slot.number = job.number;
        (slot.source, slot.access, slot.access_at) = (job.source, job.access, job.access_at);
        if !slot.asked.is_empty() {
            inner.ready.push_back(at);
        }
        // This may be the last holder of a file that every shard has given back meanwhile.
        drop(inner);
        drop((found, job));
        self.lock()
    }
}

impl Keeper {
    fn reset(&self, at: (u16, u16), found: &Found, job: &Job, largest: u64) {
        let name = job.name.as_deref().unwrap_or(Path::new("a path")).display();
        let Some(number) = job.number else { return };
        let sys = Folder::of_number(number);
        tracing::warn!("{name}: a write is stuck: its unit is reset");
        let done = reset::carry_out(&self.shards, at, &found.file, &sys, largest);
        match &done {
            Ok(()) => tracing::warn!("{name}: its unit was reset: what was stuck is over"),
            Err(why) => tracing::warn!("{name}: a reset of its unit proves nothing: {why}"),
        }
        let (volume, path) = at;
        for shard in &self.shards {
            shard.send(Message::WasReset {
                volume,
                path,
                proven: done.is_ok(),
            });
        }
    }
}

impl Slot {
    fn is(&self, name: &Path, address: Option<&Path>) -> bool {
        self.name.as_deref() == Some(name)
            || address.is_some() && self.address.as_deref() == address
    }

    /// Its device was open once (so nothing of a dead daemon is out on it), was given back, and there is none at its place.
    fn is_left(&self) -> bool {
        let gone = |name: &PathBuf| !name.exists();
        let empty = |address: &PathBuf| device::at_address(address).is_none();
        self.number.is_some()
            && self.file.strong_count() == 0
            && self.name.as_ref().is_none_or(gone)
            && self.address.as_ref().is_none_or(empty)
    }
}

impl Inner {
    fn ask_for_all(&mut self, at: usize, shards: u16, want: Want) {
        for shard in 0..shards {
            if !self.slots[at].asked.contains(&(shard, want)) {
                self.slots[at].asked.push((shard, want));
            }
        }
        self.make_ready(at);
    }

    fn find(&self, volume: u16, path: u16) -> Option<usize> {
        let is = |s: &Slot| (s.volume, s.path) == (volume, path);
        self.slots.iter().position(is)
    }

    fn make_ready(&mut self, at: usize) {
        if !self.slots[at].busy && !self.ready.contains(&at) {
            self.ready.push_back(at);
        }
    }

    fn sweep(&mut self, shards: u16) {
        let now = Instant::now();
        if self.swept_at.is_some_and(|at| now < at + SWEEP) {
            return;
        }
        self.swept_at = Some(now);
        for at in 0..self.slots.len() {
            let slot = &self.slots[at];
            if slot.source == Source::None || slot.file.strong_count() == 0 || slot.busy {
                continue;
            }
            self.ask_for_all(at, shards, Want::Sweep);
        }
    }
}

/// What is done for one device, without the lock.
struct Job {
    name: Option<PathBuf>,
    address: Option<PathBuf>,
    file: Option<Arc<File>>,
    source: Source,
    access: Option<Access>,
    access_at: Option<Instant>,
    number: Option<(u32, u32)>,
    /// Its disk is made ready for resets.
    prepares: bool,
    before: Vec<Before>,
}

impl Job {
    fn run(&mut self, opens: bool, states: bool, rescans: bool) -> Result<Found, i32> {
        let fresh = self.file.is_none();
        let file = match self.file.take() {
            Some(file) if sys::size(&file) > 0 => file,
            // Its device is gone, and some shard has commands out on it.
            Some(_) if opens => return Err(libc::EBUSY),
            None if opens => Arc::new(self.open()?),
            _ => return Err(libc::ENODEV),
        };
        let meta = file
            .metadata()
            .map_err(|e| e.raw_os_error().unwrap_or(libc::EIO))?;
        // Of the open file, not of its name.
        let number = (libc::major(meta.rdev()), libc::minor(meta.rdev()));
        self.number = Some(number);
        let sys = Folder::of_number(number);
        if rescans {
            // NVMe has no such file: its controllers tell of a new size by themselves, and the kernel looks.
            let _ = std::fs::write(sys.at("device/rescan"), "1");
        }
        if fresh && self.prepares {
            self.before = reset::prepare(&sys);
        }
        if opens {
            self.source = Source::of(&sys, &file);
            self.access_at = None;
        }
        if opens || states && self.access_at.is_none_or(|at| at.elapsed() > FRESH) {
            // What cannot be told now stays as it was told.
            if let Some(access) = self.source.read(&sys, &file) {
                self.access = Some(access);
            } else if opens {
                self.access = None;
            }
            self.access_at = Some(Instant::now());
        }
        let state = opens.then(|| File::open(sys.at("device/state")).ok());
        Ok(Found {
            state: state.flatten().map(Arc::new),
            identity: identity::of(&sys).map(|w| device::identity(&w)),
            bytes: sys::size(&file),
            access: self.access,
            file,
        })
    }

    fn open(&self) -> Result<File, i32> {
        let flags = libc::O_DIRECT | libc::O_EXCL | libc::O_CLOEXEC;
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        // When it was read last is nothing that each read should look at; only the owner of the device's node can say so.
        let mut open = |name: &Path| match options.custom_flags(flags | libc::O_NOATIME).open(name)
        {
            Err(e) if e.raw_os_error() == Some(libc::EPERM) => {
                options.custom_flags(flags).open(name)
            }
            done => done,
        };
        let errno = |e: &std::io::Error| e.raw_os_error().unwrap_or(libc::EIO);
        let name = self.name.as_deref().ok_or(libc::ENODEV)?;
        match open(name) {
            Err(e) if [libc::ENOENT, libc::ENXIO, libc::ENODEV].contains(&errno(&e)) => {
                // It may be back under another name.
                let found = self.address.as_deref().and_then(device::at_address);
                let found = found.ok_or(libc::ENODEV)?;
                open(&found).map_err(|e| errno(&e))
            }
            done => done.map_err(|e| errno(&e)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::inbox::Inbox;
    use super::*;

    #[test]
    fn what_cannot_be_opened_is_told_to_who_asked() {
        let (outbox, inbox) = Inbox::new().unwrap();
        let names = vec![vec![Some(PathBuf::from("/dev/there-is-none")), None]];
        let keeper = Keeper::new(names, vec![outbox]);
        for path in 0..2 {
            keeper.ask(0, 0, path, Want::Open);
        }
        let mut told = Vec::new();
        let until = Instant::now() + Duration::from_secs(10);
        while told.len() < 2 && Instant::now() < until {
            match inbox.next() {
                Some(Message::Told(t)) => told.push((t.path, t.want, t.found.unwrap_err())),
                _ => std::thread::sleep(Duration::from_millis(1)),
            }
        }
        told.sort_by_key(|t| t.0);
        let wanted = |path| (path, Want::Open, libc::ENODEV);
        assert_eq!(told, [wanted(0), wanted(1)]);
        keeper.end();
    }

    #[test]
    fn a_device_that_is_added_takes_the_slot_it_had_or_a_free_one() {
        let names = vec![vec![Some(PathBuf::from("/dev/a")), None], vec![None]];
        let keeper = Keeper::new(names, Vec::new());
        assert_eq!(keeper.slot_for(0, Path::new("/dev/a")), Some(0));
        assert_eq!(keeper.slot_for(0, Path::new("/dev/b")), Some(1));
        assert_eq!(keeper.slot_for(0, Path::new("/dev/c")), None, "no room");
        assert_eq!(keeper.slot_for(1, Path::new("/dev/c")), Some(0));
        assert_eq!(keeper.remove(0, Path::new("/dev/b")), Some(1));
        assert_eq!(
            keeper.slot_for(0, Path::new("/dev/c")),
            Some(1),
            "it is free"
        );
        assert_eq!(keeper.remove(0, Path::new("/dev/b")), None);
    }

    #[test]
    fn a_device_that_was_taken_away_is_known_and_one_that_is_gone_makes_room() {
        let name = |n: &str| PathBuf::from(format!("/dev/there-is-no-{n}"));
        let names = vec![vec![Some(name("a")), Some(name("b"))], vec![None]];
        let keeper = Keeper::new(names, Vec::new());
        assert_eq!(keeper.standing(0, &name("a")), Standing::Path);
        assert_eq!(keeper.standing(1, &name("a")), Standing::Unknown);
        keeper.remove(0, &name("a"));
        assert_eq!(keeper.standing(0, &name("a")), Standing::Removed);
        assert_eq!(keeper.slot_for(0, &name("a")), Some(0));
        assert_eq!(keeper.slot_for(0, &name("c")), None, "none was ever open");
        // What was open once and is gone, file and name, is not waited for.
        keeper.lock().slots[1].number = Some((8, 16));
        let file = Arc::new(tempfile::tempfile().unwrap());
        keeper.lock().slots[1].file = Arc::downgrade(&file);
        assert_eq!(keeper.slot_for(0, &name("c")), None, "a command may be out");
        drop(file);
        assert_eq!(keeper.slot_for(0, &name("c")), Some(1));
        assert_eq!(keeper.vacate(0, &name("c")), Some(1));
        assert_eq!(
            keeper.slot_for(0, &name("d")),
            Some(1),
            "it is free at once"
        );
    }
}
