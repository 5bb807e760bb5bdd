//! The means: what each can do, and the words that do it.
//!
//! | means | faults | how |
//! |---|---|---|
//! | `sysfs = { device = "sda" }` | `reset` | the SCSI device's `state`: `offline`, then `running`; commands fail at once |
//! | `scsi_debug = { device = "sda" }` | `drop`, `error` | the driver's error injection, always: reads and writes are never answered (type 0; nothing executes, the kernel's own timer ends them) or end with a sense (type 2) |
//! | `nft = { address = "10.0.0.2", port = 4420 }` | `drop`, `drop_answers`, `reset` | a table of its own that drops both directions, drops what comes from there, or refuses with a TCP reset |
//! | `dm = { name = "p0" }` | `error`, `stall` | the map's table becomes `error`, or the map is suspended |
//! | `command = { start = "…", stop = "…" }` | all | `sh -c`, with `MPIO_FAULT` and `MPIO_TARGET` in the environment |

use crate::scenario::kind_name;
use crate::scenario::model::FaultKind;
use protocol::Status;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::Command;

/// READ(6, 10, 12, 16) and WRITE(6, 10, 12, 16), as the kernel sends them to disks.
const OPCODES: [u8; 8] = [0x08, 0x28, 0xa8, 0x88, 0x0a, 0x2a, 0xaa, 0x8a];

#[derive(Clone, Debug)]
pub enum Means {
    Sysfs(Scsi),
    ScsiDebug(Scsi),
    Nft(Portal),
    Dm(Map),
    Command(Commands),
}

/// A SCSI disk by its name in `/sys/block`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scsi {
    device: String,
}

/// A TCP portal of the target's.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Portal {
    address: std::net::IpAddr,
    port: u16,
}

/// A device-mapper map.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Map {
    name: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commands {
    start: String,
    stop: Option<String>,
}

fn is_name(word: &str) -> bool {
    !word.is_empty()
        && word
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        && !word.starts_with('.')
}

impl Means {
    pub fn check(&self) -> Result<(), String> {
        match self {
            Means::Sysfs(Scsi { device }) | Means::ScsiDebug(Scsi { device })
                if !is_name(device) =>
            {
                Err(format!(
                    "\"{device}\" is no name of a block device; right would be one as in /sys/block, such as \"sda\""
                ))
            }
            Means::Dm(Map { name }) if !is_name(name) => {
                Err(format!("\"{name}\" is no name of a map"))
            }
            Means::Command(Commands { start, .. }) if start.trim().is_empty() => {
                Err("start is empty".to_string())
            }
            _ => Ok(()),
        }
    }

    fn faults(&self) -> &'static [&'static str] {
        match self {
            Means::Sysfs(_) => &["reset"],
            Means::ScsiDebug(_) => &["drop", "error"],
            Means::Nft(_) => &["drop", "drop_answers", "reset"],
            Means::Dm(_) => &["error", "stall"],
            Means::Command(_) => &[],
        }
    }

    pub fn can(&self, fault: &str) -> bool {
        matches!(self, Means::Command(_)) || self.faults().contains(&fault)
    }

    pub fn abilities(&self) -> String {
        self.faults().join(", ")
    }

    /// Breaks it. `name` is the fault as an injector knows it; `on` the target that it stands for.
    pub fn start(&self, name: &str, kind: &FaultKind, on: &str) -> Result<(), String> {
        match self {
            Means::Sysfs(Scsi { device }) => put(&state(device), "offline"),
            Means::ScsiDebug(Scsi { device }) => {
                let rules = debug_rules(name, kind)?;
                let file = debug_file(device)?;
                rules.iter().try_for_each(|rule| put(&file, rule))
            }
            Means::Nft(Portal { address, port }) => {
                let rules = nft_rules(name, *address, *port);
                command("nft", &[&rules])
            }
            Means::Dm(Map { name: map }) if name == "stall" => {
                command("dmsetup", &["suspend", "--noflush", "--nolockfs", map])
            }
            Means::Dm(Map { name: map }) => {
                let sectors = dm_sectors(map)?;
                let error = format!("0 {sectors} error");
                dm_swap(map, &["--table", &error])
            }
            Means::Command(Commands { start, .. }) => shell(start, kind_name(kind), on),
        }
    }

    /// Mends it.
    pub fn stop(&self, name: &str, kind: &FaultKind, on: &str) -> Result<(), String> {
        match self {
            Means::Sysfs(Scsi { device }) => put(&state(device), "running"),
            Means::ScsiDebug(Scsi { device }) => {
                let file = debug_file(device)?;
                let kind = if name == "drop" { 0 } else { 2 };
                OPCODES
                    .iter()
                    .try_for_each(|op| put(&file, &format!("- {kind} {op:#x}")))
            }
            Means::Nft(Portal { address, port }) => {
                let table = nft_table(*address, *port);
                command("nft", &["delete", "table", "inet", &table])
            }
            Means::Dm(Map { name: map }) if name == "stall" => command("dmsetup", &["resume", map]),
            Means::Dm(Map { name: map }) => dm_restore(map),
            Means::Command(Commands { stop, .. }) => match stop {
                Some(stop) => shell(stop, kind_name(kind), on),
                None => Ok(()),
            },
        }
    }
}

