//! Tells the program which commit it is built from. Without git or a checkout it is built all the same.

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=FANFARE_COMMIT");
    let given = env::var("FANFARE_COMMIT").ok().filter(|commit| is_printable(commit));
    let commit = given.or_else(commit_of_checkout).unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env=FANFARE_COMMIT={commit}");
}

fn is_printable(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn commit_of_checkout() -> Option<String> {
    // A copy of the sources without its own history may lie inside another repository.
    if !Path::new("../../.git").exists() {
        return None;
    }
    watch_commits();
    git(&["rev-parse", "--short=12", "HEAD"])
}

/// A commit moves a branch, a checkout changes HEAD. A path that does not exist would rebuild each time.
fn watch_commits() {
    for name in ["HEAD", "refs/heads", "packed-refs"] {
        let path = git(&["rev-parse", "--git-path", name]);
        if let Some(path) = path.filter(|path| Path::new(path).exists()) {
            println!("cargo::rerun-if-changed={path}");
        }
    }
}

fn git(arguments: &[&str]) -> Option<String> {
    let output =
        Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    is_printable(&text).then_some(text)
}
