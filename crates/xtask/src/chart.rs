//! Writes the README of the Helm chart: every value with its default and its meaning, from the comments in
//! `values.yaml`, which has to name all that the schema knows.

use std::path::{Path, PathBuf};
use std::{fs, io};

use serde_json::Value;

const HEAD: &str = "\
# Fanfare in Kubernetes

<!-- Generated from values.yaml: `cargo run -p xtask -- chart`. -->

How to install is told in [docs/operate/install.md](../../docs/operate/install.md), how to update in
[upgrade.md](../../docs/operate/upgrade.md), how to scale in [scale.md](../../docs/operate/scale.md).

A value that does not exist is an error, and so is one of the wrong form: the message has its path. What follows `config`
is the tree of settings, described in [docs/configuration.md](../../docs/configuration.md).

| value | default | meaning |
|---|---|---|
";

/// A value that operators may set, or a section of them that has a meaning of its own.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    path: String,
    default: String,
    meaning: String,
}

/// Writes the page.
pub(crate) fn write_readme(repository: &Path) -> Result<(), String> {
    let path = readme(repository);
    fs::write(&path, page(repository)?).map_err(|error| format!("{}: {error}", path.display()))
}

fn readme(repository: &Path) -> PathBuf {
    repository.join("helm/fanfare/README.md")
}

fn page(repository: &Path) -> Result<String, String> {
    let chart = repository.join("helm/fanfare");
    let of_file = |error: io::Error| format!("{}: {error}", chart.display());
    let rows = rows(&fs::read_to_string(chart.join("values.yaml")).map_err(of_file)?)?;
    let schema = fs::read_to_string(chart.join("values.schema.base.json")).map_err(of_file)?;
    let schema =
        serde_json::from_str(&schema).map_err(|error| format!("values.schema.base.json: {error}"))?;
    let unnamed = unnamed(&schema, &rows);
    if !unnamed.is_empty() {
        return Err(format!("values.yaml does not name what the schema has: {}", unnamed.join(", ")));
    }
    let lines = rows.iter().map(|Row { path, default, meaning }| {
        let default = if default.is_empty() { String::new() } else { format!("`{default}`") };
        format!("| `{path}` | {default} | {} |\n", meaning.replace('|', "\\|"))
    });
    Ok(lines.fold(HEAD.to_owned(), |page, line| page + &line))
}

/// Reads the file's own small part of YAML: keys, a value or a section behind each, and comments above.
fn rows(text: &str) -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    let mut sections: Vec<(usize, String)> = Vec::new();
    let mut meaning: Vec<&str> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let trimmed = line.trim_start();
        if let Some(comment) = trimmed.strip_prefix('#') {
            match comment.trim().strip_prefix("-- ") {
                Some(first) => meaning = vec![first],
                None if !meaning.is_empty() => meaning.push(comment.trim()),
                None => {}
            }
            continue;
        }
        if trimmed.is_empty() {
            continue;
        }
        let Some((key, default)) = trimmed.split_once(':') else {
            return Err(format!("values.yaml:{}: neither a key nor a comment", index + 1));
        };
        let indentation = line.len() - trimmed.len();
        sections.retain(|(outer, _)| *outer < indentation);
        let names = sections.iter().map(|(_, name)| name.as_str()).chain([key]);
        let path = names.collect::<Vec<_>>().join(".");
        let default = default.trim();
        if default.is_empty() {
            sections.push((indentation, key.to_owned()));
        } else if meaning.is_empty() {
            return Err(format!(
                "values.yaml:{}: `{path}` has no comment that begins with `# --`",
                index + 1
            ));
        }
        if !meaning.is_empty() {
            rows.push(Row { path, default: default.to_owned(), meaning: meaning.join(" ") });
        }
        meaning.clear();
    }
    Ok(rows)
}

/// What the schema knows and the rows do not name, alone or with all that is around it. Charts that depend on this one
/// give it `global` and `enabled`.
fn unnamed(schema: &Value, rows: &[Row]) -> Vec<String> {
    let mut leaves = Vec::new();
    collect_leaves(schema, schema, "", &mut leaves);
    let is_named = |leaf: &String| {
        rows.iter().any(|row| {
            let rest = leaf.strip_prefix(&row.path);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    };
    leaves.retain(|leaf| !is_named(leaf) && leaf != "global" && leaf != "enabled");
    leaves
}

fn collect_leaves(root: &Value, schema: &Value, path: &str, leaves: &mut Vec<String>) {
    let reference = schema.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix('#'));
    let schema = reference.and_then(|target| root.pointer(target)).unwrap_or(schema);
    match schema.get("properties").and_then(Value::as_object) {
        Some(properties) => {
            for (name, child) in properties {
                let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                collect_leaves(root, child, &below, leaves);
            }
        }
        None => leaves.push(path.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const VALUES: &str = "# A file.\n\n# -- How many.\n# In all.\ncount: 2\n\nimage:\n  # -- Which.\n  tag: \"\"\n# -- Free.\nmore: {}\n";

    #[test]
    fn the_readme_is_current() {
        let repository = crate::repository();
        let current = fs::read_to_string(readme(repository)).expect("helm/fanfare/README.md can be read");
        let written = page(repository).expect("the chart can be read");
        assert!(current == written, "helm/fanfare/README.md is not current: cargo run -p xtask -- chart");
    }

    #[test]
    fn rows_are_read_from_comments() {
        let row = |path: &str, default: &str, meaning: &str| Row {
            path: path.to_owned(),
            default: default.to_owned(),
            meaning: meaning.to_owned(),
        };
        let expected = [
            row("count", "2", "How many. In all."),
            row("image.tag", "\"\"", "Which."),
            row("more", "{}", "Free."),
        ];
        assert_eq!(rows(VALUES).expect("values"), expected);
    }

    #[test]
    fn a_value_without_a_comment_is_a_fault() {
        let fault = rows("image:\n  tag: x\n").expect_err("no comment");
        assert_eq!(fault, "values.yaml:2: `image.tag` has no comment that begins with `# --`");
    }

    #[test]
    fn what_the_schema_knows_is_named() {
        let image = json!({ "properties": { "tag": {}, "pullPolicy": {} } });
        let more = json!({ "properties": { "a": {} } });
        let properties = json!({ "count": {}, "image": { "$ref": "#/$defs/image" }, "more": more });
        let schema = json!({ "properties": properties, "$defs": { "image": image } });
        let rows = rows(VALUES).expect("values");
        assert_eq!(unnamed(&schema, &rows), ["image.pullPolicy"]);
    }
}
