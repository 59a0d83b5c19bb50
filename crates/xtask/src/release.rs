//! What a release says of itself: that all files name one version, and what changed in it. Knows nothing of how
//! a release is built or published; `.github/release` does that.

mod changelog;
mod names;

use std::fs;
use std::path::Path;

use crate::violation::Violation;
use changelog::Changelog;

const WORKSPACE: &str = "Cargo.toml";
const CHART: &str = "helm/fanfare/Chart.yaml";
const CHANGELOG: &str = "CHANGELOG.md";

/// Checks that the repository at `root` names one version everywhere; with a tag, that it is ready for release
/// under it.
pub(crate) fn check(root: &Path, tag: Option<&str>) -> Vec<Violation> {
    let mut violations = Vec::new();
    let workspace = read(root, WORKSPACE, &mut violations);
    let chart = read(root, CHART, &mut violations);
    let changelog = read(root, CHANGELOG, &mut violations);
    let Some(version) = workspace_version(&workspace) else {
        violations.push(Violation::new(WORKSPACE, 1, "has no `workspace.package.version` like 1.2.3"));
        return violations;
    };
    violations.extend(check_chart(&chart, &version));
    violations.extend(names::check(root, &changelog));
    if let Some(tag) = tag {
        if tag.strip_prefix('v') != Some(&version) {
            let what = format!("has version {version}, but the tag is {tag}: it must be v{version}");
            violations.push(Violation::new(WORKSPACE, 1, what));
        }
        violations.extend(Changelog::parse(&changelog).check_release(CHANGELOG, &version));
        violations.extend(names::check_recorded(root));
    }
    violations
}

/// What `CHANGELOG.md` says of a version, in Markdown.
pub(crate) fn notes(root: &Path, version: &str) -> Result<String, Violation> {
    let mut violations = Vec::new();
    let text = read(root, CHANGELOG, &mut violations);
    if let Some(violation) = violations.pop() {
        return Err(violation);
    }
    Changelog::parse(&text)
        .notes(version)
        .ok_or_else(|| Violation::new(CHANGELOG, 1, format!("says nothing of version {version}")))
}

/// Records the names of settings and metrics that the repository at `root` promises to keep from this release on.
pub(crate) fn record_names(root: &Path) -> std::io::Result<()> {
    names::record(root)
}

fn workspace_version(manifest: &str) -> Option<String> {
    let manifest: toml::Table = manifest.parse().ok()?;
    let version = manifest.get("workspace")?.get("package")?.get("version")?.as_str()?;
    is_release(version).then(|| version.to_owned())
}

/// Whether `version` is three numbers: what is released is never a pre-release.
fn is_release(version: &str) -> bool {
    let parts: Vec<&str> = version.split('.').collect();
    let is_number = |part: &&str| {
        part.bytes().all(|byte| byte.is_ascii_digit())
            && !part.is_empty()
            && (part.len() == 1 || !part.starts_with('0'))
    };
    parts.len() == 3 && parts.iter().all(is_number)
}

fn check_chart(chart: &str, version: &str) -> Vec<Violation> {
    let differing = |key: &str| {
        let stated = chart.lines().enumerate().find_map(|(at, line)| Some((at + 1, value(line, key)?)));
        match stated {
            Some((_, stated)) if stated == version => None,
            Some((line, stated)) => {
                let what = format!("`{key}` is {stated}, but {WORKSPACE} has version {version}");
                Some(Violation::new(CHART, line, what))
            }
            None => Some(Violation::new(CHART, 1, format!("has no `{key}`"))),
        }
    };
    ["version", "appVersion"].into_iter().filter_map(differing).collect()
}

/// The value of a key at the top level of a YAML file of ours, without its quotes.
fn value<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let value = line.strip_prefix(key)?.strip_prefix(':')?;
    let value = value.split(" #").next().unwrap_or(value);
    Some(value.trim().trim_matches(['"', '\'']))
}

fn read(root: &Path, path: &str, violations: &mut Vec<Violation>) -> String {
    fs::read_to_string(root.join(path)).unwrap_or_else(|error| {
        violations.push(Violation::new(path, 1, format!("cannot be read: {error}")));
        String::new()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_three_numbers() {
        for good in ["0.1.0", "10.20.30"] {
            assert!(is_release(good), "{good}");
        }
        for bad in
            ["", "1.2", "1.2.3.4", "1.2.x", "1..3", "01.2.3", "1.2.3-rc.1", "1.2.3+4", "v1.2.3", "1.2.+3"]
        {
            assert!(!is_release(bad), "{bad}");
        }
    }

    #[test]
    fn the_version_is_read_from_the_workspace() {
        let found = |text: &str| workspace_version(text);
        assert_eq!(found("[workspace.package]\nversion = \"0.1.0\"\n").as_deref(), Some("0.1.0"));
        assert_eq!(found("[workspace.package]\nversion = \"0.1.0-dev\"\n"), None);
        assert_eq!(found("[package]\nversion = \"0.1.0\"\n"), None);
    }

    #[test]
    fn the_chart_has_the_version_of_the_workspace_twice() {
        let check =
            |chart: &str| check_chart(chart, "1.2.3").iter().map(ToString::to_string).collect::<Vec<_>>();
        assert!(check("name: fanfare\nversion: 1.2.3 # as everywhere\nappVersion: \"1.2.3\"\n").is_empty());
        assert_eq!(
            check("version: 1.2.4\nappVersion: 1.2.3\n"),
            ["helm/fanfare/Chart.yaml:1: `version` is 1.2.4, but Cargo.toml has version 1.2.3"]
        );
        assert_eq!(
            check("version: 1.2.3\n  appVersion: 1.2.3\n"),
            ["helm/fanfare/Chart.yaml:1: has no `appVersion`"]
        );
    }
}
