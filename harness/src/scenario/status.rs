//! The status of an `error` fault as text: `nvme:0x360+dnr+crd1`, `sense:2/04/0a`, `errno:EIO`.

use protocol::{NvmeStatus, Sense, Status};

/// Errnos that a block path can answer with, by their Linux numbers.
const ERRNOS: &[(&str, i32)] = &[
    ("EIO", 5),
    ("ENXIO", 6),
    ("EAGAIN", 11),
    ("ENOMEM", 12),
    ("EBUSY", 16),
    ("ENODEV", 19),
    ("EINVAL", 22),
    ("ENOSPC", 28),
    ("EROFS", 30),
    ("EPIPE", 32),
    ("EBADE", 52),
    ("ENODATA", 61),
    ("ENOLINK", 67),
    ("EPROTO", 71),
    ("EILSEQ", 84),
    ("EOPNOTSUPP", 95),
    ("ECONNABORTED", 103),
    ("ECONNRESET", 104),
    ("ETIMEDOUT", 110),
    ("EREMOTEIO", 121),
];

pub const EXPECTED: &str =
    "a status such as \"nvme:0x360\" (with +dnr, +crd1), \"sense:2/04/0a\" or \"errno:EIO\"";

/// Reads a status; the error says what is wrong and names the nearest errno where that is it.
pub fn parse(text: &str) -> Result<Status, (String, Option<String>)> {
    let no = |why: String| (why, None);
    let Some((vocabulary, rest)) = text.split_once(':') else {
        return Err(no(format!("expected {EXPECTED}")));
    };
    match vocabulary {
        "nvme" => nvme(rest).map_err(no),
        "sense" => sense(rest).map_err(no),
        "errno" => match ERRNOS.iter().find(|(name, _)| *name == rest) {
            Some((_, number)) => Ok(Status::Errno(*number)),
            None => {
                let near = super::nearest(rest, ERRNOS.iter().map(|(name, _)| *name));
                Err(("unknown errno".into(), near))
            }
        },
        other => {
            let near = super::nearest(other, ["nvme", "sense", "errno"]);
            Err((format!("expected {EXPECTED}"), near))
        }
    }
}

fn nvme(text: &str) -> Result<Status, String> {
    let mut parts = text.split('+');
    let code = parts.next().unwrap_or("");
    let code = code
        .strip_prefix("0x")
        .filter(|hex| !hex.starts_with('+'))
        .and_then(|hex| u16::from_str_radix(hex, 16).ok())
        .ok_or("the code of an NVMe status is hexadecimal, such as nvme:0x360")?;
    if code == 0 {
        return Err("nvme:0x0 is success, not an error".into());
    }
    if code > 0x7ff {
        return Err("an NVMe status has 11 bits: at most 0x7ff".into());
    }
    let mut status = NvmeStatus::new(code);
    for flag in parts {
        match flag {
            "dnr" => status.dnr = true,
            "crd0" | "crd1" | "crd2" | "crd3" => status.crd = flag.as_bytes()[3] - b'0',
            _ => return Err("an NVMe status takes +dnr and +crd1, +crd2, +crd3".into()),
        }
    }
    Ok(Status::Nvme(status))
}

fn sense(text: &str) -> Result<Status, String> {
    let parts: Option<Vec<u8>> = text
        .split('/')
        .map(|p| {
            (!p.starts_with('+'))
                .then(|| u8::from_str_radix(p, 16).ok())
                .flatten()
        })
        .collect();
    match parts.as_deref() {
        Some([key @ 0..=15, asc, ascq]) => Ok(Status::Sense(Sense {
            key: *key,
            asc: *asc,
            ascq: *ascq,
        })),
        _ => Err("sense data is key/asc/ascq in hexadecimal, such as sense:2/04/0a".into()),
    }
}

/// Writes a status so that it reads back.
pub fn write(status: Status) -> String {
    match status {
        Status::Ok => "ok".into(),
        Status::Busy => "busy".into(),
        Status::Nvme(s) => {
            let dnr = if s.dnr { "+dnr" } else { "" };
            let crd = if s.crd > 0 {
                format!("+crd{}", s.crd)
            } else {
                String::new()
            };
            format!("nvme:{:#x}{dnr}{crd}", s.code)
        }
        Status::Sense(s) => format!("sense:{:x}/{:02x}/{:02x}", s.key, s.asc, s.ascq),
        Status::Errno(n) => match ERRNOS.iter().find(|(_, number)| *number == n) {
            Some((name, _)) => format!("errno:{name}"),
            None => format!("errno:{n}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_vocabulary_reads_and_writes() {
        for text in [
            "nvme:0x360",
            "nvme:0x6+dnr",
            "nvme:0x60+dnr+crd3",
            "sense:2/04/0a",
            "errno:EREMOTEIO",
        ] {
            assert_eq!(write(parse(text).unwrap()), text);
        }
    }

    #[test]
    fn what_is_no_status_is_refused() {
        for text in [
            "",
            "nvme",
            "nvme:",
            "nvme:360",
            "nvme:0x",
            "nvme:0x800",
            "nvme:0x0",
            "nvme:0x360+crd4",
            "nvme:0x360+",
            "sense:2/04",
            "sense:10/00/00",
            "sense:2/04/0a/00",
            "sense:2/004444/0a",
            "errno:5",
            "errno:",
            "scsi:2",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(parse("errno:EOI").unwrap_err().1.as_deref(), Some("EIO"));
    }
}
