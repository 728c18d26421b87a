//! A folder of media, and ways to change the files in it.

use super::support::{fixtures, is_on_s3};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;

/// A fixture, padded to `size` bytes by a `free` box.
pub(crate) fn film(fixture: &str, size: usize) -> Vec<u8> {
    let mut film = fs::read(fixtures().join(fixture)).unwrap();
    let free = size - film.len();
    film.extend(u32::try_from(free).unwrap().to_be_bytes());
    film.extend(b"free");
    film.extend((8..free).map(|at| u8::try_from(at % 251).unwrap()));
    film
}

/// The same film with other media bytes: any mixture of the two is also a valid film.
pub(crate) fn scrambled(film: &[u8]) -> Vec<u8> {
    let media = film.windows(4).position(|name| name == b"mdat").unwrap() + 4;
    let size = u32::from_be_bytes(*film[media - 8..].first_chunk().unwrap());
    let mut film = film.to_vec();
    film[media..media - 8 + usize::try_from(size).unwrap()].iter_mut().for_each(|byte| *byte = !*byte);
    film
}

/// Writes like most copy tools: in pieces, slowly, with some pauses in which a check sees an unchanged file.
fn write_pieces(mut file: File, bytes: &[u8]) {
    for (at, piece) in bytes.chunks(32 << 10).enumerate() {
        file.write_all(piece).unwrap();
        std::thread::sleep(Duration::from_millis(if at % 8 == 7 { 150 } else { 3 }));
    }
}

/// A folder of media that tests change.
#[derive(Debug)]
pub(crate) struct House {
    pub(crate) root: TempDir,
}

impl House {
    pub(crate) fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap() }
    }

    /// A folder with `files` by name, which nobody changes.
    pub(crate) fn pristine(files: &[(&str, &[u8])]) -> Self {
        let house = Self::new();
        for (name, bytes) in files {
            house.lay(name, bytes);
        }
        house
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        let path = self.root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    /// Writes a file with an old time of modification.
    pub(crate) fn lay(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
        let long_ago = std::time::SystemTime::now() - Duration::from_hours(1);
        File::options().write(true).open(self.path(name)).unwrap().set_modified(long_ago).unwrap();
    }

    pub(crate) fn rename_over(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(".new"), bytes).unwrap();
        fs::rename(self.path(".new"), self.path(name)).unwrap();
    }

    /// Overwrites in place, as `dd conv=notrunc` and `rsync --inplace` do.
    pub(crate) fn write_over(&self, name: &str, bytes: &[u8]) {
        let file = OpenOptions::new().write(true).open(self.path(name)).unwrap();
        file.set_len(u64::try_from(bytes.len()).unwrap().max(file.metadata().unwrap().len())).unwrap();
        write_pieces(file.try_clone().unwrap(), bytes);
        file.set_len(u64::try_from(bytes.len()).unwrap()).unwrap();
    }

    /// Copies as `cp` does, to a new or existing file. In a bucket the object appears whole.
    pub(crate) fn copy(&self, name: &str, bytes: &[u8]) {
        if is_on_s3() {
            return self.rename_over(name, bytes);
        }
        write_pieces(File::create(self.path(name)).unwrap(), bytes);
    }

    pub(crate) fn truncate(&self, name: &str, size: u64) {
        OpenOptions::new().write(true).open(self.path(name)).unwrap().set_len(size).unwrap();
    }

    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).unwrap();
    }
}
