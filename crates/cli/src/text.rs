//! Texts for people: standard output that may be a closed pipe, bytes of strangers, instants.

use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use model::UnixTime;

use crate::failure::Failure;

/// Whether somebody still reads standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    Present,
    Gone,
}

/// Writes to standard output, at once. A closed pipe is no fault: whoever read had enough.
pub(crate) fn print(text: &str) -> Result<Reader, Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(Reader::Present),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Reader::Gone),
        Err(error) => Err(Failure::unusable(format!("cannot write to standard output: {error}"))),
    }
}

/// Writes a line to standard error. If nobody reads that either, there is nobody to tell.
pub(crate) fn tell(line: &str) {
    drop(writeln!(io::stderr(), "{}", printable(line)));
}

/// The text on one line and without what terminals obey; it may come from the other end of a connection.
pub(crate) fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for symbol in text.chars() {
        if symbol.is_control() {
            printable.extend(symbol.escape_default());
        } else {
            printable.push(symbol);
        }
    }
    printable
}

/// The wall clock.
pub(crate) fn unix_time() -> UnixTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    UnixTime(i64::try_from(since).unwrap_or(i64::MAX))
}

/// An instant as `2026-01-31T12:00:00Z`, and how far away it is.
pub(crate) fn instant(at: UnixTime, now: UnixTime) -> String {
    let distance = at.0.saturating_sub(now.0);
    let distance = match distance {
        0.. => format!("in {}", span(distance.unsigned_abs())),
        _ => format!("{} ago", span(distance.unsigned_abs())),
    };
    match utc(at) {
        Some(utc) => format!("{utc}, {distance}"),
        None => distance,
    }
}

fn span(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// The civil date of years 1970 to 9999, by the calendar that repeats every 400 years from a first of March.
fn utc(at: UnixTime) -> Option<String> {
    const END: i64 = 253_402_300_800;
    const DAYS_TO_1970: i64 = 719_468;
    const DAYS_PER_ERA: i64 = 146_097;
    if !(0..END).contains(&at.0) {
        return None;
    }
    let (days, second) = (at.0 / 86_400 + DAYS_TO_1970, at.0 % 86_400);
    let (era, day) = (days / DAYS_PER_ERA, days % DAYS_PER_ERA);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month_from_march = (5 * day + 2) / 153;
    let day = day - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_civil_dates() {
        for (at, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(utc(UnixTime(at)).as_deref(), Some(text));
        }
        for outside in [-1, i64::MIN, 253_402_300_800, i64::MAX] {
            assert_eq!(utc(UnixTime(outside)), None);
        }
    }

    #[test]
    fn an_instant_says_how_far_away_it_is() {
        let near = |at| instant(UnixTime(at), UnixTime(1000));
        assert_eq!(near(1090), "1970-01-01T00:18:10Z, in 90 s");
        assert_eq!(near(700), "1970-01-01T00:11:40Z, 5 min ago");
        assert_eq!(near(i64::MIN), "106751991167300 days ago");
    }

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        assert_eq!(printable("a\u{1b}[2Jb\nc ü"), "a\\u{1b}[2Jb\\nc ü");
    }
}
