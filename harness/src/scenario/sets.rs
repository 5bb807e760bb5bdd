//! `--set KEY=VALUE`: changes a document before it is read, so that a set value meets the same checks as a written one.

use super::tree::{Entry, Loc, Node, Table, Value, read_value};

/// Of each pair only one may be given, so setting the one removes the other.
const EXCLUSIVE: [(&str, &str); 3] = [
    ("depth", "rate"),
    ("at", "on_event"),
    ("metric", "sometimes"),
];

/// Applies one `--set`; the error says what is wrong with its key or its value.
pub fn apply(root: &mut Table, index: usize, key: &str, value: &str) -> Result<(), String> {
    let parts: Vec<&str> = key.split('.').map(str::trim).collect();
    if parts.iter().any(|p| p.is_empty()) {
        return Err("expected a dotted key such as datapath.policy or workload.0.depth".into());
    }
    if parts.len() > 8 {
        return Err("the key has too many parts".into());
    }
    let node = read_value(value, index).map_err(|e| {
        format!(
            "the value is not TOML ({e}); a text needs quotes within quotes: --set datapath.policy='\"numa\"'"
        )
    })?;
    set_in_table(root, &parts, node, Loc::Set(index))
}

fn set_in_table(table: &mut Table, parts: &[&str], node: Node, at: Loc) -> Result<(), String> {
    let Some((key, rest)) = parts.split_first() else {
        return Err("the key is empty".into());
    };
    if rest.is_empty() {
        for (a, b) in EXCLUSIVE {
            if *key == a {
                table.entries.retain(|e| e.key != b);
            } else if *key == b {
                table.entries.retain(|e| e.key != a);
            }
        }
    }
    let found = table.entries.iter().position(|e| e.key == *key);
    let Some(found) = found else {
        let list = rest.first().is_some_and(|p| p.parse::<usize>().is_ok());
        let node = match (rest.is_empty(), list) {
            (true, _) => node,
            (false, true) => {
                let mut list = Vec::new();
                set_in_list(&mut list, key, rest, node, at)?;
                Node {
                    at,
                    value: Value::List(list),
                }
            }
            (false, false) => {
                let mut inner = Table::default();
                set_in_table(&mut inner, rest, node, at)?;
                Node {
                    at,
                    value: Value::Table(inner),
                }
            }
        };
        table.entries.push(Entry {
            key: (*key).to_string(),
            at,
            node,
        });
        return Ok(());
    };
    let entry = &mut table.entries[found];
    if rest.is_empty() {
        entry.at = at;
        entry.node = node;
        return Ok(());
    }
    match &mut entry.node.value {
        Value::Table(inner) => set_in_table(inner, rest, node, at),
        Value::List(list) => set_in_list(list, key, rest, node, at),
        _ => Err(format!(
            "'{key}' is a value, it has no '{}'",
            rest.join(".")
        )),
    }
}

/// An element is named by its index, or by its `name`; the index after the last one adds an element.
fn set_in_list(
    list: &mut Vec<Node>,
    key: &str,
    rest: &[&str],
    node: Node,
    at: Loc,
) -> Result<(), String> {
    let Some((element, rest)) = rest.split_first() else {
        return Err(format!("'{key}' is a list: name an element, {key}.0"));
    };
    let by_name = list.iter().position(|n| named(n, element));
    let index = match (element.parse::<usize>(), by_name) {
        (_, Some(index)) => index,
        (Ok(index), None) if index <= list.len() => index,
        (Ok(_), None) => {
            return Err(format!(
                "'{key}' has {} entries, counted from 0",
                list.len()
            ));
        }
        (Err(_), None) => {
            return Err(format!(
                "'{key}' is a list: '{element}' is neither an index nor a name in it"
            ));
        }
    };
    if index == list.len() {
        list.push(Node {
            at,
            value: Value::Table(Table::default()),
        });
    }
    let slot = &mut list[index];
    if rest.is_empty() {
        *slot = node;
        return Ok(());
    }
    match &mut slot.value {
        Value::Table(inner) => set_in_table(inner, rest, node, at),
        _ => Err(format!(
            "'{key}.{element}' is a value, it has no '{}'",
            rest.join(".")
        )),
    }
}

fn named(node: &Node, name: &str) -> bool {
    let Value::Table(t) = &node.value else {
        return false;
    };
    matches!(t.get("name").map(|e| &e.node.value), Some(Value::Str(s)) if s == name)
}
