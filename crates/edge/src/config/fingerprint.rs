//! What a file holds, as a number: files are looked at again and again to see whether they changed.

use std::collections::BTreeMap;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read;
use std::path::{Path, PathBuf};

use super::file::FILE_BYTES_MAX;

/// Files, and what they held.
pub(crate) type Fingerprints = BTreeMap<PathBuf, u64>;

/// What a file holds now, or why it cannot be read. The content alone counts: orchestrators swap links to
/// directories, editors rename, and clocks of file systems are coarse.
pub(crate) fn fingerprint(path: &Path) -> u64 {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
    let mut hasher = DefaultHasher::new();
    read.map_err(|error| error.kind()).hash(&mut hasher);
    bytes.hash(&mut hasher);
    hasher.finish()
}
