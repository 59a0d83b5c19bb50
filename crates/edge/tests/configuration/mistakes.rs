//! What operators get wrong, and the one line that tells them.

use edge::config::Loader;

use crate::sources::Sources;

#[test]
fn every_mistake_is_told_in_one_line() {
    let cases = include_str!("mistakes.txt").split("\n\n");
    for case in cases {
        let starting_with = |mark: &str| -> Vec<&str> {
            let lines = case.lines().filter_map(|line| line.strip_prefix(mark));
            lines.collect()
        };
        let variables: Vec<(&str, &str)> =
            starting_with("$ ").into_iter().filter_map(|line| line.split_once('=')).collect();
        let told = starting_with("! ");
        if told.is_empty() {
            continue;
        }
        let sources = Sources {
            file: &starting_with("| ").join("\n"),
            variables: &variables,
            flags: &starting_with("--set "),
            ..Sources::default()
        };
        assert_eq!(sources.faults(), told, "{case}");
    }
}

#[test]
fn line_breaks_do_not_break_the_line() {
    let sources = Sources { flags: &["log.format=a\nb"], ..Sources::default() };
    let fault = "`log.format` (--set): expected one of text, json, found `a\\nb`";
    assert_eq!(sources.faults(), [fault]);
}

#[test]
fn a_file_that_is_not_toml_is_told_by_line_and_column() {
    for (file, start) in [
        ("[log]\nlevel = \n", "fanfare.toml:2:"),
        ("[log\n", "fanfare.toml:1:5: not TOML: "),
        ("[log]\nlevel = \"info\"\nlevel = \"warn\"\n", "fanfare.toml:3:1: not TOML: "),
        ("[token]\nhmac_secret = hunter2\n", "fanfare.toml:2:15: not TOML: "),
        ("[token]\nhmac_secret = \"hunter2\n", "fanfare.toml:2:"),
        ("[token]\nhmac_secret = \"hunter\\2\"\n", "fanfare.toml:2:"),
    ] {
        let sources = Sources { file, ..Sources::default() };
        let faults = sources.faults();
        assert!(faults.len() == 1 && faults[0].starts_with(start), "{file:?}: {faults:#?}");
        assert!(!faults[0].contains("hunter"), "{faults:#?}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let load = |path: &str| Loader::new().file(Some(path.into())).load().map(|_| ());
    let fault = load("/nowhere/fanfare.toml").expect_err("no such file").to_string();
    assert!(
        fault.starts_with("cannot read the settings file `/nowhere/fanfare.toml`: No such file"),
        "{fault}"
    );
    let fault = load("/dev/zero").expect_err("no end").to_string();
    assert!(fault.starts_with("cannot read the settings file `/dev/zero`: "), "{fault}");
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_text_is_named() {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt as _;
    let value = OsString::from_vec(vec![0xff]);
    let errors = Loader::new().environment([("FANFARE__LOG__LEVEL", value)]).load().map(|_| ());
    let fault = errors.expect_err("not text").to_string();
    assert_eq!(fault, "`log.level` (FANFARE__LOG__LEVEL): the value is not UTF-8 text");
}
