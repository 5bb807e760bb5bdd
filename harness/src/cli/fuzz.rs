//! `harness fuzz`: draws a scenario for each seed, runs it, and keeps a folder of what fails.
//!
//! A seed in twenty runs twice, and both fingerprints must be the same. What is said of a seed does not depend on the
//! other seeds, nor on the number of threads; with `--time` only how many seeds there are does.

use super::args;
use super::execute::{Runner, Setting};
use super::progress::Progress;
use super::run::{threads, write_file};
use super::{INTERNAL, Stop, Streams, judge, pool};
use crate::fuzz::draw;
use crate::fuzz::envelope;
use crate::fuzz::loss;
use crate::fuzz::profile::Profile;
use crate::fuzz::signature::Signature;
use crate::fuzz::summary::{Finding, Line, Part, Shard, Summary, Totals};
use crate::report::folder;
use crate::report::model::Verdict;
use crate::report::outcome::Outcome;
use crate::scenario::Scenario;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use protocol::rng::Stream;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

/// Percent of the seeds that run twice.
const TWICE_PCT: u64 = 5;

/// What one seed came to.
struct Done {
    line: Line,
    finding: Option<Finding>,
}

pub fn run(args: &args::Fuzz, runner: &dyn Runner, streams: &mut Streams<'_>) -> Result<i32, Stop> {
    let profile = Profile::named(&args.profile).map_err(Stop::usage)?;
    let shard = args.shard.unwrap_or(Shard::WHOLE);
    let (first, last) = args
        .seeds
        .map_or((args.from, u64::MAX), |range| (range.first, range.last));
    // The first seed of this shard, and how many there are.
    let ahead = (shard.index + shard.of - first % shard.of) % shard.of;
    let begin = first.saturating_add(ahead);
    let count = match first.checked_add(ahead) {
        Some(begin) if begin <= last => ((last - begin) / shard.of).saturating_add(1),
        _ => 0,
    };
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let threads = threads(args.jobs);
    let begun = Instant::now(); // determinism: how many seeds there are, never what one gives
    let until = args.seeds.is_none().then(|| begun + args.time);
    let hidden = Progress::new(0, false);
    let setting = Setting::plain(runner, &hidden);
    let bar = spinner(streams.progress, args, count);
    let mut summary = Summary {
        schema: 1,
        build: build(),
        profile: profile.name().into(),
        parts: Vec::new(),
        totals: Totals::default(),
        findings: Vec::new(),
        exit: 0,
        wall_ns: 0,
    };
    let mut stop = None;
    let mut last_run = None;
    pool::in_order(
        count,
        threads,
        |job| {
            // The time is looked at before a seed, never in it: every seed that is counted ran to its end. The first one always
            // runs, on however busy a machine.
            // determinism: as above.
            if job > 0 && until.is_some_and(|until| Instant::now() >= until) {
                return None;
            }
            let seed = begin + job as u64 * shard.of;
            Some(one(&setting, seed, profile, &args.out))
        },
        |job, done| {
            let done = match done {
                None => return ControlFlow::Break(()),
                Some(Err(e)) => {
                    stop = Some(e);
                    return ControlFlow::Break(());
                }
                Some(Ok(done)) => done,
            };
            last_run = Some(begin + job as u64 * shard.of);
            summary.totals.add(&done.line);
            if args.json {
                let text = serde_json::to_string(&done.line).unwrap_or_default();
                if let Err(e) = writeln!(streams.out, "{text}") {
                    stop = Some(e.into());
                    return ControlFlow::Break(());
                }
            }
            if let Some(f) = done.finding {
                bar.suspend(|| {
                    let style = streams.err_style;
                    let what = style.bad(&f.what);
                    let _ = writeln!(
                        streams.err,
                        " seed {}: {what}\n   repeat: {}",
                        f.seed, f.repro
                    );
                });
                summary.findings.push(f);
            }
            bar.set_message(format!(
                "{} seeds, {} losses, {} findings",
                summary.totals.seeds,
                summary.totals.all_losses(),
                summary.findings.len()
            ));
            bar.inc(1);
            if summary.findings.len() >= args.findings {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        },
    );
    bar.finish_and_clear();
    if let Some(stop) = stop {
        return Err(stop);
    }
    if let Some(last) = last_run {
        summary.parts.push(Part {
            shard,
            first: begin,
            last,
        });
    }
    summary.wall_ns = nanos(begun.elapsed());
    summary.settle();
    finish(args, &summary, streams)
}

fn finish(args: &args::Fuzz, summary: &Summary, streams: &mut Streams<'_>) -> Result<i32, Stop> {
    let text = serde_json::to_string_pretty(summary)
        .map_err(|e| Stop::internal(format!("summary: {e}")))?;
    write_file(&args.out.join("summary.json"), &(text + "\n"))?;
    if args.json {
        let line = serde_json::to_string(summary).unwrap_or_default();
        writeln!(streams.out, "{line}")?;
        write!(streams.err, "{}", summary.text(streams.err_style))?;
    } else {
        write!(streams.out, "{}", summary.text(streams.out_style))?;
        writeln!(streams.out, " results: {}", args.out.display())?;
    }
    if summary.findings.len() >= args.findings {
        writeln!(streams.err, " ended early: --findings {}", args.findings)?;
    }
    streams.out.flush()?;
    Ok(summary.exit)
}

fn nanos(d: Duration) -> u64 {
    u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)
}

