//! Where commands take keys and tokens from: a flag, a file or a variable. Flags are seen by everybody on the
//! machine, which their help says.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Args;
use edge::config::Loader;
use model::Secret;

use crate::failure::Failure;

/// Longer than any token; a wrong path may lead to something endless.
const TOKEN_BYTES_MAX: u64 = 64 * 1024;
const TOKEN_VARIABLE: &str = "FANFARE_TOKEN";
const KEY_VARIABLES: [&str; 2] = ["FANFARE__API__KEY", "FANFARE__API__KEY_FILE"];

/// The key of the server API.
#[derive(Args)]
pub(crate) struct ApiKey {
    /// The key of the server API. Others on this machine can read it: prefer --key-file, or the variables
    /// FANFARE__API__KEY and FANFARE__API__KEY_FILE
    #[arg(long, value_name = "KEY", conflicts_with = "key_file")]
    key: Option<String>,
    /// A file with the key
    #[arg(long, value_name = "FILE")]
    key_file: Option<String>,
}

/// A connection token.
#[derive(Args)]
pub(crate) struct Token {
    /// The connection token. Others on this machine can read it: prefer --token-file or the variable
    /// FANFARE_TOKEN
    #[arg(long, value_name = "TOKEN", conflicts_with = "token_file")]
    token: Option<String>,
    /// A file with the connection token
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl ApiKey {
    /// The key; reads variables and files as the settings do.
    pub(crate) fn read(&self) -> Result<Secret, Failure> {
        let is_ours = |name: &OsString| KEY_VARIABLES.iter().any(|ours| name == ours);
        let mut loader = Loader::new();
        match (&self.key, &self.key_file) {
            (Some(key), _) => loader = loader.flag("--key", "api.key", key),
            (None, Some(file)) => loader = loader.flag("--key-file", "api.key_file", file),
            (None, None) => loader = loader.environment(env::vars_os().filter(|(name, _)| is_ours(name))),
        }
        let key = loader.load()?.config.api.key;
        if key.is_empty() {
            let [variable, _] = KEY_VARIABLES;
            return Err(Failure::unusable(format!(
                "the server API needs a key: set {variable}, or give --key-file"
            )));
        }
        Ok(key)
    }
}

impl Token {
    /// The token, if one is given anywhere.
    pub(crate) fn read(&self) -> Result<Option<Secret>, Failure> {
        let token = match (&self.token, &self.token_file) {
            (Some(token), _) => Some(token.clone()),
            (None, Some(file)) => Some(read_file(file)?),
            (None, None) => env::var(TOKEN_VARIABLE).ok(),
        };
        Ok(token.map(|token| token.trim().to_owned()).filter(|token| !token.is_empty()).map(Secret::new))
    }
}

fn read_file(path: &Path) -> Result<String, Failure> {
    use std::io::Read;
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(TOKEN_BYTES_MAX).read_to_string(&mut text))
        .map_err(|error| Failure::unusable(format!("cannot read the file `{}`: {error}", path.display())))?;
    Ok(text)
}
