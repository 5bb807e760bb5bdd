//! The devices that a trace names, numbered as they come.

use super::error::{Bad, Kind, shown};
use std::collections::HashMap;

/// The largest public set has 5,584; a file with far more is not what it claims to be.
const MOST: usize = 65_536;
const LONGEST_NAME: usize = 4_096;

#[derive(Default)]
pub struct Devices {
    names: Vec<Box<str>>,
    ids: HashMap<Box<str>, u32>, // determinism: looked up only, never iterated
    /// Traces name the same device many times in a row.
    last: u32,
    joined: Vec<u8>,
}

impl Devices {
    pub fn names(&self) -> &[Box<str>] {
        &self.names
    }

    /// The number of the device called `name`, which stands at `at` in its line.
    pub fn id(&mut self, at: usize, name: &[u8]) -> Result<u32, Bad> {
        if let Some(last) = self.names.get(self.last as usize)
            && last.as_bytes() == name
        {
            return Ok(self.last);
        }
        let name = std::str::from_utf8(name)
            .ok()
            .filter(|n| !n.is_empty() && n.len() <= LONGEST_NAME)
            .filter(|n| !n.chars().any(|c| c.is_whitespace() || c.is_control()))
            .ok_or_else(|| Bad::found(at, name, "the name of a device, without blanks"))?;
        if let Some(id) = self.ids.get(name) {
            self.last = *id;
            return Ok(*id);
        }
        if self.names.len() >= MOST {
            let what = format!(
                "{} is device number {}, at most {MOST} are read",
                shown(name.as_bytes()),
                MOST + 1
            );
            return Err(Bad {
                kind: Kind::TooManyDevices,
                at,
                what,
            });
        }
        let id = self.names.len() as u32;
        self.names.push(name.into());
        self.ids.insert(name.into(), id);
        self.last = id;
        Ok(id)
    }

    /// The same for a name that the trace gives in two columns: `hm_0`.
    pub fn joined(&mut self, at: usize, first: &[u8], second: &[u8]) -> Result<u32, Bad> {
        let mut joined = std::mem::take(&mut self.joined);
        joined.clear();
        joined.extend_from_slice(first);
        joined.push(b'_');
        joined.extend_from_slice(second);
        let id = self.id(at, &joined);
        self.joined = joined;
        id
    }
}
