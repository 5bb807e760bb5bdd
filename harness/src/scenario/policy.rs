//! A policy as scenarios, the command line and reports write it: its name, and of a static split the weights too, one for
//! each path of a host in the order of the paths (`static 31/19/31/19`).

use super::model::{Datapath, Policy};
use std::fmt;

/// Weights above this say nothing that smaller ones cannot.
const WEIGHT_MAX: u32 = 65_535;
const STATIC: &str = "static";

/// A policy with all that belongs to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Choice {
    pub policy: Policy,
    /// Of [`Policy::Static`] alone.
    pub split: Vec<u32>,
}

impl Choice {
    pub fn of(d: &Datapath) -> Choice {
        let (policy, split) = (d.policy, d.split.clone());
        Choice { policy, split }
    }

    pub fn split(weights: Vec<u32>) -> Choice {
        Choice {
            policy: Policy::Static,
            split: weights,
        }
    }

    pub fn apply(&self, d: &mut Datapath) {
        d.policy = self.policy;
        d.split.clone_from(&self.split);
    }
}

impl From<Policy> for Choice {
    fn from(policy: Policy) -> Choice {
        let split = Vec::new();
        Choice { policy, split }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = || Policy::ALL.iter().chain(&Policy::SIMULATED);
        let name = names().find(|(_, p)| *p == self.policy);
        f.write_str(name.map_or("adaptive", |(name, _)| name))?;
        for (i, weight) in self.split.iter().enumerate() {
            write!(f, "{}{weight}", if i == 0 { ' ' } else { '/' })?;
        }
        Ok(())
    }
}

/// Every name that needs nothing besides.
pub fn plain_names() -> Vec<(&'static str, Policy)> {
    let mut names = Policy::ALL.to_vec();
    names.push(("oracle", Policy::Oracle));
    names
}

/// The policy of this name; the error is a sentence that says what is wrong.
pub fn policy_named(name: &str) -> Result<Choice, String> {
    let plain = plain_names();
    if let Some((_, policy)) = plain.iter().find(|(n, _)| *n == name) {
        return Ok(Choice::from(*policy));
    }
    if let Some(weights) = static_weights(name) {
        return weights;
    }
    let near = super::nearest(name, plain.iter().map(|(n, _)| *n));
    let hint = near.map_or(";".to_string(), |n| format!("; did you mean '{n}'?"));
    let allowed: Vec<&str> = plain.iter().map(|(n, _)| *n).collect();
    let shown = super::diag::shortened(name);
    Err(format!(
        "unknown policy '{shown}'{hint} allowed: {}, and splits such as 'static 62/38'",
        allowed.join(", ")
    ))
}

/// The weights of a static split; `None` where the text is of another policy.
pub fn static_weights(text: &str) -> Option<Result<Choice, String>> {
    let rest = text.strip_prefix(STATIC)?;
    if !rest.is_empty() && !rest.starts_with(' ') {
        return None;
    }
    let shown = super::diag::shortened(text);
    let wrong = || {
        format!(
            "'{shown}': a split needs a weight of 0 to {WEIGHT_MAX} for each path of a host, one of them at least above 0, \
             such as 'static 62/38'"
        )
    };
    let weights: Option<Vec<u32>> = rest
        .trim()
        .split('/')
        .map(|w| w.trim().parse().ok().filter(|w| *w <= WEIGHT_MAX))
        .collect();
    Some(match weights {
        Some(weights) if weights.iter().any(|w| *w > 0) => Ok(Choice::split(weights)),
        _ => Err(wrong()),
    })
}

/// The name of a scenario's policy.
pub fn policy_name(d: &Datapath) -> String {
    Choice::of(d).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_is_written() {
        for name in ["adaptive", "oracle", "static 62/38", "static 0/1/0/65535"] {
            assert_eq!(policy_named(name).unwrap().to_string(), name);
        }
        let spaced = policy_named("static  1 / 2").unwrap();
        assert_eq!(spaced, Choice::split(vec![1, 2]));
    }

    #[test]
    fn what_is_no_policy_says_why() {
        for (name, why) in [
            ("static", "a split needs a weight"),
            ("static 1/x", "a split needs a weight"),
            ("static 0/0", "one of them at least above 0"),
            ("static 1/65536", "0 to 65535"),
            ("static -1/2", "a split needs a weight"),
            ("statics", "unknown policy 'statics'"),
            ("orakle", "did you mean 'oracle'?"),
        ] {
            let said = policy_named(name).unwrap_err();
            assert!(said.contains(why), "{name}: {said}");
        }
    }
}
