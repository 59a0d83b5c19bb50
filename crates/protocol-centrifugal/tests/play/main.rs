//! Plays transcripts: stories of clients, backends and time, told to a whole engine on one thread, and compared
//! with what their clients hear. `UPDATE_EXPECT=1` writes down what they hear today.

mod framing;
mod orders;
mod script;
mod settings;
mod tokens;
mod world;

use std::env;
use std::fs;
use std::path::Path;

use script::{Line, Script};
use settings::Settings;
use world::World;

#[test]
fn transcripts_are_heard_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "there are transcripts");
    let failures: Vec<String> = paths.iter().filter_map(|path| check(path).err()).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Plays one transcript.
fn check(path: &Path) -> Result<(), String> {
    let written = fs::read_to_string(path).map_err(|error| error.to_string())?;
    let heard = play(&written);
    if heard == written {
        return Ok(());
    }
    if env::var_os("UPDATE_EXPECT").is_some() {
        return fs::write(path, heard).map_err(|error| error.to_string());
    }
    Err(format!("{}:\n{}", path.display(), difference(&written, &heard)))
}

/// The transcript with what is really heard in the place of what it expects.
fn play(written: &str) -> String {
    let script = Script::parse(written);
    let mut world = World::new(&Settings::parse(script.settings));
    let mut heard = String::new();
    for line in &script.lines {
        let (text, said) = match line {
            Line::Prose(text) => (*text, Vec::new()),
            Line::Event { text, event } => (*text, world.happen(event)),
        };
        for line in std::iter::once(text).chain(said.iter().map(String::as_str)) {
            heard.push_str(line);
            heard.push('\n');
        }
    }
    world.end();
    heard
}

/// The first lines that differ.
fn difference(written: &str, heard: &str) -> String {
    let (written, heard): (Vec<&str>, Vec<&str>) = (written.lines().collect(), heard.lines().collect());
    let same = written.iter().zip(&heard).take_while(|(one, other)| one == other).count();
    let some = |lines: &[&str], sign: &str| -> String {
        lines.iter().skip(same).take(4).map(|line| format!("  {sign} {line}\n")).collect()
    };
    let before = same.checked_sub(1).map_or("", |at| written[at]);
    format!("line {}, after {before}\n{}{}", same + 1, some(&written, "written"), some(&heard, "heard  "))
}
