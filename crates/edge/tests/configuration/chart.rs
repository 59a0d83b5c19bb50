//! What the Helm chart knows of the settings is what the settings say.

use std::fs;

use edge::config::{secret_paths, secrets_schema, settings_schema};
use serde_json::{Value, json};
use testkit::expect_file;

use crate::sources::Sources;

const SCHEMA_BASE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../helm/fanfare/values.schema.base.json");

#[test]
fn the_schema_of_the_values_is_current() {
    let mut schema: Value =
        serde_json::from_str(&fs::read_to_string(SCHEMA_BASE).expect("it can be read")).expect("JSON");
    let properties = &mut schema["properties"];
    properties["config"] = settings_schema();
    properties["secrets"] = secrets_schema();
    let names: Vec<String> =
        secret_paths().iter().map(|path| path.replace('.', r"\.").replace('*', "[A-Za-z0-9_-]+")).collect();
    properties["existingSecretKeys"]["items"] =
        json!({ "type": "string", "pattern": format!("^({})$", names.join("|")) });
    check("values.schema.json", &schema);
}

#[test]
fn the_chart_knows_which_settings_are_secret() {
    check("files/secrets.json", &json!(secret_paths()));
}

#[test]
fn the_schema_has_every_setting() {
    let schema = settings_schema();
    let rendered = Sources::default().load().expect("defaults").render();
    for line in rendered.lines() {
        let name = line.split(" = ").next().unwrap_or_default();
        let pointer = format!("/properties/{}", name.replace('.', "/properties/"));
        let found = schema.pointer(&pointer).and_then(|setting| setting.get("description"));
        assert!(found.is_some(), "{name}");
    }
    let of_namespace = "/properties/namespaces/additionalProperties/properties/history_size/maximum";
    assert_eq!(schema.pointer(of_namespace), Some(&json!(100_000)));
}

#[test]
fn the_schema_of_secrets_has_nothing_else() {
    let schema = secrets_schema();
    let below = |pointer: &str| {
        let keys = schema.pointer(pointer).and_then(Value::as_object).expect(pointer).keys();
        keys.cloned().collect::<Vec<_>>()
    };
    assert_eq!(below("/properties/api/properties"), ["key", "keys"]);
    assert_eq!(
        below("/properties/api/properties/keys/patternProperties/^[A-Za-z0-9_-]+$/properties"),
        ["key"]
    );
    assert!(!below("/properties/token/properties").contains(&"audience".to_owned()));
}

fn check(name: &str, generated: &Value) {
    let generated = format!("{}\n", serde_json::to_string_pretty(generated).expect("JSON"));
    expect_file(&format!("helm/fanfare/{name}"), &generated);
}
