//! `harness check`: reads and validates, runs nothing.

use super::{Stop, Streams, args, gather};
use crate::report::human;

pub fn run(args: &args::Check, streams: &mut Streams<'_>) -> Result<i32, Stop> {
    let all = gather::scenarios(&args.paths, &args.sets, false, streams)?;
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
