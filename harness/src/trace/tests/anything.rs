//! Nothing panics and nothing loops, whatever the bytes are.

use super::packings::{gzip, zstd};
use super::*;
use proptest::prelude::*;

/// Reads all there is, with every format and with `auto`.
fn try_all(bytes: &[u8]) {
    for format in Format::ALL.into_iter().map(Some).chain([None]) {
        let Ok(mut reader) = reader(bytes, format) else {
            continue;
        };
        // Each record takes at least one byte of an unpacked trace; packed ones are small here.
        for _ in 0..10_000_000u64 {
            match reader.next() {
                Ok(Some(record)) => {
                    assert!(record.offset_bytes.checked_add(record.len_bytes).is_some())
                }
                Ok(None) => break,
                Err(error) => {
                    assert!(!error.to_string().is_empty());
                    assert!(reader.next().is_err());
                    break;
                }
            }
        }
    }
}

/// Bytes that are likely to get past the first checks.
fn likely() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop::sample::select(vec![
        &b"\n"[..],
        b",",
        b" ",
        b"8,0 ",
        b"Q",
        b"D",
        b"R",
        b"W",
        b"FWFS",
        b"+",
        b"[x]",
        b"(",
        b"read",
        b"Read",
        b"write",
        b"sync",
        b"wait",
        b"vol0",
        b"fio version 2 iolog\n",
        b"fio version 3 iolog\n",
        b"0",
        b"1",
        b"2a",
        b"28",
        b"18446744073709551615",
        b"128166385295514663",
        b"0.5",
        b".",
        b"-",
        b"CPU0 (8,0):",
        b"Total (",
        b"version,time,op,size,lbn\n",
        b"\r\n",
        b"\x00",
        b"\xff",
    ]);
    prop::collection::vec(pieces, 0..60).prop_map(|p| p.concat())
}

fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let edits = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4u8), 1..6);
    (prop::sample::select(SAMPLES.to_vec()), edits).prop_map(|((_, bytes), edits)| {
        let mut bytes = bytes.to_vec();
        edit(&mut bytes, &edits);
        bytes
    })
}

fn edit(bytes: &mut Vec<u8>, edits: &[(prop::sample::Index, u8, u8)]) {
    for (at, byte, how) in edits {
        if bytes.is_empty() {
            return;
        }
        let at = at.index(bytes.len());
        match how {
            0 => bytes[at] = *byte,
            1 => {
                bytes.remove(at);
            }
            2 => bytes.insert(at, *byte),
            _ => bytes.truncate(at),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        try_all(&bytes);
    }

    #[test]
    fn any_likely_bytes(bytes in likely()) {
        try_all(&bytes);
    }

    #[test]
    fn any_mutated_trace(bytes in mutated()) {
        try_all(&bytes);
        try_all(&gzip(&bytes));
        try_all(&zstd(&bytes));
    }

    #[test]
    fn any_bytes_behind_magic(bytes in prop::collection::vec(any::<u8>(), 0..300), which in 0..3usize) {
        let magic: &[u8] = [&b"\x1f\x8b\x08"[..], b"\x28\xb5\x2f\xfd", b"\x51\x2a\x4d\x18"][which];
        try_all(&[magic, &bytes].concat());
    }

    #[test]
    fn any_mutated_packing(
        (_, bytes) in prop::sample::select(SAMPLES.to_vec()),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4u8), 1..6),
        gz in any::<bool>(),
    ) {
        let mut packed = if gz { gzip(bytes) } else { zstd(bytes) };
        edit(&mut packed, &edits);
        try_all(&packed);
    }

    #[test]
    fn any_vscsi_record_is_an_io_another_command_or_an_error(
        records in prop::collection::vec((any::<u32>(), any::<u16>(), any::<u64>(), any::<u64>()), 3)
    ) {
        let wild = vscsi_v1([records[0], records[1], records[2]]);
        try_all(&wild);
        try_all(&vscsi_v2(&records));
    }
}
