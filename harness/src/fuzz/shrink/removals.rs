//! Takes a volume or a host out of a scenario with all that names it, and renumbers what is left: a step that only took the table
//! away would leave names behind that nothing bears.

use crate::scenario::model::*;

/// Takes a volume away that no load uses, with the faults on it.
pub fn volume(s: &mut Scenario, v: usize) {
    if s.volumes.len() < 2 || s.workloads.iter().any(|w| w.volume == v) {
        return;
    }
    let index = |i: &mut usize| *i -= usize::from(*i > v);
    s.faults.retain(|f| match &f.kind {
        FaultKind::Unmap { volume }
        | FaultKind::Resize { volume, .. }
        | FaultKind::Medium { volume, .. }
        | FaultKind::Access {
            volume: Some(volume),
            ..
        } => *volume != v,
        FaultKind::Swap { volume, with, .. } => *volume != v && *with != v,
        _ => f.on != Target::Volume(v),
    });
    for f in &mut s.faults {
        if let Target::Volume(i) = &mut f.on {
            index(i);
        }
        match &mut f.kind {
            FaultKind::Unmap { volume }
            | FaultKind::Resize { volume, .. }
            | FaultKind::Medium { volume, .. }
            | FaultKind::Access {
                volume: Some(volume),
                ..
            } => index(volume),
            FaultKind::Swap { volume, with, .. } => {
                index(volume);
                index(with);
            }
            _ => {}
        }
    }
    for w in &mut s.workloads {
        index(&mut w.volume);
    }
    s.volumes.remove(v);
}

/// Takes a host away with its loads, its paths and the faults on them; the last one left loses its prefix.
pub fn host(s: &mut Scenario, host: u16) {
    if s.host.count < 2 || !s.workloads.iter().any(|w| w.host != host) {
        return;
    }
    let last = s.host.count == 2;
    let rename = |name: &str| -> Option<String> {
        let (prefix, short) = name.split_once('.')?;
        let n: u16 = prefix.strip_prefix("host")?.parse().ok()?;
        if n == host {
            return None;
        }
        Some(if last {
            short.to_string()
        } else {
            format!("host{}.{short}", n - u16::from(n > host))
        })
    };
    let renamed = |name: &str| {
        if name.contains('.') {
            rename(name)
        } else {
            Some(name.to_string())
        }
    };
    let number = |h: u16| (h != host).then(|| h - u16::from(h > host));
    s.workloads.retain(|w| w.host != host);
    for w in &mut s.workloads {
        w.host -= u16::from(w.host > host);
    }
    s.paths.retain_mut(|p| match renamed(&p.name) {
        Some(name) => {
            p.name = name;
            true
        }
        None => false,
    });
    fn moved(
        t: &Target,
        number: &dyn Fn(u16) -> Option<u16>,
        renamed: &dyn Fn(&str) -> Option<String>,
        last: bool,
    ) -> Option<Target> {
        Some(match t {
            Target::Path(name) => Target::Path(renamed(name)?),
            Target::Host(h) => Target::Host(number(*h)?),
            Target::Datapath(h) => Target::Datapath(number(*h)?),
            Target::Shard { host, shard } => Target::Shard {
                host: number(*host)?,
                shard: *shard,
            },
            Target::HostPort {
                host: Some(h),
                port,
            } => {
                let h = number(*h)?;
                Target::HostPort {
                    host: (!last).then_some(h),
                    port: *port,
                }
            }
            Target::Several(several) => {
                let left: Vec<Target> = several
                    .iter()
                    .filter_map(|t| moved(t, number, renamed, last))
                    .collect();
                if left.is_empty() {
                    return None;
                }
                Target::Several(left)
            }
            other => other.clone(),
        })
    }
    s.faults
        .retain_mut(|f| match moved(&f.on, &number, &renamed, last) {
            Some(on) => {
                f.on = on;
                true
            }
            None => false,
        });
    s.host.count -= 1;
}