fn state(device: &str) -> PathBuf {
    Path::new("/sys/block").join(device).join("device/state")
}

fn put(file: &Path, text: &str) -> Result<(), String> {
    // The kernel wants the line whole.
    std::fs::write(file, format!("{text}\n"))
        .map_err(|e| format!("{}: cannot write \"{text}\": {e}", file.display()))
}

/// A SCSI device's error injection: `/sys/kernel/debug/scsi_debug/H:C:T:L/error`.
fn debug_file(device: &str) -> Result<PathBuf, String> {
    let link = Path::new("/sys/block").join(device).join("device");
    let real = std::fs::canonicalize(&link).map_err(|e| format!("{}: {e}", link.display()))?;
    let address = real.file_name().unwrap_or_default();
    Ok(Path::new("/sys/kernel/debug/scsi_debug")
        .join(address)
        .join("error"))
}

fn debug_rules(name: &str, kind: &FaultKind) -> Result<Vec<String>, String> {
    let rule = |op: u8| match (name, kind) {
        ("drop", _) => Ok(format!("0 1 {op:#x}")),
        (
            _,
            FaultKind::Error {
                status: Status::Sense(sense),
                share: 100,
            },
        ) => Ok(format!(
            "2 1 {op:#x} 0 0 0x2 {:#x} {:#x} {:#x}",
            sense.key, sense.asc, sense.ascq
        )),
        _ => Err(
            "scsi_debug answers every command, with SCSI sense: status = \"sense:…\", share = 100"
                .to_string(),
        ),
    };
    OPCODES.iter().map(|op| rule(*op)).collect()
}

fn nft_table(address: std::net::IpAddr, port: u16) -> String {
    let address: String = address
        .to_string()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    format!("mpio_harness_{address}_{port}")
}

/// One ruleset, loaded whole or not at all.
fn nft_rules(name: &str, address: std::net::IpAddr, port: u16) -> String {
    let table = nft_table(address, port);
    let family = if address.is_ipv4() { "ip" } else { "ip6" };
    let verdict = if name == "reset" {
        "reject with tcp reset"
    } else {
        "drop"
    };
    let from = format!("{family} saddr {address} tcp sport {port} {verdict};");
    let to = match name {
        "drop_answers" => String::new(),
        _ => format!("{family} daddr {address} tcp dport {port} {verdict};"),
    };
    format!(
        "table inet {table} {{ \
         chain in {{ type filter hook input priority -10; {from} }} \
         chain out {{ type filter hook output priority -10; {to} }} }}"
    )
}

fn dm_sectors(map: &str) -> Result<u64, String> {
    let table = output("dmsetup", &["table", map])?;
    let end = |line: &str| {
        let mut words = line.split_whitespace();
        let first: u64 = words.next()?.parse().ok()?;
        let sectors: u64 = words.next()?.parse().ok()?;
        Some(first + sectors)
    };
    table
        .lines()
        .last()
        .and_then(end)
        .ok_or_else(|| format!("dmsetup table {map}: it has no table"))
}

