//! What an NVMe controller is asked beside I/O: the access states of its namespaces where the kernel keeps none (native multipath is off, and
//! only that part of the kernel reads the ANA log page), and what the host says of itself (Host Metadata). Each is one admin command, as
//! NVM Express Base Specification 2.0 has it, and blocks for as long as the controller takes, up to `TIMEOUT_MS`.
#![forbid(unsafe_code)]

use crate::sys::{self, NvmeAdmin};
use protocol::Access;
use std::fs::File;
use std::io;

/// A command is given up after this long.
const TIMEOUT_MS: u32 = 2_000;
const PAGE: usize = 4096;
/// The ANA log page is read whole, up to this size: some 16,000 namespaces.
const LOG_MAX: usize = 64 << 10;
const EVERY_NAMESPACE: u32 = u32::MAX;

const GET_LOG_PAGE: u8 = 0x02;
const IDENTIFY: u8 = 0x06;
const SET_FEATURES: u8 = 0x09;
const ANA_LOG: u32 = 0x0c;
const CONTROLLER_METADATA: u32 = 0x7e;
const NAMESPACE_METADATA: u32 = 0x7f;

/// What came of an admin command that the controller answered with an error: its status code and type (bits 10:0 of the status field).
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refused {
    #[error("the controller does not have it (status {0:#05x})")]
    Unknown(u16),
    #[error("the controller refused it (status {0:#05x})")]
    Status(u16),
    #[error("{}", io::Error::from_raw_os_error(*.0))]
    Errno(i32),
}

fn admin(
    file: &File,
    opcode: u8,
    nsid: u32,
    (cdw10, cdw11): (u32, u32),
    data: &mut [u8],
) -> Result<(), Refused> {
    let command = NvmeAdmin::new(opcode, nsid, cdw10, cdw11, TIMEOUT_MS);
    match sys::nvme_admin(file, command, data) {
        Ok(0) => Ok(()),
        // Invalid opcode, invalid field; feature not changeable, invalid log page.
        Ok(status) => Err(match status & 0x7ff {
            unknown @ (0x001 | 0x002 | 0x10e | 0x109) => Refused::Unknown(unknown),
            other => Refused::Status(other),
        }),
        Err(e) => Err(Refused::Errno(e.raw_os_error().unwrap_or(libc::EIO))),
    }
}

/// Whether the controller reports Asymmetric Namespace Access (Identify Controller, CMIC bit 3).
pub fn has_ana(file: &File) -> bool {
    let mut data = [0u8; PAGE];
    // CNS 01h: the controller.
    admin(file, IDENTIFY, 0, (1, 0), &mut data).is_ok() && data[76] & 0x08 != 0
}

