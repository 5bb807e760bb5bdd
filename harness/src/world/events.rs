//! The core's typed events as lines of `events.jsonl`, as triggers of faults, and as a broken rule where the core itself
//! says that a transition was illegal.

use super::shared::{Shared, Todo};
use super::wires::End;
use datapath::core::Event;
use protocol::{Instant, Op};

pub fn op_name(op: Op) -> &'static str {
    match op {
        Op::Read => "read",
        Op::Write => "write",
        Op::Flush => "flush",
        Op::Discard => "discard",
        Op::WriteZeroes => "write-zeroes",
    }
}

fn lower(value: impl std::fmt::Debug) -> String {
    format!("{value:?}").to_lowercase()
}

pub fn record(w: &mut Shared, now: Instant, core: usize, event: &Event) {
    let (host, shard, first) = {
        let s = &w.shards[core];
        (s.host, s.shard, s.first_path)
    };
    let who = if w.shards.len() > usize::from(w.shards_per_host) {
        format!("host {host} shard {shard}: ")
    } else {
        format!("shard {shard}: ")
    };
    let tell = |w: &mut Shared, kind: &str, path: Option<u16>, text: String| {
        let path = path.map(|p| first + u32::from(p));
        w.seen.event(now, kind, path, format!("{who}{text}"));
    };
    match *event {
        Event::Link { path, from, to } => {
            let wire = &mut w.shards[core].wires[usize::from(path.0)];
            let connected = wire.end == End::Up;
            if let Some(wrong) = wire.states.link(from, to, connected) {
                w.violation(now, "illegal_transition", format!("{who}{wrong}"));
            }
            let text = format!("{} → {}", lower(from), lower(to));
            tell(w, "link", Some(path.0), text);
            if to == datapath::core::path::Link::Up && from != to {
                w.todo.push_back(Todo::Trigger("path_up"));
            }
        }
        Event::Health { path, from, to } => {
            let states = &mut w.shards[core].wires[usize::from(path.0)].states;
            if let Some(wrong) = states.health(from, to) {
                w.violation(now, "illegal_transition", format!("{who}{wrong}"));
            }
            let text = format!("{} → {}", lower(from), lower(to));
            tell(w, "health", Some(path.0), text);
        }
        Event::Admin { path, from, to } => {
            let text = format!("{} → {}", lower(from), lower(to));
            tell(w, "admin", Some(path.0), text);
        }
        Event::Access {
            path,
            volume,
            from,
            to,
        } => {
            let text = format!("vol{} {} → {}", volume.0, lower(from), lower(to));
            tell(w, "access", Some(path.0), text);
        }
        Event::Identity {
            path,
            volume,
            wrong,
        } => {
            let what = if wrong {
                "is another volume"
            } else {
                "is itself again"
            };
            tell(
                w,
                "identity",
                Some(path.0),
                format!("vol{} {what}", volume.0),
            );
        }
        Event::Resized { volume, from, to } => {
            let text = format!("vol{}: {from} blocks before, {to} now", volume.0);
            tell(w, "resized", None, text);
        }
        Event::Usable {
            path,
            volume,
            usable,
        } => {
            let what = if usable { "usable" } else { "not usable" };
            tell(w, "usable", Some(path.0), format!("vol{} {what}", volume.0));
        }
        Event::Lost {
            path,
            cause,
            attempts,
            first_hit,
        } => {
            let text = format!(
                "{}, {attempts} attempts to redo, first hit {:.3} ms ago",
                lower(cause),
                now.since(first_hit).0 as f64 / 1e6
            );
            tell(w, "lost", Some(path.0), text);
            w.todo.push_back(Todo::Trigger("lost"));
            if attempts > 0 {
                w.todo.push_back(Todo::Trigger("failover"));
            }
        }
        Event::Register { path } => tell(w, "register", Some(path.0), "new path".into()),
        Event::NoPath { volume, queued } => {
            let text = format!("vol{} has no usable path, {queued} queued", volume.0);
            tell(w, "no_path", None, text);
            w.todo.push_back(Todo::Trigger("no_path"));
        }
        Event::PathBack { volume, outage } => {
            let text = format!(
                "vol{} has a path again after {:.3} ms",
                volume.0,
                outage.0 as f64 / 1e6
            );
            tell(w, "path_back", None, text);
        }
        Event::NoPathFailed { volume, failed } => {
            let text = format!("vol{}: {failed} failed for want of a path", volume.0);
            tell(w, "no_path_failed", None, text);
        }
        Event::Illegal { path, what } => {
            let text = format!("{who}the core made an illegal transition of {what}");
            tell(w, "illegal", Some(path.0), what.to_string());
            w.violation(now, "illegal_transition", text);
        }
        Event::InDoubt {
            path,
            epoch,
            ranges,
        } => {
            let text = format!("{ranges} ranges of association {} in doubt", epoch.0);
            tell(w, "in_doubt", Some(path.0), text);
        }
        Event::Closed {
            path,
            epoch,
            by_fence,
        } => {
            let how = if by_fence {
                "proven gone"
            } else {
                "no longer feared"
            };
            tell(
                w,
                "closed",
                Some(path.0),
                format!("association {} {how}", epoch.0),
            );
        }
        Event::DoubtsFull { path, epoch, held } => {
            let text = format!(
                "the table of ranges in doubt is full: {held} writes of association {} wait for its end",
                epoch.0
            );
            tell(w, "doubts_full", Some(path.0), text);
        }
        Event::ShadowsFull { volume, bytes } => {
            let text = format!(
                "vol{}: no room for more than the {bytes} bytes of shadows, a write waits",
                volume.0
            );
            tell(w, "shadows_full", None, text);
        }
        Event::Shadows { count, bytes, .. } => {
            w.seen.mix(u64::from(count) << 48 ^ bytes);
            if count == 0 {
                tell(w, "shadows_over", None, "no shadow is open any more".into());
            }
        }
        // One for each command: in the fingerprint always, among the events never.
        Event::Redispatch {
            to,
            ticket,
            lost_at,
            ..
        } => {
            w.seen.mix(u64::from(to.0) << 32 | u64::from(ticket.slot));
            w.seen.mix(lost_at.0);
        }
        Event::Held { ticket, waited } => {
            w.seen.mix(u64::from(ticket.slot));
            w.seen.mix(waited.0);
        }
        Event::AttemptLost {
            path,
            ticket,
            sent_at,
        } => {
            let text = format!(
                "command {} given up alone, sent {:.3} ms ago",
                ticket.slot,
                now.since(sent_at).0 as f64 / 1e6
            );
            tell(w, "attempt_lost", Some(path.0), text);
        }
        Event::Hedge {
            to: path, ticket, ..
        }
        | Event::HedgeWon { path, ticket } => {
            w.seen.mix(u64::from(path.0) << 32 | u64::from(ticket.slot));
        }
        Event::StaleCompletion { path, ticket } => {
            w.seen.mix(u64::from(path.0) << 32 | u64::from(ticket.slot));
        }
    }
}
