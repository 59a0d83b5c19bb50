//! Layers are Cargo edges: a crate uses what the layer table allows, and the table names every crate.

use super::Violation;
use super::architecture::{self, Architecture, Layer};
use super::manifest::{Dependency, Manifest};

/// Test support, which any crate's tests may use.
const TESTKIT: &str = "testkit";

/// Compares the layer table with itself and with every manifest.
pub(crate) fn check(architecture: &Architecture, manifests: &[Manifest]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for layer in &architecture.layers {
        violations.extend(check_row(layer, architecture, manifests));
    }
    for manifest in manifests {
        let Some(layer) = architecture.layer(&manifest.name) else {
            let what = format!("the layer table has no row for {}: add one", manifest.name);
            violations.push(Violation::new(&manifest.path, 1, what));
            continue;
        };
        for dependency in &manifest.dependencies {
            let fault = fault(layer, dependency, architecture, manifests);
            violations.extend(fault.map(|what| Violation::new(&manifest.path, dependency.line, what)));
        }
    }
    violations
}

fn check_row(layer: &Layer, architecture: &Architecture, manifests: &[Manifest]) -> Vec<Violation> {
    let at_row = |what: String| Violation::new(architecture::PATH, layer.line, what);
    let mut violations = Vec::new();
    if manifests.iter().all(|manifest| manifest.name != layer.name) {
        violations.push(at_row(format!("there is no crate {}: remove the row", layer.name)));
    }
    for name in &layer.may_use {
        match architecture.layer(name) {
            None => violations.push(at_row(format!("there is no crate {name}: correct the row"))),
            Some(used) if !is_below(used, layer) => {
                let what = format!(
                    "{} may not use {name}, whose rank is not lower: turn the edge round",
                    layer.name
                );
                violations.push(at_row(what));
            }
            Some(_) => {}
        }
    }
    violations
}

/// What is wrong with one dependency, if anything is.
fn fault(
    layer: &Layer,
    dependency: &Dependency,
    architecture: &Architecture,
    manifests: &[Manifest],
) -> Option<String> {
    let used = architecture.layer(&dependency.name)?;
    if layer.may_use.contains(&used.name) {
        return None;
    }
    if !dependency.is_dev {
        return Some(format!("{} may not use {}: see the layer table", layer.name, used.name));
    }
    if used.name != TESTKIT && !is_level_or_below(used, layer) {
        return Some(format!(
            "tests of {} may not use {}, which stands above it: move the test up",
            layer.name, used.name
        ));
    }
    uses(&used.name, &layer.name, manifests).then(|| {
        format!(
            "{} itself uses {}, so that tests would see two copies of its types: move the test up",
            used.name, layer.name
        )
    })
}

/// Development crates stand above all others, and nothing stands on them.
fn is_below(used: &Layer, user: &Layer) -> bool {
    match (used.rank, user.rank) {
        (Some(used), Some(user)) => used < user,
        (Some(_), None) => true,
        (None, _) => false,
    }
}

fn is_level_or_below(used: &Layer, user: &Layer) -> bool {
    used.rank.is_some() && (user.rank.is_none() || used.rank <= user.rank)
}

/// Whether `user` is built with `used`, directly or not.
fn uses(user: &str, used: &str, manifests: &[Manifest]) -> bool {
    let mut reached = vec![user];
    let mut at = 0;
    while let Some(name) = reached.get(at).copied() {
        at += 1;
        let manifest = manifests.iter().find(|manifest| manifest.name == name);
        for dependency in manifest.into_iter().flat_map(Manifest::normal_dependencies) {
            if dependency.name == used {
                return true;
            }
            if !reached.contains(&dependency.name.as_str()) {
                reached.push(&dependency.name);
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "| rank | crate | responsibility | may use | owns |\n|---|---|---|---|---|\n\
                         | 0 | model | a | – | – |\n\
                         | 1 | broker | a | model | – |\n\
                         | 1 | auth | a | model | – |\n\
                         | 2 | engine | a | model broker | – |\n\
                         | dev | testkit | a | model broker | – |\n";

    fn found(table: &str, manifests: &[(&str, &str)]) -> Vec<String> {
        let mut all: Vec<Manifest> =
            ["model", "broker", "auth", "engine", "testkit"].iter().map(|name| manifest(name, "")).collect();
        for (name, text) in manifests {
            all.retain(|manifest| manifest.name != *name);
            all.push(manifest(name, text));
        }
        let violations = check(&Architecture::parse(table), &all);
        violations.iter().map(ToString::to_string).collect()
    }

    fn manifest(name: &str, text: &str) -> Manifest {
        Manifest::parse(&format!("crates/{name}/Cargo.toml"), text)
    }

    #[test]
    fn a_crate_uses_what_the_table_allows() {
        let allowed = "[dependencies]\nmodel.workspace = true\nbytes.workspace = true\n";
        assert!(found(TABLE, &[("engine", allowed)]).is_empty());
        let more = "[dependencies]\nauth.workspace = true\n";
        assert_eq!(
            found(TABLE, &[("engine", more)]),
            ["crates/engine/Cargo.toml:2: engine may not use auth: see the layer table"]
        );
        let upwards = "[dependencies]\nengine.workspace = true\n";
        assert_eq!(found(TABLE, &[("model", upwards)]).len(), 1);
        let development = "[dependencies]\ntestkit.workspace = true\n";
        assert_eq!(found(TABLE, &[("engine", development)]).len(), 1);
    }

    #[test]
    fn the_table_names_every_crate_and_no_other() {
        assert_eq!(found(TABLE, &[("extra", "")]).len(), 1);
        let more = format!("{TABLE}| 3 | transport | a | – | – |\n");
        assert_eq!(found(&more, &[]).len(), 1);
        let unknown = TABLE.replace("| model broker | – |\n| dev", "| model broken | – |\n| dev");
        assert_eq!(found(&unknown, &[]).len(), 1);
    }

    #[test]
    fn ranks_only_fall() {
        let level = TABLE.replace("| 1 | auth | a | model |", "| 1 | auth | a | model broker |");
        assert_eq!(found(&level, &[]).len(), 1);
        let development = TABLE.replace("| 1 | auth | a | model |", "| 1 | auth | a | testkit |");
        assert_eq!(found(&development, &[]).len(), 1);
    }

    #[test]
    fn tests_may_use_testkit_and_what_stands_no_higher() {
        let tests = |name: &str| format!("[dev-dependencies]\n{name}.workspace = true\n");
        assert!(found(TABLE, &[("engine", &tests("testkit"))]).is_empty());
        assert!(found(TABLE, &[("auth", &tests("broker"))]).is_empty());
        assert_eq!(found(TABLE, &[("auth", &tests("engine"))]).len(), 1);
    }

    #[test]
    fn tests_do_not_use_what_is_built_with_the_crate() {
        let testkit = "[dependencies]\nbroker.workspace = true\n";
        let tests = "[dev-dependencies]\ntestkit.workspace = true\n";
        assert_eq!(found(TABLE, &[("testkit", testkit), ("broker", tests)]).len(), 1);
        let broker = "[dependencies]\nmodel.workspace = true\n";
        let through = [("testkit", testkit), ("broker", broker), ("model", tests)];
        assert_eq!(found(TABLE, &through).len(), 1);
    }
}
