//! The core's events: what a path is, for `mpio status`, and a line in the log for what an admin would want to know.
#![forbid(unsafe_code)]

use super::driver::VolumeIo;
use datapath::core::Event;

fn lower(value: impl std::fmt::Debug) -> String {
    let mut words = String::new();
    for c in format!("{value:?}").chars() {
        if c.is_ascii_uppercase() && !words.is_empty() {
            words.push('_');
        }
        words.push(c.to_ascii_lowercase());
    }
    words
}

pub fn tell(v: &mut VolumeIo, event: &Event) {
    let VolumeIo {
        name: volume,
        paths,
        ..
    } = v;
    let Some(path) = path_of(event) else {
        return of_volume(volume, event);
    };
    let seen = &mut paths[usize::from(path.0)].seen;
    match *event {
        Event::Link { to, .. } => seen.link = lower(to),
        Event::Health { from, to, .. } => {
            seen.health = lower(to);
            eprintln!("{volume}: {}: {} → {}", seen.path, lower(from), lower(to));
        }
        Event::Access { to, .. } => seen.access = lower(to),
        Event::Usable { usable, .. } => {
            seen.usable = usable;
            eprintln!(
                "{volume}: {}: {}",
                seen.path,
                if usable { "usable" } else { "not usable" }
            );
        }
        Event::Identity { wrong, .. } => {
            seen.identity_wrong = wrong;
            let what = if wrong {
                "shows another volume: not used"
            } else {
                "shows the right volume again"
            };
            eprintln!("{volume}: {}: {what}", seen.path);
        }
        Event::Lost {
            cause, attempts, ..
        } => {
            seen.losses += 1;
            eprintln!(
                "{volume}: {}: lost ({}), {attempts} commands to redo",
                seen.path,
                lower(cause)
            );
        }
        _ => {}
    }
}

fn of_volume(volume: &str, event: &Event) {
    match *event {
        Event::NoPath { queued, .. } => {
            eprintln!("{volume}: no usable path, {queued} commands wait")
        }
        Event::PathBack { outage, .. } => {
            eprintln!(
                "{volume}: a path again after {:.3} s",
                outage.0 as f64 / 1e9
            );
        }
        Event::NoPathFailed { failed, .. } => {
            eprintln!("{volume}: {failed} commands failed for want of a path")
        }
        Event::Resized { from, to, .. } => eprintln!("{volume}: {to} blocks, {from} before"),
        _ => {}
    }
}

/// The path that an event is about, where status or log have something to say of it.
fn path_of(event: &Event) -> Option<protocol::PathId> {
    match *event {
        Event::Link { path, .. }
        | Event::Health { path, .. }
        | Event::Access { path, .. }
        | Event::Usable { path, .. }
        | Event::Identity { path, .. }
        | Event::Lost { path, .. } => Some(path),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_are_in_the_fields_spelling() {
        assert_eq!(
            super::lower(protocol::Access::NonOptimized),
            "non_optimized"
        );
        assert_eq!(super::lower(datapath::core::path::Link::Up), "up");
    }
}
