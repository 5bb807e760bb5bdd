//! What a target can do. What a scenario requires and the target cannot is a reason to skip it, visibly.
//!
//! The simulation can inject every fault and has every capability; what the scenario's own array does not offer, it
//! cannot lend it.

use super::Stop;
use super::args::Fidelity;
use crate::scenario::Scenario;
use crate::scenario::model::ArrayFence;

/// Only the simulation is built.
pub fn supported(target: &str, fidelity: Option<Fidelity>) -> Result<(), Stop> {
    if fidelity == Some(Fidelity::Wire) {
        return Err(Stop::usage(
            "--fidelity wire is not built yet; built: model",
        ));
    }
    match target {
        "sim" => Ok(()),
        t if t.starts_with("/dev/") || t.starts_with("mpio:") => Err(Stop::usage(format!(
            "--target {t} is not built yet; built: sim"
        ))),
        t => Err(Stop::usage(format!(
            "unknown --target '{t}'; allowed: sim, /dev/ublkbN, mpio:NAME"
        ))),
    }
}

/// Why this scenario cannot run here; `None` where it can.
pub fn lacks(s: &Scenario) -> Option<String> {
    let without_fence = s.array.fence == ArrayFence::Time;
    s.requires
        .iter()
        .find(|need| *need == "fence.ccr" && without_fence)
        .map(|need| {
            format!("requires {need}, which the scenario's own array does not offer (array.fence = \"time\")")
        })
}
