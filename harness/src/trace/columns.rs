//! The columns of a comma-separated line.

use super::error::Bad;
use super::text::{Field, is_blank};

/// Cuts a line into exactly `N` columns, blanks around them removed; `names` is how the format calls them. With `more`,
/// further columns are allowed and not looked at.
pub fn split<'l, const N: usize>(
    line: &'l [u8],
    names: &str,
    more: bool,
) -> Result<[Field<'l>; N], Bad> {
    let mut columns = [Field { at: 0, text: b"" }; N];
    let mut at = 0;
    for (i, column) in columns.iter_mut().enumerate() {
        let rest = &line[at..];
        let comma = rest.iter().position(|b| *b == b',');
        let last = i + 1 == N;
        if comma.is_none() && !last {
            let what = format!(
                "found {} of {N} columns, expected {names}",
                i + usize::from(!line.is_empty())
            );
            return Err(Bad::syntax(line.len(), what));
        }
        let text = &rest[..comma.unwrap_or(rest.len())];
        if let (Some(comma), true, false) = (comma, last, more) {
            let what = format!("found more than {N} columns, expected {names}");
            return Err(Bad::syntax(at + comma, what));
        }
        *column = trim(at, text);
        at += text.len() + 1;
    }
    Ok(columns)
}

fn trim(at: usize, text: &[u8]) -> Field<'_> {
    let before = text.iter().take_while(|b| is_blank(**b)).count();
    let text = &text[before..];
    let after = text.iter().rev().take_while(|b| is_blank(**b)).count();
    Field {
        at: at + before,
        text: &text[..text.len() - after],
    }
}

/// Whether a line is the header that names the columns, as some copies of these sets have one.
pub fn is_header(line: &[u8], names: &str) -> bool {
    let mut found = line.split(|b| *b == b',');
    let same = names.split(',').all(|name| {
        found
            .next()
            .is_some_and(|f| f.trim_ascii().eq_ignore_ascii_case(name.as_bytes()))
    });
    same && found.next().is_none()
}
