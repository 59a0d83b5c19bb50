//! Files that settings come from: read once, and what they hold as a number, since they are looked at again and again
//! to see whether they changed.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// More than thousands of namespaces need; a wrong path may lead to something endless.
pub(super) const FILE_BYTES_MAX: usize = 1 << 20;

/// Files, and what they held.
pub(crate) type Fingerprints = BTreeMap<PathBuf, u64>;

/// Files that are being read. What is no regular file, as a pipe, gives what it holds once, and may keep its reader
/// waiting: it is read when the node starts, and never again.
pub(super) struct Files {
    is_again: bool,
    held: Fingerprints,
}

impl Files {
    /// None yet; `is_again` when the node runs.
    pub(super) fn new(is_again: bool) -> Self {
        Self { is_again, held: Fingerprints::new() }
    }

    /// Reads a file, up to one byte more than the longest may have. Changes of one that `is_watched` matter.
    pub(super) fn read(&mut self, path: &Path, is_watched: bool) -> io::Result<Vec<u8>> {
        let read = bytes(path, self.is_again);
        if is_watched && (self.is_again || is_regular(path).unwrap_or(true)) {
            self.held.insert(path.to_owned(), number(&read));
        }
        read
    }

    pub(super) fn into_held(self) -> Fingerprints {
        self.held
    }
}

/// What a file holds now, or why it cannot be read. The content alone counts: orchestrators swap links to
/// directories, editors rename, and clocks of file systems are coarse.
pub(crate) fn fingerprint(path: &Path) -> u64 {
    number(&bytes(path, true))
}

fn bytes(path: &Path, is_again: bool) -> io::Result<Vec<u8>> {
    if is_again && !is_regular(path)? {
        return Err(io::Error::other("it is no regular file, and such a one is read at the start alone"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn is_regular(path: &Path) -> io::Result<bool> {
    fs::metadata(path).map(|found| found.is_file())
}

fn number(read: &io::Result<Vec<u8>>) -> u64 {
    let mut hasher = DefaultHasher::new();
    read.as_ref().map_err(io::Error::kind).hash(&mut hasher);
    hasher.finish()
}
