//! Free ports for servers. A server that restarts needs its port again, so they lie below those that the
//! kernel gives to outgoing connections.

use std::net::{Ipv4Addr, TcpListener};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

/// Servers' ports. Those of a cluster's bus lie [`BUS`] above, also below the kernel's.
const FIRST: u32 = 10_240;
const COUNT: u32 = 12_288;
/// From the port of a cluster's node to that of its bus.
const BUS: u16 = 10_000;

/// A port that nobody listens on, and neither on its bus; another one at every call.
///
/// # Panics
/// When all are taken.
pub(super) fn free() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Processes begin at places far apart, so that they seldom try the same one.
    let begin = process::id().wrapping_mul(2_654_435_761) >> 8;
    for _ in 0..COUNT {
        let place = begin.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let port = u16::try_from(FIRST + place).expect("the range ends below 65,536");
        if is_free(port) && is_free(port + BUS) {
            return port;
        }
    }
    panic!("no free port from {FIRST} to {}", FIRST + COUNT - 1);
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}
