//! Reports of a run: for people at a terminal, for programs (JSON, files), for CI (JUnit, GitHub).
//!
//! To the object of the contract the command adds, where they apply: `sometimes` in an expectation, `skip_reason`,
//! `expect_fail`, `note` (why a run failed where no rule or expectation says so) and `baseline` (what is worse than it).
//!
//! A writer takes what was judged and says it. It judges nothing itself: see `cli::judge`.

pub mod baseline;
pub mod compare;
pub mod detail;
pub mod failure;
pub mod folder;
pub mod github;
pub mod human;
pub mod junit;
pub mod lanes;
pub mod model;
pub mod outcome;
pub mod style;
pub mod terminal;
