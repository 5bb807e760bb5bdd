//! The formats by name.

use super::error::{Kind, Place, TraceError};
use std::path::Path;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    Fio,
    Blkparse,
    Msr,
    Alibaba,
    Tencent,
    Spc,
    Vscsi,
    VscsiCsv,
}

impl Format {
    pub const ALL: [Format; 8] = [
        Format::Fio,
        Format::Blkparse,
        Format::Msr,
        Format::Alibaba,
        Format::Tencent,
        Format::Spc,
        Format::Vscsi,
        Format::VscsiCsv,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Format::Fio => "fio",
            Format::Blkparse => "blkparse",
            Format::Msr => "msr",
            Format::Alibaba => "alibaba",
            Format::Tencent => "tencent",
            Format::Spc => "spc",
            Format::Vscsi => "vscsi",
            Format::VscsiCsv => "vscsi-csv",
        }
    }

    /// What a person would call it.
    pub fn title(self) -> &'static str {
        match self {
            Format::Fio => "fio iolog",
            Format::Blkparse => "blkparse text",
            Format::Msr => "MSR Cambridge CSV",
            Format::Alibaba => "Alibaba block traces CSV",
            Format::Tencent => "Tencent CBS CSV",
            Format::Spc => "SPC (UMass) ASCII",
            Format::Vscsi => "CloudPhysics vscsi binary",
            Format::VscsiCsv => "CloudPhysics vscsi CSV",
        }
    }

    /// Formats whose stamps are whole seconds: many I/Os share one, and a replay must spread them.
    pub fn whole_seconds(self) -> bool {
        matches!(self, Format::Tencent | Format::VscsiCsv)
    }

    /// By name; `None` is `auto`.
    pub fn named(name: &str, file: &Path) -> Result<Option<Format>, TraceError> {
        if name == "auto" {
            return Ok(None);
        }
        let known = Format::ALL.into_iter().find(|f| f.name() == name);
        known.map(Some).ok_or_else(|| {
            let names: Vec<&str> = Format::ALL.iter().map(|f| f.name()).collect();
            let what = format!(
                "there is no trace format '{}': auto, {}",
                name.escape_debug(),
                names.join(", ")
            );
            TraceError::new(Kind::NoSuchFormat, file, Place::File, what)
        })
    }
}
