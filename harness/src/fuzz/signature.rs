//! What makes two failures the same one: the first broken rule, the expectation, or the place of the panic.

use crate::report::outcome::Outcome;
use serde_json::Value;

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Signature {
    Rule(String),
    /// Metric and window, as the scenario wrote them.
    Expectation(String, String),
    /// The place in the sources.
    Panic(String),
    Differs,
    /// The scenario could not be run at all.
    Refused(String),
}

impl Signature {
    pub fn text(&self) -> String {
        match self {
            Signature::Rule(rule) => rule.clone(),
            Signature::Expectation(metric, window) => format!("{metric} ({window})"),
            Signature::Panic(place) => format!("panic at {place}"),
            Signature::Differs => "not deterministic".into(),
            Signature::Refused(why) => format!("refused: {why}"),
        }
    }

    /// Of a run; `None` where nothing is wrong. An expectation of which there was nothing to measure is no failure here:
    /// a fault that waited for an event may have left no healed time.
    pub fn of(o: &Outcome) -> Option<Signature> {
        if let Some(code) = o.broken {
            let note = o.note.as_deref().unwrap_or("");
            return Some(match code {
                2 => Signature::Refused(note.to_string()),
                _ => Signature::Panic(place(note)),
            });
        }
        if let Some(v) = &o.report.first_violation {
            return Some(Signature::Rule(v.rule.clone()));
        }
        if let Some((rule, _)) = o.broken_rules().next() {
            return Some(Signature::Rule(rule.to_string()));
        }
        let missed = o.report.expectations.iter();
        let missed = missed.filter(|e| !e.ok && !e.sometimes && e.actual.is_some());
        if let Some(e) = missed.min_by_key(|e| &e.metric) {
            return Some(Signature::Expectation(e.metric.clone(), e.window.clone()));
        }
        o.differs.is_some().then_some(Signature::Differs)
    }

    /// Of a `report.json`.
    pub fn read(report: &Value) -> Option<Signature> {
        let text = |v: &Value, key: &str| v.get(key).and_then(Value::as_str).map(str::to_string);
        if let Some(rule) = report.get("first_violation").and_then(|v| text(v, "rule")) {
            return Some(Signature::Rule(rule));
        }
        let missed = report.get("expectations").and_then(Value::as_array);
        let missed = missed.into_iter().flatten().filter(|e| {
            let flag = |key: &str| e.get(key).and_then(Value::as_bool);
            flag("ok") == Some(false)
                && flag("sometimes") != Some(true)
                && e.get("actual").is_some_and(|a| !a.is_null())
        });
        let missed = missed.filter_map(|e| Some((text(e, "metric")?, text(e, "window")?)));
        if let Some((metric, window)) = missed.min() {
            return Some(Signature::Expectation(metric, window));
        }
        let note = text(report, "note")?;
        if note.starts_with("internal error: ") {
            return Some(Signature::Panic(place(&note)));
        }
        None
    }
}

/// `file:line` out of `… (file:line)`; the whole text where there is none.
fn place(note: &str) -> String {
    let inside = note
        .trim_end()
        .strip_suffix(')')
        .and_then(|n| n.rsplit_once('('));
    inside.map_or(note, |(_, place)| place).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: &str) -> Option<String> {
        Signature::read(&serde_json::from_str(json).unwrap()).map(|s| s.text())
    }

    #[test]
    fn a_rule_comes_before_an_expectation() {
        let missed = r#"{"metric":"app.errors == 0","window":"whole","actual":3,"ok":false}"#;
        let rule = r#"{"rule":"ghost_write","at_ns":1,"text":"x"}"#;
        let both = format!(r#"{{"first_violation":{rule},"expectations":[{missed}]}}"#);
        assert_eq!(of(&both).as_deref(), Some("ghost_write"));
        let one = format!(r#"{{"first_violation":null,"expectations":[{missed}]}}"#);
        assert_eq!(of(&one).as_deref(), Some("app.errors == 0 (whole)"));
    }

    #[test]
    fn what_could_not_be_measured_is_no_failure_and_a_panic_is_its_place() {
        let unmeasured =
            r#"{"expectations":[{"metric":"m","window":"healed","actual":null,"ok":false}]}"#;
        assert_eq!(of(unmeasured), None);
        let note = r#"{"note":"internal error: index 7 is out (of) range (core/x.rs:12)"}"#;
        assert_eq!(of(note).as_deref(), Some("panic at core/x.rs:12"));
    }
}
