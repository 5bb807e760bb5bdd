//! What a target can do. What a scenario requires and the target cannot is a reason to skip it, visibly.
//!
//! The simulation can inject every fault and has every capability; what the scenario's own array does not offer, it
//! cannot lend it. A real target says for itself what it lacks.

use super::Stop;
use super::args::{self, Fidelity};
use crate::scenario::Scenario;
use crate::scenario::model::ArrayFence;
use crate::target::{Injectors, Real};
use std::path::{Path, PathBuf};

/// Where only the simulation serves.
pub fn supported(target: &str, fidelity: Option<Fidelity>) -> Result<(), Stop> {
    if fidelity == Some(Fidelity::Wire) {
        return Err(Stop::usage(
            "--fidelity wire is not built yet; built: model",
        ));
    }
    if target == "sim" {
        return Ok(());
    }
    Err(match is_real(target) {
        true => Stop::usage(format!(
            "--target {target}: this command is for the simulation; harness run takes a real target"
        )),
        false => unknown(target),
    })
}

fn is_real(target: &str) -> bool {
    target.starts_with("/dev/") || target.starts_with("mpio:")
}

fn unknown(target: &str) -> Stop {
    Stop::usage(format!(
        "unknown --target '{target}'; allowed: sim, /dev/ublkbN, mpio:NAME"
    ))
}

/// The real target of a run, if it has one.
pub fn real(args: &args::Run) -> Result<Option<Real>, Stop> {
    let target = args.what.target.as_str();
    if target == "sim" {
        let only = [
            ("--inject", args.inject.is_some()),
            ("--overwrite", args.overwrite),
        ];
        if let Some((word, _)) = only.into_iter().find(|(_, given)| *given) {
            return Err(Stop::usage(format!("{word} is for a real --target")));
        }
        return supported(target, args.what.fidelity).map(|()| None);
    }
    if !is_real(target) {
        return Err(unknown(target));
    }
    let not = [
        (
            "--twice",
            args.twice,
            "a run on a real device is not repeatable",
        ),
        (
            "--policy",
            args.policy.is_some(),
            "the policy is the daemon's",
        ),
        (
            "--fidelity",
            args.what.fidelity.is_some(),
            "it is the real thing",
        ),
        (
            "--events",
            args.events.is_some(),
            "commands on paths are not seen from outside",
        ),
        (
            "--baseline",
            args.baseline.is_some() || args.update_baseline,
            "baselines are of the simulation",
        ),
    ];
    if let Some((word, _, why)) = not.into_iter().find(|(_, given, _)| *given) {
        return Err(Stop::usage(format!("{word} with --target {target}: {why}")));
    }
    let device = match target.strip_prefix("mpio:") {
        Some(name) => volume(name)?,
        None => PathBuf::from(target),
    };
    let injectors = match &args.inject {
        Some(file) => Injectors::read(file).map_err(|e| Stop::usage(e.to_string()))?,
        None => Injectors::default(),
    };
    Real::new(&device, injectors, args.overwrite, super::interruption()?)
        .map(Some)
        .map_err(|e| Stop::usage(e.to_string()))
}

/// The words that repeat such a run.
pub fn words(args: &args::Run) -> Vec<String> {
    let mut words = Vec::new();
    if args.what.target != "sim" {
        words.extend(["--target".to_string(), args.what.target.clone()]);
        if let Some(file) = &args.inject {
            words.extend(["--inject".to_string(), file.display().to_string()]);
        }
        if args.overwrite {
            words.push("--overwrite".to_string());
        }
    }
    words
}

/// The device of a daemon's volume: its stable name, or what the daemon says.
fn volume(name: &str) -> Result<PathBuf, Stop> {
    let link = Path::new("/dev/mpio").join(name);
    if link.exists() {
        return Ok(link);
    }
    let fail = |text: String| {
        Stop::usage(format!(
            "--target mpio:{name}: {text}; `mpio status` lists the volumes"
        ))
    };
    let out = std::process::Command::new("mpio")
        .args(["status", "--json"])
        .output()
        .map_err(|e| fail(format!("mpio status --json: {e}")))?;
    if !out.status.success() {
        return Err(fail(
            String::from_utf8_lossy(&out.stderr).trim().to_string(),
        ));
    }
    let status: serde_json::Value = serde_json::from_slice(&out.stdout)
        .map_err(|e| fail(format!("mpio status --json: {e}")))?;
    let volumes = status["volumes"].as_array().into_iter().flatten();
    volumes
        .filter(|v| v["name"] == name)
        .find_map(|v| v["device"].as_str())
        .map(PathBuf::from)
        .ok_or_else(|| fail("the daemon has no such volume".to_string()))
}

/// Why this scenario cannot run in the simulation; `None` where it can.
pub fn lacks(s: &Scenario) -> Option<String> {
    let without_fence = s.array.fence == ArrayFence::Time;
    s.requires
        .iter()
        .find(|need| *need == "fence.ccr" && without_fence)
        .map(|need| {
            format!("requires {need}, which the scenario's own array does not offer (array.fence = \"time\")")
        })
}
