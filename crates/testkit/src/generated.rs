//! Files of the repository that are generated, and kept beside what generates them.

use std::path::Path;
use std::{env, fs};

/// Panics unless the file at `path`, from the root of the repository, holds what is generated. With
/// `UPDATE_EXPECT=1` it writes it there first.
pub fn expect_file(path: &str, generated: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    if env::var_os("UPDATE_EXPECT").is_some_and(|value| value == "1") {
        fs::write(&file, generated).unwrap_or_else(|error| panic!("{path} cannot be written: {error}"));
    }
    let current = fs::read_to_string(&file).unwrap_or_default();
    assert!(current == generated, "{path} is not current: run this test with UPDATE_EXPECT=1");
}
