//! All of libublk is behind this folder: making and ending a ublk device here, one queue's descriptors, commands and data in `queue`. The queue's
//! commands go on the shard's own ring: libublk's stock loop binds a ring to one device, and spins while it stops.

mod copy;
mod queue;

pub use copy::Copy;
pub use queue::{Asked, Queue};

use crate::device::Limits;
use libublk::ctrl::{UblkCtrl, UblkCtrlBuilder};
use libublk::io::UblkDev;
use libublk::{UblkError, UblkFlags, sys};
use std::sync::Arc;

#[derive(Debug, thiserror::Error)]
pub enum FrontError {
    #[error("{step}: {source}{}", hint(source))]
    Ublk {
        step: &'static str,
        source: std::io::Error,
    },
    #[error(
        "the kernel gave the device flags {got:#x}, without {missing:#x} (recovery after a crash, or the way that data are copied); Linux 6.12 or newer has them"
    )]
    Flags { got: u64, missing: u64 },
    #[error(
        "the kernel cannot resize a device that is served (UBLK_F_UPDATE_SIZE, Linux 6.16): the volume's new size takes effect when the daemon is stopped and started"
    )]
    NoResize,
    #[error("mapping the descriptors of queue {queue}: {source}")]
    Map { queue: u16, source: std::io::Error },
}

const START_TRIES: u32 = 20;
const START_AGAIN: std::time::Duration = std::time::Duration::from_millis(100);

/// One ublk device, from the control side.
pub struct Front {
    ctrl: UblkCtrl,
    pub dev: Arc<UblkDev>,
}

/// What a device is to be.
pub struct Wanted {
    pub queues: u16,
    pub depth: u16,
    pub bytes: u64,
    pub limits: Limits,
    pub buffer_bytes: u32,
    pub copy: Copy,
    /// The device that a dead daemon left.
    pub recover: Option<i32>,
}

/// The device outlives its daemon, and what was not answered is asked of the next one again.
const RECOVERY: u64 = (sys::UBLK_F_USER_RECOVERY | sys::UBLK_F_USER_RECOVERY_REISSUE) as u64;

/// What the driver has (`UBLK_F_…`), where there is one that knows the question.
pub fn features() -> Option<u64> {
    std::path::Path::new("/dev/ublk-control")
        .exists()
        .then(UblkCtrl::get_features)
        .flatten()
}

/// What this daemon has use for, of what the kernel has.
fn useful() -> u64 {
    let wanted = u64::from(sys::UBLK_F_QUIESCE | sys::UBLK_F_UPDATE_SIZE);
    features().map_or(0, |has| has & wanted)
}

/// The device has another size from now on, while it is served.
pub fn resize(id: i32, bytes: u64) -> Result<(), FrontError> {
    if features().is_none_or(|has| has & u64::from(sys::UBLK_F_UPDATE_SIZE) == 0) {
        return Err(FrontError::NoResize);
    }
    let ctrl = UblkCtrl::new_simple(id).map_err(failed("finding the device"))?;
    done("resizing the device", ctrl.update_size(bytes))
}

/// What to do about it.
fn hint(e: &std::io::Error) -> &'static str {
    match e.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => "; making ublk devices needs root (CAP_SYS_ADMIN)",
        Some(libc::ENOENT | libc::ENXIO) => "; is the module ublk_drv loaded? `modprobe ublk_drv`",
        Some(libc::EBUSY) => {
            "; another process still has the device: a daemon whose last command is not back, or one that lives; wait for it, or stop it"
        }
        Some(libc::ENODEV | libc::EINVAL) => "; the kernel's log (dmesg) may say more",
        Some(libc::ENOSPC) => {
            "; the kernel allows no more ublk devices: see /sys/module/ublk_drv/parameters/ublks_max"
        }
        _ => "",
    }
}

