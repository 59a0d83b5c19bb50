//! Where something belongs in a trace, as W3C Trace Context says it. Comes from outside, and is read strictly;
//! what is not sampled is nobody's business here.

use std::sync::Arc;

use crate::limits;

/// A span of somebody's trace, beneath which others can be put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceParent {
    trace: u128,
    span: u64,
    flags: u8,
    state: Option<Arc<str>>,
}

impl TraceParent {
    const SAMPLED: u8 = 0x01;
    /// The trace's id was drawn at random.
    const RANDOM: u8 = 0x02;

    /// A span of a trace, unless one of them is 0, with what other systems want to have told on, if that is plain
    /// text of a bearable length.
    pub fn new(trace: u128, span: u64, flags: u8, state: &str) -> Option<Self> {
        let is_plain = state.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        let is_told_on = is_plain && !state.is_empty() && state.len() <= limits::TRACE_STATE_BYTES_MAX;
        let state = is_told_on.then(|| state.into());
        (trace != 0 && span != 0).then_some(Self { trace, span, flags, state })
    }

    /// The first span of a sampled trace, of two random numbers.
    pub fn begun(trace: u128, span: u64) -> Self {
        Self { trace: trace.max(1), span: span.max(1), flags: Self::SAMPLED | Self::RANDOM, state: None }
    }

    /// Reads the headers `traceparent` and `tracestate`. None if the first is malformed.
    pub fn parse(parent: &str, state: &str) -> Option<Self> {
        /// Of `00-TRACE-SPAN-FLAGS`, which later versions may go on after.
        const BYTES: usize = 55;
        let (known, behind) = parent.split_at_checked(BYTES)?;
        let [version, trace, span, flags] = parts(known)?;
        let is_readable = match version {
            0 => behind.is_empty(),
            0xff => false,
            _ => behind.is_empty() || behind.starts_with('-'),
        };
        if !is_readable {
            return None;
        }
        Self::new(trace, u64::try_from(span).ok()?, u8::try_from(flags).ok()?, state)
    }

    /// Whether somebody wants to see it.
    pub fn is_sampled(&self) -> bool {
        self.flags & Self::SAMPLED != 0
    }

    /// Another span of the same trace.
    #[must_use]
    pub fn with_span(&self, span: u64) -> Self {
        Self { span: span.max(1), ..self.clone() }
    }

    /// The trace's id.
    pub fn trace(&self) -> u128 {
        self.trace
    }

    /// The span's id.
    pub fn span(&self) -> u64 {
        self.span
    }

    /// The flags, those that nobody knows yet included.
    pub fn flags(&self) -> u8 {
        self.flags
    }

    /// What other systems want to have told on.
    pub fn state(&self) -> &str {
        self.state.as_deref().unwrap_or_default()
    }
}

/// The four numbers between dashes, in lower-case digits.
fn parts(text: &str) -> Option<[u128; 4]> {
    const DIGITS: [usize; 4] = [2, 32, 16, 2];
    let mut parts = text.split('-');
    let mut numbers = [0; 4];
    for (number, digits) in numbers.iter_mut().zip(DIGITS) {
        let part = parts.next()?;
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if part.len() != digits || !part.bytes().all(is_digit) {
            return None;
        }
        *number = u128::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_traceparent_says_trace_span_and_flags() {
        let context = TraceParent::parse(PARENT, "a=1,b=2").expect("well-formed");
        assert_eq!(context.trace(), 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c);
        assert_eq!((context.span(), context.flags()), (0xb7ad_6b71_6920_3331, 1));
        assert!(context.is_sampled());
        assert_eq!(context.state(), "a=1,b=2");
        let unsampled = TraceParent::parse(&PARENT.replace("-01", "-02"), "").expect("well-formed");
        assert!(!unsampled.is_sampled());
        let child = context.with_span(7);
        assert_eq!((child.trace(), child.span(), child.state()), (context.trace(), 7, "a=1,b=2"));
    }

    #[test]
    fn a_malformed_traceparent_is_none() {
        for (given, changed) in [
            ("00-", "ff-"),
            ("00-", "0g-"),
            ("00-", "0-"),
            ("00-", ""),
            ("0af7651916cd43dd8448eb211c80319c", "00000000000000000000000000000000"),
            ("0af7", "0AF7"),
            ("0af7", "0af"),
            ("0af7", "+af7"),
            ("b7ad6b7169203331", "0000000000000000"),
            ("-01", "-1"),
            ("-01", "-01-"),
            ("-01", "-01 "),
            ("-01", ""),
            ("9c-b7", "9cäb7"),
        ] {
            let parent = PARENT.replacen(given, changed, 1);
            assert_eq!(TraceParent::parse(&parent, ""), None, "{parent}");
        }
    }

    #[test]
    fn a_later_version_is_read_as_far_as_it_is_known() {
        let later = PARENT.replacen("00-", "cc-", 1);
        for (parent, is_read) in
            [(later.clone(), true), (format!("{later}-what-comes"), true), (format!("{later}x"), false)]
        {
            assert_eq!(TraceParent::parse(&parent, "").is_some(), is_read, "{parent}");
        }
    }

    #[test]
    fn a_tracestate_that_is_too_long_or_not_plain_is_left_out() {
        let long = "x".repeat(limits::TRACE_STATE_BYTES_MAX);
        let state = |state: &str| TraceParent::parse(PARENT, state).expect("well-formed").state().to_owned();
        assert_eq!(state(&long), long);
        for left_out in [format!("{long}x"), "a=\u{e9}".to_owned(), "a=1\n".to_owned()] {
            assert_eq!(state(&left_out), "");
        }
    }
}
