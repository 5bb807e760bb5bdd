//! `harness trace`: looks into block traces.

use super::{Stop, Streams, args};

pub fn run(args: &args::Trace, _streams: &mut Streams<'_>) -> Result<i32, Stop> {
    let name = match args {
        args::Trace::Info { .. } => "info",
        args::Trace::Head { .. } => "head",
        args::Trace::Convert { .. } => "convert",
    };
    Err(Stop::usage(format!(
        "harness trace {name} is not built yet"
    )))
}
