//! How a request's data come to the paths' commands and back. Nothing recalls a command from a kernel block path, so whoever lends it the
//! application's own pages cannot answer the application before the path gives them back, whatever another path has done meanwhile.

use libublk::sys;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Copy {
    /// The kernel copies at each fetch and commit, into and out of a buffer that every tag has.
    #[default]
    Copy,
    /// The daemon copies (UBLK_F_USER_COPY, Linux 6.5), and a tag has a buffer only while the kernel asks something under it.
    User,
    /// The first command of a request moves the application's own pages (UBLK_F_AUTO_BUF_REG, Linux 6.16); what is sent again goes through a
    /// buffer, as with `User`.
    Zero,
}

impl Copy {
    /// What the device must be made with.
    pub fn flags(self) -> u64 {
        let flags = match self {
            Copy::Copy => 0,
            Copy::User => sys::UBLK_F_USER_COPY,
            Copy::Zero => sys::UBLK_F_USER_COPY | sys::UBLK_F_AUTO_BUF_REG,
        };
        u64::from(flags)
    }

    /// Whether this kernel's ublk has it. What it cannot tell it has not.
    pub fn is_known(self) -> bool {
        let known = super::features().unwrap_or(0);
        self.flags() & !known == 0
    }

    /// Each tag has a buffer of its own.
    pub fn owns_buffers(self) -> bool {
        self == Copy::Copy
    }
}
