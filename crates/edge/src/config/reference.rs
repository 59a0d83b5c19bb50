//! Generates `docs/configuration.md` from the tree of settings.

use std::fmt::Write as _;

use engine::NamespaceConfig;

use super::kind::Kind;
use super::known::{Known, Place};
use super::{ApiKeyConfig, Config, SettingPath, order};

/// What stands for a name that operators choose.
const NAME: &str = "NAME";

const HEAD: &str = r#"# Configuration

<!-- Generated from the settings' definitions: `UPDATE_EXPECT=1 cargo test -p edge --test configuration`. -->

Every setting has a default, and a setting that does not exist is an error. `fanfare check-config` reads the
settings as `fanfare serve` would and prints each with its value and where that comes from, or every fault
that it finds.

## Where settings come from

Later sources win over earlier ones, setting by setting:

1. the defaults below;
2. development mode, `--dev`: settings for trying things out on one machine. It listens on loopback alone, says
   loudly that it is on, and is never chosen for you;
3. the settings file, in TOML;
4. the environment. A variable is called `FANFARE__SECTION__KEY`, with two underscores between the names;
   variables that do not begin with `FANFARE__` are not looked at;
5. flags: `--set section.key=value`, as often as needed, the last one winning.

A variable or flag is converted by the setting's type. Lists are separated by commas or white space. Names
that you choose, like those of namespaces, are in lower case when they come from a variable:
`FANFARE__NAMESPACES__CHAT__CLIENT_PUBLISH=true` sets `namespaces.chat.client_publish`. Names with upper-case
letters, dots or two underscores in a row need the file or a flag: `--set 'namespaces."a.b".client_publish=true'`.

## One listener

With `public.address` and `internal.address` the same, one listener serves everything. Whoever reaches the port
that clients connect to then reads `/metrics`, `/livez`, `/readyz`, `/startupz` and `/health` without a key, and
`/demo` and `/console` where they are enabled; the server API alone asks for one. Where that port is public, let a proxy pass on
no more than client paths.

## Units

Durations are a whole number and `ms`, `s`, `m`, `h` or `d`: `500ms`, `25s`, `10m`. Sizes are a whole number
and `B`, `KiB`, `MiB` or `GiB`: `64KiB`; a number alone is bytes. `0` needs no unit.

## Secrets

Every secret can stand in a file of its own: add `_FILE` to the variable or `_file` to the key, and give the
path. One line break at the end of the file is dropped. Setting the secret and its file in the same source is
an error, and so is a file that is empty or cannot be read. `check-config`, the log and error messages never
show a secret.

## Reloading

A node reads its settings again when it gets SIGHUP, and when the settings file or the file of a secret changed, as
links that orchestrators swap count, too; a change that it finds by itself is taken on within two seconds, once the
file has stopped changing. No connection is closed. Variables and flags are those of the start, and win over the file
as they did then.

Settings that say *reload* below take effect from the next command, connection or request on, in all threads alike;
the others wait for a restart, and the log names them: `takes effect after a restart: redis.url`. While some wait,
`fanfare_config_restart_needed` is 1.

Settings that cannot be used change nothing: the old ones stay, the log says why with file and line, and
`fanfare_config_reload_ok` is 0 until settings are read that can be used. `fanfare_config_reloads_total` counts both.

Subscriptions that are there stay, even if nobody would be granted them any longer, and so do connections whose token
would not be believed any more, until they have to show a new one. In particular:

* **A key is changed** by moving the old one to `token.hmac_secret_previous` (`token.public_key_previous`): clients
  that show tokens of either are welcome, and nobody is disconnected. For the server API, add a key under `api.keys`.
* **A namespace that is removed** takes nobody new, and every command and request about its channels is refused with
  code 102. Those who are subscribed stay under the rules it had, and still get what other nodes publish; if it comes
  back, all is as if it had been there.
* **A history that begins** gives positions to those who subscribe from then on; publications to channels with
  subscribers may take a few hundred milliseconds longer meanwhile. A history that ends is kept for its time, and
  subscribers go on without positions. Publications between an end and a new begin are in no history. Nodes of a
  cluster change one after the other: what is published meanwhile may be among those.
