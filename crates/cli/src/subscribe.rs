//! `fanfare subscribe`: prints publications as lines of JSON until there are enough, or until the node or the
//! reader ends it. Joins the session's decisions to the link and the clock.

pub(crate) mod link;
pub(crate) mod session;

use std::time::Instant;

use clap::Args;
use model::Period;

use crate::credential::Token;
use crate::failure::Failure;
use crate::text::{self, Reader};
use link::{Link, Received};
use session::{Session, Step};

#[derive(Args)]
pub(crate) struct Flags {
    /// The channels
    #[arg(required = true, value_name = "CHANNEL")]
    channels: Vec<String>,
    /// Where clients connect
    #[arg(long, value_name = "URL", default_value = "ws://localhost:8000/connection/websocket")]
    url: String,
    #[command(flatten)]
    token: Token,
    /// Ends after this many publications
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Ends after this time, like 10s: a failure if --count is not reached by then
    #[arg(long, value_name = "PERIOD")]
    timeout: Option<Period>,
}

pub(crate) fn run(flags: &Flags) -> Result<(), Failure> {
    let token = flags.token.read()?;
    let deadline = flags.timeout.and_then(|timeout| Instant::now().checked_add(timeout.0));
    let (mut session, first) = Session::new(flags.channels.clone(), token.as_ref());
    let mut link = Link::open(&flags.url, deadline)?;
    link.send(first)?;
    let outcome = listen(flags, &mut session, &mut link, deadline);
    if token.is_none() && !session.is_connected() {
        return outcome
            .map_err(|failure| failure.with_hint("no token was given: try --token-file or FANFARE_TOKEN"));
    }
    outcome
}

fn listen(
    flags: &Flags,
    session: &mut Session,
    link: &mut Link,
    deadline: Option<Instant>,
) -> Result<(), Failure> {
    let mut printed = 0;
    loop {
        let text = match link.receive(session.silence_max(), deadline)? {
            Received::Text(text) => text,
            Received::Silence => {
                return Err(Failure::refused("the node is silent: neither data nor a ping came"));
            }
            Received::Deadline => return on_deadline(flags.count, printed),
        };
        for line in text.split('\n').filter(|line| !line.is_empty()) {
            match session.on_reply(line)? {
                Step::Nothing => {}
                Step::Send(frame) => link.send(frame)?,
                Step::Note(note) => text::tell(&note),
                Step::Print(publication) => {
                    printed += 1;
                    let reader = text::print(&format!("{publication}\n"))?;
                    if reader == Reader::Gone || flags.count.is_some_and(|count| printed >= count) {
                        link.close();
                        return Ok(());
                    }
                }
            }
        }
    }
}

fn on_deadline(count: Option<u64>, printed: u64) -> Result<(), Failure> {
    match count {
        Some(count) => {
            Err(Failure::refused(format!("{printed} of {count} publications came within --timeout")))
        }
        None => Ok(()),
    }
}
