//! The per-path block devices of one volume, as one shard has them: files (which the shards share), associations (epochs) and the
//! mutating commands of each that have not come back, which are all of this shard that may still write.

use super::keeper::Found;
use crate::seen::PathSeen;
use crate::sys;
use datapath::core::{Epoch, Input};
use protocol::{Access, Identity, Instant, PathId};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// States of SCSI devices (`scsi_sysfs.c`) and NVMe controllers (`nvme_ctrl_state_name`) in which commands fail at once.
const DOWN: [&str; 8] = [
    "offline",
    "transport-offline",
    "cancel",
    "deleted",
    "resetting",
    "connecting",
    "deleting",
    "dead",
];

#[derive(Debug)]
struct Writes {
    epoch: Epoch,
    out: u32,
    lost: bool,
    /// It was lost when a reset of the unit began.
    covered: bool,
    /// A reset has proven its end: what comes back has nothing to say any more.
    over: bool,
}

#[derive(Debug)]
pub struct BlockPath {
    pub file: Option<Arc<File>>,
    pub state: Option<Arc<File>>,
    /// The keeper was asked for the file.
    pub opening: bool,
    /// The keeper was asked for the access states.
    pub asking: bool,
    /// Who the device was when it was opened, and its access: told to the core when the connection stands.
    pub shown: Shown,
    /// When a probe looks at the device again.
    pub look_at: Instant,
    /// It was removed.
    pub leaving: bool,
    /// It has been opened for an attempt to connect; the next one finds it open.
    pub ready: bool,
    pub ever_up: bool,
    /// A read that proves a connection is out: a new attempt adopts it and sends no second one.
    pub proving: bool,
    pub epoch: Epoch,
    /// What a dead daemon may have left on this path; a successful exclusive open proves it gone.
    pub prior: Option<Epoch>,
    /// Commands that have not come back.
    pub out: u32,
    /// Those of them that are neither reads nor writes.
    pub others: u32,
    /// The device is gone; the file is closed once nothing is out.
    pub dead: bool,
    /// Nothing is sent on it: a reset of its unit is under way.
    pub hushed: bool,
    /// Since when a lost write has been seen out.
    pub stuck_since: Option<Instant>,
    /// The association that was last told to be broken.
    pub broken: Option<Epoch>,
    writes: Vec<Writes>,
    /// What is shown of it.
    pub seen: PathSeen,
}

/// What a device shows of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Shown {
    pub identity: Option<Identity>,
    pub bytes: u64,
    pub access: Option<Access>,
}

impl Shown {
    pub fn of(found: &Found) -> Shown {
        Shown {
            identity: found.identity,
            bytes: found.bytes,
            access: found.access,
        }
    }
}

impl BlockPath {
    pub fn new(prior: Option<Epoch>) -> BlockPath {
        BlockPath {
            file: None,
            state: None,
            opening: false,
            asking: false,
            shown: Shown::default(),
            look_at: Instant::ZERO,
            leaving: false,
            ready: false,
            ever_up: false,
            proving: false,
            epoch: Epoch(0),
            prior,
            out: 0,
            others: 0,
            dead: false,
            hushed: false,
            stuck_since: None,
            broken: None,
            writes: Vec::new(),
            seen: PathSeen::default(),
        }
    }

    #[inline]
    pub fn sent(&mut self, epoch: Epoch, mutates: bool) {
        self.out += 1;
        if !mutates {
            return;
        }
        match self.writes.iter_mut().find(|w| w.epoch == epoch) {
            Some(w) => w.out += 1,
            None => self.writes.push(Writes {
                epoch,
                out: 1,
                lost: false,
                covered: false,
                over: false,
            }),
        }
    }

