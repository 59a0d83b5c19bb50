//! Secrets that stand in files of their own, as orchestrators mount them.

use std::fs::File;
use std::io::Read;

/// More than any key; a wrong path may lead to something endless.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// The file's text without its last line break; the error says what is wrong, never what is in the file.
pub(super) fn read(path: &str) -> Result<String, String> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(SECRET_BYTES_MAX + 1).read_to_string(&mut text))
        .map_err(|error| format!("cannot read the file `{path}`: {error}"))?;
    if text.len() as u64 > SECRET_BYTES_MAX {
        return Err(format!("the file `{path}` is longer than {SECRET_BYTES_MAX} bytes"));
    }
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let secret = line.strip_suffix('\r').unwrap_or(line);
    if secret.is_empty() {
        return Err(format!("the file `{path}` is empty: write the secret into it"));
    }
    Ok(secret.to_owned())
}
