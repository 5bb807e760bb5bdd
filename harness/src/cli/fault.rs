//! `harness fault`: live faults on an array that `harness serve` serves.

use super::args::{self, FaultCommand};
use super::{INVALID, Stop, Streams};
use crate::serve::control::{self, Reply, Wish};

/// What a `[[fault]]` holds, from the words of the command line.
fn text(add: &args::FaultAdd) -> String {
    let mut text = format!("do = {:?}\non = {:?}\n", add.kind, add.on);
    if let Some(lasts) = &add.lasts {
        text += &format!("for = {lasts:?}\n");
    }
    for (key, value) in &add.parameters {
        // Numbers and words that TOML knows stay what they are; everything else is a text.
        let plain = value.parse::<i64>().is_ok()
            || matches!(value.as_str(), "true" | "false")
            || value.starts_with('"');
        let value = if plain {
            value.clone()
        } else {
            format!("{value:?}")
        };
        text += &format!("{key} = {value}\n");
    }
    text
}

pub fn run(args: &args::Fault, streams: &mut Streams<'_>) -> Result<i32, Stop> {
    let wish = match &args.command {
        FaultCommand::Add(add) => Wish::Add(text(add)),
        FaultCommand::List { .. } => Wish::List,
        FaultCommand::Clear { which } => match which.as_str() {
            "all" => Wish::ClearAll,
            id => Wish::Clear(id.parse().map_err(|_| {
                Stop::usage(format!(
                    "'{id}' is no fault; right would be its number, or all"
                ))
            })?),
        },
    };
    let reply = control::ask(&args.socket, &wish).map_err(|e| Stop::usage(e.to_string()))?;
    match reply {
        Reply::Added(id) => writeln!(streams.out, "fault {id}")?,
        Reply::Cleared(n) => writeln!(streams.out, "{n} ended")?,
        Reply::Faults(all) => {
            if matches!(args.command, FaultCommand::List { json: true }) {
                let json =
                    serde_json::to_string(&all).map_err(|e| Stop::internal(e.to_string()))?;
                writeln!(streams.out, "{json}")?;
            } else {
                for f in all {
                    let state = if f.active { "active" } else { "over" };
                    writeln!(streams.out, "{:>3}  {state:<6}  {}", f.id, f.fault)?;
                }
            }
        }
        Reply::Error(text) => {
            return Err(Stop {
                code: INVALID,
                message: text,
            });
        }
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_become_a_fault_of_the_scenario_language() {
        let add = args::FaultAdd {
            kind: "delay".into(),
            on: "path:h0-A0".into(),
            lasts: Some("2s".into()),
            parameters: vec![("add".into(), "5ms".into()), ("share".into(), "50".into())],
        };
        assert_eq!(
            text(&add),
            "do = \"delay\"\non = \"path:h0-A0\"\nfor = \"2s\"\nadd = \"5ms\"\nshare = 50\n"
        );
    }
}
