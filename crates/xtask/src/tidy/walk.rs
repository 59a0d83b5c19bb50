//! Finds the repository's own files, whatever folder they are in.

use std::fs;
use std::path::Path;

/// Folders that hold what others wrote, or programs.
const IGNORED: [&str; 3] = ["target", "node_modules", ".git"];

/// The files with an extension, in a folder of the repository at `root` and those below it, in order; "" is the root
/// itself. Paths are from the root, with `/`.
pub(super) fn files(root: &Path, folder: &str, extension: &str) -> Vec<String> {
    let mut paths = Vec::new();
    collect(root, folder, extension, &mut paths);
    paths.sort();
    paths
}

fn collect(root: &Path, folder: &str, extension: &str, paths: &mut Vec<String>) {
    for entry in fs::read_dir(root.join(folder)).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
        // Whatever a link leads to is found where it is.
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder && !IGNORED.contains(&name.as_str()) {
            collect(root, &path, extension, paths);
        } else if Path::new(&name).extension().is_some_and(|found| found == extension) {
            paths.push(path);
        }
    }
}
