//! A metric's value by its name: one arm for each name of the contract.

use super::app::Class;
use super::balance;
use super::measured::Measured;
use super::oscillation;
use crate::report::model::Value;
use crate::scenario::metric::{ERRNOS, RULES};
use crate::scenario::model::Window;
use protocol::Duration;

impl Measured {
    /// The value of a metric in a window; `None` where there was nothing to measure: a latency or share over no I/O, or a
    /// window that never opened.
    pub fn value(&self, metric: &str, window: Window) -> Option<Value> {
        let length = self.lengths.of(window)?;
        let app = self.app.of(window);
        let events = self.events.of(window);
        let (group, rest) = metric.split_once('.').unwrap_or((metric, ""));
        let count = match (group, rest) {
            ("app", "iops" | "bytes_per_s") => {
                let done = match rest {
                    "iops" => app.ios() - app.errors() - app.drained_ios,
                    _ => app.bytes() - app.failed_bytes() - app.drained_bytes,
                };
                return Some(Value::Float(per_second(done, length)));
            }
            ("app", "ios") => app.ios(),
            ("app", "bytes") => app.bytes(),
            ("app", "errors") => app.errors(),
            ("app", "stall_max") => app.stall_max_ns,
            ("app", "flush.ios") => app.flush_ios,
            ("app", "flush.errors") => app.flush_errors,
            ("app", _) => match rest.split_once('.')? {
                ("errno", name) => {
                    let index = ERRNOS.iter().position(|(n, _)| *n == name)?;
                    app.errnos[index]
                }
                ("read", name) => of_class(&app.read, name)?,
                ("write", name) => of_class(&app.write, name)?,
                ("all", name) => app.latency().value(name)?,
                _ => return None,
            },
            ("balance", "jain") => {
                let jain = balance::jain(&self.path_ios(window), self.set(window));
                return jain.map(Value::Float);
            }
            ("balance", "spread") => {
                let spread = balance::spread(&self.path_ios(window), self.set(window));
                return spread.map(Value::Float);
            }
            ("balance", "oscillation") => {
                let length = Some(length.0).filter(|_| window == Window::Whole)?;
                let worst = oscillation::worst(&self.timeline, &self.names, length);
                return worst.map(Value::Float);
            }
            ("failover", "count") => events.failovers,
            ("failover", "detect_max") => events.detect_max_ns,
            ("failover", "redispatch_max") => events.redispatch_max_ns,
            ("failover", "retried") => events.retried,
            ("failover", "alone") => events.lost_alone,
            ("hedge", "issued") => events.hedges_issued,
            ("hedge", "won") => events.hedges_won,
            ("fence", "ranges") => events.fence_ranges,
            ("fence", "held") => events.fence_held,
            ("fence", "overflow") => events.fence_overflow,
            ("fence", "held_max") => events.fence_held_max_ns,
            ("shadow", "writes") => events.shadow_writes,
            ("shadow", "reads") => events.shadow_reads,
            ("shadow", "bytes_max") => events.shadow_bytes_max,
            ("failback", "count") => events.failbacks,
            ("failback", "max") => events.failback_max_ns,
            ("array", "ios") => events.array_ios,
            ("array", "duplicates") => events.array_duplicates,
            ("registrations", "") => events.registrations,
            ("no_path", "time") => events.no_path_ns,
            ("no_path", "failed") => events.no_path_failed,
            ("no_path", "fails_after_min") => events.fails_after_ns?.0,
            ("no_path", "fails_after_max") => events.fails_after_ns?.1,
            ("datapath", "requests_max") => events.requests_max,
            ("rules", rule) => match RULES.iter().position(|r| *r == rule) {
                Some(index) => events.rules[index],
                None => return None,
            },
            ("path", "flips") => events.flips,
            ("path", of) => return self.of_path(of, window),
            _ => return None,
        };
        Some(Value::Int(count))
    }

    fn of_path(&self, metric: &str, window: Window) -> Option<Value> {
        let (name, metric) = metric.rsplit_once('.')?;
        let index = self.names.iter().position(|n| n == name)?;
        let path = self.paths[index].of(window);
        Some(Value::Int(match metric {
            "ios" => path.ios,
            "bytes" => path.bytes,
            "errors" => path.errors,
            "inflight_max" => u64::from(path.inflight_max),
            "share" => {
                let share = balance::share(&self.path_ios(window), self.set(window), index);
                return share.map(Value::Float);
            }
            _ => path.latency.value(metric)?,
        }))
    }
}

fn of_class(class: &Class, name: &str) -> Option<u64> {
    match name {
        "ios" => Some(class.ios),
        "errors" => Some(class.errors),
        _ => class.latency.value(name),
    }
}

/// Rounded to thousandths in integers, so that every machine divides the same.
fn per_second(done: u64, length: Duration) -> f64 {
    const MILLI_PER_NS: u128 = 1_000 * 1_000_000_000;
    let length = u128::from(length.0.max(1));
    let milli = (u128::from(done) * MILLI_PER_NS + length / 2) / length;
    milli as f64 / 1_000.0
}
