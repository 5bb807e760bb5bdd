//! `harness serve`. The block device needs ublk, which a build for simulation alone does without.

use super::args;
use super::{Stop, Streams};

#[cfg(not(feature = "ublk"))]
pub fn run(_args: &args::Serve, _streams: &mut Streams<'_>) -> Result<i32, Stop> {
    Err(Stop::usage(
        "this harness was built without ublk; right would be: cargo run --release --features ublk -- serve … (needs libclang)",
    ))
}

#[cfg(feature = "ublk")]
pub fn run(args: &args::Serve, streams: &mut Streams<'_>) -> Result<i32, Stop> {
    use crate::scenario;
    use crate::serve::{Served, control::Control, device};

    let mut all = super::gather::scenarios(
        std::slice::from_ref(&args.scenario),
        &args.sets,
        false,
        streams,
    )?;
    if all.len() != 1 {
        return Err(Stop::usage(
            "serve takes one scenario, not a folder of them",
        ));
    }
    let s = all.remove(0);
    if s.volumes.len() > 1 || s.host.count > 1 {
        return Err(Stop::usage(format!(
            "{}: one volume and one host can be served, it has {} and {}",
            args.scenario.display(),
            s.volumes.len(),
            s.host.count
        )));
    }
    let seed = args.seed.unwrap_or(s.seed);
    let served = Served::new(&scenario::draw(&s, seed), seed)
        .map_err(|e| Stop::usage(format!("{}: {e}", args.scenario.display())))?;
    let control = Control::listen(&args.socket).map_err(|e| Stop::usage(e.to_string()))?;
    let stop = super::interruption()?;
    let mut told = Ok(());
    device::serve(served, control, &stop, |name| {
        told = writeln!(streams.out, "{} is {name}\nready", s.volumes[0].name)
            .and_then(|()| streams.out.flush());
    })
    .map_err(|e| Stop::usage(format!("serve: {e}")))?;
    told?;
    Ok(0)
}
