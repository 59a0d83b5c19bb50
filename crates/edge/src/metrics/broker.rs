//! How the broker fares, and what it counts.

use std::time::Duration;

use broker_redis::{Fault, Probes, RedisCounters, RedisHealth};

use super::families::{Family, counter, gauge, histogram};
use crate::broker_thread::BrokerStatus;

pub(super) fn families(status: &BrokerStatus) -> Vec<Family> {
    let up = gauge("fanfare_broker_up", "1 while the broker takes publications on and hands them on.");
    let mut families = vec![up.value(&[("broker", status.name)], u64::from(status.is_up))];
    if let Some((counters, health)) = &status.redis {
        families.extend(of_redis(counters, health));
        families.extend(of_probes(&counters.probes, health.probe_age));
    }
    families
}

pub(super) fn of_directives(counts: [u64; 3]) -> Family {
    counter("fanfare_directives_total", "What other nodes were told by backends, by what became of it here.")
        .values("outcome", ["done", "malformed", "lost"], counts)
}

fn of_redis(counters: &RedisCounters, health: &RedisHealth) -> Vec<Family> {
    const PURPOSES: [&str; 2] = ["commands", "subscriptions"];
    let connects =
        counter("fanfare_redis_connects_total", "Connections to Redis made, by what they are for.");
    let losses = counter("fanfare_redis_losses_total", "Connections to Redis lost, by what they were for.");
    let severed = counter(
        "fanfare_redis_channels_severed_total",
        "Channels lost with their connection, until joined anew.",
    );
    let publications = counter("fanfare_redis_publications_total", "Publications that Redis handed on.");
    let bytes = counter("fanfare_redis_read_bytes_total", "Bytes that Redis handed on.");
    let malformed = counter(
        "fanfare_redis_malformed_total",
        "What came from Redis and is no publication, by what is wrong.",
    );
    let commands = counter("fanfare_redis_commands_total", "Commands sent to Redis.");
    let pipelines = counter("fanfare_redis_pipelines_total", "Pipelines that the commands were sent in.");
    let repeats =
        counter("fanfare_redis_repeats_total", "Commands sent again because Redis had not carried them out.");
    let failures = counter("fanfare_redis_failures_total", "Commands that failed, by how.");
    let moves =
        counter("fanfare_redis_topology_changes_total", "Times that the primaries were found to be others.");
    let open = gauge("fanfare_redis_commands_open", "Commands that Redis has not answered yet.");
    let primaries = gauge("fanfare_redis_primaries", "Primaries that are known.");
    let errors = counter(
        "fanfare_redis_protocol_errors_total",
        "Subscription connections given up for speaking nonsense.",
    );
    let skews = counter(
        "fanfare_redis_clock_skews_total",
        "Publications received before they were taken on: the clocks of two nodes differ.",
    );
    vec![
        connects.values("purpose", PURPOSES, [counters.callers.made, counters.subscribers.made]),
        losses.values("purpose", PURPOSES, [counters.callers.lost, counters.subscribers.lost]),
        severed.value(&[], counters.severed),
        publications.value(&[], counters.publications),
        bytes.value(&[], counters.bytes_read),
        malformed.values("reason", RedisCounters::malformed_labels(), counters.malformed),
        commands.value(&[], counters.commands),
        pipelines.value(&[], counters.pipelines),
        repeats.value(&[], counters.repeats),
        failures.values("reason", Fault::ALL.map(Fault::label), counters.faults),
        moves.value(&[], counters.topology_changes),
        open.value(&[], health.commands_open as u64),
        primaries.value(&[], health.primaries as u64),
        errors.value(&[], counters.protocol_errors),
        skews.value(&[], counters.clock_skews),
    ]
}

fn of_probes(probes: &Probes, oldest: Duration) -> Vec<Family> {
    let age = gauge(
        "fanfare_redis_probe_age_seconds",
        "Since the node's own probe last came back from Redis; of several primaries, the longest.",
    );
    let missed =
        counter("fanfare_redis_probes_missed_total", "Probes that Redis published but did not hand on.");
    let rebuilds = counter(
        "fanfare_redis_rebuilds_total",
        "Subscription connections made anew because probes were missed.",
    );
    vec![
        age.seconds(oldest),
        missed.value(&[], probes.missed),
        rebuilds.value(&[], probes.rebuilds),
        histogram(
            "fanfare_redis_probe_duration_seconds",
            "From the node's own probe being published to its coming back from Redis.",
        )
        .counts(&[], &probes.latency),
    ]
}
