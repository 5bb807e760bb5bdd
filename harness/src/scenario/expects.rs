//! Reads `[[expect]]`: a metric, a comparison and a value, judged over a window of the run.

use super::metric::{self, Measure};
use super::model::{Cmp, Expect, Scenario, When, Window};
use super::quantity::{self, Unit};
use super::reader::{Reader, Section};
use super::topology;
use super::tree::Table;

const COMPARISONS: [(&str, Cmp); 6] = [
    ("==", Cmp::Eq),
    ("!=", Cmp::Ne),
    ("<=", Cmp::Le),
    (">=", Cmp::Ge),
    ("<", Cmp::Lt),
    (">", Cmp::Gt),
];

pub fn read(r: &mut Reader<'_>, root: &Table, s: &Scenario) -> Vec<Expect> {
    let paths: Vec<String> = topology::paths(s).into_iter().map(|p| p.name).collect();
    let known = metric::all(&paths);
    let faulty = root.get("fault").is_some();
    let mut all = Vec::new();
    for t in r.sections(root, "expect", 1_000) {
        r.keys(&t, &["metric", "sometimes", "window"]);
        let windows = [
            ("whole", Window::Whole),
            ("steady", Window::Steady),
            ("fault", Window::Fault),
            ("healed", Window::Healed),
        ];
        let window = r.word(&t, "window", &windows).unwrap_or(Window::Whole);
        if matches!(window, Window::Fault | Window::Healed) && !faulty {
            r.report(t.place("window"), "this window needs a [[fault]]")
                .allowed(["whole", "steady"]);
        }
        if window == Window::Healed && never_healed(r, s) {
            let end = quantity::write(s.duration.nanos(), Unit::Time);
            r.report(
                t.place("window"),
                format!("the window is empty: healed is from 1s after the last fault's end, the run is over at {end}"),
            );
        }
        let key = match (t.has("metric"), t.has("sometimes")) {
            (true, true) => {
                let at = t.get("sometimes").map_or(t.at, |e| e.at);
                r.report(at, "metric and sometimes exclude each other");
                continue;
            }
            (false, false) => {
                r.report(
                    t.at,
                    "[[expect]] needs metric = \"app.errors == 0\" or sometimes = \"…\"",
                );
                continue;
            }
            (true, false) => "metric",
            (false, true) => "sometimes",
        };
        let line = r.line_of(t.get(key).map_or(t.at, |e| e.at));
        if let Some((text, metric, cmp, value)) = comparison(r, &t, key, &known) {
            all.push(Expect {
                text,
                metric,
                cmp,
                value,
                window,
                sometimes: key == "sometimes",
                line,
            });
        }
    }
    all
}

/// Whether a fault that is planned leaves less than the second after which the run counts as healed.
fn never_healed(r: &Reader<'_>, s: &Scenario) -> bool {
    s.faults
        .iter()
        .enumerate()
        .any(|(i, f)| match (&f.when, f.lasts) {
            (When::At(at), Some(lasts)) => {
                let at = r.highest(&format!("fault.{i}.at"), at.nanos());
                let lasts = r.highest(&format!("fault.{i}.for"), lasts.nanos());
                at.saturating_add(lasts).saturating_add(1_000_000_000) >= s.duration.nanos()
            }
            _ => false,
        })
}

fn comparison(
    r: &mut Reader<'_>,
    t: &Section<'_>,
    key: &str,
    known: &[(String, Measure)],
) -> Option<(String, String, Cmp, f64)> {
    let text = r.string(t, key)?.trim();
    let at = t.place(key);
    let split = text.find(['=', '!', '<', '>']).and_then(|start| {
        let (sign, cmp) = COMPARISONS
            .iter()
            .find(|(sign, _)| text[start..].starts_with(sign))?;
        Some((
            text[..start].trim(),
            *cmp,
            text[start + sign.len()..].trim(),
        ))
    });
    let Some((name, cmp, value)) = split else {
        r.report(
            at,
            "expected METRIC COMPARISON VALUE, such as \"app.errors == 0\"",
        )
        .found(format!("\"{text}\""))
        .allowed(COMPARISONS.iter().map(|(sign, _)| *sign));
        return None;
    };
    let measure = match metric::measure(name, known) {
        Ok(measure) => measure,
        Err((near, allowed)) => {
            let shown = super::diag::shortened(name);
            let d = r
                .report(at, format!("unknown metric '{shown}'"))
                .allowed(allowed);
            d.nearest = near;
            return None;
        }
    };
    match measure.value(value) {
        Ok(value) => Some((text.to_string(), name.to_string(), cmp, value)),
        Err(expected) => {
            r.report(at, format!("{name}: {expected}"))
                .found(format!("\"{value}\""));
            None
        }
    }
}
