//! The OpenAPI document, made from the types of requests and results.

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::answer::{
    BroadcastResult, ChannelsResult, ConnectionsResult, EmptyResult, HistoryResult, InfoResult,
    PresenceResult, PresenceStatsResult, PublishResult,
};
use super::fault::ErrorObject;
use super::method::Method;
use super::request::{
    BroadcastRequest, ChannelRequest, ChannelsRequest, ConnectionsRequest, DisconnectRequest, HistoryRequest,
    InfoRequest, PublishRequest, RefreshRequest, SubscribeRequest, UnsubscribeRequest,
};

const ABOUT: &str = "Backends publish and act on connections. Every call is a POST with one JSON object and a key. \
                     Failures are answered with status 200 and an error object, or, in the error mode `transport`, \
                     with a status from 400 to 599 and the bare error.";

/// What can be called, and with what.
struct Operation {
    method: Method,
    summary: &'static str,
    request: Schema,
    result: Schema,
}

/// The document as JSON text.
pub(super) fn document() -> &'static str {
    static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
        let document = build();
        let mut text = serde_json::to_string_pretty(&document).expect("a document has texts as keys");
        text.push('\n');
        text
    });
    &DOCUMENT
}

fn build() -> Value {
    let mut schemas = Schemas::new();
    let operations = schemas.operations();
    let error = schemas.results.subschema_for::<ErrorObject>();
    let mut paths: Map<String, Value> = operations.iter().map(|operation| operation.path(&error)).collect();
    paths.insert("/api/batch".to_owned(), batch_path(&error));
    let mut schemas = schemas.into_definitions();
    schemas.insert("BatchRequest".to_owned(), batch_request(&operations));
    schemas.insert("BatchResult".to_owned(), batch_result(&operations, &error));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Fanfare server API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
        },
        "paths": paths,
        "security": [{ "header": [] }, { "authorization": [] }, { "query": [] }],
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "header": { "type": "apiKey", "in": "header", "name": "X-API-Key" },
                "authorization": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "`apikey KEY`; not looked at beside X-API-Key.",
                },
                "query": {
                    "type": "apiKey",
                    "in": "query",
                    "name": "api_key",
                    "description": "Not looked at beside a header. Proxies may log it: prefer a header.",
                },
            },
        },
    })
}

/// Collects the schemas of types: of requests as they are read, of results as they are written.
struct Schemas {
    requests: SchemaGenerator,
    results: SchemaGenerator,
}

impl Schemas {
    fn new() -> Self {
        let mut settings = SchemaSettings::draft2020_12();
        settings.definitions_path = "/components/schemas".into();
        let settings = settings.with_transform(RecursiveTransform(tidy));
        let requests = settings.clone().for_deserialize().into_generator();
        Self { requests, results: settings.for_serialize().into_generator() }
    }

    fn operations(&mut self) -> [Operation; 13] {
        type Done = EmptyResult;
        [
            self.operation::<PublishRequest<'_>, PublishResult>(Method::Publish, "Publish to one channel"),
            self.operation::<BroadcastRequest<'_>, BroadcastResult>(
                Method::Broadcast,
                "Publish to several channels",
            ),
            self.operation::<SubscribeRequest<'_>, Done>(Method::Subscribe, "Subscribe a user's connections"),
            self.operation::<UnsubscribeRequest<'_>, Done>(
                Method::Unsubscribe,
                "End a subscription of a user's connections",
            ),
            self.operation::<DisconnectRequest<'_>, Done>(Method::Disconnect, "Close a user's connections"),
            self.operation::<RefreshRequest<'_>, Done>(
                Method::Refresh,
                "Change when a user's connections expire",
            ),
            self.operation::<HistoryRequest<'_>, HistoryResult>(Method::History, "Read a channel's history"),
            self.operation::<ChannelRequest<'_>, Done>(
                Method::HistoryRemove,
                "Drop what is kept of a channel",
            ),
            self.operation::<ChannelRequest<'_>, PresenceResult>(
                Method::Presence,
                "List the members of a channel",
            ),
            self.operation::<ChannelRequest<'_>, PresenceStatsResult>(
                Method::PresenceStats,
                "Count the members of a channel",
            ),
            self.operation::<ChannelsRequest<'_>, ChannelsResult>(
                Method::Channels,
                "List channels with subscribers",
            ),
            self.operation::<ConnectionsRequest<'_>, ConnectionsResult>(
                Method::Connections,
                "List connections",
            ),
            self.operation::<InfoRequest, InfoResult>(Method::Info, "List nodes"),
        ]
    }

    fn operation<Request: JsonSchema, Result: JsonSchema>(
        &mut self,
        method: Method,
        summary: &'static str,
    ) -> Operation {
        let request = self.requests.subschema_for::<Request>();
        Operation { method, summary, request, result: self.results.subschema_for::<Result>() }
    }

    fn into_definitions(mut self) -> Map<String, Value> {
        let mut definitions = self.requests.take_definitions(true);
        definitions.append(&mut self.results.take_definitions(true));
        definitions
    }
}

