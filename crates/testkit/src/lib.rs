//! What tests share: transcripts, a WebSocket client, a faulty broker, an echo protocol.

#![forbid(unsafe_code)]
