//! `harness merge`: one summary and one exit code for a search that ran in parts.

use super::args;
use super::run::write_file;
use super::{Stop, Streams};
use crate::fuzz::merge;

pub fn run(args: &args::Merge, streams: &mut Streams<'_>) -> Result<i32, Stop> {
    let folders = merge::find(&args.folders).map_err(Stop::usage)?;
    let mut all = Vec::new();
    for folder in folders {
        let summary = merge::read(&folder).map_err(Stop::usage)?;
        all.push((folder, summary));
    }
    let joined = merge::join(&all).map_err(Stop::usage)?;
    if let Some(out) = &args.out {
        let text = serde_json::to_string_pretty(&joined)
            .map_err(|e| Stop::internal(format!("summary: {e}")))?;
        write_file(&out.join("summary.json"), &(text + "\n"))?;
    }
    for shard in merge::missing(&joined) {
        let style = streams.err_style;
        writeln!(
            streams.err,
            "{} shard {shard} is not among them",
            style.odd("warning:")
        )?;
    }
    if args.json {
        let line = serde_json::to_string(&joined).unwrap_or_default();
        writeln!(streams.out, "{line}")?;
    } else {
        write!(streams.out, "{}", joined.text(streams.out_style))?;
    }
    streams.out.flush()?;
    Ok(joined.exit)
}
