//! A framing that records units as lines, and the shortest way through an adapter.

use model::CloseReason;
use protocol::{Command, Event, Frame, FrameKind, Frames, Framing, Protocol as _};
use protocol_centrifugal::CentrifugalJson;

struct Lines;

impl Framing for Lines {
    fn label(&self) -> &'static str {
        "lines"
    }

    fn wrap(&self, kind: FrameKind, payload: &[u8], out: &mut Vec<u8>) {
        assert_eq!(kind, FrameKind::Text);
        out.extend_from_slice(payload);
        out.push(b'\n');
    }

    fn close(&self, code: u16, text: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("close {code} {text}\n").as_bytes());
    }
}

/// What the adapter tells the client, one unit a line.
pub(crate) fn told(event: &Event<'_>) -> String {
    let mut out = Vec::new();
    CentrifugalJson.open().on_event(event, &mut Frames::new(&Lines, &mut out));
    String::from_utf8(out).expect("frames are text")
}

/// Every command of a frame with its number, and how the frame ended.
pub(crate) fn commands(payload: &[u8]) -> (Vec<(u32, Command<'_>)>, Result<(), CloseReason>) {
    let mut adapter = CentrifugalJson.open();
    let mut out = Vec::new();
    let mut commands = Vec::new();
    let mut rest = payload;
    let end = loop {
        let frame = Frame { kind: FrameKind::Text, payload: rest };
        match adapter.on_frame(frame, &mut Frames::new(&Lines, &mut out)) {
            Ok(Some(taken)) => {
                assert!(taken.rest.len() < rest.len(), "every command shortens the frame");
                commands.push((taken.request.0, taken.command));
                rest = taken.rest;
            }
            Ok(None) => break Ok(()),
            Err(reason) => break Err(reason),
        }
        if rest.is_empty() {
            break Ok(());
        }
    };
    assert!(out.is_empty(), "the adapter answers nothing by itself");
    (commands, end)
}
