//! The trace context in an envelope: one byte of version, 16 of trace, 8 of span, one of flags, then what other
//! systems want to have told on. One that is not as it should be is left out, and what was published is not.

use std::sync::Arc;

use model::TraceParent;

const VERSION: u8 = 0;

/// As it stands in an envelope.
pub(super) fn encode(context: &TraceParent) -> Vec<u8> {
    let (trace, span) = (context.trace().to_be_bytes(), context.span().to_be_bytes());
    [&[VERSION], &trace[..], &span, &[context.flags()], context.state().as_bytes()].concat()
}

/// Reads one that is sampled; nothing is made of any other.
pub(super) fn decode(bytes: &[u8]) -> Option<Arc<TraceParent>> {
    let (&[version], rest) = bytes.split_first_chunk()?;
    let (trace, rest) = rest.split_first_chunk()?;
    let (span, rest) = rest.split_first_chunk()?;
    let (&[flags], state) = rest.split_first_chunk()?;
    let state = std::str::from_utf8(state).ok().filter(|_| version == VERSION)?;
    let context = TraceParent::new(u128::from_be_bytes(*trace), u64::from_be_bytes(*span), flags, state)?;
    (context.is_sampled() && context.state() == state).then(|| Arc::new(context))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sampled_context_comes_back_as_it_went() {
        for state in ["", "ot=th:8,a=1"] {
            let context = TraceParent::new(3, u64::MAX, 0x83, state).expect("not 0");
            let bytes = encode(&context);
            assert_eq!(bytes.len(), 26 + state.len());
            assert_eq!(decode(&bytes).as_deref(), Some(&context));
        }
    }

    #[test]
    fn nothing_is_made_of_any_other() {
        let good = encode(&TraceParent::new(3, 4, 1, "a=1").expect("not 0"));
        for length in 0..26 {
            assert_eq!(decode(&good[..length]), None, "{length} bytes");
        }
        let with = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            bytes
        };
        let long = [&good[..26], &[b'x'; 513]].concat();
        for (what, bytes) in [
            ("version", with(0, 1)),
            ("trace", with(16, 0)),
            ("span", with(24, 0)),
            ("unsampled", with(25, 0xfe)),
            ("control", with(27, b'\n')),
            ("not text", with(27, 0xff)),
            ("long", long),
        ] {
            assert_eq!(decode(&bytes), None, "{what}");
        }
    }
}
