//! A timeline with a lane for each path, time to the left: what happened around the first violation, on one screen.
//!
//! A lane is `│` while its path is up and `╳` while it is down. What an event shows there follows from its kind:
//!
//! | kind | shows | |
//! |---|---|---|
//! | `issue` `redispatch` `answer` `error` `abandoned` `effect` | `↑` `r↑` `✓` `e` `×` `L` | commands; `effect` is on the media |
//! | `lost` | `✗` | the path is down from here on |
//! | `usable`, `link` | `▲` `▼` `~` | up or down as the text ends: `usable` / `not usable`, `up` / `lost` / `down` |
//! | `health` `access` `admin` `identity` | `~` | a state that does not decide alone |
//! | `fault_start`, `fault_end` | `!` | |
//! | `rule` | | the finding of a checker |
//! | anything else | `*` | |

use super::human;
use super::model::{EventLine, RunReport};

/// The timeline fits this many columns and lines.
pub const WIDTH: usize = 100;
pub const LINES: usize = 30;
/// Room that the text of an event always has.
const TEXT: usize = 44;

/// How an event shows in its path's lane, and what it makes of the lane from there on.
fn mark(kind: &str, text: &str) -> (&'static str, Option<bool>) {
    match kind {
        "issue" | "issued" | "sent" | "submit" => ("↑", None),
        "redispatch" | "retry" => ("r↑", None),
        "answer" | "answered" | "complete" | "completed" | "ack" => ("✓", None),
        "error" | "failed" => ("e", None),
        "timeout" | "suspect" => ("?", None),
        "lost" => ("✗", Some(false)),
        "abandoned" | "abandon" | "dropped" => ("×", None),
        "landed" | "effect" | "executed" => ("L", None),
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
        "fault" | "fault_start" | "fault_end" => ("!", None),
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
    matches!(row.kind.as_str(), "rule" | "violation")
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
    let others = report
        .events
        .iter()
        .filter(|e| (from..=to).contains(&e.at_ns))
        // Without a centre, commands would bury the story.
        .filter(|e| !report.around.is_empty() || !is_command(&e.kind))
        .filter(|e| !report.around.iter().any(|a| same(a, e)));
    rows.extend(others.cloned());
    if let Some(v) = &report.first_violation
        && !rows.iter().any(|r| is_rule(r) && r.at_ns == v.at_ns)
    {
        rows.push(EventLine {
            at_ns: v.at_ns,
            kind: "rule".into(),
            path: None,
            text: format!("{}: {}", v.rule, v.text),
        });
    }
    // Stable: events of one instant keep their order, the verdict comes last.
    rows.sort_by_key(|r| (r.at_ns, is_rule(r)));

    let room = LINES - 2;
    if rows.len() > room {
        let centre = match focus {
            Some(at) => rows.partition_point(|r| r.at_ns <= at),
            None => rows
                .iter()
                .position(|r| r.kind.starts_with("fault") || r.kind == "lost")
                .map_or(0, |first| first + room * 3 / 4),
        };
        let end = (centre + room / 4).clamp(room, rows.len());
        rows = rows.drain(end - room..end).collect();
    }
    (rows, focus)
}

fn is_command(kind: &str) -> bool {
    matches!(mark(kind, "").0, "↑" | "✓" | "L" | "×")
}

fn same(a: &EventLine, b: &EventLine) -> bool {
    a.at_ns == b.at_ns && a.kind == b.kind && a.path == b.path && a.text == b.text
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
