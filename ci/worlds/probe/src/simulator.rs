//! The simulator's half of a case, from the events of a run. The command that is asked about is the first that was sent over
//! the cut path after the cut began; where the host knew at once and sent none, the last that was sent before. Workloads of a
//! case are sequential, so that a path and an LBA name one command.

use crate::error::{Error, Result, at};
use crate::facts::{Answered, Executed, Facts, Path};
use serde_json::Value;

const PATH: &str = "h0-A0";

struct Event {
    at_ns: u64,
    kind: String,
    path: Option<String>,
    text: String,
}

impl Event {
    fn is(&self, kind: &str) -> bool {
        self.kind == kind && self.path.as_deref() == Some(PATH)
    }

    /// Whether the text names this range, as in `write vol0 152+8 status 0x302`.
    fn names(&self, range: &str) -> bool {
        self.text.split(' ').any(|word| word == range)
    }

    /// What stands behind a word: the number of `errno 61`.
    fn behind(&self, word: &str) -> Option<&str> {
        let mut words = self.text.split(' ');
        words.find(|w| *w == word)?;
        words.next()
    }
}

pub fn facts(path: &std::path::Path) -> Result<Facts> {
    judge(&parse(&at(path, std::fs::read_to_string(path))?)?)
}

fn parse(text: &str) -> Result<Vec<Event>> {
    let event = |(index, line): (usize, &str)| {
        let wrong = |why: String| Error::Events {
            line: index + 1,
            why,
        };
        let value: Value = serde_json::from_str(line).map_err(|e| wrong(e.to_string()))?;
        let word = |key: &str| value[key].as_str().map(String::from);
        Ok(Event {
            at_ns: value["at_ns"]
                .as_u64()
                .ok_or_else(|| wrong("no at_ns".into()))?,
            kind: word("kind").ok_or_else(|| wrong("no kind".into()))?,
            path: word("path"),
            text: word("text").ok_or_else(|| wrong("no text".into()))?,
        })
    };
    text.lines().enumerate().map(event).collect()
}

fn judge(events: &[Event]) -> Result<Facts> {
    let missing = |what: &str| Error::Unexpected(format!("the run has no {what}"));
    let begin = events
        .iter()
        .position(|e| e.kind == "fault_start")
        .ok_or_else(|| missing("fault_start"))?;
    let end_ns = events
        .iter()
        .find(|e| e.kind == "fault_end")
        .map(|e| e.at_ns)
        .ok_or_else(|| missing("fault_end"))?;
    let during = |e: &Event| e.at_ns < end_ns;
    let hit = (begin..events.len())
        .find(|i| events[*i].is("issue") && during(&events[*i]))
        .or_else(|| (0..begin).rev().find(|i| events[*i].is("issue")))
        .ok_or_else(|| missing("command over the path"))?;
    let command = &events[hit];
    let range = command
        .text
        .split(' ')
        .find(|word| word.contains('+'))
        .ok_or_else(|| missing("range in an issue"))?;
    let later = &events[hit + 1..];

    let effects = || later.iter().filter(|e| e.is("effect") && e.names(range));
    let acknowledged = later
        .iter()
        .find(|e| e.kind == "complete" && e.names(range))
        .map(|e| e.at_ns);
    let told = later
        .iter()
        .find(|e| (e.is("answer") && e.names(range)) || e.is("lost") || removed(e));
    let answered = told.map_or(Answered::Nothing, |e| {
        let what = outcome(e, later, range);
        if during(e) {
            Answered::During(what)
        } else {
            Answered::After(what)
        }
    });
    let write = command.text.starts_with("write");
    Ok(Facts {
        executed: write.then(|| Executed {
            during: effects().any(during),
            after: effects().any(|e| !during(e)),
        }),
        answered,
        late: effects().any(|e| acknowledged.is_some_and(|a| a < e.at_ns)),
        path: if serves_again(later, end_ns) {
            Path::Back
        } else {
            Path::Gone
        },
    })
}

fn removed(event: &Event) -> bool {
    event.is("admin") && event.text.ends_with("→ removed")
}

