//! The binary as users meet it: arguments, variables and files in; lines and an exit code out.

mod process;
mod serve;
mod settings;
mod tokens;
