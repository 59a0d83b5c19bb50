//! A few figures of the node's `/metrics`. What costs the node nothing that counts is read between phases.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::http;

const PATIENCE: Duration = Duration::from_secs(5);
/// Longest exposition that is read.
const BYTES_MAX: usize = 8 << 20;

/// Frames delivered and write calls made, since the node started.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Counters {
    pub(crate) deliveries: f64,
    pub(crate) writes: f64,
}

/// How far a node has got with putting its channels right.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Repairs {
    pub(crate) ended: f64,
    pub(crate) under_way: f64,
}

/// `None` if the node has no such metrics: figures that need them are then absent from the report.
pub(crate) fn read(api: SocketAddr) -> Option<Counters> {
    parse(&fetch(api)?)
}

/// `None` if the node does not answer, or has no such metrics.
pub(crate) fn read_repairs(api: SocketAddr) -> Option<Repairs> {
    let text = fetch(api)?;
    Some(Repairs {
        ended: sum(&text, "fanfare_channel_repairs_total")?,
        under_way: sum(&text, "fanfare_channels_repairing")?,
    })
}

fn fetch(api: SocketAddr) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&api, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: {api}\r\nConnection: close\r\n\r\n").ok()?;
    let mut text = Vec::new();
    let mut scratch = [0; 4096];
    while text.len() < BYTES_MAX && !is_whole(&text) {
        match stream.read(&mut scratch).ok()? {
            0 => break,
            length => text.extend_from_slice(&scratch[..length]),
        }
    }
    Some(String::from_utf8_lossy(&text).into_owned())
}

/// A response that does not say its length ends when the node closes.
fn is_whole(response: &[u8]) -> bool {
    let head = http::scan_head(response).ok().flatten();
    head.is_some_and(|head| head.body > 0 && response.len() >= head.length + head.body)
}

fn parse(exposition: &str) -> Option<Counters> {
    Some(Counters {
        deliveries: sum(exposition, "fanfare_deliveries_total")?,
        writes: sum(exposition, "fanfare_writes_total")?,
    })
}

/// The sum over all label sets of one counter.
fn sum(exposition: &str, name: &str) -> Option<f64> {
    let values = exposition.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        if !rest.starts_with(['{', ' ']) {
            return None;
        }
        rest.rsplit(' ').next()?.trim().parse::<f64>().ok()
    });
    values.reduce(|total, value| total + value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_sets_are_summed_and_look_alikes_left_out() {
        let text = "# TYPE fanfare_writes_total counter\nfanfare_writes_total 7\n\
                    fanfare_deliveries_total{channel_namespace=\"a b\"} 2\nfanfare_deliveries_total{channel_namespace=\"\"} 40\n\
                    fanfare_deliveries_total_more 5\n";
        let wanted = Counters { deliveries: 42.0, writes: 7.0 };
        assert_eq!(parse(text), Some(wanted));
        assert_eq!(parse("fanfare_writes_total 7\n"), None);
    }
}
