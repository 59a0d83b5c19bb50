//! Connections that come and leave, in every way at once: nothing of them stays behind.

use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use testkit::{Churn, Metrics, Process, eventually};

use crate::edge::faulty;

const CONNECTIONS: usize = 3000;

#[test]
fn nothing_stays_behind_of_connections_that_leave() {
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).expect("a date").as_nanos() as u64;
    println!("seed {seed}");
    for workers in ["1", "4"] {
        let mut command = faulty();
        command.envs([
            ("FANFARE__WORKERS", workers),
            ("FANFARE__PUBLIC__ADDRESS", "0.0.0.0:0"),
            ("FANFARE__CLIENT__INSECURE", "true"),
            ("FANFARE__CLIENT__PING_INTERVAL", "2s"),
            ("FANFARE__CLIENT__PONG_TIMEOUT", "1s"),
        ]);
        let node = Process::start(&mut command).expect("a process");
        let (port, internal) = (node.address("public").port(), node.address("internal"));
        let crowd = Churn { port, connections: CONNECTIONS, threads: 8, silent_max: CONNECTIONS, seed };
        // What a first connection allocates for good is no leak.
        Churn { connections: 100, ..crowd }.run(edge::NATIVE_PATH);
        eventually("the first have left", || Metrics::scrape(internal).value("fanfare_connections") == 0.0);
        let baseline = node.descriptors();
        let left = crowd.run(edge::NATIVE_PATH);
        for series in ["fanfare_connections", "fanfare_subscriptions", "fanfare_channels"] {
            eventually(series, || Metrics::scrape(internal).value(series) == 0.0);
        }
        let metrics = Metrics::scrape(internal);
        let total = (CONNECTIONS + 100) as f64;
        assert_eq!(metrics.value("fanfare_connections_opened_total"), total);
        assert_eq!(metrics.sum("fanfare_connections_closed_total"), total);
        assert_eq!(metrics.value("fanfare_outbox_bytes"), 0.0);
        let silent = metrics.value("fanfare_connections_closed_total{code=\"3012\"}") as u64;
        assert!(silent >= left.silent.load(Ordering::Relaxed), "{silent} of {left:?}");
        node.settle_at(baseline);
    }
}