fn failed(step: &'static str) -> impl Fn(libublk::UblkError) -> FrontError {
    move |e| {
        let source = match e {
            UblkError::UringIOError(e) | UblkError::OtherError(e) => {
                std::io::Error::from_raw_os_error(e.abs())
            }
            UblkError::IOError(e) => e,
            other => std::io::Error::other(other.to_string()),
        };
        FrontError::Ublk { step, source }
    }
}

/// libublk takes "busy" for an answer.
fn done(step: &'static str, result: Result<i32, UblkError>) -> Result<(), FrontError> {
    match result {
        Ok(n) if n < 0 => Err(failed(step)(UblkError::UringIOError(n))),
        Ok(_) => Ok(()),
        Err(e) => Err(failed(step)(e)),
    }
}

impl Front {
    pub fn add(wanted: &Wanted) -> Result<Front, FrontError> {
        let ctrl = UblkCtrlBuilder::default()
            .name("mpio")
            .id(wanted.recover.unwrap_or(-1))
            .nr_queues(wanted.queues)
            .depth(wanted.depth)
            .io_buf_bytes(wanted.buffer_bytes)
            .ctrl_flags(RECOVERY | useful() | wanted.copy.flags())
            .dev_flags(match wanted.recover {
                Some(_) => UblkFlags::UBLK_DEV_F_RECOVER_DEV,
                None => UblkFlags::UBLK_DEV_F_ADD_DEV,
            })
            .build()
            .map_err(failed("adding a ublk device"))?;
        // Whatever becomes of this process, only an orderly end takes the device away.
        ctrl.disown();
        // The kernel drops flags that it does not know without a word.
        let got = ctrl.dev_info().flags;
        let missing = (RECOVERY | wanted.copy.flags()) & !got;
        if missing != 0 {
            if wanted.recover.is_none() {
                let _ = ctrl.del_dev();
            }
            return Err(FrontError::Flags { got, missing });
        }
        let init = |dev: &mut UblkDev| {
            dev.set_default_params(wanted.bytes);
            set_limits(&mut dev.tgt.params, wanted);
            Ok(())
        };
        let dev =
            UblkDev::new(ctrl.get_name(), init, &ctrl).map_err(failed("opening /dev/ublkcN"))?;
        Ok(Front {
            ctrl,
            dev: Arc::new(dev),
        })
    }

    /// Begins to take a device over that a dead daemon left. Waits while the kernel still takes that daemon apart.
    pub fn recover(id: i32) -> Result<(), FrontError> {
        let old = UblkCtrl::new_simple(id).map_err(failed("finding the device that is left"))?;
        let step = "starting the recovery of the device that is left";
        done(step, old.start_user_recover())
    }

    /// What the thread that will serve the queue calls first; returns its id for `configure`.
    pub fn init_thread() -> libc::pid_t {
        UblkCtrl::init_queue_thread()
    }

    pub fn configure(&self, queue: u16, tid: libc::pid_t) -> Result<(), FrontError> {
        let configured = self.ctrl.configure_queue(&self.dev, queue, tid);
        done("configuring a queue", configured)
    }

    /// Makes `/dev/ublkbN` appear. Blocks until every queue has fetched, and reads partitions through them.
    ///
    /// The kernel may say "interrupted" of a wait that nobody interrupted (the command runs on a worker of the ring, which is woken for other reasons),
    /// and that the name exists of a device that is on its way out: nothing has begun then, and it is asked again.
    pub fn start(&self) -> Result<(), FrontError> {
        let step = "starting the device";
        let passes = |e: &FrontError| {
            let FrontError::Ublk { source, .. } = e else {
                return false;
            };
            let errno = source.raw_os_error().unwrap_or(0);
            [libc::EINTR, libc::EAGAIN, libc::EEXIST, libc::EBUSY].contains(&errno)
        };
        for _ in 1..START_TRIES {
            match done(step, self.ctrl.start_dev(&self.dev)) {
                Err(e) if passes(&e) => std::thread::sleep(START_AGAIN),
                other => return other,
            }
        }
        done(step, self.ctrl.start_dev(&self.dev))
    }

