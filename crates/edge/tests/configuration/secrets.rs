//! Secrets: from files of their own, and never shown.

use crate::sources::{Sources, temporary_file};

#[test]
fn a_secret_may_stand_in_a_file_of_its_own() {
    let unix = temporary_file("unix", "hunter2 hunter2\n").display().to_string();
    let windows = temporary_file("windows", "hunter3\r\n").display().to_string();
    let blank_line = temporary_file("blank-line", "hunter4\n\n").display().to_string();
    let file = format!("[token]\nhmac_secret_file = {windows:?}\n");
    let sources = Sources {
        file: &file,
        variables: &[
            ("FANFARE__TOKEN__HMAC_SECRET_PREVIOUS_FILE", &unix),
            ("FANFARE__TOKEN__PUBLIC_KEY_FILE", &blank_line),
        ],
        ..Sources::default()
    };
    let token = sources.load().expect("settings").config.token;
    assert_eq!(token.hmac_secret.reveal(), "hunter3");
    assert_eq!(token.hmac_secret_previous.reveal(), "hunter2 hunter2");
    assert_eq!(token.public_key.reveal(), "hunter4\n");
    let shown = [
        "token.hmac_secret = \"***\"   # fanfare.toml:2",
        "token.hmac_secret_previous = \"***\"   # FANFARE__TOKEN__HMAC_SECRET_PREVIOUS_FILE",
        "token.public_key = \"***\"   # FANFARE__TOKEN__PUBLIC_KEY_FILE",
    ];
    assert_eq!(sources.effective(), shown);
}

#[test]
fn keys_of_the_api_may_stand_in_files() {
    let path = temporary_file("key", "hunter5").display().to_string();
    let sources = Sources {
        variables: &[("FANFARE__API__KEYS__CI__KEY_FILE", &path)],
        flags: &["api.key=hunter6"],
        ..Sources::default()
    };
    let api = sources.load().expect("settings").config.api;
    assert_eq!((api.keys["ci"].key.reveal(), api.key.reveal()), ("hunter5", "hunter6"));
}

#[test]
fn a_secret_and_its_file_in_one_source_are_a_fault() {
    let path = temporary_file("both", "hunter7").display().to_string();
    let file = format!("[token]\nhmac_secret_file = {path:?}\nhmac_secret = \"hunter8\"\n");
    let sources = Sources { file: &file, ..Sources::default() };
    let fault = "`token.hmac_secret` is set by both fanfare.toml:2 and fanfare.toml:3: remove one";
    assert_eq!(sources.faults(), [fault]);
    let sources = Sources {
        variables: &[("FANFARE__API__KEY", "hunter9"), ("FANFARE__API__KEY_FILE", &path)],
        ..Sources::default()
    };
    let fault = "`api.key` is set by both FANFARE__API__KEY and FANFARE__API__KEY_FILE: remove one";
    assert_eq!(sources.faults(), [fault]);
}

#[test]
fn a_later_layer_replaces_a_secret_however_it_was_given() {
    let path = temporary_file("earlier", "hunter10").display().to_string();
    let file = format!("[token]\nhmac_secret_file = {path:?}\n");
    let sources = Sources {
        file: &file,
        variables: &[("FANFARE__TOKEN__HMAC_SECRET", "hunter11")],
        ..Sources::default()
    };
    assert_eq!(sources.load().expect("settings").config.token.hmac_secret.reveal(), "hunter11");
}

#[test]
fn a_secret_file_without_a_secret_is_a_fault() {
    let setting = "`api.key_file` (FANFARE__API__KEY_FILE): ";
    let empty = temporary_file("empty", "\n").display().to_string();
    check(&empty, &format!("{setting}the file `empty` is empty: write the secret into it"));
    let endless = "/dev/zero";
    check(endless, &format!("{setting}the file `/dev/zero` is longer than 65536 bytes"));
    let missing = "/nowhere/key";
    check(
        missing,
        &format!("{setting}cannot read the file `/nowhere/key`: No such file or directory (os error 2)"),
    );
    let directory = "/";
    check(directory, &format!("{setting}cannot read the file `/`: Is a directory (os error 21)"));
}

#[test]
fn no_secret_is_ever_shown() {
    let file = "[token]\nhmac_secret = \"hunter-a\"\nhmac_secret_previous = \"hunter-b\"\npublic_key = \"hunter-c\"\n\
                public_key_previous = \"hunter-d\"\n[api]\nkey = \"hunter-e\"\n[api.keys.ci]\nkey = \"hunter-f\"\n";
    let mut sources = Sources { file, ..Sources::default() };
    let loaded = sources.load().expect("settings");
    let shown = [
        loaded.render(),
        format!("{loaded:?}"),
        format!("{:#?}", loaded.config),
        serde_json::to_string(&loaded.config).expect("settings serialise"),
    ];
    for text in shown {
        assert!(!text.contains("hunter"), "{text}");
        assert_eq!(text.matches("\"***\"").count(), 6, "{text}");
    }
    sources.flags = &["api.key=hunter-f", "api.keyy=hunter-g", "token=hunter-h", "hunter-i"];
    sources.variables = &[("FANFARE__API__KEY__X", "hunter-j"), ("FANFARE__TOKEN__PUBLIC_KEYY", "hunter-k")];
    let faults = sources.faults();
    assert_eq!(faults.len(), 5, "{faults:#?}");
    assert!(!faults.concat().contains("hunter"), "{faults:#?}");
}

fn check(path: &str, fault: &str) {
    let sources = Sources { variables: &[("FANFARE__API__KEY_FILE", path)], ..Sources::default() };
    assert_eq!(sources.faults(), [fault]);
}
