//! The one binary, `fanfare`: a command in, an exit code out. What a command does is in its own module.

#![forbid(unsafe_code)]
#![expect(clippy::disallowed_methods, reason = "commands are the outermost layer: they read the clocks")]

mod bench;
mod check_config;
mod credential;
mod development;
mod failure;
mod probe;
mod publish;
mod serve;
mod settings;
mod signing;
mod subscribe;
mod text;
mod token;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("FANFARE_COMMIT"), ")");

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Delivers what backends publish to everybody who is subscribed.
///
/// Exit codes: 0 done, 1 refused, 2 wrong usage or settings.
#[derive(Parser)]
#[command(name = "fanfare", version = VERSION, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs a node.
    Serve(settings::NodeFlags),
    /// Prints the settings that `serve` would use, each with where it comes from; or what is wrong with them.
    CheckConfig(settings::NodeFlags),
    /// Signs a development token, or explains a given one.
    Token(token::Flags),
    /// Publishes to a channel through a node's server API.
    Publish(publish::Flags),
    /// Prints what is published to channels, one JSON object a line.
    Subscribe(subscribe::Flags),
    /// Proves that a cluster works: publishes to a channel, and waits until a subscriber has it.
    Probe(probe::Flags),
    /// Measures what a running node costs, beside a floor of raw system calls.
    Bench(Box<bench::Flags>),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Serve(flags) => serve::run(&flags),
        Command::CheckConfig(flags) => check_config::run(&flags),
        Command::Token(flags) => token::run(&flags),
        Command::Publish(flags) => publish::run(&flags),
        Command::Subscribe(flags) => subscribe::run(&flags),
        Command::Probe(flags) => probe::run(&flags),
        Command::Bench(flags) => bench::run(&flags),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
