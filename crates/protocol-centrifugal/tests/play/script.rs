//! The form of a transcript: what happens, line by line. What is heard stands in between and is not read.
//!
//! `> frame` or `alice> frame` with `| more` for its further lines, `+ 25s` or `+ until 25s`, `api …`,
//! `alice opens | leaves | stalls | reads`, `node pauses | resumes`; `12 × text` says a line twelve times.

use std::time::Duration;

use model::Period;

/// Stands between a number and what is said so many times.
pub(crate) const TIMES: &str = " × ";

/// A transcript.
pub(crate) struct Script<'a> {
    /// Words behind `# settings:`.
    pub(crate) settings: Vec<&'a str>,
    pub(crate) lines: Vec<Line<'a>>,
}

/// A line that is kept.
pub(crate) enum Line<'a> {
    Prose(&'a str),
    Event { text: &'a str, event: Event<'a> },
}

/// Something that happens.
#[derive(Debug)]
pub(crate) enum Event<'a> {
    /// A client sends a frame.
    Frame { client: &'a str, lines: Vec<&'a str> },
    /// Something happens to a client's socket.
    Socket { client: &'a str, what: &'a str },
    /// The broker thread stops or goes on.
    Node { what: &'a str },
    /// A backend asks for something.
    Api { words: Vec<&'a str> },
    /// Time passes.
    Time(Duration),
    /// Time passes until something is heard.
    TimeUntilHeard(Duration),
}

impl<'a> Script<'a> {
    pub(crate) fn parse(text: &'a str) -> Self {
        let mut script = Self { settings: Vec::new(), lines: Vec::new() };
        let mut rows = text.split_inclusive('\n').peekable();
        let mut at = 0;
        while let Some(row) = rows.next() {
            let start = at;
            at += row.len();
            // Further lines of a frame belong to it.
            while let Some(more) = rows.next_if(|more| more.starts_with("| ")) {
                at += more.len();
            }
            script.add(text[start..at].trim_end_matches('\n'));
        }
        script
    }

    fn add(&mut self, text: &'a str) {
        if let Some(words) = text.strip_prefix("# settings:") {
            self.settings.extend(words.split_whitespace());
        }
        if text.is_empty() || text.starts_with('#') {
            self.lines.push(Line::Prose(text));
        } else if let Some(event) = Event::parse(text) {
            self.lines.push(Line::Event { text, event });
        }
    }
}

impl<'a> Event<'a> {
    /// `None` for what is heard.
    fn parse(text: &'a str) -> Option<Self> {
        if let Some(span) = text.strip_prefix("+ ") {
            return Some(match span.strip_prefix("until ") {
                Some(span) => Self::TimeUntilHeard(period(span)),
                None => Self::Time(period(span)),
            });
        }
        let name_ends = text.find([' ', '>', '<', '=']).unwrap_or(text.len());
        let (client, rest) = text.split_at(name_ends);
        if let Some(frame) = rest.strip_prefix("> ") {
            let lines = frame.split("\n| ").collect();
            return Some(Self::Frame { client, lines });
        }
        if rest.starts_with('<') || rest.starts_with('=') {
            return None;
        }
        let what = rest.trim_start();
        Some(match (client, what) {
            ("api", _) => Self::Api { words: words(what) },
            ("node", _) => Self::Node { what },
            (what, "") => Self::Socket { client: "", what },
            (client, what) => Self::Socket { client, what },
        })
    }
}

/// Words; JSON behind a word's first brace or bracket is one.
fn words(text: &str) -> Vec<&str> {
    match text.find(['{', '[']) {
        Some(at) => text[..at].split_whitespace().chain([&text[at..]]).collect(),
        None => text.split_whitespace().collect(),
    }
}

/// A length of time.
pub(crate) fn period(text: &str) -> Duration {
    text.parse::<Period>().unwrap_or_else(|error| panic!("{error}")).0
}
