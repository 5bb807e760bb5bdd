//! gzip and Zstandard, whole, in pieces, cut and garbled.

use super::*;
use flate2::Compression;
use flate2::write::GzEncoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use std::io::Write;

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
    gz.write_all(bytes).unwrap();
    gz.finish().unwrap()
}

pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    compress_to_vec(bytes, CompressionLevel::Fastest)
}

/// A Zstandard frame that readers must skip.
const SKIPPABLE: &[u8] = b"\x50\x2a\x4d\x18\x05\x00\x00\x00hello";

#[test]
fn every_format_is_read_packed_whatever_the_name() {
    for (format, bytes) in SAMPLES {
        let plain = all_told(bytes, Some(format));
        for packed in [gzip(bytes), zstd(bytes)] {
            assert_eq!(all_told(&packed, Some(format)), plain);
            assert_eq!(all_told(&packed, None), plain);
        }
    }
}

#[test]
fn members_and_frames_follow_each_other() {
    let (a, b) = MSR.split_at(20);
    let plain = all_told(MSR, None);
    assert_eq!(
        all_told(&[gzip(a), gzip(b""), gzip(b)].concat(), None),
        plain
    );
    let frames = [SKIPPABLE, &zstd(a), SKIPPABLE, &zstd(b), SKIPPABLE].concat();
    assert_eq!(all_told(&frames, None), plain);
}

/// Enough lines that they do not fit one block or buffer.
fn large() -> (Vec<u8>, usize) {
    let mut text = String::new();
    let mut lines = 0;
    while text.len() < 1 << 20 {
        let offset = protocol::rng::splitmix64(lines) >> 20;
        text.push_str(&format!(
            "{},R,{offset},4096,{}\n",
            lines % 7,
            1_577_808_000_000_000 + lines
        ));
        lines += 1;
    }
    (text.into_bytes(), lines as usize)
}

#[test]
fn large_ones_are_streamed() {
    let (text, lines) = large();
    let plain = records(&text, None).unwrap();
    assert_eq!(plain.len(), lines);
    assert_eq!(records(&gzip(&text), None).unwrap(), plain);
    assert_eq!(records(&zstd(&text), None).unwrap(), plain);
    assert_eq!(reader(&gzip(&text), None).unwrap().packing(), "gzip");
    assert_eq!(reader(&zstd(&text), None).unwrap().packing(), "zstd");
}

#[test]
fn cut_ones_give_what_they_have_and_then_say_so() {
    let (text, lines) = large();
    for packed in [gzip(&text), zstd(&text)] {
        let (n, error) = refused(&packed[..packed.len() * 3 / 4], None);
        assert_eq!(error.kind(), Kind::Truncated, "{error}");
        assert!(n > lines / 4 && n < lines, "{n} of {lines}");
        // Shorter than any header.
        for len in [3, 5, 8] {
            let (_, error) = refused(&packed[..len], None);
            assert!(
                matches!(error.kind(), Kind::Truncated | Kind::UnknownContent),
                "{error}"
            );
        }
    }
}

#[test]
fn garbled_ones_are_corrupt() {
    let (text, _) = large();
    for packed in [gzip(&text), zstd(&text)] {
        // Bytes of the end: the checksum.
        let mut garbled = packed.clone();
        let last = garbled.len() - 6;
        garbled[last] ^= 0x40;
        let (_, error) = refused(&garbled, None);
        assert!(
            matches!(error.kind(), Kind::Corrupt | Kind::Truncated | Kind::Syntax),
            "{error}"
        );
        // Something else behind it.
        let (n, error) = refused(&[&packed[..], b"and now for something else"].concat(), None);
        assert_eq!(error.kind(), Kind::Corrupt, "{error}");
        assert!(n > 0);
    }
    let mut checksum = gzip(MSR);
    let at = checksum.len() - 8;
    checksum[at] ^= 1;
    assert_eq!(
        refused(&checksum, Some(Format::Msr)).1.kind(),
        Kind::Corrupt
    );
}

#[test]
fn what_zstd_itself_packed_is_read_and_its_checksum_verified() {
    let packed = include_bytes!("../../../tests/data/msr.csv.zst");
    assert_eq!(all_told(packed, None), all_told(MSR, None));
    let mut garbled = packed.to_vec();
    *garbled.last_mut().unwrap() ^= 1;
    let (n, error) = refused(&garbled, Some(Format::Msr));
    assert_eq!((n, error.kind()), (2, Kind::Corrupt), "{error}");
    assert!(error.to_string().contains("checksum"), "{error}");
}

#[test]
fn other_packings_are_named() {
    let mut tar = vec![0u8; 1024];
    tar[257..262].copy_from_slice(b"ustar");
    let mut blktrace = 0x6561_7407u32.to_le_bytes().to_vec();
    blktrace.extend([0; 44]);
    for (bytes, named) in [
        (b"BZh91AY&SY\x00".to_vec(), "bzip2"),
        (b"\xfd7zXZ\x00\x00".to_vec(), "xz"),
        (b"PK\x03\x04\x14\x00".to_vec(), "zip"),
        (gzip(&gzip(MSR)), "compressed twice (gzip)"),
        (gzip(&zstd(MSR)), "compressed twice (zstd)"),
        (gzip(&tar), "a tar archive"),
        (blktrace, "a binary blktrace"),
    ] {
        let (_, error) = refused(&bytes, None);
        assert_eq!(error.kind(), Kind::Packing, "{error}");
        assert!(error.to_string().contains(named), "{error}");
    }
    for empty in [gzip(b""), zstd(b"")] {
        assert_eq!(refused(&empty, None).1.kind(), Kind::Empty);
    }
}
