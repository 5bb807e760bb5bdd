//! What a search is about: which faults may exist at all, and how likely each is to be among those of a seed.

/// Kinds of faults, as the draw knows them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    Reset,
    Drop,
    DropAnswers,
    Late,
    Flap,
    Crash,
    Kill,
    Delay,
    Throttle,
    Error,
    Busy,
    Access,
    Unmap,
    Swap,
    Resize,
    Medium,
    Stall,
    Duplicate,
    Lag,
    RemovePath,
    AddPath,
}

pub const KINDS: [Kind; 21] = [
    Kind::Reset,
    Kind::Drop,
    Kind::DropAnswers,
    Kind::Late,
    Kind::Flap,
    Kind::Crash,
    Kind::Kill,
    Kind::Delay,
    Kind::Throttle,
    Kind::Error,
    Kind::Busy,
    Kind::Access,
    Kind::Unmap,
    Kind::Swap,
    Kind::Resize,
    Kind::Medium,
    Kind::Stall,
    Kind::Duplicate,
    Kind::Lag,
    Kind::RemovePath,
    Kind::AddPath,
];

impl Kind {
    /// Connections end by it, or commands execute that nobody waits for any more.
    pub fn loses(self) -> bool {
        matches!(
            self,
            Kind::Reset
                | Kind::Drop
                | Kind::DropAnswers
                | Kind::Late
                | Kind::Flap
                | Kind::Crash
                | Kind::Kill
        )
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Profile {
    /// Everything, the default.
    Swarm,
    /// Lost associations whose commands execute late, on a hot spot.
    Ghosts,
    /// The daemon dies, controllers crash, caches lose what was not flushed.
    Crashes,
    /// Nothing that makes an error legitimate: no application may see one.
    Gentle,
    /// Everything, and the fence is `shadow`.
    Shadows,
}

const NAMES: [(&str, Profile); 5] = [
    ("swarm", Profile::Swarm),
    ("ghosts", Profile::Ghosts),
    ("crashes", Profile::Crashes),
    ("gentle", Profile::Gentle),
    ("shadows", Profile::Shadows),
];

impl Profile {
    pub fn name(self) -> &'static str {
        NAMES
            .iter()
            .find(|(_, p)| *p == self)
            .map_or("swarm", |(name, _)| name)
    }

    pub fn named(name: &str) -> Result<Profile, String> {
        let found = NAMES.iter().find(|(n, _)| *n == name);
        found.map(|(_, p)| *p).ok_or_else(|| {
            let names: Vec<&str> = NAMES.iter().map(|(n, _)| *n).collect();
            let near = crate::scenario::nearest(name, names.iter().copied());
            let hint = near.map_or_else(String::new, |n| format!(" did you mean '{n}'?"));
            format!(
                "unknown profile '{name}';{hint} allowed: {}",
                names.join(", ")
            )
        })
    }

    /// The faults that a seed may have.
    pub fn kinds(self) -> Vec<Kind> {
        let wanted = |k: &Kind| match self {
            Profile::Swarm | Profile::Shadows => true,
            Profile::Ghosts => {
                matches!(
                    k,
                    Kind::Reset
                        | Kind::Drop
                        | Kind::DropAnswers
                        | Kind::Late
                        | Kind::Flap
                        | Kind::Delay
                        | Kind::Lag
                        | Kind::Duplicate
                )
            }
            Profile::Crashes => {
                matches!(
                    k,
                    Kind::Crash
                        | Kind::Kill
                        | Kind::Late
                        | Kind::Drop
                        | Kind::Reset
                        | Kind::Stall
                        | Kind::Lag
                )
            }
            Profile::Gentle => !matches!(
                k,
                Kind::Error | Kind::Unmap | Kind::Swap | Kind::Resize | Kind::Medium
            ),
        };
        KINDS.into_iter().filter(wanted).collect()
    }

    /// Whether the limits of the datapath may be so short that they end in errors.
    pub fn short_limits(self) -> bool {
        self != Profile::Gentle
    }

    /// The share of seeds whose loads rewrite a hot spot, in percent.
    pub fn hot_pct(self) -> u64 {
        match self {
            Profile::Ghosts | Profile::Shadows => 100,
            _ => 50,
        }
    }
}
