//! Which volume a disk says it is, from what the kernel keeps in sysfs: its own summary (`wwid`), or where a driver does not make one, the VPD
//! page 0x83 (SPC-5, 7.7.6) and the identifiers of an NVMe namespace, spelled as the kernel would. Nothing here does I/O on the device.
#![forbid(unsafe_code)]

use crate::sysfs::Folder;

pub fn of(sys: &Folder) -> Option<String> {
    // A driver that has none says so with nothing, or with zeroes.
    let some = |text: &String| text.chars().any(|c| !matches!(c, '0' | '-' | '.' | ' '));
    let text = |file: &str| sys.text(file).filter(some);
    let page = || of_page(&sys.bytes("device/vpd_pg83")?);
    let hex = |text: String| text.replace(['-', ' '], "").to_ascii_lowercase();
    text("device/wwid")
        .or_else(|| text("wwid"))
        .or_else(page)
        .or_else(|| text("uuid").map(|u| format!("uuid.{}", u.to_ascii_lowercase())))
        .or_else(|| text("nguid").map(|n| format!("eui.{}", hex(n))))
        .or_else(|| text("eui").map(|e| format!("eui.{}", hex(e))))
}

/// The best designator of the logical unit: NAA, then EUI-64, then T10 vendor.
fn of_page(page: &[u8]) -> Option<String> {
    let length = usize::from(u16::from_be_bytes([*page.get(2)?, *page.get(3)?]));
    let mut rest = page.get(4..)?;
    rest = &rest[..length.min(rest.len())];
    let mut best: Option<(u8, String)> = None;
    while let [code_set, kind, _, n, ..] = *rest {
        let end = 4 + usize::from(n);
        let Some(designator) = rest.get(4..end) else {
            break;
        };
        // Of the logical unit, not of its port or target.
        let of_unit = kind & 0x30 == 0;
        let hex = || {
            designator
                .iter()
                .map(|b| format!("{b:02x}"))
                .collect::<String>()
        };
        let found = match (kind & 0x0f, code_set & 0x0f) {
            (3, 1) if !designator.is_empty() => Some((3, format!("naa.{}", hex()))),
            (2, 1) if !designator.is_empty() => Some((2, format!("eui.{}", hex()))),
            (1, 2 | 3) => {
                let text = String::from_utf8_lossy(designator);
                Some((1, format!("t10.{}", text.trim_end())))
            }
            _ => None,
        };
        if let Some(found) = found.filter(|f| of_unit && best.as_ref().is_none_or(|b| f.0 > b.0)) {
            best = Some(found);
        }
        rest = &rest[end..];
    }
    best.map(|(_, text)| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(designators: &[&[u8]]) -> Vec<u8> {
        let body = designators.concat();
        [&[0, 0x83, 0, body.len() as u8][..], &body].concat()
    }

    #[test]
    fn the_best_designator_of_the_unit_is_taken() {
        let t10: &[u8] = &[2, 1, 0, 4, b'A', b'C', b'M', b' '];
        let naa: &[u8] = &[1, 3, 0, 8, 0x50, 1, 2, 3, 4, 5, 6, 7];
        let eui: &[u8] = &[1, 2, 0, 8, 0, 1, 2, 3, 4, 5, 6, 7];
        let port: &[u8] = &[0x61, 0x93, 0, 8, 0x60, 0, 0, 0, 0, 0, 0, 1];
        let of = |d: &[&[u8]]| of_page(&page(d)).unwrap_or_default();
        assert_eq!(of(&[t10, eui, naa, port]), "naa.5001020304050607");
        assert_eq!(of(&[port, t10, eui]), "eui.0001020304050607");
        assert_eq!(of(&[t10]), "t10.ACM");
        assert_eq!(of(&[port]), "");
    }

    #[test]
    fn a_page_that_is_cut_says_what_it_still_says() {
        let whole = page(&[&[1, 3, 0, 8, 0x50, 1, 2, 3, 4, 5, 6, 7]]);
        for n in 0..whole.len() {
            assert_eq!(of_page(&whole[..n]), None, "{n} bytes");
        }
    }

    #[test]
    fn the_kernels_summary_is_believed_first() {
        let folder = tempfile::tempdir().unwrap();
        let sys = Folder::new(folder.path());
        let write = |file: &str, text: &[u8]| std::fs::write(sys.at(file), text).unwrap();
        assert_eq!(of(&sys), None);
        write("uuid", b"00000000-0000-0000-0000-000000000000\n");
        assert_eq!(of(&sys), None, "no uuid");
        write("eui", b"00 25 38 01\n");
        assert_eq!(of(&sys).unwrap(), "eui.00253801");
        write("nguid", b"0025385A-0000\n");
        assert_eq!(of(&sys).unwrap(), "eui.0025385a0000");
        write("uuid", b"1B4E28BA-2FA1\n");
        assert_eq!(of(&sys).unwrap(), "uuid.1b4e28ba-2fa1");
        std::fs::create_dir(sys.at("device")).unwrap();
        write("device/vpd_pg83", &page(&[&[1, 3, 0, 2, 0x50, 1]]));
        assert_eq!(of(&sys).unwrap(), "naa.5001");
        write("device/wwid", b"naa.6\n");
        assert_eq!(of(&sys).unwrap(), "naa.6");
    }
}
