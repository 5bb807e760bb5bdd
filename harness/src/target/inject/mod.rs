//! What this machine can break, and how: `--inject FILE`. A simulated fault says what happens to a path; on a machine somebody must say what
//! stands for that path, and there is no general way to break it. So each `[[injector]]` names a target of the scenarios and the means.
//!
//! A fault on a target that no injector names is carried out on each of its paths. What cannot be carried out is a reason to skip the
//! scenario, told before it begins. Whatever was broken is mended when the run ends, also by an error or a signal.

mod means;

use crate::scenario::model::{Fault, FaultKind, Scenario, Target, When};
use crate::scenario::{kind_name, target_name, topology};
pub use means::Means;
use serde::Deserialize;
use std::path::Path;

/// One means of breaking one target.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Raw")]
pub struct Injector {
    /// As in a scenario: `path:h0-A0`, `controller:A`, `array` …
    pub on: String,
    /// Only these faults; absent: all that the means can do.
    pub faults: Option<Vec<String>>,
    pub means: Means,
}

/// As it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    on: String,
    #[serde(rename = "do")]
    faults: Option<Vec<String>>,
    sysfs: Option<means::Scsi>,
    scsi_debug: Option<means::Scsi>,
    nft: Option<means::Portal>,
    dm: Option<means::Map>,
    command: Option<means::Commands>,
}

impl TryFrom<Raw> for Injector {
    type Error = String;

    fn try_from(raw: Raw) -> Result<Injector, String> {
        let given = [
            raw.sysfs.map(Means::Sysfs),
            raw.scsi_debug.map(Means::ScsiDebug),
            raw.nft.map(Means::Nft),
            raw.dm.map(Means::Dm),
            raw.command.map(Means::Command),
        ];
        let mut given: Vec<Means> = given.into_iter().flatten().collect();
        match given.pop() {
            Some(means) if given.is_empty() => Ok(Injector {
                on: raw.on,
                faults: raw.faults,
                means,
            }),
            _ => Err(format!(
                "the injector on \"{}\" needs one of sysfs, scsi_debug, nft, dm, command, and one only",
                raw.on
            )),
        }
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default, rename = "injector")]
    injectors: Vec<Injector>,
}

/// Everything that this machine can break.
#[derive(Clone, Debug, Default)]
pub struct Injectors {
    all: Vec<Injector>,
    /// For what is said when one is missing.
    given: Option<String>,
}

#[derive(Debug, thiserror::Error)]
#[error("{file}: {text}")]
pub struct InjectError {
    file: String,
    text: String,
}

impl Injectors {
    pub fn read(file: &Path) -> Result<Injectors, InjectError> {
        let fail = |text: String| InjectError {
            file: file.display().to_string(),
            text,
        };
        let text =
            std::fs::read_to_string(file).map_err(|e| fail(format!("cannot read it: {e}")))?;
        let read: File = toml::from_str(&text).map_err(|e| fail(e.to_string()))?;
        for i in &read.injectors {
            i.means
                .check()
                .map_err(|e| fail(format!("the injector on \"{}\": {e}", i.on)))?;
            for name in i.faults.iter().flatten() {
                if !i.means.can(name) {
                    return Err(fail(format!(
                        "the injector on \"{}\" cannot do \"{name}\"; it can do {}",
                        i.on,
                        i.means.abilities()
                    )));
                }
            }
        }
        Ok(Injectors {
            all: read.injectors,
            given: Some(file.display().to_string()),
        })
    }

    fn of(&self, on: &str, name: &str) -> Option<&Injector> {
        self.all.iter().find(|i| {
            i.on == on
                && i.means.can(name)
                && i.faults
                    .as_ref()
                    .is_none_or(|f| f.iter().any(|n| n == name))
        })
    }

    /// The means that carry a fault out, or the target for which there is none.
    pub fn plan(&self, fault: &Fault, s: &Scenario) -> Result<Vec<Injector>, String> {
        let name = carried_out_as(&fault.kind);
        let on = target_name(&fault.on, s);
        if let Some(found) = self.of(&on, name) {
            return Ok(vec![found.clone()]);
        }
        if let Target::Several(several) = &fault.on {
            let parts = several.iter().map(|on| {
                let on = on.clone();
                self.plan(
                    &Fault {
                        on,
                        ..fault.clone()
                    },
                    s,
                )
            });
            return Ok(parts.collect::<Result<Vec<_>, _>>()?.concat());
        }
        let specs = topology::paths(s);
        let paths = topology::resolve(&fault.on, s);
        if matches!(
            fault.on,
            Target::Volume(_) | Target::Shard { .. } | Target::Datapath(_)
        ) || paths.is_empty()
        {
            return Err(on);
        }
        paths
            .into_iter()
            .map(|(host, path)| {
                let spec = specs.iter().find(|p| p.host == host && p.path == path);
                let on = format!("path:{}", spec.map_or("", |p| p.name.as_str()));
                self.of(&on, name).cloned().ok_or(on)
            })
            .collect()
    }

