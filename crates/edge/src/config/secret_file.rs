//! Secrets that stand in files of their own, as orchestrators mount them.

use std::path::Path;

use super::fingerprint::Files;

/// More than any key.
const SECRET_BYTES_MAX: usize = 64 * 1024;

/// The file's text without its last line break; the error says what is wrong, never what is in the file.
pub(super) fn read(path: &str, files: &mut Files, is_watched: bool) -> Result<String, String> {
    let cannot = |problem: String| format!("cannot read the file `{path}`: {problem}");
    let bytes = files.read(Path::new(path), is_watched).map_err(|error| cannot(error.to_string()))?;
    if bytes.len() > SECRET_BYTES_MAX {
        return Err(format!("the file `{path}` is longer than {SECRET_BYTES_MAX} bytes"));
    }
    let text = String::from_utf8(bytes).map_err(|_| cannot("it is not UTF-8 text".to_owned()))?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let secret = line.strip_suffix('\r').unwrap_or(line);
    if secret.is_empty() {
        return Err(format!("the file `{path}` is empty: write the secret into it"));
    }
    Ok(secret.to_owned())
}
