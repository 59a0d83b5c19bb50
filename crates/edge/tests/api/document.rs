//! Compares values with the schemas of the OpenAPI document. A keyword that it does not know is a failure.

use std::fs;

use serde_json::{Map, Value};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");

/// The committed document.
pub(crate) struct Document(Value);

impl Document {
    pub(crate) fn read() -> Self {
        let text = fs::read_to_string(PAGE).expect("docs/openapi.json can be read");
        Self(serde_json::from_str(&text).expect("JSON"))
    }

    /// Why a request of a method is not what the document says.
    pub(crate) fn check_request(&self, method: &str, request: &Value) -> Result<(), String> {
        let operation = self.operation(method);
        self.check(request, &operation["requestBody"]["content"]["application/json"]["schema"], "request")
    }

    /// Why an answer to a method is not what the document says.
    pub(crate) fn check_answer(
        &self,
        method: &str,
        status: u16,
        content_type: &str,
        answer: &Value,
    ) -> Result<(), String> {
        let content = &self.operation(method)["responses"][status.to_string()]["content"];
        let kind = content_type.split(';').next().unwrap_or_default();
        match content.get(kind) {
            Some(content) => self.check(answer, &content["schema"], "answer"),
            None => Err(format!("no answer {status} of type {kind:?}")),
        }
    }

    fn operation(&self, method: &str) -> &Value {
        let operation = &self.0["paths"][format!("/api/{method}")]["post"];
        assert!(operation.is_object(), "{method} is not in the document");
        operation
    }

    fn check(&self, value: &Value, schema: &Value, at: &str) -> Result<(), String> {
        let Value::Object(keywords) = schema else {
            return if schema == &Value::Bool(true) { Ok(()) } else { Err(format!("{at}: no schema")) };
        };
        for (keyword, rule) in keywords {
            self.check_keyword(value, keyword, rule, keywords, at)?;
        }
        Ok(())
    }

    fn check_keyword(
        &self,
        value: &Value,
        keyword: &str,
        rule: &Value,
        schema: &Map<String, Value>,
        at: &str,
    ) -> Result<(), String> {
        let matching = || list(rule).iter().filter(|schema| self.check(value, schema, at).is_ok()).count();
        let bound = || rule.as_i64().expect("a bound is a number");
        let size = || rule.as_u64().expect("a size is a number");
        let holds = match keyword {
            "description" | "default" | "format" => true,
            "$ref" => return self.check(value, self.target(rule), at),
            "type" => has_type(value, rule),
            "oneOf" => matching() == 1,
            "anyOf" => matching() > 0,
            "minimum" => value.as_i64().is_none_or(|value| value >= bound()),
            "maximum" => value.as_i64().is_none_or(|value| value <= bound()),
            "minLength" => value.as_str().is_none_or(|text| text.chars().count() as u64 >= size()),
            "maxLength" => value.as_str().is_none_or(|text| text.chars().count() as u64 <= size()),
            "minItems" => value.as_array().is_none_or(|items| items.len() as u64 >= size()),
            "maxItems" => value.as_array().is_none_or(|items| items.len() as u64 <= size()),
            "required" => value.as_object().is_none_or(|object| {
                list(rule).iter().all(|name| object.contains_key(name.as_str().expect("a name")))
            }),
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    self.check(item, rule, &format!("{at}[{index}]"))?;
                }
                true
            }
            "properties" => {
                for (name, rule) in rule.as_object().expect("properties") {
                    if let Some(value) = value.get(name) {
                        self.check(value, rule, &format!("{at}.{name}"))?;
                    }
                }
                true
            }
            "additionalProperties" => {
                let is_named =
                    |name: &String| schema.get("properties").is_some_and(|named| named.get(name).is_some());
                for (name, value) in value.as_object().into_iter().flatten() {
                    if !is_named(name) {
                        self.check(value, rule, &format!("{at}.{name}"))?;
                    }
                }
                true
            }
            unknown => panic!("the keyword {unknown} is not known here"),
        };
        if holds { Ok(()) } else { Err(format!("{at}: {value} does not meet {keyword} {rule}")) }
    }

    fn target(&self, reference: &Value) -> &Value {
        let name = reference.as_str().and_then(|path| path.strip_prefix("#/components/schemas/"));
        &self.0["components"]["schemas"][name.expect("a reference to a schema")]
    }
}

