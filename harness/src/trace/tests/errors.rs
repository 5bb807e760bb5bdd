//! What is wrong is said with its place.

use super::*;

#[test]
fn bad_lines_have_line_column_found_and_expected() {
    let cases: [(Format, &str, &str); 22] = [
        (
            Format::Msr,
            "1,hm,0,Read,0,512,0",
            "t:1:1: found '1', expected a Windows FILETIME of 1970 or later",
        ),
        (
            Format::Msr,
            "128166385295514663,hm,0,Trim,0,512,0",
            "t:1:25: found 'Trim', expected Read or Write",
        ),
        (
            Format::Msr,
            "128166385295514663,hm,0,Read,0,512",
            "t:1:35: found 6 of 7 columns, expected Timestamp,Hostname",
        ),
        (
            Format::Msr,
            "128166385295514663,hm,0,Read,0,512,0,9",
            "t:1:37: found more than 7 columns",
        ),
        (
            Format::Msr,
            "128166385295514663,h m,0,Read,0,512,0",
            "t:1:20: found 'h m_0', expected the name of a device",
        ),
        (
            Format::Msr,
            "999999999999999999999,hm,0,Read,0,512,0",
            "t:1:1: found '99999",
        ),
        (
            Format::Msr,
            "1999999999999999999,hm,0,Read,0,512,0",
            "t:1:1: the timestamp lies after",
        ),
        (
            Format::Alibaba,
            "0,T,0,4096,1",
            "t:1:3: found 'T', expected R or W",
        ),
        (
            Format::Alibaba,
            "0,R,-1,4096,1",
            "t:1:5: found '-1', expected an offset in bytes",
        ),
        (
            Format::Alibaba,
            "0,R,18446744073709551615,4096,1",
            "t:1:5: an I/O of 4096 bytes at 18446744073709551615 ends beyond",
        ),
        (
            Format::Alibaba,
            "0,R,0,4096,18446744073709551615",
            "t:1:12: 18446744073709551615 is too large for Unix time in microseconds",
        ),
        (
            Format::Tencent,
            "1538323200,8,8,2,1",
            "t:1:16: found '2', expected 0 (a read) or 1 (a write)",
        ),
        (
            Format::Tencent,
            "1538323200.5,8,8,1,1",
            "t:1:1: found '1538323200.5', expected Unix time in whole seconds",
        ),
        (
            Format::Spc,
            "0,8,512,X,0.5",
            "t:1:9: found 'X', expected R or W",
        ),
        (
            Format::Spc,
            "0,8,512,R,0.5e3",
            "t:1:11: found '0.5e3', expected seconds",
        ),
        (
            Format::Spc,
            "0,8,512,R,1.",
            "t:1:11: found '1.', expected seconds",
        ),
        (
            Format::Spc,
            "0,8,512,R,",
            "t:1:11: found nothing, expected seconds",
        ),
        (
            Format::VscsiCsv,
            "3,1,28,512,8",
            "t:1:1: found '3', expected the version of vscsi",
        ),
        (
            Format::VscsiCsv,
            "1,1,0x28,512,8",
            "t:1:5: found '0x28', expected a SCSI opcode",
        ),
        (
            Format::Fio,
            "fio version 1 iolog",
            "t:1:1: found 'fio version 1 iolog', expected 'fio version 2 iolog' or",
        ),
        (
            Format::Blkparse,
            "hello",
            "t:1:1: found 'hello', expected a device as major,minor",
        ),
        (
            Format::Blkparse,
            "8,0 0 1 0.5",
            "t:1:12: found nothing, expected a process id",
        ),
    ];
    for (format, line, said) in cases {
        let (n, error) = refused(line.as_bytes(), Some(format));
        assert_eq!(n, 0);
        assert!(
            error.to_string().starts_with(said),
            "{format:?}\n{error}\n{said}"
        );
    }
}

#[test]
fn bad_fio_lines_have_their_place() {
    for (version, line, said) in [
        (
            3,
            "5 vol0 read 0",
            "t:2:14: found nothing, expected a length in bytes",
        ),
        (
            3,
            "5 vol0 read 0 4096 7",
            "t:2:20: found '7', expected the end of the line",
        ),
        (
            3,
            "5 vol0 wait 100 0",
            "t:2:8: found 'wait', expected an action of version 3",
        ),
        (
            3,
            "vol0 read 0 4096",
            "t:2:1: found 'vol0', expected a timestamp in microseconds",
        ),
        (
            3,
            "5 vol0 open 1",
            "t:2:13: found '1', expected the end of the line after a file action",
        ),
        (3, "5 vol0", "t:2:7: found nothing, expected read, write"),
        (
            2,
            "vol0 peek 0 4096",
            "t:2:6: found 'peek', expected read, write",
        ),
        (
            2,
            "vol0 wait x 0",
            "t:2:11: found 'x', expected a time to wait",
        ),
    ] {
        let text = format!("fio version {version} iolog\n{line}\n");
        let (_, error) = refused(text.as_bytes(), None);
        assert!(error.to_string().starts_with(said), "{error}\n{said}");
        assert_eq!(error.kind(), Kind::Syntax);
    }
}