/// The access of one namespace; `None`: the controller does not tell.
pub fn access(file: &File, nsid: u32) -> Option<Access> {
    let mut data = vec![0u8; PAGE];
    loop {
        let dwords = (data.len() / 4 - 1) as u32;
        // An event that tells of the page stays for whoever waits for it (bit 15).
        let words = (ANA_LOG | 1 << 15 | dwords << 16, dwords >> 16);
        admin(file, GET_LOG_PAGE, EVERY_NAMESPACE, words, &mut data).ok()?;
        match access_in(&data, nsid) {
            Found::Access(access) => return Some(access),
            Found::Cut if data.len() < LOG_MAX => data.resize(LOG_MAX, 0),
            Found::Cut | Found::Nothing => return None,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Found {
    Access(Access),
    Nothing,
    /// The page goes on behind what was read.
    Cut,
}

fn access_in(page: &[u8], nsid: u32) -> Found {
    let word = |at: usize| -> Option<u32> {
        let bytes = page.get(at..at + 4)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    };
    let Some(groups) = word(8).map(|n| n & 0xffff) else {
        return Found::Cut;
    };
    let mut at = 16;
    for _ in 0..groups {
        let (Some(count), Some(state)) = (word(at + 4), word(at + 16)) else {
            return Found::Cut;
        };
        for n in 0..count as usize {
            match word(at + 32 + n * 4) {
                None => return Found::Cut,
                Some(found) if found == nsid => {
                    return match state & 0x0f {
                        0x1 => Found::Access(Access::Optimized),
                        0x2 => Found::Access(Access::NonOptimized),
                        0x3 => Found::Access(Access::Inaccessible),
                        0x4 => Found::Access(Access::Lost),
                        0xf => Found::Access(Access::Transitioning),
                        _ => Found::Nothing,
                    };
                }
                Some(_) => {}
            }
        }
        at += 32 + count as usize * 4;
    }
    Found::Nothing
}

/// What a host says of itself to a controller, and of a namespace to its volume.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// The controller's name in the operating system, with the host's before it.
    pub controller: String,
    /// Operating system and build.
    pub system: String,
    /// The machine.
    pub product: String,
    pub driver: String,
    pub driver_version: String,
    /// The namespace's name in the operating system.
    pub namespace: String,
}

/// Tells the controller of the host (FID 7Eh), and of the namespace's name here (FID 7Fh). Entries that are there are replaced.
pub fn register(file: &File, nsid: u32, host: &Host) -> Result<(), Refused> {
    let controller = [
        (0x01, &host.controller),
        (0x02, &host.driver),
        (0x03, &host.driver_version),
        (0x0a, &host.system),
        (0x0b, &host.product),
    ];
    set(file, 0, CONTROLLER_METADATA, &controller)?;
    set(file, nsid, NAMESPACE_METADATA, &[(0x01, &host.namespace)])
}

fn set(file: &File, nsid: u32, feature: u32, elements: &[(u8, &String)]) -> Result<(), Refused> {
    let mut data = metadata(elements);
    // Element action 00b: add or replace.
    admin(file, SET_FEATURES, nsid, (feature, 0), &mut data)
}

/// The Host Metadata data structure: the number of descriptors, then each with type, revision, length and text. What is empty is left
/// out, and a text is cut where the structure ends.
fn metadata(elements: &[(u8, &String)]) -> Vec<u8> {
    let mut data = vec![0u8; PAGE];
    let mut at = 2;
    for (kind, text) in elements {
        let room = PAGE.saturating_sub(at + 4);
        let mut length = text.len().min(room);
        while !text.is_char_boundary(length) {
            length -= 1;
        }
        if length == 0 {
            continue;
        }
        data[at] = *kind;
        data[at + 2..at + 4].copy_from_slice(&(length as u16).to_le_bytes());
        data[at + 4..at + 4 + length].copy_from_slice(&text.as_bytes()[..length]);
        at += 4 + length;
        data[0] += 1;
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(groups: &[(u8, &[u32])]) -> Vec<u8> {
        let mut page = vec![0u8; 16];
        page[8] = groups.len() as u8;
        for (state, namespaces) in groups {
            let mut group = [0u8; 32];
            group[4] = namespaces.len() as u8;
            group[16] = *state;
            page.extend(group);
            page.extend(namespaces.iter().flat_map(|n| n.to_le_bytes()));
        }
        page
    }

    #[test]
    fn the_access_of_the_right_namespace_is_found() {
        let page = page(&[(1, &[1, 3]), (2, &[]), (3, &[2]), (15, &[7]), (9, &[8])]);
        assert_eq!(access_in(&page, 3), Found::Access(Access::Optimized));
        assert_eq!(access_in(&page, 2), Found::Access(Access::Inaccessible));
        assert_eq!(access_in(&page, 7), Found::Access(Access::Transitioning));
        assert_eq!(access_in(&page, 8), Found::Nothing, "a state of later days");
        assert_eq!(access_in(&page, 9), Found::Nothing);
        for n in 0..page.len() {
            assert_eq!(access_in(&page[..n], 9), Found::Cut, "{n} bytes");
        }
    }

    #[test]
    fn metadata_are_laid_out_as_the_specification_has_it() {
        let (name, none) = ("db1:nvme0".to_string(), String::new());
        let data = metadata(&[(0x01, &name), (0x0b, &none), (0x0a, &name)]);
        assert_eq!(data.len(), 4096);
        assert_eq!(data[..6], [2, 0, 0x01, 0, 9, 0]);
        assert_eq!(&data[6..15], b"db1:nvme0");
        assert_eq!(data[15..19], [0x0a, 0, 9, 0]);
        assert!(data[28..].iter().all(|b| *b == 0));
        let long = "é".repeat(3000);
        let data = metadata(&[(0x01, &long), (0x02, &name)]);
        assert_eq!((data[0], &data[4..6]), (1, &4090u16.to_le_bytes()[..]));
    }
}
