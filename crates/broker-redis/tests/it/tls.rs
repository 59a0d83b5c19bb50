//! Encrypted connections: whom they believe, and files that cannot be used. That they do is for the suites.

use broker_redis::{FormatVersion, Library, RedisBroker, RedisConfig, Surroundings};
use testkit::redis::{Options, Server};

use crate::rig::{Rig, run, to};

fn secured() -> (Server, RedisConfig) {
    let server = Server::start(&Options::new().mutual_tls());
    let files = server.certificates();
    let config = RedisConfig {
        ca_file: files.ca.clone(),
        client_cert_file: files.client.clone(),
        client_key_file: files.client_key.clone(),
        ..to(&server)
    };
    (server, config)
}

#[test]
fn a_certificate_of_another_name_or_root_is_not_believed() {
    let (_server, config) = secured();
    let other = Server::start(&Options::new().tls());
    run(async {
        let wrong = [
            RedisConfig { server_name: "elsewhere.test".to_owned(), ..config.clone() },
            RedisConfig { ca_file: other.ca_file().to_owned(), ..config.clone() },
        ];
        for config in wrong {
            let mut rig = Rig::new(&config);
            rig.until("told", |broker| broker.view().health().detail.contains("cannot encrypt")).await;
        }
    });
}

#[test]
fn files_that_cannot_be_used_are_told_at_the_start() {
    let (_server, config) = secured();
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
            publication_bytes_max: Box::new(|| 1),
            envelope: FormatVersion::of_envelope(),
            library: Library::current(),
            accepts_unsigned: Box::new(|_| false),
        };
        run(async {
            let error = RedisBroker::start(&wrong, surroundings).err().expect("it does not start");
            assert_eq!(error.setting, setting, "{error}");
        });
    }
}
