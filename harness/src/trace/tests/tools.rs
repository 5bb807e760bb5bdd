//! `info`, `head` and `convert`.

use super::*;
use std::path::PathBuf;

fn file(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

/// What a conversion must keep: whole microseconds since the first record, and no force unit access.
fn kept(bytes: &[u8], format: Format) -> Vec<String> {
    let mut reader = reader(bytes, Some(format)).unwrap();
    let records = drain(&mut reader).unwrap();
    let mut clock = Clock::default();
    let mut first = None;
    records
        .iter()
        .map(|r| {
            let at_ns = clock.at(r.at_ns);
            let since_ns = at_ns - *first.get_or_insert(at_ns);
            let kept = Record {
                at_ns: since_ns / 1_000 * 1_000,
                fua: false,
                ..*r
            };
            told(&reader, &kept)
        })
        .collect()
}

#[test]
fn every_format_survives_the_way_through_fio() {
    let folder = tempfile::tempdir().unwrap();
    for (i, (format, bytes)) in SAMPLES.into_iter().enumerate() {
        let source = file(folder.path(), &format!("{i}.trace"), bytes);
        for name in ["out.fio", "out.fio.gz"] {
            let out = folder.path().join(name);
            let done = convert(&source, "auto", "fio", &out).unwrap();
            let written = std::fs::read(&out).unwrap();
            assert_eq!(
                all_told(&written, None).0,
                kept(bytes, format),
                "{format:?}"
            );
            assert_eq!(done.records, all_told(&written, None).0.len() as u64);
            assert_eq!(written.starts_with(b"\x1f\x8b"), name.ends_with(".gz"));
        }
    }
}

#[test]
fn the_iolog_is_one_that_fio_takes() {
    let folder = tempfile::tempdir().unwrap();
    let source = file(folder.path(), "m.csv", MSR);
    let out = folder.path().join("m.fio");
    convert(&source, "msr", "fio", &out).unwrap();
    assert_eq!(
        std::fs::read_to_string(&out).unwrap(),
        "fio version 3 iolog\n0 hm_0 add\n0 hm_0 open\n0 hm_0 write 9056014336 2048\n1 hm_1 add\n1 hm_1 open\n1 hm_1 read 512 4096\n1 hm_0 close\n1 hm_1 close\n"
    );
}

#[test]
fn losses_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let source = file(folder.path(), "b.txt", BLKPARSE);
    let out = folder.path().join("b.fio");
    let done = convert(&source, "auto", "fio", &out).unwrap();
    assert_eq!((done.records, done.fua_lost), (8, 2));
    assert!(
        done.to_string()
            .contains("2 writes lost their force unit access"),
        "{done}"
    );
    let source = file(
        folder.path(),
        "a.csv",
        b"0,R,0,512,9\n0,R,0,512,5\n0,R,0,512,10\n",
    );
    let done = convert(&source, "auto", "fio", &out).unwrap();
    assert_eq!(done.backwards, 1);
    let told: Vec<u64> = records(&std::fs::read(&out).unwrap(), None)
        .unwrap()
        .iter()
        .map(|r| r.at_ns)
        .collect();
    assert_eq!(told, [0, 0, 1_000]);
}

#[test]
fn a_failed_conversion_leaves_nothing_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let source = file(folder.path(), "m.csv", &[MSR, b"garbage\n"].concat());
    let out = folder.path().join("m.fio");
    let error = convert(&source, "auto", "fio", &out).unwrap_err();
    assert_eq!(error.kind(), Kind::Syntax);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let kind = |to: &str, out: &Path| convert(&source, "auto", to, out).unwrap_err().kind();
    assert_eq!(kind("csv", &out), Kind::NoSuchFormat);
    assert_eq!(kind("fio", &folder.path().join("m.zst")), Kind::Write);
    assert_eq!(kind("fio", &folder.path().join("no/m.fio")), Kind::Write);
}

#[test]
fn a_trace_may_be_converted_onto_itself() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "m", MSR);
    convert(&path, "auto", "fio", &path).unwrap();
    assert_eq!(
        reader(&std::fs::read(&path).unwrap(), None)
            .unwrap()
            .format(),
        Format::Fio
    );
}

#[test]
fn info_is_short_and_complete() {
    let folder = tempfile::tempdir().unwrap();
    let source = file(folder.path(), "f.fio", FIO_V3);
    let mut out = Vec::new();
    info(&source, "auto", &mut out).unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "\
format      fio iolog v3 (plain)
records     6
  reads     2            12 KiB
  writes    1            64 KiB
  flushes   2            0 B
  discards  1            1 MiB
  others    4            entries that are no I/O by the format's definition
duration    0.054615000 s
end         byte 49684480 (47.3 MiB)
devices     2
  vol0                4 I/Os
  vol1                2 I/Os
sizes       up to
  4 KiB     1            ########################################
  8 KiB     1            ########################################
  16 KiB    0
  32 KiB    0
  64 KiB    1            ########################################
  128 KiB   0
  256 KiB   0
  512 KiB   0
  1 MiB     1            ########################################
"
    );
}

#[test]
fn head_prints_one_form() {
    let folder = tempfile::tempdir().unwrap();
    let source = file(folder.path(), "b", BLKPARSE);
    let mut out = Vec::new();
    head(&source, "auto", 4, &mut out).unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "           seconds  op                 offset      bytes  device
       0.000000000  read              1048576       4096  8,16
       0.000100000  write           114426880      65536  8,16
       0.000200000  flush                   0          0  8,16
       0.000200000  write+fua         2097152       4096  8,16
"
    );
    let mut out = Vec::new();
    head(&source, "auto", 1_000, &mut out).unwrap();
    assert_eq!(String::from_utf8(out).unwrap().lines().count(), 9);
}

#[test]
fn info_tells_many_devices_in_short() {
    let folder = tempfile::tempdir().unwrap();
    let text: String = (0..50).map(|d| format!("{d},W,0,512,1\n")).collect();
    let source = file(folder.path(), "a", text.as_bytes());
    let mut out = Vec::new();
    info(&source, "alibaba", &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains("  … and 30 with fewer\n"), "{text}");
}
