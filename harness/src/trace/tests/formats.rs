//! Each format's units, operations and devices, on lines as the sets have them.

use super::*;

#[test]
fn fio_v3_counts_microseconds_and_syncs_are_flushes() {
    let (lines, others) = all_told(FIO_V3, Some(Format::Fio));
    assert_eq!(
        lines,
        [
            "659000 Write 4046848+65536 vol0",
            "733000 Read 49676288+8192 vol0",
            "22782000 Flush 0+0 vol0",
            "22783000 Discard 0+1048576 vol0",
            "22784000 Flush 0+0 vol1",
            "55274000 Read 36753408+4096 vol1",
        ]
    );
    assert_eq!(others, 4);
}

#[test]
fn fio_v2_passes_time_by_waits_and_drops_short_ones() {
    let (lines, others) = all_told(FIO_V2, Some(Format::Fio));
    assert_eq!(
        lines,
        [
            "0 Read 0+4096 disk",
            "0 Write 4096+512 disk",
            "1250000 Flush 0+0 disk",
        ]
    );
    assert_eq!(others, 6);
}

#[test]
fn msr_counts_filetime_and_bytes() {
    let (lines, others) = all_told(MSR, Some(Format::Msr));
    assert_eq!(
        lines,
        [
            // (128166385295514663 − 116444736000000000) × 100 ns.
            "1172164929551466300 Write 9056014336+2048 hm_0",
            "1172164929551467300 Read 512+4096 hm_1",
        ]
    );
    assert_eq!(others, 0);
}

#[test]
fn alibaba_counts_microseconds_and_bytes() {
    let (lines, _) = all_told(ALIBABA, Some(Format::Alibaba));
    assert_eq!(
        lines,
        [
            "1577808000000626000 Read 126703644672+4096 0",
            "1577808000001000000 Write 8192+16384 419",
        ]
    );
}

#[test]
fn tencent_counts_seconds_and_sectors() {
    let (lines, _) = all_told(TENCENT, Some(Format::Tencent));
    assert_eq!(
        lines,
        [
            "1538323200000000000 Read 6610407424+65536 1063",
            "1538323200000000000 Write 3245408256+4096 1627",
            "1538323201000000000 Write 4096+512 1063",
        ]
    );
}

#[test]
fn spc_counts_decimal_seconds_blocks_and_bytes_and_allows_blanks() {
    let (lines, _) = all_told(SPC, Some(Format::Spc));
    assert_eq!(
        lines,
        [
            "551706000 Write 10721927168+8192 0",
            "554041000 Read 10721198080+513 1",
            "12123456789 Read 0+1024 0",
        ]
    );
}

#[test]
fn vscsi_csv_counts_seconds_and_hexadecimal_opcodes() {
    let with_header = all_told(VSCSI_CSV, Some(Format::VscsiCsv));
    assert_eq!(
        with_header.0,
        [
            "5633898000000000 Write 21981565440+512 0",
            "5633900000000000 Read 512+4096 0",
        ]
    );
    assert_eq!(with_header.1, 1);
    let body = &VSCSI_CSV[25..];
    assert_eq!(all_told(body, Some(Format::VscsiCsv)), with_header);
}

#[test]
fn vscsi_v1_and_v2_count_microseconds_and_blocks() {
    let expected = [
        "5633898368802000 Write 21981565440+512 0",
        "5633898468802000 Read 51200+65536 0",
    ];
    let (lines, others) = all_told(&VSCSI_V1, Some(Format::Vscsi));
    assert_eq!(
        (lines.as_slice(), others),
        (&expected.map(String::from)[..], 1)
    );
    let v2 = vscsi_v2(&[
        (512, 0x2a, 42_932_745, 5_633_898_368_802),
        (96, 0x12, 0, 5_633_898_368_803),
        (65_536, 0x88, 100, 5_633_898_468_802),
    ]);
    let (lines, others) = all_told(&v2, Some(Format::Vscsi));
    assert_eq!(
        (lines.as_slice(), others),
        (&expected.map(String::from)[..], 1)
    );
}

#[test]
fn scsi_flushes_and_all_sizes_of_reads_and_writes_are_known() {
    for (opcodes, op) in [
        (&[0x08u8, 0x28, 0xa8, 0x88][..], Op::Read),
        (
            &[0x0a, 0x2a, 0xaa, 0x8a, 0x2e, 0xae, 0x8e, 0x89][..],
            Op::Write,
        ),
        (&[0x35, 0x91][..], Op::Flush),
    ] {
        for opcode in opcodes {
            let record = vscsi_v2(&[(512, u16::from(*opcode), 8, 1)]);
            let records = records(&record, Some(Format::Vscsi)).unwrap();
            assert_eq!(records.len(), 1, "{opcode:#x}");
            assert_eq!(records[0].op, op);
        }
    }
}

#[test]
fn headers_line_ends_and_blank_lines_do_not_matter() {
    let headers = [
        (
            Format::Msr,
            MSR,
            "Timestamp,Hostname,DiskNumber,Type,Offset,Size,ResponseTime",
        ),
        (
            Format::Alibaba,
            ALIBABA,
            "device_id,opcode,offset,length,timestamp",
        ),
        (
            Format::Tencent,
            TENCENT,
            "Timestamp, Offset, Size, IOType, VolumeID",
        ),
        (Format::Spc, SPC, "asu,lba,size,opcode,timestamp"),
    ];
    for (format, body, header) in headers {
        let plain = all_told(body, Some(format));
        let body = String::from_utf8(body.to_vec()).unwrap();
        let changed = format!("{header}\n{body}").replace('\n', "\r\n\r\n  \r\n");
        let changed = changed.trim_end();
        assert_eq!(all_told(changed.as_bytes(), Some(format)), plain);
        assert_eq!(all_told(changed.as_bytes(), None), plain);
    }
}

#[test]
fn a_header_is_one_only_on_the_first_line() {
    let text = [ALIBABA, b"device_id,opcode,offset,length,timestamp\n"].concat();
    let (n, error) = refused(&text, Some(Format::Alibaba));
    assert_eq!(n, 2);
    assert_eq!(
        error.to_string(),
        "t:3:1: found 'device_id', expected a device number"
    );
}
