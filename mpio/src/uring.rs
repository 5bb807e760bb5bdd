//! What every user of a ring does alike: an entry goes on it, and a thread waits on it.

use io_uring::{IoUring, squeue, types};
use std::io;
use std::time::Duration;

/// Puts an entry on a ring. Whoever calls keeps what the entry names (files, memory) valid until its completion.
pub fn push(ring: &mut IoUring, entry: &squeue::Entry) {
    loop {
        // SAFETY: what the entry names stays valid until its completion: a shard closes files only when nothing is out on them, and its
        // pools keep the memory of those that a command still names; a `single` loop ends, and frees its buffers, when every tag is aborted.
        if unsafe { ring.submission().push(entry) }.is_ok() {
            return;
        }
        // The submission queue is full: the kernel takes what is in it. An error here shows again at the loop's own call.
        let _ = ring.submit();
    }
}

/// Gives the kernel what is queued, and takes what is done: something, or nothing after `wait`.
pub fn enter(ring: &IoUring, wait: Duration) -> io::Result<()> {
    let time = types::Timespec::from(wait);
    let args = types::SubmitArgs::new().timespec(&time);
    match ring.submitter().submit_with_args(1, &args) {
        Err(e)
            if !matches!(
                e.raw_os_error(),
                Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN)
            ) =>
        {
            Err(e)
        }
        _ => Ok(()),
    }
}
