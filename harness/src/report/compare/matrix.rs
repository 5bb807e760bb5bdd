//! The whole matrix as Markdown, for a file that is committed: a table for each metric that matters, a row for each scenario,
//! a column for each policy. Nothing in it depends on the machine, so that the same seeds give the same bytes.

use super::{Column, cell};

/// Title, key in `metrics`.
const TABLES: [(&str, &str); 6] = [
    ("Throughput, bytes/s", "app.bytes_per_s"),
    ("Mean latency", "app.all.mean_ns"),
    ("p50", "app.all.p50_ns"),
    ("p99", "app.all.p99_ns"),
    ("p99.9", "app.all.p999_ns"),
    ("Jain's index over the best paths", "balance.jain"),
];

/// `scenarios` are names and titles, in the order of their rows.
pub fn markdown(scenarios: &[(&str, &str)], columns: &[Column]) -> String {
    let mut policies: Vec<&str> = Vec::new();
    for c in columns {
        if !policies.contains(&c.policy.as_str()) {
            policies.push(&c.policy);
        }
    }
    let mut seeds: Vec<u64> = columns.iter().flat_map(|c| c.seeds.clone()).collect();
    seeds.sort_unstable();
    seeds.dedup();
    let seeds: Vec<String> = seeds.iter().map(u64::to_string).collect();
    let mut out = String::from("# Policies side by side\n\n");
    out += &format!(
        "Written by `harness compare --markdown`. Medians over the seeds {}; the best of each row in bold; in brackets how \
         far a policy is from `oracle`, or without one from the best. `oracle` and `best` are references: the first sends each \
         I/O where it would be finished first, by the array's true queues; the second is the best of all policies and of \
         static splits in 2 % steps, and says whose it is.\n",
        seeds.join(", ")
    );
    for (title, key) in TABLES {
        out += &format!("\n## {title}\n\n| scenario | {} |\n", policies.join(" | "));
        out += &format!("|---|{}\n", "---:|".repeat(policies.len()));
        for (name, _) in scenarios {
            out += &format!("| {name} |");
            for policy in &policies {
                let of = |c: &&Column| c.scenario == *name && c.policy == *policy;
                out += &format!(" {} |", entry(columns.iter().find(of), key));
            }
            out.push('\n');
        }
    }
    out += "\n## The scenarios\n\n";
    for (name, title) in scenarios {
        out += &format!("- `{name}`: {title}\n");
    }
    out
}

fn entry(column: Option<&Column>, key: &str) -> String {
    let Some(column) = column else {
        return "–".into();
    };
    let Some(value) = column.metrics.get(key) else {
        return "–".into();
    };
    let mut text = cell(key, *value);
    if let Some(name) = column.from.get(key) {
        text += &format!(" = {name}");
    }
    if column.best.iter().any(|b| b == key) {
        text = format!("**{text}**");
    }
    if let Some(away) = column.distance.get(key).map(|d| d * 100.0)
        && away.abs() >= 0.5
    {
        text += &format!(" ({away:.0} %)");
    }
    if !column.rules.is_empty() {
        text += " ✗";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn column(policy: &str, mean: f64) -> Column {
        Column {
            schema: 1,
            scenario: "a".into(),
            policy: policy.into(),
            seeds: vec![1, 2],
            metrics: BTreeMap::from([("app.all.mean_ns".to_string(), mean)]),
            ..Column::default()
        }
    }

    #[test]
    fn the_best_is_bold_and_the_others_say_how_far_they_are() {
        let mut columns = vec![column("adaptive", 100e3), column("numa", 150e3)];
        super::super::mark(&mut columns);
        let text = markdown(&[("a", "A title"), ("b", "Not run")], &columns);
        assert!(
            text.contains("| a | **100 us** | 150 us (50 %) |"),
            "{text}"
        );
        assert!(text.contains("| b | – | – |"));
        assert!(text.contains("over the seeds 1, 2;"));
        assert!(text.contains("- `a`: A title"));
    }
}
