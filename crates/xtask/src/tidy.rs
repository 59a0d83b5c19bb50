//! The house rules that a machine can check. Each module holds one family of them and knows nothing of the
//! others; this one reads the repository and asks them all.

mod alerts;
mod architecture;
mod codes;
mod exceptions;
mod headers;
mod items;
mod layers;
mod leftovers;
mod lexer;
mod limits;
mod links;
mod manifest;
mod metric_names;
mod names;
mod owners;
mod root;
mod senses;
mod sizes;
mod source;
mod walk;

use std::fs;
use std::path::Path;

use crate::dashboards;
use crate::markdown;
use crate::violation::Violation;
use architecture::Architecture;
use exceptions::Exceptions;
use manifest::{Manifest, Workspace};
use source::Source;

/// Checks the repository at `root` against every rule.
pub(crate) fn run(root: &Path) -> Vec<Violation> {
    let mut violations = Vec::new();
    let sources = source::read_all(root);
    let exceptions_text = read(root, exceptions::PATH, &mut violations);
    let mut exceptions = Exceptions::parse(&exceptions_text, &mut violations);

    violations.extend(sizes::check(&sources, &mut exceptions));
    violations.extend(names::check(&sources, &mut exceptions));
    violations.extend(exceptions.not_needed());
    violations.extend(headers::check(&sources));
    violations.extend(leftovers::check(&sources));
    violations.extend(senses::check(&sources));
    check_manifests(root, &mut violations);
    check_documents(root, &mut violations);
    check_observability(root, &mut violations);
    violations.extend(root::check(root));
    violations.extend(links::check(root));

    violations.sort_by(|a, b| (&a.path, a.line).cmp(&(&b.path, b.line)));
    violations
}

fn check_manifests(root: &Path, violations: &mut Vec<Violation>) {
    let architecture = Architecture::parse(&read(root, architecture::PATH, violations));
    let workspace = Workspace::parse(&read(root, manifest::WORKSPACE_PATH, violations));
    let manifests: Vec<Manifest> = manifest::member_paths(root)
        .iter()
        .map(|path| Manifest::parse(path, &read(root, path, violations)))
        .collect();
    violations.extend(layers::check(&architecture, &manifests));
    violations.extend(owners::check(&architecture, &workspace, &manifests));
}

fn check_documents(root: &Path, violations: &mut Vec<Violation>) {
    let limits = source::read(root, limits::SOURCE_PATH);
    let limits_page = read(root, limits::PAGE_PATH, violations);
    violations.extend(limits::check(&limits, &limits_page));
    let codes: Vec<Source> = codes::SOURCE_PATHS.iter().map(|path| source::read(root, path)).collect();
    let codes_page = read(root, codes::PAGE_PATH, violations);
    violations.extend(codes::check(&codes, &codes_page));
}

fn check_observability(root: &Path, violations: &mut Vec<Violation>) {
    let rules = read(root, alerts::RULES_PATH, violations);
    let cases = read(root, alerts::CASES_PATH, violations);
    let runbooks = texts_in(root, alerts::RUNBOOKS_PATH);
    violations.extend(alerts::check(&rules, &cases, &runbooks));

    let reference = read(root, metric_names::REFERENCE_PATH, violations);
    let known = metric_names::Known::new(&reference, &rules);
    violations.extend(known.check(alerts::RULES_PATH, &rules));
    violations.extend(known.check(alerts::CASES_PATH, &cases));
    for folder in [dashboards::FOLDER, alerts::RUNBOOKS_PATH, "docs/operate"] {
        for (name, text) in texts_in(root, folder) {
            violations.extend(known.check(&format!("{folder}/{name}"), &text));
        }
    }
}

/// The files of a folder by their names without extension, in order.
fn texts_in(root: &Path, folder: &str) -> Vec<(String, String)> {
    let entries = fs::read_dir(root.join(folder)).into_iter().flatten().flatten();
    let text = |path: &Path| Some((path.file_stem()?.to_str()?.to_owned(), fs::read_to_string(path).ok()?));
    let mut texts: Vec<_> = entries.filter_map(|entry| text(&entry.path())).collect();
    texts.sort();
    texts
}

fn read(root: &Path, path: &str, violations: &mut Vec<Violation>) -> String {
    fs::read_to_string(root.join(path)).unwrap_or_else(|error| {
        violations.push(Violation::new(path, 1, format!("cannot be read: {error}")));
        String::new()
    })
}
