//! The cuts: what is broken on path 0 of the kernel's stage, and how it is healed.

use crate::error::Result;
use crate::shell::{put, run};
use crate::stage::{self, ADDRESSES, PORT, Stage};
use std::path::Path;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Nothing passes, either way, and nobody is told.
    Drop,
    /// Nothing passes from the target to the host.
    DropAnswers,
    /// Each packet to the target is answered with a TCP reset.
    Reset,
    /// The subsystem is taken off the port: its controllers there go, no connection is made any more.
    Port,
    /// The namespace is disabled.
    Namespace,
    /// The ANA group is inaccessible through this port.
    Inaccessible,
    /// The media cannot be read.
    Medium,
    /// What is below the target holds each command.
    Stall,
    /// As `Stall`, and the host deletes its controller meanwhile.
    StallAndDelete,
}

const OPTIONS: &str = "/sys/bus/pseudo/drivers/scsi_debug/opts";

impl Cut {
    /// Breaks it before the command is sent.
    pub fn start(self) -> Result<()> {
        match self {
            Cut::Drop => filter(&[("daddr", "dport", "drop"), ("saddr", "sport", "drop")]),
            Cut::DropAnswers => filter(&[("saddr", "sport", "drop")]),
            Cut::Reset => filter(&[("daddr", "dport", "reject with tcp reset")]),
            Cut::Port => stage::unlink(0),
            Cut::Namespace => enable("0"),
            Cut::Inaccessible => ana("inaccessible"),
            Cut::Medium => put(Path::new(OPTIONS), "2"),
            Cut::Stall | Cut::StallAndDelete => stage::suspend(),
        }
    }

    /// What is done once the command is on its way.
    pub fn then(self, stage: &Stage) -> Result<()> {
        match self {
            Cut::StallAndDelete => stage::delete(&stage.controller(0)),
            _ => Ok(()),
        }
    }

    pub fn heal(self) -> Result<()> {
        match self {
            Cut::Drop | Cut::DropAnswers | Cut::Reset => run("nft", &["delete table ip cut"]),
            Cut::Port => stage::link(0),
            Cut::Namespace => enable("1"),
            Cut::Inaccessible => ana("optimized"),
            Cut::Medium => put(Path::new(OPTIONS), "0"),
            Cut::Stall | Cut::StallAndDelete => stage::resume(),
        }
    }

    /// Whether the other path still reaches the media. Where it does not, the newer write goes to the media itself, as
    /// it would through a controller that is not stalled.
    pub fn spares_the_other_path(self) -> bool {
        !matches!(self, Cut::Namespace | Cut::Stall | Cut::StallAndDelete)
    }
}

fn enable(value: &str) -> Result<()> {
    put(&stage::subsystem().join("namespaces/1/enable"), value)
}

fn ana(state: &str) -> Result<()> {
    put(&stage::port(0).join("ana_groups/1/ana_state"), state)
}

fn filter(rules: &[(&str, &str, &str)]) -> Result<()> {
    let address = ADDRESSES[0];
    let mut text = String::from("table ip cut {\nchain in {\ntype filter hook input priority 0\n");
    for (side, port, verdict) in rules {
        text.push_str(&format!(
            "ip {side} {address} tcp {port} {PORT} {verdict}\n"
        ));
    }
    text.push_str("}\n}\n");
    run("nft", &[&text])
}
