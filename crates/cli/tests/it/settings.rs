//! `check-config` and `--version`.

use crate::process::{SECRET, fanfare};

#[test]
fn every_setting_is_shown_with_its_origin_and_no_secret() {
    let file = std::env::temp_dir().join(format!("fanfare-cli-{}.toml", std::process::id()));
    std::fs::write(&file, "connection_limit = 7\n\n[api]\nkey = \"from-the-file\"\n").expect("a file");
    let run = fanfare("check-config --workers 3 --set client.ping_interval=10s --config")
        .arg(&file.display().to_string())
        .env("FANFARE__TOKEN__HMAC_SECRET", SECRET)
        .finish();
    std::fs::remove_file(&file).expect("it was written");
    let out = run.succeeded();
    for line in [
        "workers = 3   # --workers".to_owned(),
        "client.ping_interval = \"10s\"   # --set".to_owned(),
        "client.pong_timeout = \"8s\"   # default".to_owned(),
        format!("connection_limit = 7   # {}:1", file.display()),
        format!("api.key = \"***\"   # {}:4", file.display()),
        "token.hmac_secret = \"***\"   # FANFARE__TOKEN__HMAC_SECRET".to_owned(),
    ] {
        assert!(out.lines().any(|found| found == line), "{line}\n{out}");
    }
    assert!(!out.contains(SECRET) && !out.contains("from-the-file"), "{out}");
}

#[test]
fn settings_may_come_through_a_pipe() {
    let check = fanfare("check-config --config /dev/stdin").env("FANFARE__TOKEN__HMAC_SECRET", SECRET);
    let out = check.finish_with("connection_limit = 7\n").succeeded();
    assert!(out.contains("connection_limit = 7   # /dev/stdin:1\n"), "{out}");
    let check = fanfare("check-config").env("FANFARE__TOKEN__HMAC_SECRET_FILE", "/dev/stdin");
    check.finish_with(SECRET).succeeded();
}

#[test]
fn development_mode_shows_what_it_sets() {
    let out = fanfare("check-config --dev").finish().succeeded();
    for line in [
        "public.address = \"localhost:8000\"   # --dev",
        "token.hmac_secret = \"***\"   # --dev",
        "api.key = \"***\"   # --dev",
        "channels.client_publish = true   # --dev",
        "demo.enabled = true   # --dev",
        "console.enabled = true   # --dev",
    ] {
        assert!(out.lines().any(|found| found == line), "{line}\n{out}");
    }
}

#[test]
fn faults_are_one_line_each() {
    let check = |arguments: &str, texts: &[&str]| {
        fanfare("check-config")
            .arg(arguments)
            .env("FANFARE__TOKEN__HMAC_SECRET", SECRET)
            .finish()
            .failed(2, texts);
    };
    check(
        "--set=client.ping_intervall=10s",
        &["client.ping_intervall", "did you mean `client.ping_interval`?"],
    );
    check("--set=log.level=loud", &["log.level", "--set"]);
    check("--log-level=loud", &["log.level", "--log-level"]);
    check("--config=/nowhere/fanfare.toml", &["/nowhere/fanfare.toml"]);
    check("--set=token.algorithms=RS256", &["token.algorithms", "RSA key"]);
    check("--set=nonsense", &["--set"]);

    let both = fanfare("check-config --set a=1 --set b=2").finish();
    assert_eq!((both.code, both.err.lines().count()), (Some(2), 2), "{}", both.err);
}

#[test]
fn what_is_doubtful_is_a_warning() {
    let run = fanfare("check-config").env("FANFARE__TOKEN__HMAC_SECRET", "short").finish();
    assert_eq!(run.code, Some(0));
    assert!(run.err.starts_with("warning: token.hmac_secret has 5 bytes"), "{}", run.err);
    assert!(!run.err.contains("short "), "{}", run.err);

    let run = fanfare("check-config").finish();
    assert_eq!(run.code, Some(0));
    assert!(
        run.err.starts_with("warning: ") && run.err.contains("FANFARE__TOKEN__HMAC_SECRET"),
        "{}",
        run.err
    );
}

#[test]
fn development_mode_is_for_this_machine_alone() {
    let run = fanfare("check-config --dev --public-address :8000").finish();
    run.failed(2, &["public.address", "--public-address", "--dev", "`localhost:8000`"]);
}

#[test]
fn the_version_has_the_commit() {
    let out = fanfare("--version").finish().succeeded();
    let commit = out.trim_end().strip_prefix(concat!("fanfare ", env!("CARGO_PKG_VERSION"), " ("));
    let commit = commit.and_then(|rest| rest.strip_suffix(')')).unwrap_or_else(|| panic!("{out}"));
    assert!(!commit.is_empty() && commit.bytes().all(|byte| byte.is_ascii_graphic()), "{out}");
}

#[test]
fn wrong_usage_is_told_apart_from_a_refusal() {
    for arguments in
        ["", "sreve", "serve --nonsense", "token", "subscribe", "subscribe a --count 0", "publish a"]
    {
        let run = fanfare(arguments).finish();
        assert_eq!(run.code, Some(2), "{arguments}: {}", run.err);
        assert!(run.err.contains("--help") || run.err.contains("Usage:"), "{arguments}: {}", run.err);
    }
}