    /// Why this machine cannot carry the scenario's faults out.
    pub fn lacks(&self, s: &Scenario) -> Option<String> {
        s.faults.iter().find_map(|f| {
            let kind = kind_name(&f.kind);
            if let When::OnEvent { event, .. } = &f.when {
                return Some(format!(
                    "requires virtual_time: a fault at the event {event} cannot be timed on a real machine"
                ));
            }
            let on = self.plan(f, s).err()?;
            Some(match &self.given {
                Some(file) => format!("requires inject.{kind} on {on}: no [[injector]] in {file} does it"),
                None => format!("requires inject.{kind} on {on}: --inject FILE says how this machine can do it"),
            })
        })
    }
}

/// What an injector is asked for: a flapping fault is its kind, again and again.
pub fn carried_out_as(kind: &FaultKind) -> &'static str {
    match kind {
        FaultKind::Flap { drop: true, .. } => "drop",
        FaultKind::Flap { drop: false, .. } => "reset",
        other => kind_name(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(fault: &str) -> Scenario {
        let text = format!(
            "[scenario]\ntitle = \"t\"\n[[workload]]\n[[fault]]\nat = \"1s\"\nfor = \"1s\"\n{fault}\n"
        );
        crate::scenario::parse(&text, Path::new("x.toml"), "x", &[]).unwrap()
    }

    fn injectors(text: &str) -> Result<Injectors, InjectError> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("inject.toml");
        std::fs::write(&file, text).unwrap();
        Injectors::read(&file)
    }

    #[test]
    fn a_fault_on_a_controller_needs_its_injector_or_one_for_each_path() {
        let s = scenario("on = \"controller:A\"\ndo = \"reset\"");
        let one =
            injectors("[[injector]]\non = \"path:h0-A0\"\nsysfs = { device = \"sda\" }\n").unwrap();
        assert!(
            one.lacks(&s)
                .unwrap()
                .contains("inject.reset on path:h1-A1")
        );
        let both = injectors(
            "[[injector]]\non = \"path:h0-A0\"\nsysfs = { device = \"sda\" }\n\
             [[injector]]\non = \"path:h1-A1\"\nsysfs = { device = \"sdb\" }\n",
        )
        .unwrap();
        assert_eq!(both.lacks(&s), None);
        assert_eq!(both.plan(&s.faults[0], &s).unwrap().len(), 2);
        let whole = injectors(
            "[[injector]]\non = \"controller:A\"\ncommand = { start = \"true\", stop = \"true\" }\n",
        )
        .unwrap();
        assert_eq!(whole.plan(&s.faults[0], &s).unwrap().len(), 1);
        assert!(Injectors::default().lacks(&s).unwrap().contains("--inject"));
    }

    #[test]
    fn what_a_means_cannot_do_is_told() {
        let said = injectors(
            "[[injector]]\non = \"array\"\ndo = [\"late\"]\nsysfs = { device = \"sda\" }\n",
        )
        .unwrap_err()
        .to_string();
        assert!(
            said.contains("cannot do \"late\"; it can do reset"),
            "{said}"
        );
        let said = injectors("[[injector]]\non = \"array\"\nsysfs = { device = \"../x\" }\n")
            .unwrap_err()
            .to_string();
        assert!(said.contains("no name of a block device"), "{said}");
        let said = injectors("[[injector]]\non = \"array\"\nsisfs = { device = \"a\" }\n")
            .unwrap_err()
            .to_string();
        assert!(said.contains("inject.toml"), "{said}");
    }

    #[test]
    fn a_fault_at_an_event_is_of_virtual_time() {
        let s = crate::scenario::parse(
            "[scenario]\ntitle = \"t\"\n[[workload]]\n[[fault]]\non_event = \"failover\"\non = \"path:h0-A0\"\ndo = \"reset\"\n",
            Path::new("x.toml"),
            "x",
            &[],
        )
        .unwrap();
        assert!(
            Injectors::default()
                .lacks(&s)
                .unwrap()
                .starts_with("requires virtual_time")
        );
    }
}
