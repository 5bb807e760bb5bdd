//! A run that was asked for alone is shown with what it measured, passed or not.

use super::human;
use super::model::{PathReport, Value};
use super::outcome::{Group, Outcome};
use super::style::Style;
use super::terminal;

const SHOWN: usize = 16;
const BAR: usize = 20;

/// The tables of one run.
pub fn write(group: &Group, outcome: &Outcome, style: Style) -> String {
    let mut out = String::new();
    if !outcome.failed() {
        // The head of a failure has said this already.
        let title = human::cut(&group.title, 76);
        out += &format!(
            " {}  {}   {title}\n",
            terminal::word(outcome.report.verdict, style),
            style.strong(&group.name)
        );
        for line in human::wrap(&group.why, 92) {
            out += &format!("   {}\n", style.faint(&line));
        }
        out.push('\n');
    }
    if !outcome.ran() {
        return out;
    }
    expectations(&mut out, outcome, style);
    latencies(&mut out, outcome, style);
    paths(&mut out, outcome, style);
    failovers(&mut out, outcome, style);
    workloads(&mut out, outcome, style);
    if !outcome.failed() {
        out += &format!(" {} {}\n", style.faint("repeat     "), outcome.report.repro);
        let print = &outcome.report.fingerprint;
        if !print.is_empty() {
            out += &format!(" {} {print}\n", style.faint("fingerprint"));
        }
        if let Some(folder) = &outcome.folder {
            out += &format!(" {} {folder}\n", style.faint("folder     "));
        }
        out.push('\n');
    }
    out
}

fn heading(out: &mut String, style: Style, text: &str) {
    *out += &format!(" {}\n", style.strong(text));
}

fn expectations(out: &mut String, outcome: &Outcome, style: Style) {
    let all = &outcome.report.expectations;
    let rules = outcome.report.rules.len();
    let broken = outcome.broken_rules().count();
    let rules_line = match broken {
        0 => format!("   {} {rules} rules that are always on\n", style.good("✓")),
        n => format!(
            "   {} {n} of {rules} rules that are always on\n",
            style.bad("✗")
        ),
    };
    heading(out, style, "expectations");
    *out += &rules_line;
    let width = all
        .iter()
        .map(|e| e.metric.chars().count())
        .max()
        .unwrap_or(0);
    for e in all {
        let sign = if e.ok {
            style.good("✓")
        } else if e.sometimes {
            style.odd("–")
        } else {
            style.bad("✗")
        };
        let sometimes = if e.sometimes { ", sometimes" } else { "" };
        *out += &format!(
            "   {sign} {:<width$}   {:<12} {}\n",
            e.metric,
            human::actual(e),
            style.faint(&format!("({}{sometimes})", e.window))
        );
    }
    out.push('\n');
}

fn latencies(out: &mut String, outcome: &Outcome, style: Style) {
    let time = |key: String| {
        outcome
            .report
            .metrics
            .get(&key)
            .map_or_else(|| "–".to_string(), |v| human::value(*v, true))
    };
    const COLUMNS: [&str; 6] = ["mean", "p50", "p90", "p99", "p999", "max"];
    heading(out, style, "application");
    *out += &format!(
        "   {} IOPS, {}/s, {} I/Os, {} errors, longest stall {}\n",
        human::amount(outcome.metric("app.iops").unwrap_or(0.0).round()),
        human::bytes(outcome.whole("app.bytes_per_s")),
        human::count(outcome.whole("app.ios")),
        human::count(outcome.whole("app.errors")),
        human::time(outcome.whole("app.stall_max_ns")),
    );
    *out += &format!("   {:<6}", "");
    for column in COLUMNS {
        *out += &format!("{column:>10}");
    }
    out.push('\n');
    for class in ["read", "write", "all"] {
        let cells = COLUMNS.map(|c| time(format!("app.{class}.{c}_ns")));
        if cells.iter().all(|c| c == "–") {
            continue;
        }
        *out += &format!("   {class:<6}");
        for cell in cells {
            *out += &format!("{cell:>10}");
        }
        out.push('\n');
    }
    out.push('\n');
}

fn bar(share: f64) -> String {
    let filled = ((share.clamp(0.0, 1.0) * BAR as f64).round() as usize).min(BAR);
    format!("{}{}", "█".repeat(filled), "░".repeat(BAR - filled))
}

fn paths(out: &mut String, outcome: &Outcome, style: Style) {
    let all = &outcome.report.paths;
    if all.is_empty() {
        return;
    }
    let jain = match outcome.report.metrics.get("balance.jain") {
        Some(Value::Float(x)) => format!("   (Jain {x:.3} over the best usable)"),
        _ => String::new(),
    };
    heading(out, style, &format!("paths{jain}"));
    let ios: u64 = all.iter().map(|p| p.ios).sum();
    let width = all
        .iter()
        .map(|p| p.name.chars().count())
        .max()
        .unwrap_or(0)
        .max(6);
    *out += &format!(
        "   {:<width$}  {:<BAR$}  {:>6}  {:>8}  {:>9}  {:>7}  {:>8}  {:>8}\n",
        "", "of all I/Os", "", "I/Os", "bytes", "errors", "p50", "p99"
    );
    let line = |p: &PathReport| {
        let share = if ios == 0 {
            0.0
        } else {
            p.ios as f64 / ios as f64
        };
        format!(
            "   {:<width$}  {}  {:>6}  {:>8}  {:>9}  {:>7}  {:>8}  {:>8}\n",
            p.name,
            bar(share),
            human::percent(share),
            human::count(p.ios),
            human::bytes(p.bytes),
            human::count(p.errors),
            human::time(p.p50_ns),
            human::time(p.p99_ns)
        )
    };
    for path in all.iter().take(SHOWN) {
        *out += &line(path);
    }
    more(out, all.len());
    out.push('\n');
}

fn failovers(out: &mut String, outcome: &Outcome, style: Style) {
    let all = &outcome.report.failovers;
    if all.is_empty() {
        return;
    }
    heading(out, style, "failovers");
    let width = all
        .iter()
        .map(|f| f.path.chars().count())
        .max()
        .unwrap_or(0);
    let causes = all
        .iter()
        .map(|f| f.cause.chars().count())
        .max()
        .unwrap_or(0);
    for f in all.iter().take(SHOWN) {
        *out += &format!(
            "   {} s  {:<width$}  {:<causes$}  detected in {:>8}  retried {:>5}  stall {:>8}\n",
            human::moment(f.at_ns),
            f.path,
            f.cause,
            human::time(f.detect_ns),
            human::count(f.retried),
            human::time(f.stall_ns)
        );
    }
    more(out, all.len());
    out.push('\n');
}

fn workloads(out: &mut String, outcome: &Outcome, style: Style) {
    let all = &outcome.report.workloads;
    if all.len() < 2 && all.iter().all(|w| w.skipped_records == 0) {
        return;
    }
    heading(out, style, "workloads");
    let width = all
        .iter()
        .map(|w| w.name.chars().count())
        .max()
        .unwrap_or(0);
    for w in all.iter().take(SHOWN) {
        let skipped = match w.skipped_records {
            0 => String::new(),
            n => format!("  {} of the trace skipped", human::count(n)),
        };
        *out += &format!(
            "   {:<width$}  {:>8} I/Os  {:>6} errors{skipped}\n",
            w.name,
            human::count(w.ios),
            human::count(w.errors)
        );
    }
    more(out, all.len());
    out.push('\n');
}

fn more(out: &mut String, all: usize) {
    if all > SHOWN {
        *out += &format!("   … and {} more: see report.json\n", all - SHOWN);
    }
}