/// One seed, from the draw to its folder.
fn one(setting: &Setting<'_>, seed: u64, profile: Profile, out: &Path) -> Result<Done, Stop> {
    let name = format!("seed-{seed}");
    let place = out.join(&name);
    let drawn = draw::scenario(seed, profile, &place.join("scenario.toml"));
    let twice = Stream::new(seed, "fuzz.twice").percent(TWICE_PCT);
    let mut outcome = run_judged(setting, &drawn, seed, twice);
    let signature = Signature::of(&outcome);
    let metric = |key: &str| outcome.whole(key);
    let reasons = envelope::reasons(&drawn);
    let mut line = Line {
        seed,
        verdict: if signature.is_some() { "fail" } else { "pass" }.into(),
        exit: outcome.report.exit,
        finding: signature.as_ref().map(Signature::text),
        virtual_ns: outcome.report.virtual_ns,
        wall_ns: outcome.report.wall_ns,
        ios: metric("app.ios"),
        errors: metric("app.errors") + metric("app.flush.errors"),
        envelope: reasons.iter().map(|r| r.text()).collect(),
        losses: loss::by_kind(&drawn, &outcome.report.events),
        failovers: metric("failover.count"),
        redone: metric("failover.retried"),
        duplicates: metric("array.duplicates"),
        twice,
        fingerprint: outcome.report.fingerprint.clone(),
        folder: None,
    };
    let Some(signature) = signature else {
        return Ok(Done {
            line,
            finding: None,
        });
    };
    outcome.report.repro = format!("harness run {}", place.join("scenario.toml").display());
    let text = match (
        &outcome.report.first_violation,
        &outcome.note,
        &outcome.differs,
    ) {
        (Some(v), _, _) => v.text.clone(),
        (None, Some(note), _) => note.clone(),
        (None, None, Some(differs)) => differs.clone(),
        _ => outcome
            .report
            .expectations
            .iter()
            .find(|e| !e.ok)
            .map_or_else(String::new, |e| {
                format!("{} ({}): {:?}", e.metric, e.window, e.actual)
            }),
    };
    folder::render(&outcome, &drawn, &place)
        .write(&place)
        .map_err(|e| Stop::internal(e.to_string()))?;
    line.folder = Some(name.clone());
    let finding = Finding {
        seed,
        exit: outcome.report.exit,
        what: signature.text(),
        text,
        folder: name,
        repro: outcome.report.repro.clone(),
    };
    Ok(Done {
        line,
        finding: Some(finding),
    })
}

/// Runs a scenario and judges it as a search does: an expectation over a window that never opened is none.
pub(super) fn run_judged(
    setting: &Setting<'_>,
    drawn: &Scenario,
    seed: u64,
    twice: bool,
) -> Outcome {
    let mut outcome = setting.once(drawn, seed);
    if twice && outcome.broken.is_none() {
        let again = setting.once(drawn, seed);
        let (a, b) = (&outcome.report.fingerprint, &again.report.fingerprint);
        if a != b {
            outcome.differs = Some(format!("fingerprint: first {a}, then {b}"));
        }
    }
    outcome.report.expectations.retain(|e| e.actual.is_some());
    outcome.report.verdict = Verdict::Pass;
    judge::run(&mut outcome);
    // A panic ends the run that it is in; it is a finding like any other, and the first to be looked at.
    if outcome.broken.is_some() {
        outcome.report.exit = INTERNAL;
    }
    outcome
}

/// Names this binary: two summaries of one name come of the same code.
fn build() -> String {
    let bytes = std::env::current_exe()
        .and_then(std::fs::read)
        .unwrap_or_default();
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        hash = protocol::rng::splitmix64(hash ^ u64::from_le_bytes(word));
    }
    format!("{}-{hash:016x}", env!("CARGO_PKG_VERSION"))
}

fn spinner(shown: bool, args: &args::Fuzz, count: usize) -> ProgressBar {
    let bar = match args.seeds {
        Some(_) => ProgressBar::new(count as u64),
        None => ProgressBar::new_spinner(),
    };
    let template = match args.seeds {
        Some(_) => " {wide_bar:.cyan/dim} {percent:>3}%  {msg}  {elapsed}",
        None => " {spinner} {msg}  {elapsed}",
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    if shown {
        bar.set_draw_target(ProgressDrawTarget::stderr());
        bar.enable_steady_tick(Duration::from_millis(200));
    } else {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    bar
}
