//! What one cut did to one command, in words that both worlds share, so that two halves can be compared as text.
//! Only order and outcome: no figure of a clock is a fact, because an emulated machine keeps none.

use std::fmt;

/// When the command that the cut hit took effect on the media.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Executed {
    pub during: bool,
    pub after: bool,
}

impl fmt::Display for Executed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.during, self.after) {
            (false, false) => "never",
            (true, false) => "during",
            (false, true) => "after",
            (true, true) => "during and after",
        })
    }
}

/// What the host was told, and whether the cut was still on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Answered {
    #[default]
    Nothing,
    During(String),
    After(String),
}

impl fmt::Display for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answered::Nothing => f.write_str("nothing"),
            Answered::During(what) => write!(f, "{what} during"),
            Answered::After(what) => write!(f, "{what} after"),
        }
    }
}

/// What becomes of the path once the cut is healed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// It serves I/O again through the same open file, or the same path of the core.
    Back,
    /// There is a new device; the open file stays dead.
    Reopen,
    Gone,
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Path::Back => "back",
            Path::Reopen => "back as a new device",
            Path::Gone => "gone",
        })
    }
}

/// The facts of one case in one world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// None for a read: it leaves nothing on the media.
    pub executed: Option<Executed>,
    pub answered: Answered,
    /// It executed after another attempt of the block had been acknowledged: a ghost, wherever somebody had retried it.
    pub late: bool,
    pub path: Path,
}

impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(executed) = self.executed {
            write!(f, "executed {executed}; ")?;
        }
        write!(f, "answered {}; ", self.answered)?;
        if self.executed.is_some() {
            write!(f, "ghost {}; ", if self.late { "yes" } else { "no" })?;
        }
        write!(f, "path {}", self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_read_as_one_line() {
        let mut facts = Facts {
            executed: Some(Executed {
                during: true,
                after: true,
            }),
            answered: Answered::After("OK".into()),
            late: true,
            path: Path::Reopen,
        };
        assert_eq!(
            facts.to_string(),
            "executed during and after; answered OK after; ghost yes; path back as a new device"
        );
        facts.executed = None;
        facts.answered = Answered::Nothing;
        facts.path = Path::Gone;
        assert_eq!(facts.to_string(), "answered nothing; path gone");
    }
}
