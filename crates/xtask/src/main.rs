//! Checks and generators of the repository itself.

#![forbid(unsafe_code)]

mod chart;
mod tidy;

use std::env;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    match env::args().nth(1).as_deref() {
        Some("tidy") => tidy_repository(),
        Some("chart") => write_chart_readme(),
        _ => {
            eprintln!("usage: cargo run -p xtask -- tidy|chart");
            ExitCode::from(2)
        }
    }
}

fn tidy_repository() -> ExitCode {
    let violations = tidy::run(repository());
    for violation in &violations {
        println!("{violation}");
    }
    if violations.is_empty() {
        ExitCode::SUCCESS
    } else {
        eprintln!("{} to fix", violations.len());
        ExitCode::FAILURE
    }
}

fn write_chart_readme() -> ExitCode {
    match chart::write_readme(repository()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("{fault}");
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
