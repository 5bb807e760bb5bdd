//! The CloudPhysics trace, where it is at hand; and the traces of the catalogue.

use super::*;

#[test]
fn cloudphysics_is_read_whole() {
    let Some(path) = cloudphysics("cloudphysics_is_read_whole") else {
        return;
    };
    let mut reader = Reader::open(&path, "auto").unwrap();
    let records = drain(&mut reader).unwrap();
    assert_eq!(reader.title(), "CloudPhysics vscsi binary v1");
    assert_eq!(records.len(), 113_872);
    let of = |op| records.iter().filter(|r| r.op == op).count();
    assert_eq!((of(Op::Write), of(Op::Read)), (66_898, 46_974));
    assert_eq!(reader.others(), 0);
    let first = records[0];
    assert_eq!(first.at_ns, 5_633_898_368_802_000);
    assert_eq!(
        (first.op, first.offset_bytes, first.len_bytes),
        (Op::Write, 42_932_745 * 512, 512)
    );
    assert!(records.windows(2).all(|w| w[0].at_ns <= w[1].at_ns));
    let span_ns = records.last().unwrap().at_ns - first.at_ns;
    assert_eq!(span_ns, 7_200_089_885_000);
    let bytes = |op| -> u64 {
        records
            .iter()
            .filter(|r| r.op == op)
            .map(|r| r.len_bytes)
            .sum()
    };
    assert_eq!(
        (bytes(Op::Write), bytes(Op::Read)),
        (2_408_565_760, 1_797_412_352)
    );
    assert_eq!(
        records.iter().map(|r| r.end_bytes()).max(),
        Some(33_584_938_496)
    );
}

#[test]
fn cloudphysics_survives_the_way_through_fio() {
    let Some(path) = cloudphysics("cloudphysics_survives_the_way_through_fio") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("c.fio");
    let done = convert(&path, "vscsi", "fio", &out).unwrap();
    assert_eq!(done.records, 113_872);
    let mut source = Reader::open(&path, "auto").unwrap();
    let mut copy = Reader::open(&out, "auto").unwrap();
    let first_ns = 5_633_898_368_802_000;
    while let Some(a) = source.next().unwrap() {
        let b = copy.next().unwrap().unwrap();
        assert_eq!(
            Record {
                at_ns: a.at_ns - first_ns,
                ..a
            },
            b
        );
    }
    assert!(copy.next().unwrap().is_none());
}

/// The catalogue's own traces are what their README says.
#[test]
fn the_catalogues_traces_are_whole() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/replay/traces");
    for (name, format, ios, devices) in [
        ("oltp.fio.gz", Format::Fio, 4_117, &["vol0"][..]),
        ("journal.blkparse", Format::Blkparse, 408, &["8,0"]),
        ("two-disks.msr.csv", Format::Msr, 600, &["web_0", "web_1"]),
    ] {
        let mut reader = Reader::open(&folder.join(name), "auto").unwrap();
        let records = drain(&mut reader).unwrap();
        assert_eq!((reader.format(), records.len()), (format, ios), "{name}");
        let found: Vec<&str> = reader.devices().iter().map(|d| &**d).collect();
        assert_eq!(found, devices);
        let mut clock = Clock::default();
        records.iter().for_each(|r| {
            clock.at(r.at_ns);
        });
        assert_eq!(clock.backwards(), 0, "{name}");
    }
}
