//! The few calls that the standard library does not have: the size of an open block device, a SCSI command by SG_IO, an NVMe admin command, an
//! event counter that wakes a ring, a descriptor that a runtime waits on.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use tokio::io::unix::AsyncFd;

const BLKGETSIZE64: libc::c_ulong = 0x8008_1272;
const SG_IO: libc::c_ulong = 0x2285;
const SG_DXFER_FROM_DEV: i32 = -3;

/// Bytes of an open block device: 0 when it was deleted, whatever has its name by now. Takes no lock and does no I/O.
pub fn size(file: &File) -> u64 {
    let mut bytes = 0u64;
    // SAFETY: the call writes eight bytes, which `bytes` has.
    let done = unsafe { libc::ioctl(file.as_raw_fd(), BLKGETSIZE64, &raw mut bytes) };
    if done == 0 { bytes } else { 0 }
}

/// `struct sg_io_hdr` (`scsi/sg.h`).
#[repr(C)]
struct SgHeader {
    interface: i32,
    direction: i32,
    command_bytes: u8,
    sense_bytes: u8,
    segments: u16,
    data_bytes: u32,
    data: *mut u8,
    command: *const u8,
    sense: *mut u8,
    timeout_ms: u32,
    flags: u32,
    pack_id: i32,
    user: *mut libc::c_void,
    status: u8,
    masked_status: u8,
    message_status: u8,
    sense_written: u8,
    host_status: u16,
    driver_status: u16,
    residual: i32,
    duration_ms: u32,
    info: u32,
}

/// A SCSI command that reads; how many bytes came. Blocks until it is answered or its time is over.
pub fn scsi_read(
    file: &File,
    command: &[u8],
    data: &mut [u8],
    timeout_ms: u32,
) -> io::Result<usize> {
    let mut sense = [0u8; 32];
    let mut header = SgHeader {
        interface: i32::from(b'S'),
        direction: SG_DXFER_FROM_DEV,
        command_bytes: command.len() as u8,
        sense_bytes: sense.len() as u8,
        segments: 0,
        data_bytes: data.len() as u32,
        data: data.as_mut_ptr(),
        command: command.as_ptr(),
        sense: sense.as_mut_ptr(),
        timeout_ms,
        flags: 0,
        pack_id: 0,
        user: std::ptr::null_mut(),
        status: 0,
        masked_status: 0,
        message_status: 0,
        sense_written: 0,
        host_status: 0,
        driver_status: 0,
        residual: 0,
        duration_ms: 0,
        info: 0,
    };
    // SAFETY: every pointer of the header is to memory of the length beside it, which outlives this blocking call.
    let done = unsafe { libc::ioctl(file.as_raw_fd(), SG_IO, &raw mut header) };
    if done != 0 {
        return Err(io::Error::last_os_error());
    }
    if (header.status, header.host_status, header.driver_status) != (0, 0, 0) {
        return Err(io::Error::from_raw_os_error(libc::EIO));
    }
    let came = data.len() as i64 - i64::from(header.residual);
    Ok(came.clamp(0, data.len() as i64) as usize)
}

/// LOGICAL UNIT RESET, and nothing beyond the unit where that fails. Blocks until it is answered.
pub fn reset_unit(file: &File) -> io::Result<()> {
    const SG_SCSI_RESET: libc::c_ulong = 0x2284;
    const DEVICE: i32 = 1;
    const NO_ESCALATE: i32 = 0x100;
    let mut what = DEVICE | NO_ESCALATE;
    // SAFETY: the call reads and writes one number, which `what` is.
    match unsafe { libc::ioctl(file.as_raw_fd(), SG_SCSI_RESET, &raw mut what) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

const NVME_ADMIN: libc::c_ulong = 0xc048_4e41;

/// `struct nvme_admin_cmd` (`linux/nvme_ioctl.h`), without what is not used.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct NvmeAdmin {
    opcode: u8,
    flags: u8,
    reserved: u16,
    nsid: u32,
    cdw2: u32,
    cdw3: u32,
    metadata: u64,
    data: u64,
    metadata_bytes: u32,
    data_bytes: u32,
    cdw10: u32,
    cdw11: u32,
    cdw12: u32,
    cdw13: u32,
    cdw14: u32,
    cdw15: u32,
    timeout_ms: u32,
    result: u32,
}

impl NvmeAdmin {
    pub fn new(opcode: u8, nsid: u32, cdw10: u32, cdw11: u32, timeout_ms: u32) -> NvmeAdmin {
        NvmeAdmin {
            opcode,
            nsid,
            cdw10,
            cdw11,
            timeout_ms,
            ..NvmeAdmin::default()
        }
    }
}

/// An admin command for the controller behind a device, its own or a namespace's; the status that it answered with, 0 for success. `data` go
/// the way that the opcode says. Blocks until it is answered or its time is over.
pub fn nvme_admin(file: &File, mut command: NvmeAdmin, data: &mut [u8]) -> io::Result<u16> {
    command.data = data.as_mut_ptr() as u64;
    command.data_bytes = data.len() as u32;
    // SAFETY: the command names memory of the length beside it, which outlives this blocking call.
    let done = unsafe { libc::ioctl(file.as_raw_fd(), NVME_ADMIN, &raw mut command) };
    match done {
        status @ 0.. => Ok(status as u16),
        _ => Err(io::Error::last_os_error()),
    }
}

/// A counter that a ring reads and any thread raises.
pub fn event() -> io::Result<File> {
    // SAFETY: no pointer; the descriptor that comes back is this call's own.
    unsafe {
        match libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) {
            -1 => Err(io::Error::last_os_error()),
            fd => Ok(File::from_raw_fd(fd)),
        }
    }
}

/// A descriptor that a runtime waits on; of that runtime's thread.
pub fn watched(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an owned descriptor is open, and is the same, until it is dropped with what owns it.
    Ok(unsafe { AsyncFd::register(fd) }?)
}