fn list(rule: &Value) -> &[Value] {
    rule.as_array().expect("a list").as_slice()
}

fn has_type(value: &Value, rule: &Value) -> bool {
    let is = |name: &Value| match name.as_str().expect("a type's name") {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        unknown => panic!("the type {unknown} is not known here"),
    };
    rule.as_array().map_or_else(|| is(rule), |names| names.iter().any(is))
}

#[test]
fn the_document_tells_right_from_wrong() {
    let document = Document::read();
    let request = |method: &str, text: &str| {
        let value = serde_json::from_str(text).expect("JSON");
        document.check_request(method, &value).is_ok()
    };
    for (method, text) in [
        ("publish", r#"{"channel":"a","data":1,"tags":{"a":"b"},"version":0}"#),
        ("broadcast", r#"{"channels":["a"],"data":{}}"#),
        ("subscribe", r#"{"user":"","channel":"a","override":{"presence":{"value":true}}}"#),
        ("disconnect", r#"{"user":"a","disconnect":{"code":4000,"reason":"x"},"whitelist":["a"]}"#),
        ("publish", r#"{"channel":"a","data":1,"version":2,"version_epoch":"x","skip_history":true}"#),
        ("history", r#"{"channel":"a","limit":-1,"since":{"offset":1,"epoch":"x"},"reverse":true}"#),
        ("history_remove", r#"{"channel":"a"}"#),
        ("presence_stats", r#"{"channel":"a"}"#),
        ("batch", r#"{"commands":[{"publish":{"channel":"a"}},{"history":{"channel":"a"}},{"info":{}}]}"#),
    ] {
        assert!(request(method, text), "{method} {text}");
    }
    for (method, text) in [
        ("publish", "[]"),
        ("publish", r#"{"data":1}"#),
        ("publish", r#"{"channel":""}"#),
        ("publish", r#"{"channel":"a","tags":{"a":1}}"#),
        ("publish", r#"{"channel":"a","version":-1}"#),
        ("publish", r#"{"channel":"a","skip_history":1}"#),
        ("history", r#"{"limit":1}"#),
        ("history", r#"{"channel":"a","limit":-2}"#),
        ("history", r#"{"channel":"a","since":{"offset":-1}}"#),
        ("history", r#"{"channel":"a","since":5}"#),
        ("history_remove", "{}"),
        ("broadcast", r#"{"channels":[]}"#),
        ("broadcast", r#"{"channels":"a"}"#),
        ("unsubscribe", r#"{"channel":"a"}"#),
        ("disconnect", r#"{"user":"a","disconnect":{"code":5000}}"#),
        ("batch", r#"{"commands":[{"publish":{"channel":"a"},"info":{}}]}"#),
        ("batch", r#"{"commands":[{"dance":{}}]}"#),
    ] {
        assert!(!request(method, text), "{method} {text}");
    }
    let answer = |status, kind, text| {
        document.check_answer("publish", status, kind, &serde_json::from_str(text).expect("JSON")).is_ok()
    };
    let history = |text| {
        let value = serde_json::from_str(text).expect("JSON");
        document.check_answer("history", 200, "application/json", &value).is_ok()
    };
    assert!(history(r#"{"result":{"publications":[],"epoch":"x","offset":0}}"#));
    assert!(history(r#"{"result":{"publications":[{"data":1,"offset":1}],"epoch":"x","offset":1}}"#));
    assert!(!history(r#"{"result":{"epoch":"x","offset":0}}"#));
    assert!(!history(r#"{"result":{"publications":[{"data":1}],"epoch":"x","offset":1}}"#));
    assert!(answer(200, "application/json", r#"{"result":{"offset":1,"epoch":"x"}}"#));
    assert!(!answer(200, "application/json", r#"{"result":{"offset":"1"}}"#));
    assert!(answer(200, "application/json", r#"{"result":{}}"#));
    assert!(answer(200, "application/json", r#"{"error":{"code":102,"message":"unknown channel"}}"#));
    assert!(!answer(200, "application/json", "{}"));
    assert!(!answer(200, "application/json", r#"{"error":{"code":102}}"#));
    assert!(!answer(200, "text/plain", "\"\""));
    assert!(!answer(204, "application/json", "{}"));
}