#[test]
fn places_have_byte_offsets() {
    let text = [ALIBABA, b"0,R,x,1,1\n"].concat();
    let (_, error) = refused(&text, None);
    let expected = Place::Line {
        line: 3,
        column: 5,
        byte: ALIBABA.len() as u64 + 4,
    };
    assert_eq!(error.place(), expected);
}

#[test]
fn a_binary_trace_that_ends_within_a_record_says_so() {
    let (n, error) = refused(&VSCSI_V1[..90], None);
    assert_eq!((n, error.kind()), (1, Kind::Truncated));
    assert_eq!(
        error.to_string(),
        "t: record 3 at byte 64: the file ends within a record: found 26 bytes, expected 32"
    );
    let (_, error) = refused(&VSCSI_V1[..20], Some(Format::Vscsi));
    assert_eq!(error.kind(), Kind::Truncated);
}

#[test]
fn binary_records_are_checked_one_by_one() {
    let mut bytes = VSCSI_V1;
    bytes[64 + 15] = 2;
    let (n, error) = refused(&bytes, None);
    assert_eq!((n, error.kind()), (1, Kind::Syntax));
    assert!(
        error
            .to_string()
            .starts_with("t: record 3 at byte 78: found version 2"),
        "{error}"
    );
    let mut bytes = VSCSI_V1;
    bytes[64 + 13] = 1;
    let (_, error) = refused(&bytes, None);
    assert!(
        error
            .to_string()
            .starts_with("t: record 3 at byte 76: found command 0x0188"),
        "{error}"
    );
    let mut bytes = VSCSI_V1;
    bytes[64 + 16..64 + 24].fill(0xff);
    let (_, error) = refused(&bytes, None);
    assert_eq!(error.kind(), Kind::Range);
    let mut bytes = VSCSI_V1;
    bytes[64 + 24..64 + 32].fill(0xff);
    let (_, error) = refused(&bytes, None);
    assert_eq!(
        error.place(),
        Place::Record {
            record: 3,
            byte: 88
        }
    );
}

#[test]
fn files_that_are_none_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let kind = |path: &Path| Reader::open(path, "auto").err().map(|e| e.kind());
    assert_eq!(kind(folder.path()), Some(Kind::Folder));
    assert_eq!(kind(&folder.path().join("no")), Some(Kind::Open));
    let empty = folder.path().join("empty");
    std::fs::write(&empty, b"").unwrap();
    assert_eq!(kind(&empty), Some(Kind::Empty));
    let error = Reader::open(&empty, "nvme").err().unwrap();
    assert_eq!(error.kind(), Kind::NoSuchFormat);
    assert!(error.to_string().contains("auto, fio, blkparse"), "{error}");
    let (_, error) = refused(b"\n\n", None);
    assert_eq!(error.kind(), Kind::UnknownContent);
}

#[test]
fn a_line_without_end_is_refused_without_being_read() {
    struct Endless(u64);
    impl std::io::Read for Endless {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            out.fill(b'1');
            self.0 += out.len() as u64;
            assert!(self.0 < 1 << 20, "read on and on");
            Ok(out.len())
        }
    }
    let mut reader = Reader::new(Box::new(Endless(0)), Path::new("t"), Some(Format::Msr)).unwrap();
    assert_eq!(reader.next().unwrap_err().kind(), Kind::LineTooLong);
    let error = Reader::new(Box::new(Endless(0)), Path::new("t"), None)
        .err()
        .unwrap();
    assert_eq!(error.kind(), Kind::UnknownContent);
}

#[test]
fn a_trace_with_too_many_devices_is_refused() {
    let mut text = String::new();
    for device in 0..65_537 {
        text.push_str(&format!("{device},R,0,4096,1\n"));
    }
    let (n, error) = refused(text.as_bytes(), None);
    assert_eq!((n, error.kind()), (65_536, Kind::TooManyDevices));
}

#[test]
fn errors_of_the_disk_come_after_what_could_be_read() {
    struct Broken;
    impl std::io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the disk is gone"))
        }
    }
    for (format, bytes, whole) in [(Format::Msr, MSR, 2), (Format::Vscsi, &VSCSI_V1[..], 2)] {
        let half = [bytes, &bytes[..10]].concat();
        let source = std::io::Read::chain(Cursor::new(half), Broken);
        let mut reader = Reader::new(Box::new(source), Path::new("t"), Some(format)).unwrap();
        for _ in 0..whole {
            assert!(reader.next().unwrap().is_some());
        }
        let error = reader.next().unwrap_err();
        assert_eq!(error.kind(), Kind::Read);
        assert_eq!(error.to_string(), "t: cannot read on: the disk is gone");
    }
}
