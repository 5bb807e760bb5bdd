//! The report for people: failures as they come, then a line for each scenario, by area, then the sum.

use super::human::{self, plural};
use super::model::Verdict;
use super::outcome::{Group, median};
use super::style::Style;
use std::collections::BTreeMap;

/// What is kept of a scenario for its line.
#[derive(Clone, Debug)]
pub struct Line {
    area: String,
    name: String,
    verdict: Verdict,
    runs: usize,
    seed: u64,
    virtual_ns: u64,
    iops: f64,
    p99_ns: u64,
    failovers: u64,
    stall_max_ns: u64,
    /// Of a skip or an expected failure.
    remark: Option<String>,
}

/// The counts of everything that ran.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    pub passed: usize,
    pub failed: usize,
    pub expected: usize,
    pub skipped: usize,
    pub runs: usize,
    pub virtual_ns: u64,
    pub wall_ns: u64,
    pub ios: u64,
    pub lines: Vec<Line>,
    pub notices: Vec<String>,
}

impl Totals {
    pub fn add(&mut self, group: &Group) {
        let verdict = group.verdict();
        *match verdict {
            Verdict::Pass => &mut self.passed,
            Verdict::Fail => &mut self.failed,
            Verdict::Expected => &mut self.expected,
            Verdict::Skip => &mut self.skipped,
        } += 1;
        let ran = || group.runs.iter().filter(|r| r.ran());
        self.runs += ran().count();
        self.virtual_ns += ran().map(|r| r.report.virtual_ns).sum::<u64>();
        self.ios += ran().map(|r| r.whole("app.ios")).sum::<u64>();
        let notices = group.notices.iter();
        self.notices
            .extend(notices.map(|n| format!("{}: {n}", group.name)));
        self.lines.push(Line::of(group, verdict));
    }
}

impl Line {
    fn of(group: &Group, verdict: Verdict) -> Line {
        let ran = || group.runs.iter().filter(|r| r.ran());
        let most = |key: &str| ran().map(|r| r.whole(key)).max().unwrap_or(0);
        let first = group.runs.first();
        let remark = match verdict {
            Verdict::Skip => first.and_then(|r| r.report.skip_reason.clone()),
            Verdict::Expected => first.and_then(|r| r.report.expect_fail.clone()),
            _ => None,
        };
        Line {
            area: group.area().to_string(),
            name: group.short_name().to_string(),
            verdict,
            runs: group.runs.len(),
            seed: first.map_or(0, |r| r.report.seed),
            virtual_ns: ran().map(|r| r.report.virtual_ns).sum(),
            iops: median(ran().filter_map(|r| r.metric("app.iops"))).unwrap_or(0.0),
            p99_ns: most("app.all.p99_ns"),
            failovers: most("failover.count"),
            stall_max_ns: most("app.stall_max_ns"),
            remark,
        }
    }

    fn cells(&self) -> [String; 6] {
        let seeds = match self.runs {
            1 => format!("seed {}", self.seed),
            n => plural(n, "seed"),
        };
        if self.verdict == Verdict::Skip {
            return [
                seeds,
                String::new(),
                String::new(),
                String::new(),
                String::new(),
                String::new(),
            ];
        }
        [
            seeds,
            human::time(self.virtual_ns),
            format!("{} IOPS", human::amount(self.iops.round())),
            format!("p99 {}", human::time(self.p99_ns)),
            plural(self.failovers as usize, "failover"),
            format!("stall {}", human::time(self.stall_max_ns)),
        ]
    }
}

pub(super) fn word(verdict: Verdict, style: Style) -> String {
    match verdict {
        Verdict::Pass => style.good("pass    "),
        Verdict::Fail => style.bad("FAIL    "),
        Verdict::Expected => style.odd("expected"),
        Verdict::Skip => style.odd("skip    "),
    }
}

/// A line for each scenario, grouped by area; failures are named again where they belong.
pub fn lines(totals: &Totals, style: Style) -> String {
    let mut areas: BTreeMap<&str, Vec<&Line>> = BTreeMap::new();
    for line in &totals.lines {
        areas.entry(&line.area).or_default().push(line);
    }
    let name_width = totals
        .lines
        .iter()
        .map(|l| l.name.chars().count())
        .max()
        .unwrap_or(0)
        .min(32);
    let mut widths = [0usize; 6];
    for line in &totals.lines {
        for (width, cell) in widths.iter_mut().zip(line.cells()) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut out = String::new();
    for (area, lines) in areas {
        if !area.is_empty() {
            out += &format!(" {}\n", style.strong(area));
        }
        for line in lines {
            let mut row = format!(
                "  {}  {:<name_width$}",
                word(line.verdict, style),
                human::cut(&line.name, 32)
            );
            for (i, (cell, width)) in line.cells().into_iter().zip(widths).enumerate() {
                row += &match i {
                    0 => format!("  {cell:<width$}"),
                    _ => format!("  {cell:>width$}"),
                };
            }
            out += row.trim_end();
            out.push('\n');
            if let Some(remark) = &line.remark {
                for text in human::wrap(remark, 86) {
                    out += &format!("            {}\n", style.faint(&text));
                }
            }
        }
    }
    if totals.lines.iter().any(|l| l.runs > 1) {
        out += &style.faint("  of several seeds: the median IOPS, the worst of the rest");
        out.push('\n');
    }
    out
}

pub fn notices(totals: &Totals, style: Style) -> String {
    const SHOWN: usize = 10;
    let mut out = String::new();
    for notice in totals.notices.iter().take(SHOWN) {
        out += &format!(" {} {notice}\n", style.odd("note:"));
    }
    if totals.notices.len() > SHOWN {
        let more = totals.notices.len() - SHOWN;
        out += &format!(" {} … and {more} more\n", style.odd("note:"));
    }
    out
}

pub fn summary(totals: &Totals, out_folder: &str, style: Style) -> String {
    let Totals {
        passed,
        failed,
        expected,
        skipped,
        ..
    } = *totals;
    let part = |n: usize, text: &str, paint: fn(Style, &str) -> String| {
        let text = format!("{n} {text}");
        if n > 0 { paint(style, &text) } else { text }
    };
    let mut out = format!(
        " {}: {}, {}, {}, {}   ({})\n",
        plural(totals.lines.len(), "scenario"),
        part(passed, "passed", Style::good),
        part(failed, "failed", Style::bad),
        part(expected, "expected to fail", Style::odd),
        part(skipped, "skipped", Style::odd),
        plural(totals.runs, "run"),
    );
    let per_second = totals.ios as f64 / (totals.wall_ns.max(1) as f64 / 1e9);
    out += &format!(
        " virtual {}   wall {}   {} simulated I/Os, {} per wall second\n",
        human::time(totals.virtual_ns),
        human::time(totals.wall_ns),
        human::count(totals.ios),
        human::count(per_second.round() as u64),
    );
    if totals.runs > 0 {
        out += &format!(" folders: {out_folder}\n");
    }
    out
}
