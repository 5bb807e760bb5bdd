//! How sysfs (and what looks like it) is read: small files below the folder of one device, each a word or a number. The files are the
//! kernel's memory: reading one does no I/O on the device. What is absent, empty, or not to be read is `None`: a driver that does not
//! know says so in either way.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};

/// The folder of one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(path: impl Into<PathBuf>) -> Folder {
        Folder(path.into())
    }

    /// Of a block device by its numbers: also right when its name belongs to another one by now.
    pub fn of_number(number: (u32, u32)) -> Folder {
        Folder(format!("/sys/dev/block/{}:{}", number.0, number.1).into())
    }

    /// Of a block device by the name of its node.
    pub fn of_block(node: &Path) -> Folder {
        Folder(Path::new("/sys/class/block").join(node.file_name().unwrap_or_default()))
    }

    pub fn at(&self, file: &str) -> PathBuf {
        self.0.join(file)
    }

    pub fn below(&self, folder: &str) -> Folder {
        Folder(self.at(folder))
    }

    pub fn has(&self, file: &str) -> bool {
        self.at(file).exists()
    }

    /// Without the space around it.
    pub fn text(&self, file: &str) -> Option<String> {
        let text = std::fs::read_to_string(self.at(file)).ok()?;
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_string())
    }

    pub fn number(&self, file: &str) -> Option<u64> {
        self.text(file)?.parse().ok()
    }

    pub fn bytes(&self, file: &str) -> Option<Vec<u8>> {
        std::fs::read(self.at(file)).ok()
    }

    /// The numbers of a block device, from its file `dev`.
    pub fn device_number(&self) -> Option<(u32, u32)> {
        let text = self.text("dev")?;
        let (major, minor) = text.split_once(':')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    }

    /// Where a link leads.
    pub fn real(&self) -> Option<Folder> {
        std::fs::canonicalize(&self.0).ok().map(Folder)
    }

    /// The last part of its name.
    pub fn name(&self) -> Option<&str> {
        self.0.file_name()?.to_str()
    }

    /// The parts of its name, from the root on.
    pub fn parts(&self) -> Vec<String> {
        let parts = self.0.iter().map(|p| p.to_string_lossy().into_owned());
        parts.collect()
    }

    /// What is in it, in order.
    pub fn names(&self) -> Vec<String> {
        names(&self.0)
    }
}

/// What is in a folder, in order.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|e| e.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_absent_or_empty_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let f = Folder::new(folder.path());
        let write = |file: &str, text: &str| std::fs::write(f.at(file), text).unwrap();
        write("size", " 2048 \n");
        write("model", "\n");
        write("dev", "8:16\n");
        assert_eq!(f.number("size"), Some(2048));
        assert_eq!((f.text("model"), f.text("none")), (None, None));
        assert_eq!(f.number("dev"), None, "no number");
        assert_eq!(f.device_number(), Some((8, 16)));
        assert_eq!(f.names(), ["dev", "model", "size"]);
        assert!(f.below("none").names().is_empty());
    }
}
