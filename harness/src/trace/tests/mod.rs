//! What the readers promise: units and meanings per format, errors with their place, no panic on anything.

mod anything;
mod blktrace;
mod detection;
mod errors;
mod formats;
mod packings;
mod real;
mod tools;

use super::*;
use std::io::Cursor;
use std::path::{Path, PathBuf};

/// One small trace per format, each with its own devices and odd lines.
pub const SAMPLES: [(Format, &[u8]); 9] = [
    (Format::Fio, FIO_V3),
    (Format::Fio, FIO_V2),
    (Format::Blkparse, BLKPARSE),
    (Format::Msr, MSR),
    (Format::Alibaba, ALIBABA),
    (Format::Tencent, TENCENT),
    (Format::Spc, SPC),
    (Format::VscsiCsv, VSCSI_CSV),
    (Format::Vscsi, &VSCSI_V1),
];

pub const FIO_V3: &[u8] = b"fio version 3 iolog
66 vol0 add
653 vol0 open
659 vol0 write 4046848 65536
733 vol0 read 49676288 8192
734 vol1 add
22782 vol0 sync 57569280 0
22783 vol0 trim 0 1048576
22784 vol1 datasync
55274 vol1 read 36753408 4096
56161 vol0 close
";

pub const FIO_V2: &[u8] = b"fio version 2 iolog
disk add
disk open
disk read 0 4096
disk wait 99 0
disk write 4096 512
disk wait 250 0
disk wait 1000 0
disk sync 0 0
disk close
";

pub const BLKPARSE: &[u8] = include_bytes!("../../../tests/data/blkparse-1.2.0.txt");

pub const MSR: &[u8] = b"128166385295514663,hm,0,Write,9056014336,2048,2833
128166385295514673,hm,1,Read,512,4096,41286
";

pub const ALIBABA: &[u8] = b"0,R,126703644672,4096,1577808000000626
419,W,8192,16384,1577808000001000
";

pub const TENCENT: &[u8] = b"1538323200,12910952,128,0,1063
1538323200,6338688,8,1,1627
1538323201,8,1,1,1063
";

pub const SPC: &[u8] = b"0,20941264,8192,W,0.551706
 1 , 20939840, 513, r, 0.554041 , extra, fields
0,0,1024,R,12.1234567899
";

pub const VSCSI_CSV: &[u8] = b"version,time,op,size,lbn
1,5633898,2a,512,42932745
1,5633899,12,96,0
1,5633900,28,4096,1
";

/// Two I/Os and an INQUIRY; see `vscsi_v1`.
pub static VSCSI_V1: [u8; 96] = vscsi_v1([
    (512, 0x2a, 42_932_745, 5_633_898_368_802),
    (96, 0x12, 0, 5_633_898_368_803),
    (65_536, 0x88, 100, 5_633_898_468_802),
]);

pub const fn vscsi_v1(records: [(u32, u16, u64, u64); 3]) -> [u8; 96] {
    let mut out = [0; 96];
    let mut i = 0;
    while i < 3 {
        let (len, cmd, lbn, ts) = records[i];
        let at = i * 32;
        put(&mut out, at, i as u64, 4);
        put(&mut out, at + 4, len as u64, 4);
        put(&mut out, at + 8, 1, 4);
        put(&mut out, at + 12, cmd as u64, 2);
        put(&mut out, at + 14, 0x100, 2);
        put(&mut out, at + 16, lbn, 8);
        put(&mut out, at + 24, ts, 8);
        i += 1;
    }
    out
}

const fn put(out: &mut [u8], at: usize, value: u64, bytes: usize) {
    let mut i = 0;
    while i < bytes {
        out[at + i] = (value >> (8 * i)) as u8;
        i += 1;
    }
}

/// The same as version 1, in the other layout.
pub fn vscsi_v2(records: &[(u32, u16, u64, u64)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (i, (len, cmd, lbn, ts)) in records.iter().enumerate() {
        out.extend(cmd.to_le_bytes());
        out.extend(0x0200u16.to_le_bytes());
        out.extend((i as u32).to_le_bytes());
        out.extend(len.to_le_bytes());
        out.extend(1u32.to_le_bytes());
        out.extend(lbn.to_le_bytes());
        out.extend(ts.to_le_bytes());
        out.extend(777u64.to_le_bytes());
    }
    out
}

pub fn reader(bytes: &[u8], format: Option<Format>) -> Result<Reader, TraceError> {
    let bytes = Cursor::new(bytes.to_vec());
    Reader::new(Box::new(bytes), Path::new("t"), format)
}

pub fn drain(reader: &mut Reader) -> Result<Vec<Record>, TraceError> {
    let mut out = Vec::new();
    while let Some(record) = reader.next()? {
        out.push(record);
    }
    Ok(out)
}

pub fn records(bytes: &[u8], format: Option<Format>) -> Result<Vec<Record>, TraceError> {
    drain(&mut reader(bytes, format)?)
}

/// A record in words, with its device's name.
pub fn told(reader: &Reader, r: &Record) -> String {
    let fua = if r.fua { " fua" } else { "" };
    format!(
        "{} {:?}{fua} {}+{} {}",
        r.at_ns,
        r.op,
        r.offset_bytes,
        r.len_bytes,
        reader.device(r.device)
    )
}

pub fn all_told(bytes: &[u8], format: Option<Format>) -> (Vec<String>, u64) {
    let mut reader = reader(bytes, format).expect("a trace");
    let records = drain(&mut reader).expect("no error");
    let lines = records.iter().map(|r| told(&reader, r)).collect();
    (lines, reader.others())
}

/// The error that a trace ends with, and the records before it.
pub fn refused(bytes: &[u8], format: Option<Format>) -> (usize, TraceError) {
    let mut reader = match reader(bytes, format) {
        Ok(reader) => reader,
        Err(error) => return (0, error),
    };
    let mut n = 0;
    loop {
        match reader.next() {
            Ok(Some(_)) => n += 1,
            Ok(None) => panic!("no error in {n} records"),
            Err(error) => {
                // An error is final.
                assert_eq!(reader.next().unwrap_err(), error);
                return (n, error);
            }
        }
    }
}

/// A real trace that is not part of the project: in the folder that `MPIO_TRACES` names. Without it, `test` says that it is skipped.
pub fn cloudphysics(test: &str) -> Option<PathBuf> {
    let folder = match std::env::var_os("MPIO_TRACES") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/traces"),
    };
    let path = folder.join("cloudphysics.vscsi.gz");
    if path.is_file() {
        return Some(path);
    }
    eprintln!(
        "skip {test}: there is no {} (MPIO_TRACES names the folder)",
        path.display()
    );
    None
}
