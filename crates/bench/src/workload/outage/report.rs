//! What an outage came to, in figures.

use std::time::Instant;

use super::{NAME, Published, Sighting, Stand};
use crate::workload::Run;

/// Milliseconds until one node is whole, until several are, and how many channels that was agreed for.
const ONE_MS: f64 = 1000.0;
const SEVERAL_MS: f64 = 2000.0;
const AGREED: (usize, usize) = (100_000, 10_000);
const TOLD_PER_SECOND: f64 = 1000.0;

impl Stand<'_> {
    pub(super) fn report(&self, run: &mut Run<'_>, seen: &Sighting, published: &Published) {
        let cluster = &self.options.cluster;
        let servers = self.options.node.servers.len();
        let shape = format!("{} channels, {} with history, nodes: {servers}", cluster.channels, cluster.kept);
        let is_agreed = (cluster.channels, cluster.kept) == AGREED && !cluster.forgets;
        let since = |from: Instant, to: Instant| to.duration_since(from).as_secs_f64() * 1000.0;
        let whole = since(seen.answers, seen.whole);
        let aim = if servers == 1 { ONE_MS } else { SEVERAL_MS };
        let row = run.figure(NAME, format!("whole again after Redis answers, {shape}"), "ms", &[whole]);
        if let Some(row) = row.filter(|_| is_agreed) {
            row.aim(aim);
        }
        run.figure(NAME, "of it until every channel is joined", "ms", &[since(seen.answers, seen.joined)]);
        run.figure(NAME, "Redis away", "ms", &[since(seen.gone, seen.answers)]);
        run.figure(NAME, "CPU of all nodes meanwhile", "ms", &[self.node_cpu_ms]);
        let redis_ms = seen.redis_cpu.as_secs_f64() * 1000.0;
        run.figure(NAME, "CPU of Redis meanwhile, its start included", "ms", &[redis_ms]);
        let told = if cluster.forgets { cluster.kept * servers } else { 0 };
        self.report_account(run, published, told);
        let name_bytes: usize = self.outlet.names.iter().map(String::len).sum();
        let beyond = self.bytes_per_channel
            - f64::from(u32::try_from(name_bytes).unwrap_or(u32::MAX))
                / f64::from(u32::try_from(cluster.channels).unwrap_or(u32::MAX));
        let what = "resident memory per channel and subscription beyond its name";
        run.figure(NAME, what, "B", &[beyond]);
    }

    fn report_account(&self, run: &mut Run<'_>, published: &Published, told: usize) {
        let audit = &self.audit;
        let count = |count: u64| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        run.figure(NAME, "publications acknowledged", "", &[count(published.acknowledged)]);
        run.figure(
            NAME,
            "publications not acknowledged",
            "",
            &[count(published.unacknowledged.len() as u64)],
        );
        run.figure(NAME, "deliveries", "", &[count(audit.delivered)]);
        let lost = audit.lost(&published.unacknowledged) + self.missing;
        let astray = audit.told.len().abs_diff(told) as u64;
        let none = [
            ("acknowledged and not delivered", lost),
            ("delivered twice or out of order", audit.repeated),
            ("subscribers told too often, or not told", astray + audit.told_again() as u64),
        ];
        for (what, wrong) in none {
            if let Some(row) = run.figure(NAME, what, "", &[count(wrong)]) {
                row.aim(0.0);
            }
        }
        if told > 0 {
            let most = audit.told_per_second() as u64;
            if let Some(row) = run.figure(NAME, "most told by one node within a second", "", &[count(most)]) {
                row.aim(TOLD_PER_SECOND);
            }
        }
    }
}
