//! `harness shrink`: from the folder of a run that failed to a scenario that a person can read.

use super::args;
use super::execute::{Runner, Setting};
use super::fuzz::run_judged;
use super::progress::Progress;
use super::run::write_file;
use super::{Stop, Streams};
use crate::fuzz::minimal;
use crate::fuzz::shrink;
use crate::fuzz::signature::Signature;
use crate::scenario::{self, Scenario};

pub fn run(
    args: &args::Shrink,
    runner: &dyn Runner,
    streams: &mut Streams<'_>,
) -> Result<i32, Stop> {
    let folder = &args.folder;
    let file = folder.join("scenario.toml");
    let given = scenario::load(&file, &[]).map_err(|all| {
        let all: Vec<String> = all.iter().map(ToString::to_string).collect();
        Stop::usage(all.join("\n"))
    })?;
    let (seed, noted) = report(folder)?;
    let mut original = scenario::draw(&given, seed.unwrap_or(given.seed));
    for e in &mut original.expects {
        e.line = 0;
    }
    let hidden = Progress::new(0, false);
    let setting = Setting::plain(runner, &hidden);
    let twice = noted == Some(Signature::Differs);
    let mut fails = |s: &Scenario| Signature::of(&run_judged(&setting, s, s.seed, twice));
    let now = fails(&original);
    let wanted = match (noted, now) {
        (_, None) => {
            return Err(Stop::usage(format!(
                "{}: passes now, there is nothing to shrink",
                file.display()
            )));
        }
        (Some(noted), Some(now)) if noted != now => {
            writeln!(
                streams.err,
                "{} report.json says {}, a run of now says {}: that is shrunk",
                streams.err_style.odd("warning:"),
                noted.text(),
                now.text()
            )?;
            now
        }
        (_, Some(now)) => now,
    };
    let found = shrink::shrink(&original, &wanted, args.tries, &mut fails);
    let mut small = found.scenario;
    let title = format!("{} in {}", wanted.text(), original.name);
    if title.chars().count() < 200 {
        small.title = title;
    }
    small.why = String::new();
    let target = folder.join("shrunk.toml");
    let text = format!(
        "# The smallest scenario found that still fails: {}\n# repeat: harness run {}\n\n{}",
        wanted.text().replace('\n', " "),
        target.display(),
        minimal::to_toml(&small, folder)
    );
    write_file(&target, &text)?;
    let size = |s: &Scenario| {
        format!(
            "{} faults, {} workloads, {} hosts, {} lines",
            s.faults.len(),
            s.workloads.len(),
            s.host.count,
            minimal::to_toml(s, folder).lines().count()
        )
    };
    writeln!(streams.out, " {}", streams.out_style.bad(&wanted.text()))?;
    writeln!(streams.out, " before: {}", size(&original))?;
    writeln!(
        streams.out,
        " after:  {} ({} tries)",
        size(&small),
        found.tries
    )?;
    if found.tries >= args.tries {
        writeln!(streams.out, " the tries are used up: --tries N for more")?;
    }
    writeln!(streams.out, " repeat: harness run {}", target.display())?;
    streams.out.flush()?;
    Ok(0)
}

/// The seed of the run and what it found, from its `report.json`.
fn report(folder: &std::path::Path) -> Result<(Option<u64>, Option<Signature>), Stop> {
    let file = folder.join("report.json");
    let text = std::fs::read_to_string(&file)
        .map_err(|e| Stop::usage(format!("{}: cannot be read: {e}", file.display())))?;
    let report: serde_json::Value = serde_json::from_str(&text)
        .map_err(|e| Stop::usage(format!("{}: not a run's report: {e}", file.display())))?;
    let seed = report.get("seed").and_then(serde_json::Value::as_u64);
    Ok((seed, Signature::read(&report)))
}