    /// Whether the kernel can hold new requests back while one daemon goes and another comes.
    pub fn can_quiesce(&self) -> bool {
        self.ctrl.dev_info().flags & u64::from(sys::UBLK_F_QUIESCE) != 0
    }

    /// New requests wait in the kernel and are nobody's until a daemon takes the device over; what is out has so long to come back. There
    /// is no way back but such a taking over. From any thread.
    pub fn quiesce(id: i32, within: std::time::Duration) -> Result<(), FrontError> {
        let ctrl = UblkCtrl::new_simple(id).map_err(failed("finding the device"))?;
        match ctrl.quiesce_dev(within.as_millis().max(1) as u64) {
            // Something is still out: the device takes nothing new, and the shards wait for it.
            Ok(n) if n == -libc::EBUSY => Ok(()),
            other => done("quiescing the device", other),
        }
    }

    pub fn id(&self) -> i32 {
        self.ctrl.dev_info().dev_id as i32
    }

    pub fn path(&self) -> String {
        self.ctrl.get_bdev_path()
    }

    /// `/dev/ublkbN` goes; what is outstanding ends first, and the queue is told to abort.
    pub fn stop(&self) -> Result<(), FrontError> {
        done("stopping the device", self.ctrl.stop_dev())
    }

    /// Only after the queue's mapping is gone: the kernel waits for the last user of `/dev/ublkcN`.
    pub fn delete(self) -> Result<(), FrontError> {
        drop(self.dev);
        done("deleting the device", self.ctrl.del_dev())
    }
}

/// The device is there, of this shape, and nobody can use or recover it: it was never started, or was stopped already.
pub fn is_unstarted(id: i32, queues: u16, depth: u16) -> bool {
    let is = |info: sys::ublksrv_ctrl_dev_info| {
        let shape = (info.nr_hw_queues, info.queue_depth);
        u32::from(info.state) == sys::UBLK_S_DEV_DEAD && shape == (queues, depth)
    };
    UblkCtrl::new_simple(id).is_ok_and(|ctrl| is(ctrl.dev_info()))
}

/// Takes away a device that a dead daemon left: what waits on it fails.
pub fn give_up(id: i32) -> Result<(), FrontError> {
    let old = UblkCtrl::new_simple(id).map_err(failed("finding the device that is left"))?;
    done("stopping the device", old.kill_dev())?;
    done("deleting the device", old.del_dev())
}

/// What the kernel may ask at once, and how: the paths' own limits, stacked.
fn set_limits(params: &mut sys::ublk_params, wanted: &Wanted) {
    let limits = &wanted.limits;
    let shift = |n: u32| n.max(1).ilog2() as u8;
    let basic = &mut params.basic;
    // Whatever the paths say now: one that is added later, or an array whose battery fails, may have a cache that loses its power, and
    // a flush that a path does not need costs next to nothing.
    basic.attrs = sys::UBLK_ATTR_VOLATILE_CACHE | sys::UBLK_ATTR_FUA;
    basic.logical_bs_shift = shift(limits.block_bytes);
    basic.physical_bs_shift = shift(limits.physical_bytes.max(limits.block_bytes));
    basic.io_min_shift = basic.physical_bs_shift;
    basic.io_opt_shift = match limits.io_opt_bytes {
        0 => basic.physical_bs_shift,
        n => shift(n).max(basic.physical_bs_shift),
    };
    basic.max_sectors = wanted.buffer_bytes >> 9;
    if limits.discard_bytes > 0 || limits.zeroes_bytes > 0 {
        let sectors = |bytes: u64| (bytes >> 9).min(u64::from(u32::MAX >> 9)) as u32;
        params.types |= sys::UBLK_PARAM_TYPE_DISCARD;
        params.discard = sys::ublk_param_discard {
            discard_alignment: 0,
            discard_granularity: limits.discard_granularity.max(limits.block_bytes),
            max_discard_sectors: sectors(limits.discard_bytes),
            max_write_zeroes_sectors: sectors(limits.zeroes_bytes),
            max_discard_segments: 1,
            reserved0: 0,
        };
    }
}
