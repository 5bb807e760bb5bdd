//! A failure, in full and first: what broke with its actual value, the seed, the command that repeats it, and what
//! happened on each path around it.

use super::human::{self, actual, plural};
use super::lanes;
use super::model::Verdict;
use super::outcome::{Group, Outcome};
use super::style::Style;

/// Of one scenario, so many failing seeds are shown in full.
const IN_FULL: usize = 2;
const WIDTH: usize = lanes::WIDTH;
/// So many paths of a table, expectations of a list.
const SHOWN: usize = 12;

/// The failures of a scenario; nothing where none failed.
pub fn write(group: &Group, style: Style) -> String {
    let failed: Vec<&Outcome> = group.runs.iter().filter(|r| r.failed()).collect();
    let mut out = String::new();
    for outcome in failed.iter().take(IN_FULL) {
        out += &one(group, outcome, style);
        out.push('\n');
    }
    if failed.len() > IN_FULL {
        let seeds: Vec<String> = failed[IN_FULL..]
            .iter()
            .take(20)
            .map(|o| o.report.seed.to_string())
            .collect();
        let more = failed.len() - IN_FULL;
        let rest = if more > seeds.len() { ", …" } else { "" };
        let text = format!(
            "{}: {more} more of {} failed: seed {}{rest}",
            group.name,
            plural(group.runs.len(), "run"),
            seeds.join(", ")
        );
        for (i, line) in human::wrap(&text, WIDTH - 7).into_iter().enumerate() {
            let lead = if i == 0 {
                style.bad(" FAIL  ")
            } else {
                " ".repeat(7)
            };
            out += &format!("{lead}{line}\n");
        }
        out.push('\n');
    }
    out
}

fn one(group: &Group, outcome: &Outcome, style: Style) -> String {
    let r = &outcome.report;
    let mut out = format!(
        "{}  {}   seed {}   policy {}   virtual {}   wall {}\n",
        style.bad(" FAIL"),
        style.strong(&group.name),
        r.seed,
        r.policy,
        human::time(r.virtual_ns),
        human::time(r.wall_ns),
    );
    indented(&mut out, "       ", &group.title);
    if !group.why.is_empty() {
        indented(&mut out, "       why: ", &group.why);
    }
    out.push('\n');
    reasons(&mut out, outcome, style);
    let mut fact = |name: &str, text: &str| {
        if !text.is_empty() {
            out += &format!("   {} {text}\n", style.faint(&format!("{name:<12}")));
        }
    };
    fact("repeat", &r.repro);
    fact("folder", outcome.folder.as_deref().unwrap_or(""));
    fact("fingerprint", &r.fingerprint);
    let timeline = if outcome.lanes.is_empty() {
        lanes::draw(r)
    } else {
        outcome.lanes.clone()
    };
    if !timeline.is_empty() {
        out.push('\n');
        for line in timeline {
            let marked = line.contains("← first violation");
            out += &if marked { style.bad(&line) } else { line };
            out.push('\n');
        }
    }
    out
}

/// What made the run fail, the gravest first.
fn reasons(out: &mut String, outcome: &Outcome, style: Style) {
    let r = &outcome.report;
    let cross = style.bad(" ✗");
    for (rule, n) in outcome.broken_rules() {
        let first = r.first_violation.as_ref().filter(|v| v.rule == rule);
        match first {
            Some(v) => {
                *out += &format!(
                    "{cross} {}   {}, the first at {} s\n",
                    style.strong(rule),
                    plural(n as usize, "violation"),
                    human::moment(v.at_ns)
                );
                indented(out, "     ", &v.text);
            }
            None => {
                *out += &format!(
                    "{cross} {}   {}\n",
                    style.strong(rule),
                    plural(n as usize, "violation")
                );
            }
        }
    }
    let failed: Vec<_> = outcome.missed().map(|(_, e)| e).collect();
    let width = failed
        .iter()
        .map(|e| e.metric.chars().count())
        .max()
        .unwrap_or(0);
    for e in failed.iter().take(SHOWN) {
        let seeds = if e.sometimes {
            ", in no seed of the run"
        } else {
            ""
        };
        *out += &format!(
            "{cross} {}   actual {}   ({}{seeds})\n",
            style.strong(&format!("{:<width$}", e.metric)),
            style.bad(&actual(e)),
            e.window
        );
    }
    if failed.len() > SHOWN {
        *out += &format!("   … and {} more\n", failed.len() - SHOWN);
    }
    if !outcome.worse.is_empty() {
        *out += &format!("{cross} {}\n", style.strong("worse than the baseline"));
        *out += &super::baseline::table(&outcome.worse, "     ");
    }
    if let Some(where_) = &outcome.differs {
        *out += &format!("{cross} {}\n", style.strong("two runs of this seed differ"));
        indented(out, "     ", where_);
    }
    if let Some(note) = &outcome.note {
        indented(out, &format!("{cross} "), note);
    }
    if let (Verdict::Fail, Some(why)) = (r.verdict, &r.expect_fail) {
        indented(out, "     expect_fail: ", why);
    }
}

/// A text below its lead; the lines after the first stand under the first.
fn indented(out: &mut String, lead: &str, text: &str) {
    let visible = if lead.contains('✗') {
        3
    } else {
        lead.chars().count()
    };
    for paragraph in text.lines() {
        for (i, line) in human::wrap(paragraph, WIDTH - visible)
            .into_iter()
            .enumerate()
        {
            if i == 0 && !out.ends_with(lead) {
                *out += lead;
            } else {
                *out += &" ".repeat(visible);
            }
            *out += &line;
            out.push('\n');
        }
    }
}