* **Presence that begins** knows those who are subscribed already within half a minute.
* **Limits that become lower** close nobody at once: connections beyond `connection_limit` stay, and a smaller outbox
  is full sooner.

## Example

```toml
"#;

const EXAMPLE: &str = r#"allowed_origins = ["https://example.com", "https://*.example.com"]
trusted_proxies = ["10.0.0.0/8"]

[internal]
address = ":9000"

[token]
hmac_secret = "replace-me-with-openssl-rand-hex-32"
audience = "fanfare"

[api]
key = "replace-me-too"

[api.keys.billing]
key = "and-me"
allow = { methods = ["publish", "broadcast"], namespaces = ["invoices"] }

[channels]
client_subscribe = true

[namespaces.chat]
client_subscribe = true
subscriber_publish = true
history_size = 100
history_ttl = "10m"
subscriber_history = true

[namespaces.invoices]
user_limited = true
"#;

/// The reference of all settings, in Markdown.
pub fn reference_markdown() -> String {
    let known = Known::root();
    let mut text = format!("{HEAD}{EXAMPLE}```\n");
    let mut section = None;
    for (setting, default) in order::settings(&specimen()) {
        let own = section_of(&setting);
        if section.as_ref() != Some(&own) {
            write_section(&mut text, &known, &own);
            section = Some(own);
        }
        write_setting(&mut text, &known, &setting, &default);
    }
    text
}

/// What a running node takes on, as a JSON list of names; `section.*` stands for all that is in a section.
pub fn reloadable_json() -> String {
    let names = serde_json::to_string_pretty(&Known::root().reloadable());
    format!("{}\n", names.expect("a list of texts is JSON"))
}

/// Every setting, its default as JSON, and whether a running node takes it on.
#[cfg(test)]
pub(crate) fn every_setting() -> Vec<(SettingPath, String, bool)> {
    let known = Known::root();
    let settings = order::settings(&specimen()).into_iter();
    settings.map(|(setting, default)| (setting.clone(), default, known.is_reloadable(&setting))).collect()
}

/// The defaults, with one of everything that has a name.
fn specimen() -> Config {
    let mut config = Config::default();
    config.namespaces.insert(NAME.to_owned(), NamespaceConfig::default());
    config.api.keys.insert(NAME.to_owned(), ApiKeyConfig::default());
    config
}

/// The section under whose heading a setting stands: names and what is below them stand apart.
fn section_of(setting: &SettingPath) -> SettingPath {
    let segments = setting.segments();
    let depth = match segments.iter().position(|segment| segment == NAME) {
        Some(name) => name + 1,
        None => segments.len().min(2) - 1,
    };
    let section = segments.iter().take(depth);
    section.fold(SettingPath::default(), |path, name| path.child(name))
}

fn write_section(text: &mut String, known: &Known, section: &SettingPath) {
    let place = known.at(section.segments()).expect("a setting's section is known");
    // What a name means is said where the names are.
    let meaning = match known.at(section.parent().segments()) {
        Some(parent) if section.last() == NAME => &parent.meaning,
        _ => &place.meaning,
    };
    if section.segments().is_empty() {
        text.push_str("\n## The node\n\nAt the top of the file, before the first section.\n");
    } else {
        let _ = write!(text, "\n## `[{section}]`\n\n{}\n", paragraph(meaning));
    }
    text.push_str(
        "\n| setting | variable | type | default | applies at | meaning |\n|---|---|---|---|---|---|\n",
    );
}

fn write_setting(text: &mut String, known: &Known, setting: &SettingPath, default: &str) {
    let place = known.at(setting.segments()).expect("what is serialised is in the schema");
    let Place::Setting(kind) = &place.place else {
        unreachable!("what has a value is a setting");
    };
    let default = match kind {
        Kind::Secret => "not set".to_owned(),
        Kind::Bool | Kind::Integer { .. } | Kind::Choice(_) | Kind::Text(_) | Kind::List(_) => {
            format!("`{default}`")
        }
    };
    let _ = writeln!(
        text,
        "| `{setting}` | `{}` | {} | {default} | {} | {} |",
        setting.variable(),
        kind.words(),
        if place.is_reloadable { "reload" } else { "restart" },
        paragraph(&place.meaning).replace('|', "\\|"),
    );
}

/// One line of what is wrapped in the source.
fn paragraph(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
