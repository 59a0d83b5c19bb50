//! A set of sources to load settings from, with files that exist.

use std::fs;
use std::path::PathBuf;

use edge::config::{Loaded, Loader};

/// Where settings come from in one case.
#[derive(Clone, Copy, Default)]
pub(super) struct Sources<'a> {
    pub(super) development: &'a [(&'a str, &'a str)],
    pub(super) file: &'a str,
    pub(super) variables: &'a [(&'a str, &'a str)],
    pub(super) flags: &'a [&'a str],
}

impl Sources<'_> {
    pub(super) fn load(self) -> Result<Loaded, String> {
        let mut loader = Loader::new()
            .development(self.development.iter().copied())
            .file(Some(temporary_file("fanfare.toml", self.file)))
            .environment(self.variables.iter().copied());
        for flag in self.flags {
            loader = loader.set(flag);
        }
        loader.load().map_err(|errors| {
            let shown = format!("{errors:?}");
            assert!(!shown.contains("hunter"), "{shown}");
            errors.to_string()
        })
    }

    /// The lines of `check-config` that somebody set, with the file's directory left out.
    pub(super) fn effective(self) -> Vec<String> {
        let loaded = self.load().unwrap_or_else(|errors| panic!("{errors}"));
        let rendered = without_directories(&loaded.render());
        let lines = rendered.lines().filter(|line| !line.ends_with("# default"));
        lines.map(str::to_owned).collect()
    }

    /// The faults, with the directories of files left out.
    pub(super) fn faults(self) -> Vec<String> {
        let errors = self.load().map(|loaded| loaded.render()).expect_err("a fault");
        without_directories(&errors).lines().map(str::to_owned).collect()
    }
}

/// A file of its own for each content.
pub(super) fn temporary_file(name: &str, content: &str) -> PathBuf {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    let directory = directory().join(format!("{}-{:016x}", std::process::id(), hasher.finish()));
    fs::create_dir_all(&directory).expect("a directory for the case");
    let path = directory.join(name);
    // Cases of equal content run at the same time: each finds the file whole.
    let draft = directory.join(format!("{name}.{:?}", std::thread::current().id()));
    fs::write(&draft, content).expect("a file for the case");
    fs::rename(&draft, &path).expect("a file for the case");
    path
}

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("configuration")
}

fn without_directories(text: &str) -> String {
    let directory = format!("{}/", directory().display());
    let mut parts = text.split(&directory);
    let mut shortened = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        shortened.push_str(part.split_once('/').map_or(part, |(_, name)| name));
    }
    shortened
}
