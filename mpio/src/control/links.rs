//! `/dev/mpio/NAME`: a name that stays, whatever number the kernel gives the device. The daemon makes the links itself, since it alone knows which
//! device is which, and takes them away with the devices; no rule of udev's is needed.
#![forbid(unsafe_code)]

use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

pub const FOLDER: &str = "/dev/mpio";

/// The links as long as the devices stand.
#[derive(Debug, Default)]
pub struct Links {
    folder: PathBuf,
    made: Vec<PathBuf>,
}

impl Links {
    /// A link that a dead daemon left is replaced, and one that leads nowhere goes.
    pub fn make<'a>(
        folder: &Path,
        volumes: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> io::Result<Links> {
        std::fs::create_dir_all(folder)?;
        for old in std::fs::read_dir(folder)?.flatten() {
            let is_link = old.file_type().is_ok_and(|t| t.is_symlink());
            if is_link && !old.path().exists() {
                std::fs::remove_file(old.path())?;
            }
        }
        let mut links = Links {
            folder: folder.into(),
            made: Vec::new(),
        };
        for (name, device) in volumes {
            let link = folder.join(name);
            // Never for a moment without: whoever opens it gets the old one or the new one.
            let part = folder.join(format!(".{name}.part"));
            match std::fs::remove_file(&part) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
            symlink(device, &part)?;
            std::fs::rename(&part, &link)?;
            links.made.push(link);
        }
        Ok(links)
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        for link in &self.made {
            let _ = std::fs::remove_file(link);
        }
        // Another daemon may have links of its own there.
        let _ = std::fs::remove_dir(&self.folder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_come_and_go_with_the_daemon() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("mpio");
        std::fs::create_dir(&folder).unwrap();
        let device = root.path().join("ublkb0");
        std::fs::write(&device, "").unwrap();
        symlink("/nowhere/at/all", folder.join("stale")).unwrap();
        symlink("/nowhere/at/all", folder.join("db")).unwrap();
        let name = device.to_str().unwrap();
        let links = Links::make(&folder, [("db", name)].into_iter()).unwrap();
        assert_eq!(std::fs::read_link(folder.join("db")).unwrap(), device);
        assert!(folder.join("stale").symlink_metadata().is_err());
        drop(links);
        assert!(!folder.exists(), "nothing is left behind");
    }
}
