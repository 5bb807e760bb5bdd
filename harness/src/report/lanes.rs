//! A timeline with a lane for each path, time to the left: what happened around the first violation, on one screen.
//!
//! A lane is `│` while its path is up and `╳` while it is down. What an event shows there follows from its kind:
//!
//! | kind | shows | |
//! |---|---|---|
//! | `issue` `answer` `stale_answer` `complete` `fail` `effect` `probe` | `↑` `✓` `s✓` `✓` `e` `L` `p` | commands; `effect` is on the media |
//! | `redispatch` | `r↑` | sent again |
//! | `lost` | `✗` | the path is down from here on |
//! | `usable`, `link` | `▲` `▼` `~` | up or down as the text ends: `usable` / `not usable`, `up` / `lost` / `down` |
//! | `health` `access` `admin` `identity` | `~` | a state that does not decide alone |
//! | `fault_start`, `fault_end` | `!` | |
//! | `violation` | | the finding of a checker |
//! | anything else | `*` | |
//!
//! Where more happened than fits, what touches the block of the violation is kept first, then states, faults and losses (also the
//! latest ones before the commands that are known), then what is nearest to the violation.

use super::human;
use super::model::{EventLine, RunReport};

/// The timeline fits this many columns and lines.
pub const WIDTH: usize = 100;
pub const LINES: usize = 30;
/// Room that the text of an event always has.
const TEXT: usize = 44;
/// States, faults and losses that are shown from before the known commands.
const EARLIER: usize = 8;

/// How an event shows in its path's lane, and what it makes of the lane from there on.
fn mark(kind: &str, text: &str) -> (&'static str, Option<bool>) {
    match kind {
        "issue" => ("↑", None),
        "redispatch" => ("r↑", None),
        "answer" | "complete" => ("✓", None),
        "stale_answer" => ("s✓", None),
        "fail" => ("e", None),
        "effect" => ("L", None),
        "probe" => ("p", None),
        "suspect" => ("?", None),
        "lost" => ("✗", Some(false)),
        "usable" | "link" => {
            // A change reads "from → to": what counts is where it ends.
            let to = text.rsplit(['→', '>']).next().unwrap_or(text);
            let says = |words: &[&str]| words.iter().any(|w| to.contains(w));
            if says(&["lost", "false", "not usable", "unusable", "down"]) {
                ("▼", Some(false))
            } else if says(&["true", "up", "usable"]) {
                ("▲", Some(true))
            } else {
                ("~", None)
            }
        }
        "health" | "access" | "admin" | "identity" => ("~", None),
        "fault_start" | "fault_end" => ("!", None),
        _ => ("*", None),
    }
}

/// The lines of the timeline; none where nothing is known about the time around the failure.
pub fn draw(report: &RunReport) -> Vec<String> {
    let (rows, focus) = rows(report);
    if rows.is_empty() {
        return Vec::new();
    }
    let (lanes, left_out) = choose(report, &rows);
    let wide = lanes
        .iter()
        .map(|l| l.chars().count())
        .max()
        .unwrap_or(0)
        .max(2)
        + 2;
    let stamp = rows
        .iter()
        .map(|r| human::moment(r.at_ns).len())
        .max()
        .unwrap_or(8);
    let text_width = WIDTH.saturating_sub(stamp + 3 + wide * lanes.len());

    let mut up: Vec<bool> = lanes
        .iter()
        .map(|lane| state_before(report, lane, rows[0].at_ns))
        .collect();
    let mut out = Vec::with_capacity(rows.len() + 2);
    let mut head = format!(" {:<stamp$}  ", "time");
    for lane in &lanes {
        head += &format!("{lane:<wide$}");
    }
    out.push((head + "event").trim_end().to_string());
    for row in &rows {
        let (symbol, becomes) = mark(&row.kind, &row.text);
        let mut line = format!(" {:>stamp$}  ", human::moment(row.at_ns));
        let mut named = row.path.is_none();
        for (i, lane) in lanes.iter().enumerate() {
            let mine = row.path.as_deref() == Some(lane.as_str());
            named |= mine;
            if mine && let Some(now_up) = becomes {
                up[i] = now_up;
            }
            let cell = match (mine, up[i]) {
                (true, _) => symbol,
                (false, true) => "│",
                (false, false) => "╳",
            };
            line += &format!("{cell:<wide$}");
        }
        let path = match &row.path {
            Some(path) if !named => format!(" {path}"),
            _ => String::new(),
        };
        let arrow = if Some(row.at_ns) == focus && is_rule(row) {
            "  ← first violation"
        } else {
            ""
        };
        let room = text_width.saturating_sub(arrow.chars().count());
        let text = human::cut(format!("{}{path} {}", row.kind, row.text).trim_end(), room);
        out.push(format!("{line}{text}{arrow}").trim_end().to_string());
    }
    if left_out > 0 {
        out.push(format!(
            " (and {} without a lane)",
            human::plural(left_out, "path")
        ));
    }
    out
}

fn is_rule(row: &EventLine) -> bool {
    row.kind == "violation"
}