    /// A command came back. The last write of a lost association proves its end: nothing else does, on a block path.
    #[inline]
    pub fn returned(&mut self, path: PathId, epoch: Epoch, mutates: bool) -> Option<Input> {
        self.out -= 1;
        if !mutates {
            return None;
        }
        let at = self.writes.iter().position(|w| w.epoch == epoch)?;
        self.writes[at].out -= 1;
        if self.writes[at].out > 0 {
            return None;
        }
        let over = self.writes.swap_remove(at);
        (over.lost && !over.over).then_some(Input::FenceConfirmed { path, epoch })
    }

    /// Writes of lost associations are out that nothing has proven gone.
    pub fn has_lost_writes(&self) -> bool {
        self.writes.iter().any(|w| w.lost && !w.over)
    }

    /// A reset of the unit begins: it is about what is lost now.
    pub fn cover(&mut self) {
        for w in &mut self.writes {
            w.covered = w.lost;
        }
    }

    /// It has proven the end of these associations.
    pub fn reset_proves(&mut self) -> Vec<Epoch> {
        let covered = self.writes.iter_mut().filter(|w| w.covered && !w.over);
        let over = covered.map(|w| {
            w.over = true;
            w.epoch
        });
        over.collect()
    }

    /// The association is lost; with no write out it is proven gone at once.
    pub fn lost(&mut self, path: PathId, epoch: Epoch) -> Option<Input> {
        match self.writes.iter_mut().find(|w| w.epoch == epoch) {
            Some(w) => {
                w.lost = true;
                None
            }
            None => Some(Input::FenceConfirmed { path, epoch }),
        }
    }

    /// Something may still be written over it: by this daemon, or by one before it.
    pub fn is_feared(&self) -> bool {
        self.prior.is_some() || !self.writes.is_empty()
    }

    /// The kernel says that no command reaches the device: what fails says "I/O error" then, as it does for a bad place of the volume.
    /// One small read of memory, on the way of an error only.
    pub fn is_down(&self) -> bool {
        let mut text = [0; 24];
        let read = |f: &Arc<File>| f.read_at(&mut text, 0).unwrap_or(0);
        let n = self.state.as_ref().map_or(0, read);
        let text = std::str::from_utf8(&text[..n]).unwrap_or_default();
        DOWN.contains(&text.trim())
    }

    /// The device was deleted: reads then return nothing, and writes say "no space".
    pub fn is_gone(&self) -> bool {
        self.file.as_ref().is_none_or(|f| sys::size(f) == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Seek, Write};

    #[test]
    fn only_the_last_write_proves_the_end() {
        let mut p = BlockPath::new(None);
        let (path, epoch) = (PathId(3), Epoch(7));
        p.sent(epoch, true);
        p.sent(epoch, true);
        p.sent(epoch, false);
        assert_eq!(p.lost(path, epoch), None);
        assert_eq!(p.returned(path, epoch, true), None);
        assert_eq!(p.returned(path, epoch, false), None);
        assert_eq!(
            p.returned(path, epoch, true),
            Some(Input::FenceConfirmed { path, epoch })
        );
        assert_eq!(p.out, 0);
        assert_eq!(
            p.lost(path, epoch),
            Some(Input::FenceConfirmed { path, epoch })
        );
    }

    #[test]
    fn a_device_is_down_when_the_kernel_says_so() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let mut p = BlockPath::new(None);
        assert!(!p.is_down(), "nothing is known");
        p.state = Some(Arc::new(file.reopen().unwrap()));
        file.write_all(b"running\n").unwrap();
        assert!(!p.is_down());
        file.rewind().unwrap();
        file.write_all(b"offline\n").unwrap();
        assert!(p.is_down());
    }

    #[test]
    fn a_later_association_is_counted_apart() {
        let mut p = BlockPath::new(None);
        let path = PathId(0);
        p.sent(Epoch(1), true);
        assert_eq!(p.lost(path, Epoch(1)), None);
        p.sent(Epoch(2), true);
        assert_eq!(p.returned(path, Epoch(2), true), None, "it was not lost");
        assert!(p.returned(path, Epoch(1), true).is_some());
    }
}
