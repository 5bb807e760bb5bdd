//! Virtual time: one event loop around datapath, array and workloads. The cores are the production cores; this is their
//! other driver.
//!
//! Where things are: `sim` (the loop), `setup` (configurations), `driver` (a core's actions), `incoming` (what the array
//! says), `front` (requests and buffers), `shadows` (data that a datapath keeps), `wires` (connections and attempts, as a transport knows them), `loads`
//! (workloads), `timeline` (faults), `told` (the oracle), `transitions` (the states of paths, judged), `events` and `observe` (what is recorded).

mod driver;
mod events;
mod front;
mod incoming;
pub mod live;
mod loads;
mod observe;
mod pool;
mod queue;
mod setup;
mod shadows;
mod shared;
mod sim;
mod timeline;
mod told;
mod transitions;
mod wires;

use crate::check::{CheckConfig, Checker};
use crate::metrics::{self, Recorder};
use crate::report::model::{RunReport, Verdict};
use crate::scenario::model::{Cache, Policy};
use crate::scenario::topology::PathSpec;
use crate::scenario::{Scenario, policy_name, topology};
use datapath::core::{Board, Core};
use protocol::Instant;
use simarray::Array;

/// What a caller may wish of a run, besides the scenario.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Record every command in the events (`--events io`).
    pub events_io: bool,
    /// The scenario's first fault starts before this event of the run, counted from 0, whatever time the scenario gives it.
    pub fault_at_event: Option<u64>,
    /// Defects on purpose, in the core and in the array, for the test that sees a rule find each of them.
    #[cfg(feature = "mutants")]
    pub planted: Planted,
}

/// Which defects are planted in a run.
#[cfg(feature = "mutants")]
#[derive(Clone, Copy, Debug, Default)]
pub struct Planted {
    pub core: datapath::core::mutant::Planted,
    pub array: simarray::mutant::Planted,
}

/// Why a run could not be carried out: always the input's fault (exit code 2).
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    #[error(transparent)]
    Workload(#[from] crate::workload::WorkloadError),
    #[error(
        "{policy} has {weights} weights, and a host has {paths} paths: one for each, in their order"
    )]
    Split {
        policy: String,
        weights: usize,
        paths: usize,
    },
    #[error("{0}")]
    Target(String),
    #[error("datapath: {0}")]
    Config(#[from] datapath::core::ConfigError),
}

/// Runs one scenario, already drawn for `seed`, in virtual time. The report's expectations are judged, `expect_fail` is
/// not applied yet; `progress` is called with the virtual time now and then.
pub fn run(
    scenario: &Scenario,
    seed: u64,
    options: Options,
    progress: &mut dyn FnMut(Instant),
) -> Result<RunReport, WorldError> {
    let mut sim = build(scenario, seed, options)?;
    sim.run(progress)?;
    Ok(report(sim, seed))
}

/// How many events a run takes up to a virtual time: the places at which `Options::fault_at_event` can put a fault.
pub fn events_until(scenario: &Scenario, seed: u64, until: Instant) -> Result<u64, WorldError> {
    let mut sim = build(scenario, seed, Options::default())?;
    sim.count_until = until;
    sim.run(&mut |_| {})?;
    Ok(sim.counted)
}

fn build(scenario: &Scenario, seed: u64, options: Options) -> Result<sim::Sim, WorldError> {
    let paths = topology::paths(scenario);
    check_split(scenario, &paths)?;
    let loads = loads::Loads::new(scenario, seed)?;
    let mut recorder = Recorder::new(metrics::Layout::of(scenario));
    for (host, volume) in loads.uses() {
        recorder.uses(host, volume);
    }
    let checker = Checker::new(CheckConfig {
        volumes: (0..scenario.volumes.len())
            .map(|v| setup::blocks(scenario, v))
            .collect(),
        block_bytes: scenario.array.block,
        volatile: scenario.array.cache == Cache::Volatile,
    });
    let names = paths.iter().map(|p| p.name.clone()).collect();
    let seen = observe::Observer::new(names, options.events_io, &crate::scenario::metric::RULES);
    let (mut shards, mut cores, mut configs) = (Vec::new(), Vec::new(), Vec::new());
    let mut first_path = 0;
    for host in 0..scenario.host.count {
        let of_host: Vec<_> = paths.iter().filter(|p| p.host == host).cloned().collect();
        let present: Vec<bool> = of_host.iter().map(|p| p.present).collect();
        let board = Board::new(scenario.host.shards, of_host.len());
        for shard in 0..scenario.host.shards {
            let config = setup::core(scenario, &of_host, board.clone(), shard);
            #[cfg(feature = "mutants")]
            let config = datapath::core::Config {
                planted: options.planted.core,
                ..config
            };
            let mut core = Core::new(config.clone(), Instant::ZERO)?;
            core.tell(&told::split(scenario));
            cores.push(core);
            configs.push(config);
            shards.push(wires::Shard::new(
                host,
                shard,
                first_path,
                &present,
                scenario.volumes.len(),
            ));
        }
        first_path += of_host.len() as u32;
    }
    let config = setup::array(scenario, &paths, seed);
    #[cfg(feature = "mutants")]
    let config = simarray::api::Config {
        planted: options.planted.array,
        ..config
    };
    let array = Array::new(config);
    let mut w = shared::Shared::new(
        array,
        checker,
        recorder,
        seen,
        shards,
        scenario.host.shards,
        u64::from(scenario.array.block),
        seed,
    );
    w.open = loads.open();
    let mut sim = sim::Sim::new(scenario.clone(), &paths, w, cores, configs, loads);
    sim.fault_at_event = options.fault_at_event;
    Ok(sim)
}

/// A static split has a weight for each path of a host.
fn check_split(s: &Scenario, paths: &[PathSpec]) -> Result<(), WorldError> {
    let of_host = paths.iter().filter(|p| p.host == 0).count();
    if s.datapath.policy == Policy::Static && s.datapath.split.len() != of_host {
        return Err(WorldError::Split {
            policy: policy_name(&s.datapath),
            weights: s.datapath.split.len(),
            paths: of_host,
        });
    }
    Ok(())
}

fn report(sim: sim::Sim, seed: u64) -> RunReport {
    let scenario = sim.scenario;
    let virtual_ns = sim.now.0;
    let mut w = sim.w;
    for (workload, skipped) in sim.loads.skipped().into_iter().enumerate() {
        w.recorder.skipped(workload as u16, skipped);
    }
    let measured = w.recorder.finish(sim.now);
    let expectations = metrics::judge(&scenario, &measured);
    RunReport {
        schema: 1,
        scenario: scenario.name.clone(),
        title: scenario.title.clone(),
        seed,
        policy: policy_name(&scenario.datapath),
        fidelity: "model".to_string(),
        verdict: Verdict::Pass,
        exit: 0,
        virtual_ns,
        wall_ns: 0,
        fingerprint: w.seen.fingerprint(),
        expectations,
        rules: measured.rules(),
        first_violation: w.seen.first.clone(),
        metrics: measured.flat(),
        paths: measured.paths(),
        failovers: measured.failovers(),
        workloads: measured.workloads(),
        repro: String::new(),
        skip_reason: None,
        expect_fail: scenario.expect_fail.clone(),
        not_judged: Vec::new(),
        why: scenario.why.clone(),
        file: scenario.file.display().to_string(),
        events: w.seen.events,
        around: w.seen.around,
        timeline: measured.timeline(),
    }
}
