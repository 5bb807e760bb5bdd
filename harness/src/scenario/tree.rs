//! A TOML document as a plain tree in which every key and value knows its place.
//!
//! `toml_edit` forgets the places as soon as a document becomes editable, and `--set` must edit it. So the document is
//! copied into this tree first; the readers need nothing else of TOML.

use toml_edit::{ImDocument, Item};

/// Where something stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Loc {
    /// Byte offset in the text.
    Text(usize),
    /// Index of the `--set`.
    Set(usize),
}

#[derive(Clone, Debug)]
pub struct Node {
    pub at: Loc,
    pub value: Value,
}

#[derive(Clone, Debug)]
pub enum Value {
    Str(String),
    Int(i64),
    Float(f64),
    Bool(bool),
    Date,
    Table(Table),
    List(Vec<Node>),
}

#[derive(Clone, Default, Debug)]
pub struct Table {
    pub entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
pub struct Entry {
    pub key: String,
    pub at: Loc,
    pub node: Node,
}

impl Table {
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|e| e.key == key)
    }
}

impl Node {
    /// What it is, in words, with the value where it is short.
    pub fn describe(&self) -> String {
        match &self.value {
            Value::Str(s) => format!("\"{s}\""),
            Value::Int(i) => i.to_string(),
            Value::Float(x) => format!("{x:?}"),
            Value::Bool(b) => b.to_string(),
            Value::Date => "a date".into(),
            Value::Table(_) => "a table".into(),
            Value::List(_) => "a list".into(),
        }
    }
}

/// What TOML itself says against a text: its words and the place.
pub struct NotToml {
    pub message: String,
    pub offset: usize,
}

pub fn read(text: &str) -> Result<Table, NotToml> {
    let doc = ImDocument::parse(text).map_err(|e| NotToml {
        message: e.message().replace('\n', "; "),
        offset: e.span().map_or(0, |s| s.start),
    })?;
    Ok(table(doc.as_table(), None))
}

/// Reads a single TOML value, as `--set` gives it.
pub fn read_value(text: &str, set: usize) -> Result<Node, String> {
    match text.trim().parse::<toml_edit::Value>() {
        Ok(v) => Ok(value(&v, Loc::Set(set), Some(set))),
        Err(e) => Err(e.message().replace('\n', "; ")),
    }
}

fn place(span: Option<std::ops::Range<usize>>, otherwise: Loc, set: Option<usize>) -> Loc {
    match (set, span) {
        (Some(i), _) => Loc::Set(i),
        (None, Some(span)) => Loc::Text(span.start),
        (None, None) => otherwise,
    }
}

fn table(t: &dyn toml_edit::TableLike, set: Option<usize>) -> Table {
    let mut entries = Vec::new();
    for (name, item) in t.iter() {
        let key_span = t.get_key_value(name).and_then(|(key, _)| key.span());
        let at = place(key_span, Loc::Text(0), set);
        if let Some(node) = node(item, at, set) {
            entries.push(Entry {
                key: name.to_string(),
                at,
                node,
            });
        }
    }
    Table { entries }
}

fn node(item: &Item, otherwise: Loc, set: Option<usize>) -> Option<Node> {
    let at = place(item.span(), otherwise, set);
    let value = match item {
        Item::None => return None,
        Item::Value(v) => return Some(value(v, otherwise, set)),
        Item::Table(t) => Value::Table(table(t, set)),
        Item::ArrayOfTables(list) => Value::List(
            list.iter()
                .map(|t| Node {
                    at: place(t.span(), otherwise, set),
                    value: Value::Table(table(t, set)),
                })
                .collect(),
        ),
    };
    Some(Node { at, value })
}

fn value(v: &toml_edit::Value, otherwise: Loc, set: Option<usize>) -> Node {
    use toml_edit::Value as V;
    let at = place(v.span(), otherwise, set);
    let value = match v {
        V::String(s) => Value::Str(s.value().clone()),
        V::Integer(i) => Value::Int(*i.value()),
        V::Float(x) => Value::Float(*x.value()),
        V::Boolean(b) => Value::Bool(*b.value()),
        V::Datetime(_) => Value::Date,
        V::Array(list) => Value::List(list.iter().map(|v| value(v, at, set)).collect()),
        V::InlineTable(t) => Value::Table(table(t, set)),
    };
    Node { at, value }
}
