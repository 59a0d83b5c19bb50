//! Checks and generators of the repository itself.

#![forbid(unsafe_code)]

mod chart;
mod dashboards;
mod markdown;
mod release;
mod tidy;
mod violation;

use std::env;
use std::fmt::Display;
use std::path::Path;
use std::process::ExitCode;

use violation::Violation;

const USAGE: &str = "\
usage: cargo run -p xtask -- COMMAND [--root DIRECTORY]
  tidy                     checks the house rules
  chart                    writes the page of the chart's values
  dashboards               writes the dashboards
  release check [vX.Y.Z]   checks that every file names one version; with a tag, that it is ready for release
  release notes X.Y.Z      prints what the changelog says of a version
  release record           writes down the names that the next release promises to keep";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (arguments, root) = match arguments.as_slice() {
        [command @ .., "--root", root] => (command, Path::new(*root)),
        command => (command, repository()),
    };
    match arguments {
        ["tidy"] => report(&tidy::run(root)),
        ["chart"] => wrote(chart::write_readme(root), "helm/fanfare/README.md"),
        ["dashboards"] => wrote(dashboards::write(root), dashboards::FOLDER),
        ["release", "check"] => report(&release::check(root, None)),
        ["release", "check", tag] => report(&release::check(root, Some(tag))),
        ["release", "notes", version] => print_notes(root, version),
        ["release", "record"] => wrote(release::record_names(root), "the names of the next release"),
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn report(violations: &[Violation]) -> ExitCode {
    for violation in violations {
        println!("{violation}");
    }
    if violations.is_empty() {
        ExitCode::SUCCESS
    } else {
        eprintln!("{} to fix", violations.len());
        ExitCode::FAILURE
    }
}

fn print_notes(root: &Path, version: &str) -> ExitCode {
    match release::notes(root, version) {
        Ok(notes) => {
            print!("{notes}");
            ExitCode::SUCCESS
        }
        Err(violation) => report(&[violation]),
    }
}

fn wrote(outcome: Result<(), impl Display>, what: &str) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{what}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the crate lies in crates/xtask")
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_repository_is_tidy() {
        let violations = super::tidy::run(super::repository());
        let lines: Vec<String> = violations.iter().map(ToString::to_string).collect();
        assert!(lines.is_empty(), "{} to fix:\n{}", lines.len(), lines.join("\n"));
    }
}
