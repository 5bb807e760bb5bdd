//! `harness check`: reads and validates, runs nothing. The traces that scenarios name are read to the end of what would be replayed, and laid
//! over their volumes: a bad line in the middle of one is an error here, and not only in the middle of a run.

use super::{INVALID, Stop, Streams, args, gather};
use crate::report::human;
use crate::scenario::{Scenario, draw, model};
use crate::workload::{Source, WorkloadError};

pub fn run(args: &args::Check, streams: &mut Streams<'_>) -> Result<i32, Stop> {
    let all = gather::scenarios(&args.paths, &args.sets, false, streams)?;
    let bad: Vec<String> = all.iter().flat_map(bad_traces).collect();
    if !bad.is_empty() {
        for text in &bad {
            writeln!(streams.err, "{} {text}", streams.err_style.bad("error:"))?;
        }
        return Err(Stop {
            code: INVALID,
            message: String::new(),
        });
    }
    let width = all
        .iter()
        .map(|s| s.name.chars().count())
        .max()
        .unwrap_or(0);
    let style = streams.out_style;
    if !args.quiet {
        for s in &all {
            writeln!(
                streams.out,
                " {}  {:<width$}  {}",
                style.good("ok"),
                s.name,
                s.title
            )?;
        }
    }
    let verb = if all.len() == 1 { "is" } else { "are" };
    writeln!(
        streams.out,
        " {} {verb} valid",
        human::plural(all.len(), "scenario")
    )?;
    streams.out.flush()?;
    Ok(0)
}

/// What is wrong with the traces of a scenario, as its own seed replays them.
fn bad_traces(s: &Scenario) -> Vec<String> {
    let replays = |(_, w): &(usize, &model::Workload)| matches!(w.kind, model::Kind::Replay(_));
    let drawn = draw(s, s.seed);
    let replays = drawn.workloads.iter().enumerate().filter(replays);
    let wrong = replays.filter_map(|(index, _)| read_all(&drawn, index).err());
    wrong
        .map(|e| format!("{}: {e}", s.file.display()))
        .collect()
}

fn read_all(s: &Scenario, workload: usize) -> Result<(), WorkloadError> {
    let mut source = Source::new(s, workload, s.seed)?;
    while source.next()?.is_some() {}
    Ok(())
}
