//! What the Cargo manifests say about dependencies.

use std::fs;
use std::path::Path;

/// The workspace's manifest.
pub(crate) const WORKSPACE_PATH: &str = "Cargo.toml";

/// A crate's manifest.
#[derive(Debug)]
pub(crate) struct Manifest {
    /// Where it is.
    pub(crate) path: String,
    /// The crate, which has the name of its folder.
    pub(crate) name: String,
    /// What it depends on.
    pub(crate) dependencies: Vec<Dependency>,
    /// Whether it takes the workspace's lints.
    pub(crate) has_workspace_lints: bool,
}

/// A dependency of a crate.
#[derive(Debug)]
pub(crate) struct Dependency {
    /// The crate depended on.
    pub(crate) name: String,
    /// The line in the manifest.
    pub(crate) line: usize,
    /// Whether only tests, examples and benchmarks see it.
    pub(crate) is_dev: bool,
    /// Whether version and reason stand in the workspace's manifest.
    pub(crate) is_workspace: bool,
}

/// The shared part of the workspace's manifest.
#[derive(Debug, Default)]
pub(crate) struct Workspace {
    /// Outside crates, ours left out.
    pub(crate) outside: Vec<Outside>,
}

/// An outside crate.
#[derive(Debug)]
pub(crate) struct Outside {
    /// Its name.
    pub(crate) name: String,
    /// The line in the workspace's manifest.
    pub(crate) line: usize,
    /// Whether a comment behind the entry says why it is there.
    pub(crate) has_reason: bool,
    /// Whether its default features are off.
    pub(crate) is_bare: bool,
}

impl Manifest {
    /// Reads a crate's manifest; what is not TOML is left to Cargo.
    pub(crate) fn parse(path: &str, text: &str) -> Self {
        let table: toml::Table = text.parse().unwrap_or_default();
        let mut dependencies = dependencies(&table, text);
        let targets = table.get("target").and_then(toml::Value::as_table);
        for target in targets.into_iter().flat_map(toml::Table::values).filter_map(toml::Value::as_table) {
            dependencies.extend(self::dependencies(target, text));
        }
        Self {
            path: path.to_owned(),
            name: path.split('/').nth(1).unwrap_or_default().to_owned(),
            dependencies,
            has_workspace_lints: is_true(table.get("lints"), "workspace"),
        }
    }

    /// What the crate itself is built with.
    pub(crate) fn normal_dependencies(&self) -> impl Iterator<Item = &Dependency> {
        self.dependencies.iter().filter(|dependency| !dependency.is_dev)
    }
}

impl Workspace {
    /// Reads the workspace's manifest; what is not TOML is left to Cargo.
    pub(crate) fn parse(text: &str) -> Self {
        let table: toml::Table = text.parse().unwrap_or_default();
        let entries = table
            .get("workspace")
            .and_then(|workspace| workspace.get("dependencies"))
            .and_then(toml::Value::as_table);
        let outside = entries.into_iter().flatten().filter(|(_, entry)| entry.get("path").is_none()).map(
            |(name, entry)| {
                let line = line_of(text, name);
                let written = text.lines().nth(line - 1).unwrap_or_default();
                Outside {
                    name: name.clone(),
                    line,
                    has_reason: has_comment(written),
                    is_bare: entry.get("default-features").and_then(toml::Value::as_bool) == Some(false),
                }
            },
        );
        Self { outside: outside.collect() }
    }
}

/// The manifests of all crates.
pub(crate) fn member_paths(root: &Path) -> Vec<String> {
    let mut paths: Vec<String> = fs::read_dir(root.join("crates"))
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().join("Cargo.toml").is_file())
        .map(|entry| format!("crates/{}/Cargo.toml", entry.file_name().to_string_lossy()))
        .collect();
    paths.sort();
    paths
}

fn dependencies(table: &toml::Table, text: &str) -> Vec<Dependency> {
    let sections = [("dependencies", false), ("build-dependencies", false), ("dev-dependencies", true)];
    let mut found = Vec::new();
    for (section, is_dev) in sections {
        let entries = table.get(section).and_then(toml::Value::as_table);
        found.extend(entries.into_iter().flatten().map(|(name, entry)| Dependency {
            name: name.clone(),
            line: line_of(text, name),
            is_dev,
            is_workspace: is_true(Some(entry), "workspace"),
        }));
    }
    found
}

fn is_true(value: Option<&toml::Value>, key: &str) -> bool {
    value.and_then(|value| value.get(key)).and_then(toml::Value::as_bool) == Some(true)
}

/// The first line that begins with the key.
fn line_of(text: &str, key: &str) -> usize {
    let begins = |line: &str| line.strip_prefix(key).is_some_and(|rest| rest.starts_with(['.', ' ', '=']));
    text.lines().position(begins).map_or(1, |index| index + 1)
}

fn has_comment(line: &str) -> bool {
    let mut is_quoted = false;
    for (at, symbol) in line.char_indices() {
        match symbol {
            '"' => is_quoted = !is_quoted,
            '#' if !is_quoted => return !line[at + 1..].trim().is_empty(),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_lists_its_dependencies() {
        let text = "[lints]\nworkspace = true\n[dependencies]\nmodel.workspace = true\nmio = \"1\"\n\
                    [target.'cfg(unix)'.dependencies]\nrustix = { workspace = true }\n\
                    [dev-dependencies]\ntestkit.workspace = true\n";
        let manifest = Manifest::parse("crates/engine/Cargo.toml", text);
        assert_eq!(manifest.name, "engine");
        assert!(manifest.has_workspace_lints);
        let found: Vec<_> = manifest
            .dependencies
            .iter()
            .map(|one| (one.name.as_str(), one.line, one.is_dev, one.is_workspace))
            .collect();
        let expected = [
            ("mio", 5, false, false),
            ("model", 4, false, true),
            ("testkit", 9, true, true),
            ("rustix", 7, false, true),
        ];
        assert_eq!(found, expected);
        assert_eq!(manifest.normal_dependencies().count(), 3);
    }

    #[test]
    fn the_workspace_lists_outside_crates() {
        let text = "[workspace.dependencies]\nmodel = { path = \"crates/model\" }\n\
                    a = { version = \"1\", default-features = false } # why\n\
                    b = \"1#2\"\nc = \"1\" #\n";
        let outside = Workspace::parse(text).outside;
        let found: Vec<_> =
            outside.iter().map(|one| (one.name.as_str(), one.line, one.has_reason, one.is_bare)).collect();
        let expected = [("a", 3, true, true), ("b", 4, false, false), ("c", 5, false, false)];
        assert_eq!(found, expected);
    }
}
