//! Expectations: each compares one metric in one window with a value.

use super::measured::Measured;
use crate::report::model::{ExpectResult, Value};
use crate::scenario::model::{Cmp, Scenario, Window};
use crate::scenario::{metric, topology};

/// The window's name in a scenario file.
pub fn window_name(window: Window) -> &'static str {
    match window {
        Window::Whole => "whole",
        Window::Steady => "steady",
        Window::Fault => "fault",
        Window::Healed => "healed",
    }
}

/// Every `[[expect]]` of the scenario. What could not be measured fails. Whether a `sometimes` held in one of several
/// seeds is for the caller to say.
pub fn judge(scenario: &Scenario, measured: &Measured) -> Vec<ExpectResult> {
    let paths: Vec<String> = topology::paths(scenario)
        .into_iter()
        .map(|p| p.name)
        .collect();
    let known = metric::all(&paths);
    let results = scenario.expects.iter().map(|expect| {
        let actual = measured.value(&expect.metric, expect.window);
        ExpectResult {
            metric: expect.text.clone(),
            window: window_name(expect.window).to_string(),
            actual,
            ok: actual.is_some_and(|actual| holds(actual, expect.cmp, expect.value)),
            sometimes: expect.sometimes,
            is_time: metric::measure(&expect.metric, &known).is_ok_and(|m| m.is_time()),
            line: expect.line,
        }
    });
    results.collect()
}

pub fn holds(actual: Value, cmp: Cmp, value: f64) -> bool {
    let actual = match actual {
        Value::Int(n) => n as f64,
        Value::Float(f) => f,
    };
    match cmp {
        Cmp::Eq => actual == value,
        Cmp::Ne => actual != value,
        Cmp::Lt => actual < value,
        Cmp::Le => actual <= value,
        Cmp::Gt => actual > value,
        Cmp::Ge => actual >= value,
    }
}
