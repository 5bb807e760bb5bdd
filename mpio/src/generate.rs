//! What a package of the daemon ships beside the binary, made from the command line's own description so that it cannot differ: completions for
//! shells, man pages. The systemd unit is a file (`packaging/mpio.service`), printed here so that a lone binary can be installed.
#![forbid(unsafe_code)]

use crate::cli::Arguments;
use clap::CommandFactory;
use clap_complete::Shell;
use std::io;
use std::path::{Path, PathBuf};

pub const UNIT: &str = include_str!("../packaging/mpio.service");

pub fn completions(shell: Shell) -> Vec<u8> {
    let mut out = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "mpio", &mut out);
    out
}

/// `mpio.1` and one page for each command, as `mpio-volume-list.1`.
pub fn man(folder: &Path) -> io::Result<Vec<PathBuf>> {
    std::fs::create_dir_all(folder)?;
    clap_mangen::generate_to(Arguments::command(), folder)?;
    let mut pages = Vec::new();
    for file in std::fs::read_dir(folder)? {
        pages.push(file?.path());
    }
    pages.retain(|p| p.extension().is_some_and(|e| e == "1"));
    pages.sort();
    Ok(pages)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn every_command_has_a_page_and_a_completion() {
        let folder = tempfile::tempdir().unwrap();
        let pages = man(folder.path()).unwrap();
        let text = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        for command in [
            "serve",
            "status",
            "discover",
            "volume-take-size",
            "path-fail",
        ] {
            let page = text(&format!("mpio-{command}.1"));
            assert!(page.contains(".TH ") && page.contains("SYNOPSIS"), "{page}");
        }
        assert!(text("mpio.1").contains("Exit codes"));
        assert!(pages.len() > 15);
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = String::from_utf8(completions(shell)).unwrap();
            assert!(script.contains("take-size"), "{shell}");
        }
        // A shell reads what was made for it.
        let file = folder.path().join("mpio.bash");
        std::fs::write(&file, completions(Shell::Bash)).unwrap();
        let read = Command::new("bash").arg("-n").arg(&file).status();
        assert!(read.unwrap().success());
    }

    #[test]
    fn the_unit_is_one_that_systemd_takes() {
        let mut sections = Vec::new();
        for line in UNIT
            .lines()
            .filter(|l| !l.is_empty() && !l.starts_with('#'))
        {
            match line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
                Some(section) => sections.push(section),
                None => assert!(line.contains('='), "{line}"),
            }
        }
        assert_eq!(sections, ["Unit", "Service", "Install"]);
        for line in ["Type=notify", "WatchdogSec=30", "OOMScoreAdjust=-1000"] {
            assert!(UNIT.lines().any(|l| l == line), "{line}");
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mpio.service");
        // The binary is not installed here.
        std::fs::write(&file, UNIT.replace("/usr/bin/mpio", "/bin/true")).unwrap();
        let verified = Command::new("systemd-analyze")
            .args(["verify", "--man=no"])
            .arg(&file)
            .output();
        match verified {
            Ok(out) => {
                let said = String::from_utf8_lossy(&out.stderr);
                let of_it: Vec<&str> = said
                    .lines()
                    .filter(|l| l.contains("mpio.service"))
                    .collect();
                assert!(of_it.is_empty(), "{of_it:?}");
            }
            Err(e) => println!("skip systemd-verify: no systemd-analyze here ({e})"),
        }
    }
}
