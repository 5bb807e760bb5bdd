//! Where a socket is to stand, a dead process may have left one: it goes. Anything else that has the name was meant for something else, and stays.
#![forbid(unsafe_code)]

use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

/// The name is free when this returns. Whether a process listens at the socket is for the caller to know.
pub fn make_room(file: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(file) {
        Ok(found) if found.file_type().is_socket() => std::fs::remove_file(file),
        Ok(_) => Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "a file that is no socket has this name; it stays as it is, name another socket",
        )),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_socket_makes_room() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x");
        make_room(&file).unwrap();
        drop(std::os::unix::net::UnixListener::bind(&file).unwrap());
        make_room(&file).unwrap();
        assert!(!file.exists());
        std::fs::write(&file, "a table of file systems").unwrap();
        let error = make_room(&file).unwrap_err().to_string();
        assert!(error.contains("no socket"), "{error}");
        assert!(file.exists());
    }
}