/// Where the table is kept that `dm_restore` brings back: the machine's own memory, so that nothing is lost with this process.
fn dm_kept(map: &str) -> PathBuf {
    std::env::temp_dir().join(format!("mpio-harness-dm-{map}.table"))
}

fn dm_swap(map: &str, table: &[&str]) -> Result<(), String> {
    let old = output("dmsetup", &["table", map])?;
    let kept = dm_kept(map);
    std::fs::write(&kept, old).map_err(|e| format!("{}: {e}", kept.display()))?;
    let mut load = vec!["load", map];
    load.extend(table);
    command("dmsetup", &load)?;
    command("dmsetup", &["suspend", "--noflush", "--nolockfs", map])?;
    command("dmsetup", &["resume", map])
}

fn dm_restore(map: &str) -> Result<(), String> {
    let kept = dm_kept(map);
    let file = kept.display().to_string();
    command("dmsetup", &["load", map, &file])?;
    command("dmsetup", &["suspend", "--noflush", "--nolockfs", map])?;
    command("dmsetup", &["resume", map])?;
    std::fs::remove_file(&kept).map_err(|e| format!("{file}: {e}"))
}

fn shell(text: &str, fault: &str, on: &str) -> Result<(), String> {
    let mut sh = Command::new("sh");
    sh.args(["-c", text])
        .env("MPIO_FAULT", fault)
        .env("MPIO_TARGET", on);
    said(sh, text).map(drop)
}

fn command(program: &str, args: &[&str]) -> Result<(), String> {
    output(program, args).map(drop)
}

fn output(program: &str, args: &[&str]) -> Result<String, String> {
    let mut c = Command::new(program);
    c.args(args);
    said(c, &format!("{program} {}", args.join(" ")))
}

fn said(mut c: Command, text: &str) -> Result<String, String> {
    let out = c
        .stdin(std::process::Stdio::null())
        .output()
        .map_err(|e| format!("{text}: {e}"))?;
    if out.status.success() {
        return Ok(String::from_utf8_lossy(&out.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&out.stderr);
    Err(format!("{text}: {} ({})", said.trim(), out.status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scsi_debug_is_told_to_swallow_and_to_fail_always() {
        let rules = debug_rules("drop", &FaultKind::Drop).unwrap();
        assert!(rules.contains(&"0 1 0x28".to_string()) && rules.contains(&"0 1 0x2a".to_string()));
        let sense = crate::scenario::model::FaultKind::Error {
            status: Status::Sense(protocol::Sense {
                key: 3,
                asc: 0x11,
                ascq: 0,
            }),
            share: 100,
        };
        assert!(
            debug_rules("error", &sense)
                .unwrap()
                .contains(&"2 1 0x28 0 0 0x2 0x3 0x11 0x0".to_string())
        );
    }

    #[test]
    fn nft_cuts_one_portal_and_no_other() {
        let rules = nft_rules("drop", "10.0.0.2".parse().unwrap(), 4420);
        assert!(
            rules.starts_with("table inet mpio_harness_10_0_0_2_4420 {"),
            "{rules}"
        );
        assert!(
            rules.contains("ip daddr 10.0.0.2 tcp dport 4420 drop;"),
            "{rules}"
        );
        let answers = nft_rules("drop_answers", "10.0.0.2".parse().unwrap(), 4420);
        assert!(
            answers.contains("ip saddr 10.0.0.2 tcp sport 4420 drop;"),
            "{answers}"
        );
        assert!(!answers.contains("daddr"), "{answers}");
    }

    #[test]
    fn a_command_that_fails_says_what_it_said() {
        let said = shell("echo no >&2; exit 3", "drop", "array").unwrap_err();
        assert!(said.contains("no") && said.contains('3'), "{said}");
        shell(
            "test $MPIO_FAULT = drop && test $MPIO_TARGET = path:h0-A0",
            "drop",
            "path:h0-A0",
        )
        .unwrap();
    }
}