/// Leaves out defaults that say nothing, and the line breaks of our comments.
fn tidy(schema: &mut Schema) {
    if schema.get("default").is_some_and(Value::is_null) {
        schema.remove("default");
    }
    if let Some(Value::String(description)) = schema.get_mut("description") {
        *description = description.replace('\n', " ");
    }
}

impl Operation {
    fn path(&self, error: &Schema) -> (String, Value) {
        let name = self.method.name();
        let success =
            json!({ "type": "object", "properties": { "result": self.result }, "required": ["result"] });
        let failure = json!({ "type": "object", "properties": { "error": error }, "required": ["error"] });
        let answer = json!({ "oneOf": [success, failure] });
        (format!("/api/{name}"), path(name, self.summary, json!(self.request), answer, error))
    }
}

fn path(name: &str, summary: &str, request: Value, answer: Value, error: &Schema) -> Value {
    let text = |description: &str| json!({ "description": description, "content": { "text/plain": { "schema": { "type": "string" } } } });
    let bare = |description: &str| json!({ "application/json": { "schema": error }, "text/plain": { "schema": { "type": "string", "description": description } } });
    json!({
        "post": {
            "operationId": name,
            "summary": summary,
            "requestBody": { "required": true, "content": { "application/json": { "schema": request } } },
            "responses": {
                "200": {
                    "description": "The result, or in the error mode `default` an error",
                    "content": { "application/json": { "schema": answer } },
                },
                "400": {
                    "description": "Not a request; in the error mode `transport` also errors 106, 107, 108 and 110",
                    "content": bare("What is wrong with the body"),
                },
                "401": text("No key, or one that is not configured"),
                "403": text("The key may not do that"),
                "404": {
                    "description": "In the error mode `transport`: errors 102 and 104",
                    "content": { "application/json": { "schema": error } },
                },
                "408": text("The body did not arrive in time"),
                "413": text("The body is too large"),
                "416": {
                    "description": "In the error mode `transport`: error 112",
                    "content": { "application/json": { "schema": error } },
                },
                "500": {
                    "description": "In the error mode `transport`: error 100",
                    "content": { "application/json": { "schema": error } },
                },
                "503": text("Too many requests are under way; try again"),
            },
        },
    })
}

fn batch_path(error: &Schema) -> Value {
    let reference = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
    let failure = json!({ "type": "object", "properties": { "error": error }, "required": ["error"] });
    let answer = json!({ "oneOf": [reference("BatchResult"), failure] });
    path("batch", "Several calls in one request", reference("BatchRequest"), answer, error)
}

fn batch_request(operations: &[Operation]) -> Value {
    let commands: Vec<Value> =
        operations.iter().map(|operation| entry(operation.method.name(), &operation.request)).collect();
    json!({
        "type": "object",
        "description": "Several calls in one request.",
        "properties": {
            "commands": {
                "type": "array",
                "description": "The calls, each an object with the method's name as its only key.",
                "items": { "oneOf": commands },
                "maxItems": model::limits::API_BATCH_MAX,
            },
            "parallel": {
                "type": ["boolean", "null"],
                "description": "Carries the calls out at once; else one after the other.",
            },
        },
        "required": ["commands"],
    })
}

fn batch_result(operations: &[Operation], error: &Schema) -> Value {
    let results = operations.iter().map(|operation| entry(operation.method.name(), &operation.result));
    let replies: Vec<Value> = results.chain([entry("error", error)]).collect();
    json!({
        "type": "object",
        "description": "What became of each call.",
        "properties": {
            "replies": {
                "type": "array",
                "description": "One reply per call, in the order of the request.",
                "items": { "oneOf": replies },
            },
        },
        "required": ["replies"],
    })
}

fn entry(name: &str, schema: &Schema) -> Value {
    json!({
        "type": "object",
        "properties": { name: schema },
        "required": [name],
        "additionalProperties": false,
    })
}

#[cfg(test)]
mod tests {
    use testkit::expect_file;

    use super::*;

    #[test]
    fn the_document_is_current() {
        expect_file("docs/openapi.json", document());
    }
}