/// An errno where the application was told one; the status where only the core was; `lost` where nothing was answered.
fn outcome(told: &Event, later: &[Event], range: &str) -> String {
    if told.kind != "answer" {
        return "lost".into();
    }
    let Some(status) = told.behind("status") else {
        return "OK".into();
    };
    let failed = later.iter().find(|e| e.kind == "fail" && e.names(range));
    match failed.and_then(|e| e.behind("errno")) {
        Some(errno) => {
            let error = errno.parse().map(std::io::Error::from_raw_os_error);
            error.map_or_else(
                |_| errno.to_string(),
                |e| crate::block::outcome::<()>(&Err(e)),
            )
        }
        None => format!("status {status}"),
    }
}

/// A command that was sent over the path after the heal has been answered without an error.
fn serves_again(later: &[Event], end_ns: u64) -> bool {
    later
        .iter()
        .enumerate()
        .filter(|(_, e)| e.is("issue") && e.at_ns > end_ns)
        .any(|(i, sent)| {
            let range = sent.text.split(' ').find(|word| word.contains('+'));
            range.is_some_and(|range| {
                later[i..]
                    .iter()
                    .any(|e| e.is("answer") && e.names(range) && e.behind("status").is_none())
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `at kind path text`, a dot for no path.
    fn run(lines: &[&str]) -> Result<String> {
        let events = lines.iter().map(|line| {
            let mut words = line.splitn(4, ' ');
            let mut word = || words.next().unwrap().to_string();
            Event {
                at_ns: word().parse().unwrap(),
                kind: word(),
                path: Some(word()).filter(|p| p != "."),
                text: word(),
            }
        });
        judge(&events.collect::<Vec<_>>()).map(|facts| facts.to_string())
    }

    #[test]
    fn a_lost_command_that_executes_after_its_retry_is_a_ghost() {
        let lines = [
            "1 issue h0-A0 write vol0 0+8",
            "2 answer h0-A0 write vol0 0+8",
            "10 fault_start . late on controller:A",
            "11 issue h0-A0 write vol0 8+8",
            "12 lost h0-A0 shard 0: silence, 1 attempts",
            "13 issue h0-B0 write vol0 8+8",
            "14 effect h0-B0 vol0 8+8 stamp 0x1",
            "15 complete . write vol0 8+8",
            "20 fault_end . late on controller:A",
            "30 effect h0-A0 vol0 8+8 stamp 0x1",
            "31 issue h0-A0 write vol0 88+8",
            "32 answer h0-A0 write vol0 88+8",
        ];
        assert_eq!(
            run(&lines).unwrap(),
            "executed after; answered lost during; ghost yes; path back"
        );
        assert_eq!(
            run(&lines[..10]).unwrap(),
            "executed after; answered lost during; ghost yes; path gone"
        );
    }

    #[test]
    fn a_read_is_judged_by_what_the_application_was_told() {
        let lines = [
            "10 fault_start . medium on volume:vol0",
            "11 issue h0-A0 read vol0 8+8",
            "12 answer h0-A0 read vol0 8+8 status 0x281",
            "12 fail . read vol0 8+8 errno 61",
            "20 fault_end . medium on volume:vol0",
            "31 issue h0-A0 read vol0 88+8",
            "32 answer h0-A0 read vol0 88+8 status 0x281",
        ];
        assert_eq!(
            run(&lines).unwrap(),
            "answered ENODATA during; path gone",
            "an answer with an error does not bring the path back"
        );
    }

    #[test]
    fn where_nothing_was_sent_into_the_cut_the_last_command_before_it_counts() {
        let lines = [
            "8 issue h0-A0 write vol0 0+8",
            "9 issue h0-A0 write vol0 8+8",
            "10 fault_start . reset on path:h0-A0",
            "10 lost h0-A0 shard 0: broken",
            "11 effect h0-A0 vol0 0+8 stamp 0x1",
            "20 fault_end . reset on path:h0-A0",
            "21 issue h0-A0 write vol0 16+8",
            "22 answer h0-A0 write vol0 16+8",
        ];
        assert_eq!(
            run(&lines).unwrap(),
            "executed never; answered lost during; ghost no; path back"
        );
    }

    #[test]
    fn a_run_without_a_fault_says_so() {
        let error = run(&["8 issue h0-A0 write vol0 0+8"]).unwrap_err();
        assert_eq!(error.to_string(), "the run has no fault_start");
        let error = parse("{\"at_ns\":1}").err().unwrap();
        assert_eq!(error.to_string(), "line 1: no kind");
    }
}
