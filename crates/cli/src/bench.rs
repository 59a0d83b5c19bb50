//! `fanfare bench`: flags onto the load generator's options, and tokens as a backend would sign them.

mod flags;

use ::bench::{BenchError, Options, PublisherKind, Traffic, Workload};
use auth::{Claims, Config, Signer};
use model::{RawJson, UnixTime};

pub(crate) use flags::Flags;

use crate::failure::Failure;
use crate::{signing, text};

/// Longer than any run.
const TOKEN_SECONDS: i64 = 24 * 3600;

pub(crate) fn run(flags: &Flags) -> Result<(), Failure> {
    let options = options(flags)?;
    let loaded = flags.node.sources.load(flags.node.secret_file.as_deref())?;
    let config = &loaded.config.token;
    let signer = signing::signer(config)?;
    let expires = UnixTime(text::unix_time().0.saturating_add(TOKEN_SECONDS));
    let token = |index: usize| sign(&signer, config, index, expires);
    let outcome = ::bench::run(options, &token, &mut std::io::stdout());
    outcome.map(|_| ()).map_err(|error| match &error {
        BenchError::Refused { .. } | BenchError::Stalled { .. } => Failure::refused(error.to_string()),
        BenchError::Option(_) | BenchError::Process(_) | BenchError::Io { .. } => {
            Failure::unusable(error.to_string())
        }
    })
}

/// A token of a user of its own, with 32 bytes of `info`.
fn sign(signer: &Signer, config: &Config, index: usize, expires: UnixTime) -> String {
    let info = RawJson::from_string(format!("{{\"name\":\"user {index:016}\"}}")).expect("it is JSON");
    let claims = Claims::connection(&format!("user-{index}")).info(info).expires(expires);
    signer.sign(&signing::for_node(claims, config))
}

fn options(flags: &Flags) -> Result<Options, Failure> {
    let Flags { node, pace, memory, deliveries, publishes, .. } = flags;
    let [server, ..] = node.servers.as_slice() else {
        return Err(Failure::unusable("--servers: name at least one address"));
    };
    let ([pid, ..], [api, ..]) = (node.pid.as_slice(), node.api.as_slice()) else {
        return Err(Failure::unusable("--pid, --api: name at least one node"));
    };
    let mut options = Options::new(*pid, *server, *api, node.key.read()?.reveal());
    options.node.pids.clone_from(&node.pid);
    options.node.apis.clone_from(&node.api);
    options.node.servers.clone_from(&node.servers);
    options.workloads = flags.workloads.iter().map(|name| Workload::from(*name)).collect();
    options.json.clone_from(&flags.json);
    options.node.origin.clone_from(&node.origin);
    replace(&mut options.node.path, node.path.clone());
    replace(&mut options.node.channel_prefix, node.channel_prefix.clone());

    replace(&mut options.pace.window, pace.window);
    options.pace.connects_per_second = pace.connects_per_second;
    replace(&mut options.pace.repeats, pace.repeats);
    replace(&mut options.pace.pairs, pace.pairs);
    options.pace.client_cpu = pace.client_cpu;
    options.pace.floor_cpu = pace.floor_cpu;
    replace(&mut options.pace.patience, pace.patience.map(|period| period.0));
    replace(&mut options.pace.stage_limit, pace.stage_limit.map(|period| period.0));

    replace(&mut options.connections.held, memory.connections);
    replace(&mut options.connections.warm_up, memory.warm_up);
    replace(&mut options.connections.messages, memory.messages);
    replace(&mut options.connections.traffic, memory.traffic.map(Traffic::from));
    replace(&mut options.connections.settle, memory.settle.map(|period| period.0));
    replace(&mut options.connections.established, memory.establish);

    replace(&mut options.deliveries.receivers, deliveries.receivers);
    replace(&mut options.deliveries.payload, deliveries.payload);
    replace(
        &mut options.deliveries.outstanding,
        Some(deliveries.outstanding.clone()).filter(|list| !list.is_empty()),
    );
    replace(&mut options.deliveries.fanout_phase, deliveries.fanout_phase.map(|period| period.0));
    replace(&mut options.deliveries.publisher, deliveries.publisher.map(PublisherKind::from));
    replace(&mut options.deliveries.rate, deliveries.rate);
    replace(&mut options.deliveries.rate_phase, deliveries.rate_phase.map(|period| period.0));

    replace(&mut options.publishes.publishers, publishes.publishers);
    replace(&mut options.publishes.subscribers, publishes.subscribers);
    replace(&mut options.publishes.phase, publishes.publish_phase.map(|period| period.0));
    replace(&mut options.publishes.unicast_rate, publishes.unicast_rate);
    set_cluster(&mut options.cluster, &flags.cluster);
    Ok(options)
}

fn set_cluster(options: &mut ::bench::Cluster, flags: &flags::Cluster) {
    options.redis = flags.redis;
    options.outage.clone_from(&flags.outage);
    options.forgets = flags.forgets;
    replace(&mut options.redis_prefix, flags.redis_prefix.clone());
    replace(&mut options.channels, flags.channels);
    replace(&mut options.kept, flags.kept);
    replace(&mut options.parts, flags.parts);
}

fn replace<T>(value: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *value = given;
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::path::PathBuf;

    use clap::Parser;
    use model::Secret;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        flags: Flags,
    }

    #[test]
    fn what_no_flag_names_keeps_the_published_shape() {
        let options = parse("bench --pid 7 --key k");
        let address = |text: &str| text.parse::<SocketAddr>().expect("an address");
        let plain = Options::new(7, address("127.0.0.1:8000"), address("127.0.0.1:9000"), "k");
        assert_eq!(format!("{options:?}"), format!("{plain:?}"));
    }

    #[test]
    fn flags_reach_their_options() {
        let options = parse(
            "bench --pid 7 --key k fanout memory --servers 127.0.0.1:1,127.0.0.2:1 --outstanding 1,4 \
             --fanout-phase 500ms --publisher ws --traffic publish --connections 10 --json /tmp/a",
        );
        assert_eq!(options.workloads, [Workload::Fanout, Workload::Memory]);
        assert_eq!(options.node.servers.len(), 2);
        assert_eq!(options.deliveries.outstanding, [1, 4]);
        assert_eq!(options.deliveries.fanout_phase.as_millis(), 500);
        assert_eq!(options.deliveries.publisher, PublisherKind::Ws);
        assert_eq!(options.connections.traffic, Traffic::Publish);
        assert_eq!(options.connections.held, 10);
        assert_eq!(options.json, Some(PathBuf::from("/tmp/a")));
    }

    #[test]
    fn every_token_is_another_users_with_32_bytes_of_info() {
        let config = Config { hmac_secret: Secret::new("secret"), ..Config::default() };
        let signer = signing::signer(&config).expect("a secret");
        let verifier = auth::Verifier::new(&config).expect("a key");
        for index in [0, 18_999] {
            let token = sign(&signer, &config, index, UnixTime(100));
            let grant = verifier.verify_connection(&token, UnixTime(1)).granted().expect("a good token");
            assert_eq!(&*grant.user, format!("user-{index}"));
            assert_eq!(grant.info.expect("info").get().len(), 32);
        }
    }

    fn parse(line: &str) -> Options {
        let flags = Line::try_parse_from(line.split_whitespace()).expect(line).flags;
        options(&flags).expect(line)
    }
}
