//! `harness run --target`: the scenario's workloads in wall time on a real block device, its faults by what the machine can do
//! ([`inject`]), what was read judged from the application's side ([`judge`]).
//!
//! Kept from the simulation: the very I/Os (same seed, same order for each workload), loads, windows, the drain of 10 s, exit codes, reports.
//! Different, and said so: there is one volume, of the device's size, and a workload's span is cut to it; nobody sees paths, failovers,
//! fences or the media's order, so that only `app.*` and some rules are measured ([`MEASURED_RULES`]) and an expectation of
//! anything else is named as not judged; nothing is repeatable, so there is no fingerprint. At the end all that was written is read again.

mod content;
mod device;
mod inject;
mod judge;
mod load;
mod log;
#[cfg(test)]
mod tests;
mod timeline;

pub use device::DeviceError;
pub use inject::{InjectError, Injectors};

use crate::cli::Runner;
use crate::metrics::{self, Layout, Recorder};
use crate::report::model::{RunReport, Verdict, Violation};
use crate::scenario::model::Kind;
use crate::scenario::{Scenario, policy_name};
use crate::world::{Options, WorldError};
use device::{Buffer, Device};
use load::Run;
use log::Log;
use protocol::Instant;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The rules that can be judged without seeing the array.
pub const MEASURED_RULES: [&str; 4] = ["lost_write", "stale_read", "torn_write", "stuck_io"];
/// As in the simulation: what is not completed by then is stuck.
const DRAIN: Duration = Duration::from_secs(10);
/// Read at once when all is read again.
const VERIFY_BYTES: u32 = 1 << 20;

/// A block device as a target.
#[derive(Debug)]
pub struct Real {
    device: PathBuf,
    injectors: Injectors,
    overwrite: bool,
    /// Of a user who wants to end it.
    interrupted: Arc<AtomicBool>,
    bytes: u64,
    block: u32,
    zeroes: bool,
}

impl Real {
    /// Looks at the device. It is opened for each run anew, and nothing is written yet.
    pub fn new(
        device: &Path,
        injectors: Injectors,
        overwrite: bool,
        interrupted: Arc<AtomicBool>,
    ) -> Result<Real, DeviceError> {
        let open = Device::open(device, overwrite)?;
        Ok(Real {
            device: device.to_path_buf(),
            injectors,
            overwrite,
            interrupted,
            bytes: open.bytes,
            block: open.block,
            zeroes: open.zeroes,
        })
    }

    /// The scenario as this device can serve it.
    fn fitted(&self, s: &Scenario) -> Scenario {
        let mut s = s.clone();
        s.array.block = self.block;
        for v in &mut s.volumes {
            v.bytes = self.bytes;
        }
        for w in &mut s.workloads {
            w.span = w.span.min(self.bytes.saturating_sub(w.offset));
        }
        s
    }

    /// The metrics that a device cannot show are left out, and their expectations named.
    fn measured(metric: &str) -> bool {
        metric.starts_with("app.")
            || metric
                .strip_prefix("rules.")
                .is_some_and(|rule| MEASURED_RULES.contains(&rule))
    }

    fn go(&self, run: &Arc<Run>, s: &Scenario, progress: &mut dyn FnMut(Instant)) {
        let mut timeline = timeline::Timeline::new(s, &self.injectors);
        let end = Instant(s.duration.0);
        loop {
            let now = run.log.now();
            progress(now);
            let broken = timeline.advance(now, &run.log);
            if let Err(text) = broken {
                run.log.fail(text);
            }
            let idle = timeline.next().is_none() && run.log.all_ended(Duration::ZERO);
            let over = now >= end || idle;
            if over || run.log.state().failed.is_some() || self.interrupted.load(Ordering::Relaxed)
            {
                break;
            }
            let next = timeline.next().unwrap_or(end).min(end).0;
            let wait = next.saturating_sub(run.log.now().0).min(20_000_000);
            std::thread::sleep(Duration::from_nanos(wait));
        }
        run.stop.store(true, Ordering::Relaxed);
        if let Err(text) = timeline.end(&run.log) {
            run.log.fail(text);
        }
        if self.interrupted.load(Ordering::Relaxed) {
            run.log
                .fail("interrupted; what was broken is mended".to_string());
        }
        let done = run.log.all_ended(DRAIN);
        let outstanding = run.log.state().outstanding;
        if !done && outstanding > 0 {
            let text = format!("{outstanding} I/Os are not completed 10 s after the end");
            run.log.broken("stuck_io", text);
        } else if run.log.state().failed.is_none() {
            self.verify(run, progress);
        }
    }

