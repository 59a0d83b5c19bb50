//! Encrypted connections, under the least permissions that do.

use std::fs;
use std::path::{Path, PathBuf};

use broker_redis::{FormatVersion, RedisBroker, RedisConfig, Surroundings};
use model::{HistoryRange, Secret};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use crate::rig::{Rig, kept, run, unkept};
use crate::server::Server;

/// What `docs` tells operators to allow.
const LEAST: &str = "~fanfare:* &fanfare:* -@all +ping +info +client|setname +subscribe +unsubscribe +publish \
    +fcall +function|load +time +hmget +hset +get +set +del +pexpire +xadd +xrange +xrevrange";

/// The same on a server whose users may not use functions.
const LEAST_SCRIPTED: &str = "~fanfare:* &fanfare:* -@all +ping +info +client|setname +subscribe +unsubscribe \
    +publish +evalsha +script|load +time +hmget +hset +get +set +del +pexpire +xadd +xrange +xrevrange";

struct Certificates {
    directory: PathBuf,
}

impl Certificates {
    /// A root, and a certificate of it for the name `redis.test`.
    fn make(directory: &Path) -> Self {
        let mut root = CertificateParams::new(Vec::new()).expect("a certificate");
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        root.distinguished_name.push(DnType::CommonName, "root");
        let root_key = KeyPair::generate().expect("a certificate");
        let root_certificate = root.self_signed(&root_key).expect("a certificate");
        let issuer = Issuer::new(root, root_key);
        let key = KeyPair::generate().expect("a certificate");
        let leaf = CertificateParams::new(vec!["redis.test".to_owned()]).expect("a certificate");
        let leaf = leaf.signed_by(&key, &issuer).expect("a certificate");
        fs::write(directory.join("ca.pem"), root_certificate.pem()).expect("a certificate");
        fs::write(directory.join("cert.pem"), leaf.pem()).expect("a certificate");
        fs::write(directory.join("key.pem"), key.serialize_pem()).expect("a certificate");
        Self { directory: directory.to_owned() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

fn secured(least: &str) -> (Server, RedisConfig) {
    let arguments =
        ["--tls-cert-file", "cert.pem", "--tls-key-file", "key.pem", "--tls-ca-cert-file", "ca.pem"];
    let arguments = [&arguments[..], &["--tls-auth-clients", "yes", "--aclfile", "users.acl"]].concat();
    let mut server = Server::planned(&arguments);
    let certificates = Certificates::make(server.directory());
    let users = format!("user default off\nuser node on >pw {least}\n");
    fs::write(server.directory().join("users.acl"), users).expect("a certificate");
    server.restart();
    let config = RedisConfig {
        url: format!("rediss://127.0.0.1:{}", server.port),
        username: "node".to_owned(),
        password: Secret::new("pw"),
        ca_file: certificates.path("ca.pem"),
        client_cert_file: certificates.path("cert.pem"),
        client_key_file: certificates.path("key.pem"),
        server_name: "redis.test".to_owned(),
        ..RedisConfig::default()
    };
    (server, config)
}

#[test]
fn over_tls_the_least_permissions_are_enough_for_everything() {
    for least in [LEAST, LEAST_SCRIPTED] {
        let (_server, config) = secured(least);
        run(async {
            let mut rig = Rig::new(&config);
            rig.join("news").await;
            assert_eq!(rig.publish("news", "1", unkept()).await, Ok(None));
            let terms = broker::PublishTerms {
                idempotency_key: Some("k".into()),
                version: Some(broker::Version { number: 1, epoch: "".into() }),
                ..kept()
            };
            assert_eq!(rig.publish("news", "2", terms).await.unwrap().unwrap().offset, 1);
            for expected in ["1", "2"] {
                assert_eq!(rig.publication("news").await.0, expected);
            }
            for reverse in [false, true] {
                let range = HistoryRange { since: None, limit: 5, reverse };
                assert_eq!(rig.read("news", range).await.unwrap().entries.len(), 1);
            }
            let ticket = rig.ticket();
            broker::Broker::remove_history(&mut rig.broker, ticket, &crate::rig::channel("news"));
            rig.event("removed", |event| {
                matches!(event, broker::BrokerEvent::Removed { outcome: Ok(()), .. }).then_some(())
            })
            .await;
            rig.until_up(true).await;
            assert_eq!(rig.broker.view().counters().faults.iter().sum::<u64>(), 0);
        });
    }
}

#[test]
fn a_certificate_of_another_name_or_root_is_not_believed() {
    let (_server, config) = secured(LEAST);
    let elsewhere = Server::planned(&[]);
    let other = Certificates::make(elsewhere.directory());
    run(async {
        let wrong = [
            RedisConfig { server_name: String::new(), ..config.clone() },
            RedisConfig { ca_file: other.path("ca.pem"), ..config.clone() },
        ];
        for config in wrong {
            let mut rig = Rig::new(&config);
            rig.until("told", |broker| broker.view().health().detail.contains("cannot encrypt")).await;
        }
    });
}

#[test]
fn files_that_cannot_be_used_are_told_at_the_start() {
    let (_server, config) = secured(LEAST);
    for (wrong, setting) in [
        (RedisConfig { ca_file: "/nonexistent".into(), ..config.clone() }, "redis.ca_file"),
        (RedisConfig { client_cert_file: "/nonexistent".into(), ..config.clone() }, "redis.client_cert_file"),
        (RedisConfig { client_key_file: config.ca_file.clone(), ..config.clone() }, "redis.client_key_file"),
        (RedisConfig { server_name: "a b".to_owned(), ..config.clone() }, "redis.server_name"),
        (RedisConfig { url: config.url.replace("rediss", "redis"), ..config.clone() }, "redis.ca_file"),
    ] {
        let surroundings = Surroundings {
            wake: std::sync::Arc::new(|| {}),
            unix_micros: Box::new(|_| 0),
            origin: String::new(),
            publication_bytes_max: 1,
            envelope: FormatVersion::of_envelope(),
            accepts_unsigned: Box::new(|_| false),
        };
        run(async {
            let error = RedisBroker::start(&wrong, surroundings).err().expect("it does not start");
            assert_eq!(error.setting, setting, "{error}");
        });
    }
}
