//! The core's events: what a path is, for those who look, and a note for the control side, which logs it.
#![forbid(unsafe_code)]

use super::volume::VolumeIo;
use datapath::core::Event;

pub fn tell(v: &mut VolumeIo, event: &Event) {
    if let Some(path) = path_of(event) {
        v.paths[usize::from(path.0)].seen.note(event);
    }
    match event {
        Event::Hedge { .. } => v.hedges_issued += 1,
        Event::HedgeWon { .. } => v.hedges_won += 1,
        _ => {}
    }
    v.notes.tell(v.index, *event);
}

/// The path that an event is about.
fn path_of(event: &Event) -> Option<protocol::PathId> {
    match *event {
        Event::Link { path, .. }
        | Event::Health { path, .. }
        | Event::Admin { path, .. }
        | Event::Access { path, .. }
        | Event::Usable { path, .. }
        | Event::Identity { path, .. }
        | Event::Lost { path, .. }
        | Event::AttemptLost { path, .. }
        | Event::Redispatch { from: path, .. } => Some(path),
        _ => None,
    }
}