    /// Reads again whatever was written, and judges it once more.
    fn verify(&self, run: &Run, progress: &mut dyn FnMut(Instant)) {
        let mut buf = Buffer::new(VERIFY_BYTES as usize);
        let touched = run.log.state().judge.touched(VERIFY_BYTES / self.block);
        for (first, blocks) in touched {
            progress(run.log.now());
            if self.interrupted.load(Ordering::Relaxed) {
                return;
            }
            if let Err(e) = run.read(first, blocks, &mut buf) {
                let end = first + u64::from(blocks);
                let text =
                    format!("what was written in blocks {first} to {end} cannot be read: {e}");
                run.log.broken("lost_write", text);
                return;
            }
        }
    }

    fn report(&self, run: &Run, s: &Scenario, seed: u64) -> RunReport {
        let mut judged = s.clone();
        judged.expects.retain(|e| Self::measured(&e.metric));
        let not_judged = s
            .expects
            .iter()
            .filter(|e| !Self::measured(&e.metric))
            .map(|e| e.text.clone())
            .collect();
        let mut state = run.log.state();
        let end = run.log.now();
        let layout = layout(s);
        let recorder = std::mem::replace(&mut state.recorder, Recorder::new(layout));
        let measured = recorder.finish(end);
        let mut metrics = measured.flat();
        metrics.retain(|name, _| Self::measured(name));
        let mut rules = measured.rules();
        rules.retain(|rule, _| MEASURED_RULES.contains(&rule.as_str()));
        RunReport {
            schema: 1,
            scenario: s.name.clone(),
            title: s.title.clone(),
            seed,
            policy: policy_name(&s.datapath),
            fidelity: "target".to_string(),
            verdict: Verdict::Pass,
            exit: 0,
            virtual_ns: end.0,
            wall_ns: 0,
            fingerprint: String::new(),
            expectations: metrics::judge(&judged, &measured),
            rules,
            first_violation: state.first.as_ref().map(|v| Violation {
                rule: v.rule.clone(),
                at_ns: v.at_ns,
                text: v.text.clone(),
            }),
            metrics,
            paths: Vec::new(),
            failovers: Vec::new(),
            workloads: measured.workloads(),
            repro: String::new(),
            skip_reason: None,
            expect_fail: s.expect_fail.clone(),
            not_judged,
            why: s.why.clone(),
            file: s.file.display().to_string(),
            events: std::mem::take(&mut state.events),
            around: Vec::new(),
            timeline: measured.timeline(),
        }
    }
}

fn layout(s: &Scenario) -> Layout {
    Layout {
        paths: Vec::new(),
        ..Layout::of(s)
    }
}

impl Runner for Real {
    fn run(
        &self,
        drawn: &Scenario,
        seed: u64,
        _options: Options,
        progress: &mut dyn FnMut(Instant),
    ) -> Result<RunReport, WorldError> {
        let s = self.fitted(drawn);
        let failed = |text: String| WorldError::Target(text);
        let device =
            Device::open(&self.device, self.overwrite).map_err(|e| failed(e.to_string()))?;
        let blocks = device.bytes / u64::from(device.block);
        let run = Arc::new(Run {
            device,
            log: Log::new(Recorder::new(layout(&s)), blocks),
            stop: AtomicBool::new(false),
            id: run_id(seed),
        });
        load::start(&run, &s, seed)?;
        self.go(&run, &s, progress);
        if let Some(text) = run.log.state().failed.take() {
            return Err(failed(text));
        }
        Ok(self.report(&run, &s, seed))
    }

    fn lacks(&self, s: &Scenario) -> Option<String> {
        if s.volumes.len() > 1 || s.workloads.iter().any(|w| w.volume != 0) {
            return Some("requires several volumes; a target is one device".into());
        }
        if s.host.count > 1 {
            return Some("requires multi_host; a target has one host".into());
        }
        let own = |need: &&String| !need.starts_with("inject.") && *need != "crash";
        if let Some(need) = s.requires.iter().find(own) {
            return Some(format!(
                "requires {need}, which a real device does not offer"
            ));
        }
        let block = u64::from(self.block);
        for w in &s.workloads {
            if w.offset >= self.bytes {
                return Some(format!(
                    "requires a larger device: workload {} begins at {} of {} bytes",
                    w.name, w.offset, self.bytes
                ));
            }
            let replay = matches!(w.kind, Kind::Replay(_));
            if !replay && (w.block.lo % block != 0 || w.offset % block != 0) {
                return Some(format!(
                    "requires logical blocks that divide {} bytes; the device's have {block}",
                    w.block.lo
                ));
            }
            if !self.zeroes && (w.discard_pct > 0 || w.write_zeroes_pct > 0) {
                return Some(
                    "requires discard and write-zeroes, which the device cannot do".into(),
                );
            }
        }
        self.injectors.lacks(s)
    }

    fn is_real(&self) -> bool {
        true
    }
}

/// Each run has its own, so that blocks of an earlier one are not taken for its own.
fn run_id(seed: u64) -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH); // determinism: only tells real runs apart
    let ns = since.map_or(0, |d| d.as_nanos() as u64);
    protocol::rng::splitmix64(ns ^ seed)
}
