//! The cursor that the section readers share: typed access to keys, and every finding with its place.

use super::diag::Diagnostic;
use super::model::Range;
use super::tree::{Entry, Loc, Node, Table, Value};
use std::path::Path;

/// One table of the document; absent tables read as empty ones.
pub struct Section<'t> {
    /// As a person would say it: `[datapath]`.
    pub label: String,
    /// Its dotted key: `fault.0`.
    pub key: String,
    pub at: Loc,
    table: Option<&'t Table>,
}

impl<'t> Section<'t> {
    pub fn get(&self, key: &str) -> Option<&'t Entry> {
        self.table?.get(key)
    }

    pub fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// The place of a key's value, or of the table.
    pub fn place(&self, key: &str) -> Loc {
        self.get(key).map_or(self.at, |e| e.node.at)
    }
}

pub struct Reader<'a> {
    file: &'a Path,
    sets: &'a [(String, String)],
    text: &'a str,
    line_starts: Vec<usize>,
    findings: Vec<(Loc, Diagnostic)>,
    pub ranges: Vec<Range>,
    /// The array's block in bytes: the step of sizes.
    pub block: u64,
}

impl<'a> Reader<'a> {
    pub fn new(text: &'a str, file: &'a Path, sets: &'a [(String, String)]) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, b)| *b == b'\n');
        let line_starts = std::iter::once(0)
            .chain(breaks.map(|(i, _)| i + 1))
            .collect();
        Reader {
            file,
            sets,
            text,
            line_starts,
            findings: Vec::new(),
            ranges: Vec::new(),
            block: 512,
        }
    }

    /// Line and column of a byte offset, both from 1; the column counts characters.
    pub fn line_column(&self, offset: usize) -> (usize, usize) {
        let line = self.line_starts.partition_point(|s| *s <= offset).max(1);
        let start = self.line_starts[line - 1];
        let before = self.text.as_bytes().get(start..offset.min(self.text.len()));
        let chars = before.map_or(0, |b| String::from_utf8_lossy(b).chars().count());
        (line, chars + 1)
    }

    pub fn line_of(&self, at: Loc) -> usize {
        match at {
            Loc::Text(offset) => self.line_column(offset).0,
            Loc::Set(_) => 0,
        }
    }

    pub fn report(&mut self, at: Loc, message: impl Into<String>) -> &mut Diagnostic {
        let mut d = Diagnostic::of_file(self.file, message);
        match at {
            Loc::Text(offset) => (d.line, d.column) = self.line_column(offset),
            Loc::Set(i) => {
                let set = self.sets.get(i).map(|(k, v)| format!("{k}={v}"));
                d.set = set.map(|s| super::diag::shortened(&s));
            }
        }
        let index = self.findings.len();
        self.findings.push((at, d));
        &mut self.findings[index].1
    }

    /// The highest value that a quantity may be drawn as, `lo` where it is no range.
    pub fn highest(&self, key: &str, lo: u64) -> u64 {
        let range = self.ranges.iter().find(|r| r.key == key);
        range.map_or(lo, |r| r.span.hi)
    }

    pub fn clean(&self) -> bool {
        self.findings.is_empty()
    }

    /// All findings, in the order of the text, those of `--set` last.
    pub fn into_findings(mut self) -> Vec<Diagnostic> {
        self.findings.sort_by_key(|(at, _)| *at);
        self.findings.into_iter().map(|(_, d)| d).collect()
    }

    /// The table `key` of the document.
    pub fn section<'t>(&mut self, root: &'t Table, key: &str) -> Section<'t> {
        let label = format!("[{key}]");
        let (table, at) = match root.get(key) {
            None => (None, Loc::Text(0)),
            Some(entry) => (self.as_table(&entry.node, &label), entry.at),
        };
        Section {
            label,
            key: key.to_string(),
            at,
            table,
        }
    }

    /// A table within a table: `service`, `no_path`.
    pub fn subsection<'t>(&mut self, parent: &Section<'t>, key: &str) -> Section<'t> {
        let label = format!("{} {key}", parent.label);
        let (table, at) = match parent.get(key) {
            None => (None, parent.at),
            Some(entry) => (self.as_table(&entry.node, &label), entry.at),
        };
        Section {
            label,
            key: format!("{}.{key}", parent.key),
            at,
            table,
        }
    }

    /// The tables of the list `key`, at most `most` of them.
    pub fn sections<'t>(&mut self, root: &'t Table, key: &str, most: usize) -> Vec<Section<'t>> {
        let label = format!("[[{key}]]");
        let Some(entry) = root.get(key) else {
            return Vec::new();
        };
        let Value::List(list) = &entry.node.value else {
            let found = entry.node.describe();
            self.report(entry.at, format!("expected one or more {label}"))
                .found(found);
            return Vec::new();
        };
        if let Some(node) = list.get(most) {
            self.report(node.at, format!("too many {label}: at most {most}"));
        }
        let mut sections = Vec::new();
        for (i, node) in list.iter().take(most).enumerate() {
            let table = self.as_table(node, &label);
            sections.push(Section {
                label: label.clone(),
                key: format!("{key}.{i}"),
                at: node.at,
                table,
            });
        }
        sections
    }

    fn as_table<'t>(&mut self, node: &'t Node, label: &str) -> Option<&'t Table> {
        if let Value::Table(t) = &node.value {
            return Some(t);
        }
        self.report(node.at, format!("{label} must be a table"))
            .found(node.describe());
        None
    }

    /// Refuses every key that is not listed.
    pub fn keys(&mut self, section: &Section<'_>, allowed: &[&str]) {
        self.unknown_keys(section, allowed, allowed);
    }

    /// Refuses every key that is not known; those that may stand here are named as the choice.
    pub fn unknown_keys(&mut self, section: &Section<'_>, known: &[&str], allowed: &[&str]) {
        for entry in section.table.iter().flat_map(|t| &t.entries) {
            if !known.contains(&entry.key.as_str()) {
                let shown = super::diag::shortened(&entry.key);
                self.report(
                    entry.at,
                    format!("unknown key '{shown}' in {}", section.label),
                )
                .instead_of(&entry.key, allowed);
            }
        }
    }
}
