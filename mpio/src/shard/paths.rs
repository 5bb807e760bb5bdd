//! The per-path block devices of one volume: open files, associations (epochs) and the mutating commands of each that have not
//! come back, which are all that may still write.

use crate::device;
use crate::seen::PathSeen;
use datapath::core::{Epoch, Input};
use protocol::PathId;
use std::ffi::CString;
use std::os::fd::RawFd;
use std::path::PathBuf;

#[derive(Debug)]
struct Writes {
    epoch: Epoch,
    out: u32,
    lost: bool,
}

#[derive(Debug)]
pub struct BlockPath {
    pub c_name: CString,
    pub sys: PathBuf,
    pub file: Option<RawFd>,
    /// An open is on its way.
    pub opening: bool,
    /// A read that proves a connection is out: a new attempt adopts it and sends no second one.
    pub proving: bool,
    pub epoch: Epoch,
    /// What a dead daemon may have left on this path; a successful exclusive open proves it gone.
    pub prior: Option<Epoch>,
    /// Commands that have not come back.
    pub out: u32,
    /// The device is gone; the file is closed once nothing is out.
    pub dead: bool,
    writes: Vec<Writes>,
    /// What is shown of it.
    pub seen: PathSeen,
}

impl BlockPath {
    pub fn new(name: PathBuf, sys: PathBuf, prior: Option<Epoch>) -> BlockPath {
        use std::os::unix::ffi::OsStrExt;
        // A path with a NUL in it cannot have come from a directory.
        let c_name = CString::new(name.as_os_str().as_bytes()).unwrap_or_default();
        BlockPath {
            c_name,
            sys,
            file: None,
            opening: false,
            proving: false,
            epoch: Epoch(0),
            prior,
            out: 0,
            dead: false,
            writes: Vec::new(),
            seen: PathSeen::default(),
        }
    }

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
            }),
        }
    }

    /// A command came back. The last write of a lost association proves its end: nothing else does, on a block path.
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
        over.lost.then_some(Input::FenceConfirmed { path, epoch })
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

    /// The device was deleted: reads then return nothing, and writes say "no space".
    pub fn is_gone(&self) -> bool {
        device::size_now(&self.sys) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_write_proves_the_end() {
        let mut p = BlockPath::new("/dev/x".into(), "/sys/x".into(), None);
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
    fn a_later_association_is_counted_apart() {
        let mut p = BlockPath::new("/dev/x".into(), "/sys/x".into(), None);
        let path = PathId(0);
        p.sent(Epoch(1), true);
        assert_eq!(p.lost(path, Epoch(1)), None);
        p.sent(Epoch(2), true);
        assert_eq!(p.returned(path, Epoch(2), true), None, "it was not lost");
        assert!(p.returned(path, Epoch(1), true).is_some());
    }
}
