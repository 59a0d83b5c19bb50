//! Every outside crate is a decision: it has a reason, one owner or a stated list of users, and no features
//! that nobody asked for.

use super::Violation;
use super::architecture::{self, Architecture, Users};
use super::manifest::{self, Manifest, Workspace};

/// Checks the workspace's list, the tables, and who uses what.
pub(crate) fn check(
    architecture: &Architecture,
    workspace: &Workspace,
    manifests: &[Manifest],
) -> Vec<Violation> {
    let mut violations = check_workspace(architecture, workspace);
    violations.extend(check_tables(architecture, workspace));
    for manifest in manifests {
        violations.extend(check_manifest(architecture, manifest));
    }
    violations
}

fn check_workspace(architecture: &Architecture, workspace: &Workspace) -> Vec<Violation> {
    let mut violations = Vec::new();
    for outside in &workspace.outside {
        let name = &outside.name;
        let mut tell = |what: String| {
            violations.push(Violation::new(manifest::WORKSPACE_PATH, outside.line, what));
        };
        if !outside.has_reason {
            tell(format!("{name} has no reason: add `# reason` behind it, on the same line"));
        }
        if !outside.is_bare {
            tell(format!("{name} has default features: add `default-features = false`"));
        }
        if !listed(architecture).any(|(_, listed)| listed == name) {
            tell(format!("{name} has no owner: name one in {}", architecture::PATH));
        }
    }
    violations
}

fn check_tables(architecture: &Architecture, workspace: &Workspace) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    for (line, name) in listed(architecture) {
        if workspace.outside.iter().all(|outside| outside.name != name) {
            let what = format!("nothing depends on {name}: remove it");
            violations.push(Violation::new(architecture::PATH, line, what));
        }
        if seen.contains(&name) {
            let what = format!("{name} has two rows: choose one owner, or share it in one row");
            violations.push(Violation::new(architecture::PATH, line, what));
        }
        seen.push(name);
    }
    violations
}

fn check_manifest(architecture: &Architecture, manifest: &Manifest) -> Vec<Violation> {
    let mut violations = Vec::new();
    if !manifest.has_workspace_lints {
        let what = "lacks the workspace's lints: add `[lints]` with `workspace = true`";
        violations.push(Violation::new(&manifest.path, 1, what));
    }
    if architecture.layer(&manifest.name).is_none() {
        return violations;
    }
    for dependency in &manifest.dependencies {
        let name = &dependency.name;
        let mut tell = |what: String| violations.push(Violation::new(&manifest.path, dependency.line, what));
        if !dependency.is_workspace {
            tell(format!("{name} has its own version: write `{name}.workspace = true`"));
        }
        let is_outside = architecture.layer(name).is_none();
        if is_outside && !dependency.is_dev && !may_use(architecture, &manifest.name, name) {
            let what = format!(
                "{} may not use {name}: go through its owner, or change {}",
                manifest.name,
                architecture::PATH
            );
            tell(what);
        }
    }
    violations
}

fn may_use(architecture: &Architecture, user: &str, outside: &str) -> bool {
    let is_named = |names: &[String], name: &str| names.iter().any(|other| other == name);
    let is_owner = architecture.layer(user).is_some_and(|layer| is_named(&layer.owns, outside));
    let is_shared =
        architecture.shared.iter().filter(|shared| is_named(&shared.names, outside)).any(|shared| {
            match &shared.users {
                Users::Every => true,
                Users::Tests => false,
                Users::Crates(users) => is_named(users, user),
            }
        });
    is_owner || is_shared
}

/// Every outside crate that a table names, with its line.
fn listed(architecture: &Architecture) -> impl Iterator<Item = (usize, &str)> {
    let owned = architecture.layers.iter().map(|layer| (layer.line, &layer.owns));
    let shared = architecture.shared.iter().map(|shared| (shared.line, &shared.names));
    owned.chain(shared).flat_map(|(line, names)| names.iter().map(move |name| (line, name.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLES: &str = "| rank | crate | responsibility | may use | owns |\n|---|---|---|---|---|\n\
                          | 0 | model | a | – | – |\n| 1 | auth | a | model | jwt |\n\n\
                          | outside crates | who may use them |\n|---|---|\n\
                          | bytes | every crate |\n| mio | auth |\n| proptest | tests of every crate |\n";
    const WORKSPACE: &str = "[workspace.dependencies]\nmodel = { path = \"crates/model\" }\n\
                             jwt = { version = \"1\", default-features = false } # a\n\
                             bytes = { version = \"1\", default-features = false } # a\n\
                             mio = { version = \"1\", default-features = false } # a\n\
                             proptest = { version = \"1\", default-features = false } # a\n";

    fn found(tables: &str, workspace: &str, name: &str, dependencies: &str) -> usize {
        let text = format!("[lints]\nworkspace = true\n{dependencies}");
        let manifest = Manifest::parse(&format!("crates/{name}/Cargo.toml"), &text);
        let architecture = Architecture::parse(tables);
        check(&architecture, &Workspace::parse(workspace), &[manifest]).len()
    }

    fn uses(name: &str, dependencies: &str) -> usize {
        found(TABLES, WORKSPACE, name, dependencies)
    }

    #[test]
    fn outside_crates_have_owners() {
        assert_eq!(uses("auth", "[dependencies]\njwt.workspace = true"), 0);
        assert_eq!(uses("model", "[dependencies]\njwt.workspace = true"), 1);
        assert_eq!(uses("model", "[dependencies]\nbytes.workspace = true"), 0);
        assert_eq!(uses("auth", "[dependencies]\nmio.workspace = true"), 0);
        assert_eq!(uses("model", "[dependencies]\nmio.workspace = true"), 1);
        assert_eq!(uses("auth", "[dependencies]\nmodel.workspace = true"), 0);
        assert_eq!(uses("auth", "[dev-dependencies]\nproptest.workspace = true"), 0);
        assert_eq!(uses("auth", "[dependencies]\nproptest.workspace = true"), 1);
        assert_eq!(uses("model", "[build-dependencies]\njwt.workspace = true"), 1);
    }

    #[test]
    fn versions_stand_in_the_workspace() {
        assert_eq!(uses("auth", "[dependencies]\njwt = \"1\""), 1);
        assert_eq!(uses("auth", "[dependencies]\njwt = { workspace = true, features = [\"b\"] }"), 0);
    }

    #[test]
    fn the_workspace_gives_reasons_and_no_default_features() {
        let changed = |from: &str, to: &str| found(TABLES, &WORKSPACE.replacen(from, to, 1), "auth", "");
        assert_eq!(changed("} # a", "}"), 1);
        assert_eq!(changed(", default-features = false", ""), 1);
        assert_eq!(
            changed("bytes =", "extra = { version = \"1\", default-features = false } # a\nbytes ="),
            1
        );
    }

    #[test]
    fn the_tables_name_each_outside_crate_once() {
        let changed = |from: &str, to: &str| found(&TABLES.replacen(from, to, 1), WORKSPACE, "auth", "");
        assert_eq!(changed("| bytes |", "| bytes, gone |"), 1);
        assert_eq!(changed("| bytes |", "| bytes, jwt |"), 1);
    }

    #[test]
    fn crates_take_the_lints_of_the_workspace() {
        let manifest = Manifest::parse("crates/auth/Cargo.toml", "");
        let violations = check_manifest(&Architecture::parse(TABLES), &manifest);
        assert_eq!(violations.len(), 1);
    }
}