/// Which events are shown, in order, and when the violation was.
fn rows(report: &RunReport) -> (Vec<EventLine>, Option<u64>) {
    let focus = report.first_violation.as_ref().map(|v| v.at_ns);
    let mut rows: Vec<EventLine> = report.around.clone();
    let (from, to) = match (rows.first(), rows.last()) {
        (Some(first), Some(last)) => (first.at_ns, last.at_ns.max(focus.unwrap_or(0))),
        // No command is known: the states, faults and losses of the whole run tell the story.
        _ => (0, u64::MAX),
    };
    let is_story = |e: &&EventLine| !is_command(&e.kind);
    let before = report.events.partition_point(|e| e.at_ns < from);
    let earlier: Vec<&EventLine> = report.events[..before]
        .iter()
        .rev()
        .filter(is_story)
        .take(EARLIER)
        .collect();
    rows.extend(earlier.into_iter().rev().cloned());
    let within = report.events[before..]
        .iter()
        .take_while(|e| e.at_ns <= to)
        .filter(is_story);
    rows.extend(within.cloned());
    if let Some(v) = &report.first_violation
        && !rows.iter().any(|r| is_rule(r) && r.at_ns == v.at_ns)
    {
        rows.push(EventLine {
            at_ns: v.at_ns,
            kind: "violation".into(),
            path: None,
            text: format!("{}: {}", v.rule, v.text),
        });
    }
    // Stable: events of one instant keep their order, the verdict comes last.
    rows.sort_by_key(|r| (r.at_ns, is_rule(r)));
    (fitting(rows, report), focus)
}

/// As many rows as there is room for, the most telling ones.
fn fitting(rows: Vec<EventLine>, report: &RunReport) -> Vec<EventLine> {
    let room = LINES - 2;
    if rows.len() <= room {
        return rows;
    }
    let violation = report.first_violation.as_ref();
    let blocks = violation.map_or_else(Vec::new, |v| lbas(&v.text));
    let centre = match violation {
        Some(v) => rows
            .partition_point(|r| r.at_ns <= v.at_ns)
            .saturating_sub(1),
        None => rows
            .iter()
            .position(|r| r.kind == "fault_start" || r.kind == "lost")
            .unwrap_or(0),
    };
    let rank = |row: &EventLine| {
        if is_rule(row) && violation.is_some_and(|v| v.at_ns == row.at_ns) {
            0
        } else if is_command(&row.kind) && touches(&row.text, &blocks) {
            1
        } else if !is_command(&row.kind) && !is_rule(row) {
            2
        } else {
            3
        }
    };
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|&i| (rank(&rows[i]), i.abs_diff(centre), i));
    order.truncate(room);
    order.sort_unstable();
    order.into_iter().map(|i| rows[i].clone()).collect()
}

/// The blocks that a finding names: every number after the word LBA.
fn lbas(text: &str) -> Vec<u64> {
    text.split("LBA ")
        .skip(1)
        .filter_map(|rest| {
            let digits = rest
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(rest.len());
            rest[..digits].parse().ok()
        })
        .collect()
}

/// Whether a command's text has a range, `lba+blocks`, with one of these blocks in it.
fn touches(text: &str, blocks: &[u64]) -> bool {
    text.split_whitespace()
        .filter_map(|word| {
            let (lba, n) = word.split_once('+')?;
            Some((lba.parse::<u64>().ok()?, n.parse::<u64>().ok()?))
        })
        .any(|(lba, n)| {
            blocks
                .iter()
                .any(|b| (lba..lba.saturating_add(n)).contains(b))
        })
}

/// What happens for each command.
fn is_command(kind: &str) -> bool {
    const EACH: [&str; 7] = [
        "issue",
        "answer",
        "stale_answer",
        "complete",
        "fail",
        "effect",
        "probe",
    ];
    EACH.contains(&kind)
}

/// Lanes are the paths in their own order; where there are too many, those that something happened on.
fn choose(report: &RunReport, rows: &[EventLine]) -> (Vec<String>, usize) {
    let mut all: Vec<String> = report.paths.iter().map(|p| p.name.clone()).collect();
    for path in rows.iter().filter_map(|r| r.path.as_ref()) {
        if !all.contains(path) {
            all.push(path.clone());
        }
    }
    let fits = |lanes: &[String]| {
        let wide = lanes.iter().map(|l| l.chars().count()).max().unwrap_or(0) + 2;
        lanes.len() * wide + TEXT + 14 <= WIDTH
    };
    let total = all.len();
    if !fits(&all) {
        all.retain(|lane| rows.iter().any(|r| r.path.as_deref() == Some(lane)));
    }
    while !fits(&all) {
        all.pop();
    }
    let left_out = total - all.len();
    (all, left_out)
}

fn state_before(report: &RunReport, lane: &str, at_ns: u64) -> bool {
    report
        .events
        .iter()
        .take_while(|e| e.at_ns < at_ns)
        .filter(|e| e.path.as_deref() == Some(lane))
        .filter_map(|e| mark(&e.kind, &e.text).1)
        .last()
        .unwrap_or(true)
}
