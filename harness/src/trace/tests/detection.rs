//! `auto`.

use super::*;

#[test]
fn every_format_is_known_by_its_content() {
    for (format, bytes) in SAMPLES {
        let reader = reader(bytes, None).unwrap();
        assert_eq!(reader.format(), format);
        assert_eq!(all_told(bytes, None), all_told(bytes, Some(format)));
    }
    let v2 = vscsi_v2(&[(512, 0x2a, 1, 1)]);
    assert_eq!(
        reader(&v2, None).unwrap().title(),
        "CloudPhysics vscsi binary v2"
    );
    assert_eq!(
        reader(&VSCSI_V1, None).unwrap().title(),
        "CloudPhysics vscsi binary v1"
    );
    assert_eq!(reader(FIO_V2, None).unwrap().format(), Format::Fio);
}

#[test]
fn unknown_content_names_what_was_tried() {
    for bytes in [
        &b"hello, world\n"[..],
        b"1,2,3\n",
        b"\x00\x01\x02",
        b"r,0,4096\n",
    ] {
        let (_, error) = refused(bytes, None);
        assert_eq!(error.kind(), Kind::UnknownContent);
        for format in Format::ALL {
            assert!(
                error
                    .to_string()
                    .contains(&format!("\n    {}: ", format.name())),
                "{error}"
            );
        }
    }
}

#[test]
fn what_fits_two_formats_is_refused_unless_the_name_decides() {
    let bytes = b"1,2,28,1,3\n";
    let (_, error) = refused(bytes, None);
    assert_eq!(error.kind(), Kind::AmbiguousContent);
    assert!(error.to_string().contains("tencent, vscsi-csv"), "{error}");
    for (name, format) in [
        ("a/web.tencent.csv.gz", Format::Tencent),
        ("tencent_2018.csv", Format::Tencent),
        ("w32.vscsi-csv", Format::VscsiCsv),
        ("w32.vscsi.csv", Format::VscsiCsv),
    ] {
        let reader = Reader::new(Box::new(Cursor::new(bytes.to_vec())), Path::new(name), None);
        assert_eq!(reader.unwrap().format(), format, "{name}");
    }
}

#[test]
fn an_explicit_format_wins_over_the_content() {
    let (n, error) = refused(MSR, Some(Format::Alibaba));
    assert_eq!((n, error.kind()), (0, Kind::Syntax));
    assert!(error.to_string().starts_with("t:1:"), "{error}");
    let tencent = records(b"1,2,28,1,3\n", Some(Format::Tencent)).unwrap();
    assert_eq!(tencent[0].offset_bytes, 1024);
}

#[test]
fn a_later_error_is_not_a_matter_of_detection() {
    let bytes = [MSR, b"nonsense\n"].concat();
    let (n, error) = refused(&bytes, None);
    assert_eq!((n, error.kind()), (2, Kind::Syntax));
}
