//! The payload of every publication: JSON of a wanted size that says when it was published. The number has
//! always the same length, so that a frame seen once can be sent again with another time in its place.

use std::time::{Duration, Instant};

/// What precedes the time, wherever a server that parses payloads puts the field.
const MARK: &[u8] = b"\"t\":";
const DIGITS: usize = 16;
/// Added to every stamp: sixteen digits from the first nanosecond on, for a hundred days.
const ORIGIN: u64 = 1_000_000_000_000_000;
/// More publications than any channel sees in one run.
const NUMBERS: u64 = 1_000_000;

/// The one clock of a run; both ends of a latency are read from it, in one process.
#[derive(Clone, Copy)]
pub(crate) struct Clock {
    base: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { base: Instant::now() }
    }

    pub(crate) fn stamp(self, at: Instant) -> u64 {
        ORIGIN + u64::try_from(at.saturating_duration_since(self.base).as_nanos()).unwrap_or(0)
    }

    pub(crate) fn since(self, stamp: u64, at: Instant) -> Duration {
        Duration::from_nanos(self.stamp(at).saturating_sub(stamp))
    }
}

/// A stamp that is no time: the `nth` publication to channel number `channel`.
pub(crate) fn numbered(channel: usize, nth: u32) -> u64 {
    ORIGIN + channel as u64 * NUMBERS + u64::from(nth)
}

/// Channel and number of a stamp that was made so.
pub(crate) fn number_in(stamp: u64) -> Option<(usize, u32)> {
    let number = stamp.checked_sub(ORIGIN)?;
    Some((usize::try_from(number / NUMBERS).ok()?, u32::try_from(number % NUMBERS).ok()?))
}

/// Smallest payload that [`of_size`] can make.
pub(crate) const SIZE_MIN: usize = MARK.len() + DIGITS + "{,\"p\":\"\"}".len();

/// A payload of exactly `size` bytes.
pub(crate) fn of_size(size: usize, stamp: u64) -> String {
    let filler = size.saturating_sub(SIZE_MIN);
    format!("{{\"t\":{stamp},\"p\":\"{:x<filler$}\"}}", "")
}

/// The stamp in a publication as it arrived, if there is one.
pub(crate) fn stamp_in(bytes: &[u8]) -> Option<u64> {
    let digits = bytes.get(stamp_place(bytes)?..)?.get(..DIGITS)?;
    digits
        .iter()
        .try_fold(0_u64, |value, byte| byte.is_ascii_digit().then(|| value * 10 + u64::from(byte - b'0')))
}

/// Replaces the stamp in a frame that carries one.
pub(crate) fn restamp(frame: &mut [u8], stamp: u64) {
    let Some(place) = stamp_place(frame) else { return };
    if let Some(digits) = frame.get_mut(place..place + DIGITS) {
        digits.copy_from_slice(format!("{stamp:016}").as_bytes());
    }
}

fn stamp_place(bytes: &[u8]) -> Option<usize> {
    let mark = bytes.windows(MARK.len()).position(|window| window == MARK)?;
    Some(mark + MARK.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_has_its_size_and_gives_its_stamp_back() {
        let clock = Clock::start();
        let stamp = clock.stamp(Instant::now());
        let payload = of_size(128, stamp);
        assert_eq!(payload.len(), 128);
        assert_eq!(stamp_in(payload.as_bytes()), Some(stamp));
        assert_eq!(of_size(0, stamp).len(), SIZE_MIN);
        serde_json::from_str::<serde_json::Value>(&payload).unwrap();
    }

    #[test]
    fn a_frame_is_stamped_anew_in_place() {
        let mut frame = of_size(64, ORIGIN).into_bytes();
        restamp(&mut frame, ORIGIN + 12_345);
        assert_eq!(stamp_in(&frame), Some(ORIGIN + 12_345));
        assert_eq!(frame.len(), 64);
    }

    #[test]
    fn what_carries_no_stamp_gives_none() {
        assert_eq!(stamp_in(b"{\"push\":{\"channel\":\"a\",\"join\":{}}}"), None);
        assert_eq!(stamp_in(b"{\"t\":12"), None);
    }
}
