//! One queue of a ublk device: what the kernel asks under each tag, the commands that answer it, and the data of requests that the daemon
//! copies itself.

use super::{Copy, FrontError};
use io_uring::{opcode, squeue, types};
use libublk::io::{UblkDev, UblkIOCtx};
use libublk::sys;
use protocol::Op;
use std::io;

/// One request of the kernel.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// `None`: an operation that this daemon does not serve.
    pub op: Option<Op>,
    pub sector: u64,
    pub sectors: u32,
    pub fua: bool,
    pub failfast: bool,
    /// Write-zeroes must leave the blocks allocated.
    pub nounmap: bool,
    /// The request's pages are registered with the ring, under the tag's index.
    pub lent: bool,
}

/// One queue's descriptors, mapped.
pub struct Queue {
    cdev: i32,
    id: u16,
    pub depth: u16,
    pub copy: Copy,
    /// Where the ring's table of buffers has the pages of the first tag.
    first_index: u16,
    iods: *mut libc::c_void,
    bytes: usize,
}

impl Queue {
    /// `first_index`: of the queue's tags in the ring's table of buffers, where `copy` lends pages.
    pub fn map(dev: &UblkDev, id: u16, copy: Copy, first_index: u16) -> Result<Queue, FrontError> {
        let depth = dev.dev_info.queue_depth;
        let cdev = dev.tgt.fds[0];
        let page = |n: usize| n.div_ceil(4096) * 4096;
        let one = size_of::<sys::ublksrv_io_desc>();
        let bytes = page(usize::from(depth) * one);
        let offset = usize::from(id) * page(sys::UBLK_MAX_QUEUE_DEPTH as usize * one);
        // SAFETY: a new mapping at an address that the kernel chooses; `cdev` is open for as long as `dev` lives.
        let iods = unsafe {
            let flags = libc::MAP_SHARED | libc::MAP_POPULATE;
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                libc::PROT_READ,
                flags,
                cdev,
                offset as i64,
            )
        };
        if iods == libc::MAP_FAILED {
            return Err(FrontError::Map {
                queue: id,
                source: std::io::Error::last_os_error(),
            });
        }
        Ok(Queue {
            cdev,
            id,
            depth,
            copy,
            first_index,
            iods,
            bytes,
        })
    }

    /// Once a queue: all buffers are named to the kernel by the fetch commands; without this word START_DEV waits for ever.
    pub fn fetched(dev: &UblkDev) {
        dev.notify_buffer_registration_complete(false);
    }

    /// What the kernel asks under this tag. Only between a fetch that came back and its commit.
    pub fn asked(&self, tag: u16) -> Asked {
        assert!(tag < self.depth);
        // SAFETY: within the mapping, whose entries are plain data that the kernel wrote before it completed the fetch.
        let iod = unsafe {
            self.iods
                .cast::<sys::ublksrv_io_desc>()
                .add(usize::from(tag))
                .read_volatile()
        };
        Asked {
            op: match iod.op_flags & 0xff {
                sys::UBLK_IO_OP_READ => Some(Op::Read),
                sys::UBLK_IO_OP_WRITE => Some(Op::Write),
                sys::UBLK_IO_OP_FLUSH => Some(Op::Flush),
                sys::UBLK_IO_OP_DISCARD => Some(Op::Discard),
                sys::UBLK_IO_OP_WRITE_ZEROES => Some(Op::WriteZeroes),
                _ => None,
            },
            sector: iod.start_sector,
            sectors: iod.nr_sectors,
            fua: iod.op_flags & sys::UBLK_IO_F_FUA != 0,
            failfast: iod.op_flags & sys::UBLK_IO_F_FAILFAST_TRANSPORT != 0,
            nounmap: iod.op_flags & sys::UBLK_IO_F_NOUNMAP != 0,
            lent: self.copy == Copy::Zero && iod.op_flags & sys::UBLK_IO_F_NEED_REG_BUF == 0,
        }
    }

    /// `buffer`: the tag's own, where it has one.
    pub fn fetch(&self, tag: u16, buffer: u64) -> squeue::Entry {
        self.command(tag, sys::UBLK_U_IO_FETCH_REQ, -1, buffer)
    }

    /// Ends the request with `result` (bytes, or a negative errno) and asks for the tag's next one. Where tags have buffers its data come
    /// into, or go out of, `buffer`, and a read's data are copied out of it at this command.
    pub fn commit(&self, tag: u16, result: i32, buffer: u64) -> squeue::Entry {
        self.command(tag, sys::UBLK_U_IO_COMMIT_AND_FETCH_REQ, result, buffer)
    }

    fn command(&self, tag: u16, op: u32, result: i32, buffer: u64) -> squeue::Entry {
        let mut bytes = [0u8; 16];
        bytes[0..2].copy_from_slice(&self.id.to_ne_bytes());
        bytes[2..4].copy_from_slice(&tag.to_ne_bytes());
        bytes[4..8].copy_from_slice(&result.to_ne_bytes());
        let lends = match self.copy {
            Copy::Copy => {
                bytes[8..16].copy_from_slice(&buffer.to_ne_bytes());
                None
            }
            Copy::User => None,
            // `struct ublk_auto_buf_reg`: the index, and that a request whose pages cannot be registered comes all the same.
            Copy::Zero => {
                let fallback = u64::from(sys::UBLK_AUTO_BUF_REG_FALLBACK);
                Some(u64::from(self.index(tag)) | fallback << 16)
            }
        };
        opcode::UringCmd16::new(types::Fd(self.cdev), op)
            .cmd(bytes)
            .addr(lends)
            .build()
    }

    /// Where the ring's table of buffers has the pages of what the kernel asks under this tag.
    pub fn index(&self, tag: u16) -> u16 {
        self.first_index + tag
    }

    /// Copies what the request writes into a buffer: all of it, or an error. Not for tags that have buffers.
    pub fn pull(&self, tag: u16, into: &mut [u8]) -> io::Result<()> {
        self.whole(tag, into.len(), |at, offset| {
            let rest = &mut into[at..];
            // SAFETY: the kernel writes at most the slice's length.
            unsafe { libc::pread(self.cdev, rest.as_mut_ptr().cast(), rest.len(), offset) }
        })
    }

    /// Copies a buffer to where the request reads to: all of it, or an error. Not for tags that have buffers.
    pub fn push(&self, tag: u16, from: &[u8]) -> io::Result<()> {
        self.whole(tag, from.len(), |at, offset| {
            let rest = &from[at..];
            // SAFETY: the kernel reads at most the slice's length.
            unsafe { libc::pwrite(self.cdev, rest.as_ptr().cast(), rest.len(), offset) }
        })
    }

    /// A call for what is left, until nothing is. By system calls and not on the ring: the kernel does not do these without waiting, as far as
    /// it knows, and a ring would give each to a thread.
    fn whole(
        &self,
        tag: u16,
        bytes: usize,
        mut call: impl FnMut(usize, i64) -> isize,
    ) -> io::Result<()> {
        let mut at = 0;
        while at < bytes {
            match call(
                at,
                UblkIOCtx::ublk_user_copy_pos(self.id, tag, at as u32) as i64,
            ) {
                n if n > 0 => at += n as usize,
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                _ => match io::Error::last_os_error() {
                    e if e.kind() == io::ErrorKind::Interrupted => {}
                    e => return Err(e),
                },
            }
        }
        Ok(())
    }
}

// SAFETY: the mapping belongs to the process, and only the thread that owns the queue reads it.
unsafe impl Send for Queue {}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: the mapping is this queue's own, and nothing borrows from it.
        unsafe { libc::munmap(self.iods, self.bytes) };
    }
}
