//! Keeps the probe of one primary going: where it is published, once a second, and what a miss means for the
//! connection.

use std::rc::Rc;

use model::limits;
use tokio::time::Instant;

use crate::board::Board;
use crate::names;
use crate::primary::Primary;
use crate::probe::Finding;

/// Sends probes for as long as the task lives.
pub(crate) async fn run(board: Rc<Board>, primary: Rc<Primary>) {
    loop {
        settle(&board, &primary);
        beat(&board, &primary);
        let begun = primary.probe.begun.notified();
        drop(tokio::time::timeout(limits::REDIS_PROBE_INTERVAL, begun).await);
    }
}

/// Settles on which channel the probe is published: in a cluster, on one in a slot of this primary's.
pub(crate) fn settle(board: &Board, primary: &Primary) {
    let (names, map) = (board.names.borrow(), board.map.borrow());
    let node = &board.setup.node;
    let is_at_home = |slot: u16| map.slots.get(usize::from(slot)) == Some(&primary.id);
    let is_settled = |channel: &[u8]| match names.is_cluster {
        true => is_at_home(names::slot(channel)) && channel.ends_with(b"}"),
        false => !channel.is_empty() && !channel.ends_with(b"}"),
    };
    if primary.probe.is_on(is_settled) {
        return;
    }
    let channel = if names.is_cluster {
        let mut tags = 0..limits::REDIS_PROBE_TAGS_MAX;
        let tag = tags.find(|tag| is_at_home(names::slot(tag.to_string().as_bytes())));
        // A primary without slots has no channels whose delivery could fail.
        tag.map(|tag| names.probe(node, Some(tag))).unwrap_or_default()
    } else {
        names.probe(node, None)
    };
    primary.probe.settle(channel);
}

fn beat(board: &Board, primary: &Primary) {
    let (link, desk, probe) = (&primary.link, &primary.desk, &primary.probe);
    let finding = probe.on_time(desk.is_up.get(), Instant::now());
    let mut counters = board.counters.borrow_mut();
    match finding {
        Finding::Well => {}
        Finding::Missed => counters.probes.missed += 1,
        Finding::Deaf => {
            counters.probes.missed += 1;
            counters.probes.rebuilds += 1;
        }
    }
    if link.is_up.get() {
        probe.want();
    }
    primary.rights.on_time();
    // To be subscribed to, to be given up, to be published.
    link.ordered.notify_one();
    desk.requested.notify_one();
}
