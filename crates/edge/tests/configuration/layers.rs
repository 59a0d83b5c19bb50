//! Which source wins, and what `check-config` says about it.

use edge::config::{ApiMethod, ErrorMode, LogFormat, LogLevel, SettingPath};
use model::{ByteSize, Period};

use crate::sources::Sources;

#[test]
fn later_layers_win_setting_by_setting() {
    let dev = [("log.level", "debug"), ("public.address", "localhost:8000"), ("demo.enabled", "true")];
    let file = "[log]\nlevel = \"warn\"\n\n[public]\naddress = \":81\"\n";
    let variables = [("FANFARE__PUBLIC__ADDRESS", ":82"), ("FANFARE__LOG__FORMAT", "json")];
    let flags = ["public.address=:83", "log.format=text", "log.format=json"];
    let mut sources = Sources::default();
    check(sources, &[]);
    sources.development = &dev;
    let shown = [
        "public.address = \"localhost:8000\"   # --dev",
        "log.level = \"debug\"   # --dev",
        "demo.enabled = true   # --dev",
    ];
    check(sources, &shown);
    sources.file = file;
    let shown = [
        "public.address = \":81\"   # fanfare.toml:5",
        "log.level = \"warn\"   # fanfare.toml:2",
        "demo.enabled = true   # --dev",
    ];
    check(sources, &shown);
    sources.variables = &variables;
    let shown = [
        "public.address = \":82\"   # FANFARE__PUBLIC__ADDRESS",
        "log.level = \"warn\"   # fanfare.toml:2",
        "log.format = \"json\"   # FANFARE__LOG__FORMAT",
        "demo.enabled = true   # --dev",
    ];
    check(sources, &shown);
    sources.flags = &flags;
    let shown = [
        "public.address = \":83\"   # --set",
        "log.level = \"warn\"   # fanfare.toml:2",
        "log.format = \"json\"   # --set",
        "demo.enabled = true   # --dev",
    ];
    check(sources, &shown);
}

#[test]
fn every_setting_is_shown_in_the_order_of_its_definition() {
    let loaded = Sources::default().load().expect("defaults");
    let rendered = loaded.render();
    let names: Vec<&str> = rendered.lines().filter_map(|line| line.split(" = ").next()).collect();
    assert_eq!(names[..3], ["workers", "allowed_origins", "trusted_proxies"]);
    assert!(rendered.contains("client.ping_interval = \"25s\"   # default\n"));
    assert!(rendered.contains("api.publication_size = \"256KiB\"   # default\n"));
    assert!(rendered.contains("token.hmac_secret = \"\"   # default\n"));
}

#[test]
fn texts_become_what_the_setting_is() {
    let sources = Sources {
        variables: &[
            ("FANFARE__WORKERS", "3"),
            ("FANFARE__ALLOWED_ORIGINS", "https://A.example, https://b.example\nnull"),
            ("FANFARE__TRUSTED_PROXIES", "10.0.0.0/8 ::1"),
            ("FANFARE__CLIENT__INSECURE", "true"),
            ("FANFARE__CLIENT__OUTBOX_SIZE", "2097152"),
            ("FANFARE__CLIENT__PING_INTERVAL", "0"),
            ("FANFARE__API__ERROR_MODE", "transport"),
            ("FANFARE__API__KEYS__CI__KEY", "hunter2"),
            ("FANFARE__API__KEYS__CI__ALLOW__METHODS", "publish,info"),
            ("FANFARE__API__KEYS__CI__ALLOW__NAMESPACES", "\"\",chat"),
            ("FANFARE__NAMESPACES__CHAT__CLIENT_PUBLISH", "true"),
            ("FANFARE__LOG__LEVEL", "trace"),
            ("FANFARE__LOG__FORMAT", "json"),
            ("FANFARE_PORT", "tcp://10.0.0.1:8000"),
            ("FANFARE_SERVICE_PORT_CLIENTS", "8000"),
            ("fanfare__workers", "9"),
        ],
        ..Sources::default()
    };
    let config = sources.load().expect("settings").config;
    assert_eq!(config.workers, 3);
    assert!(config.allowed_origins[0].matches("https://a.example"));
    assert_eq!(config.allowed_origins.len(), 3);
    assert!(config.trusted_proxies[0].contains("10.1.2.3".parse().expect("an address")));
    assert!(config.client.insecure);
    assert_eq!(config.client.outbox_size, ByteSize::kib(2048));
    assert_eq!(config.client.ping_interval, Period::default());
    assert_eq!(config.api.error_mode, ErrorMode::Transport);
    let key = &config.api.keys["ci"];
    assert_eq!(key.key.reveal(), "hunter2");
    assert_eq!(key.allow.methods, [ApiMethod::Publish, ApiMethod::Info]);
    assert_eq!(key.allow.namespaces, ["", "chat"]);
    assert!(config.namespaces["chat"].client_publish);
    assert_eq!((config.log.level, config.log.format), (LogLevel::Trace, LogFormat::Json));
}

#[test]
fn a_file_may_leave_the_quotes_of_plain_numbers_out() {
    let sources = Sources {
        file: "[client]\npublication_size = 4096\nping_interval = 0\n[drain]\ndelay = 0\n",
        ..Sources::default()
    };
    let shown = [
        "client.publication_size = \"4KiB\"   # fanfare.toml:2",
        "client.ping_interval = \"0\"   # fanfare.toml:3",
        "drain.delay = \"0\"   # fanfare.toml:5",
    ];
    check(sources, &shown);
}

#[test]
fn named_sections_merge_across_layers() {
    let sources = Sources {
        file: "[namespaces.chat]\nclient_subscribe = true\n[namespaces.empty]\n[namespaces.\"a.b\"]\n",
        variables: &[("FANFARE__NAMESPACES__CHAT__CLIENT_PUBLISH", "true")],
        flags: &["namespaces.\"a.b\".user_limited=true"],
        ..Sources::default()
    };
    let shown = [
        "namespaces.\"a.b\".user_limited = true   # --set",
        "namespaces.chat.client_subscribe = true   # fanfare.toml:2",
        "namespaces.chat.client_publish = true   # FANFARE__NAMESPACES__CHAT__CLIENT_PUBLISH",
    ];
    check(sources, &shown);
    let config = sources.load().expect("settings").config;
    let names: Vec<&String> = config.namespaces.keys().collect();
    assert_eq!(names, ["a.b", "chat", "empty"]);
}

#[test]
fn a_flag_of_its_own_is_an_origin() {
    let loader = edge::config::Loader::new().flag("--public-address", "public.address", ":0");
    let loaded = loader.load().expect("settings");
    let origin = loaded.origin(&SettingPath::parse("public.address"));
    assert_eq!(origin.to_string(), "--public-address");
}

fn check(sources: Sources<'_>, shown: &[&str]) {
    assert_eq!(sources.effective(), shown);
}
