//! Development mode: what it sets, what it insists on, and what it prints for somebody who wants to try the
//! node out. Its secrets are on standard output on purpose, and only those that it made up itself.

use std::fs::File;
use std::io::Read;
use std::net::{IpAddr, SocketAddr};

use auth::Claims;
use edge::config::{Loaded, Origin, SettingPath};
use model::UnixTime;

use crate::failure::Failure;
use crate::signing;

/// How long the printed tokens are good for.
const TOKEN_SECONDS: i64 = 24 * 3600;
const CHANNEL: &str = "chat";

/// What development mode sets, below every other source. The secrets are new at each start.
pub(crate) fn overlay() -> Result<Vec<(&'static str, String)>, Failure> {
    let settings = [
        ("public.address", "localhost:8000"),
        ("channels.client_subscribe", "true"),
        ("channels.anonymous_subscribe", "true"),
        ("channels.client_publish", "true"),
        ("channels.anonymous_publish", "true"),
        ("demo.enabled", "true"),
        ("console.enabled", "true"),
    ];
    let mut overlay = vec![("token.hmac_secret", random_text()?), ("api.key", random_text()?)];
    overlay.extend(settings.map(|(name, text)| (name, text.to_owned())));
    Ok(overlay)
}

/// Refuses addresses that others could reach.
pub(crate) fn require_loopback(loaded: &Loaded) -> Result<(), Failure> {
    let config = &loaded.config;
    let addresses =
        [("public.address", config.public.address), ("internal.address", config.internal.address)];
    let open = addresses.into_iter().filter(|(_, address)| !address.resolve().iter().all(is_loopback));
    let lines: Vec<String> = open
        .map(|(setting, address)| {
            let origin = loaded.origin(&SettingPath::parse(setting));
            let port = address.port();
            format!(
                "`{setting}` ({origin}): others could reach {address}, which --dev does not allow: write \
                 `localhost:{port}`, or leave out --dev and set the keys"
            )
        })
        .collect();
    if lines.is_empty() { Ok(()) } else { Err(Failure::unusable_for(lines)) }
}

/// What to do next, for whoever started the node.
pub(crate) fn welcome(
    loaded: &Loaded,
    public: &[SocketAddr],
    internal: &[SocketAddr],
    now: UnixTime,
) -> Result<String, Failure> {
    let config = &loaded.config;
    let base = format!("http://{}", host(internal));
    let mut text =
        "\nFanfare runs in DEVELOPMENT MODE: only this machine reaches it, everyone with a token may \
                    subscribe and publish\nto channels without a namespace, and secrets change at each \
                    start unless they are set. Not for production.\n\n"
            .to_owned();
    text.push_str(&format!("clients  ws://{}{}\n", host(public), edge::NATIVE_PATH));
    if let Some(signer) = signing::signer_if_accepted(&config.token)? {
        let token = |user: &str| {
            let claims = Claims::connection(user).expires(UnixTime(now.0.saturating_add(TOKEN_SECONDS)));
            signer.sign(&signing::for_node(claims, &config.token))
        };
        if config.demo.enabled {
            let chat = format!("chat     {base}/demo#token={}\n", token("alice"));
            text.push_str(&chat);
            text.push_str("         open it in two tabs\n");
        }
        text.push_str(&format!("token    {}\n         of user bob, good for a day\n", token("bob")));
    }
    let is_own_key = is_own_key(loaded);
    if config.console.enabled {
        let key = if is_own_key { format!("#key={}", config.api.key.reveal()) } else { String::new() };
        text.push_str(&format!("console  {base}/console{key}\n"));
    }
    let key = match is_own_key {
        true => format!("'X-API-Key: {}'", config.api.key.reveal()),
        false => "\"X-API-Key: $FANFARE__API__KEY\"".to_owned(),
    };
    text.push_str(&format!(
        "publish  curl -f {base}/api/publish -H {key} -H 'Content-Type: application/json' -d \
         '{{\"channel\":\"{CHANNEL}\",\"data\":{{\"text\":\"Hello from curl\"}}}}'\n\n"
    ));
    Ok(text)
}

/// Whether the key of the server API was made up here. One that the operator chose is not repeated.
fn is_own_key(loaded: &Loaded) -> bool {
    match loaded.origin(&SettingPath::parse("api.key")) {
        Origin::Development => true,
        Origin::Default | Origin::File { .. } | Origin::Variable(_) | Origin::Flag(_) => false,
    }
}

/// Where a listener can be reached from this machine.
fn host(addresses: &[SocketAddr]) -> String {
    let port = addresses.first().map_or(0, SocketAddr::port);
    let is_single_port = addresses.iter().all(|address| address.port() == port);
    match addresses {
        [one] => one.to_string(),
        _ if is_single_port => format!("localhost:{port}"),
        _ => addresses
            .iter()
            .find(|address| address.is_ipv4())
            .or(addresses.first())
            .map_or_else(String::new, SocketAddr::to_string),
    }
}

fn is_loopback(address: &SocketAddr) -> bool {
    match address.ip() {
        IpAddr::V4(ip) => ip.is_loopback(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.to_ipv4_mapped().is_some_and(|ip| ip.is_loopback()),
    }
}

/// 256 bits from the system's generator, as digits that need no quoting anywhere.
fn random_text() -> Result<String, Failure> {
    const SOURCE: &str = "/dev/urandom";
    let mut bytes = [0; 32];
    File::open(SOURCE).and_then(|mut source| source.read_exact(&mut bytes)).map_err(|error| {
        Failure::unusable(format!(
            "cannot read {SOURCE} to make up secrets: {error}; set FANFARE__TOKEN__HMAC_SECRET and \
             FANFARE__API__KEY and leave out --dev"
        ))
    })?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use edge::config::Loader;

    use super::*;

    #[test]
    fn secrets_are_long_and_new_each_time() {
        let secret = random_text().expect("random bytes");
        assert_eq!(secret.len(), 64);
        assert_ne!(secret, random_text().expect("random bytes"));
    }

    #[test]
    fn only_loopback_is_allowed() {
        for address in ["localhost:0", "127.0.0.1:8000", "127.1.2.3:1", "[::1]:8000"] {
            require_loopback(&loaded(address)).expect(address);
        }
        for address in [":8000", "0.0.0.0:8000", "[::]:8000", "192.0.2.1:8000"] {
            require_loopback(&loaded(address)).expect_err(address);
        }
    }

    #[test]
    fn the_welcome_has_what_a_newcomer_needs() {
        let loaded = loaded("localhost:0");
        let text = welcome(&loaded, &both(8001), &both(9001), UnixTime(0)).expect("a welcome");
        assert!(text.contains("DEVELOPMENT MODE"), "{text}");
        let rights = "everyone with a token may subscribe and publish\nto channels without a namespace";
        assert!(text.contains(rights), "{text}");
        assert!(text.contains("clients  ws://localhost:8001/connection/websocket\n"), "{text}");
        assert!(text.contains("chat     http://localhost:9001/demo#token=ey"), "{text}");
        let key = loaded.config.api.key.reveal();
        assert!(text.contains(&format!("/api/publish -H 'X-API-Key: {key}' -H")), "{text}");
        assert!(text.contains(&format!("console  http://localhost:9001/console#key={key}\n")), "{text}");
        assert!(!text.contains(loaded.config.token.hmac_secret.reveal()), "{text}");
    }

    #[test]
    fn a_key_that_the_operator_chose_is_not_shown() {
        let overlay = overlay().expect("random bytes");
        let loader = Loader::new().development(overlay.iter().map(|(name, text)| (*name, text.as_str())));
        let loaded = loader.environment([("FANFARE__API__KEY", "chosen")]).load().expect("settings");
        let text = welcome(&loaded, &both(1), &both(2), UnixTime(0)).expect("a welcome");
        assert!(text.contains("\"X-API-Key: $FANFARE__API__KEY\"") && !text.contains("chosen"), "{text}");
        assert!(text.contains("console  http://localhost:2/console\n"), "{text}");
    }

    #[test]
    fn a_host_is_one_that_answers() {
        let addresses = |texts: &[&str]| -> Vec<SocketAddr> {
            texts.iter().map(|text| text.parse().expect("an address")).collect()
        };
        assert_eq!(host(&addresses(&["[::1]:80", "127.0.0.1:80"])), "localhost:80");
        assert_eq!(host(&addresses(&["[::1]:80", "127.0.0.1:81"])), "127.0.0.1:81");
        assert_eq!(host(&addresses(&["[::1]:80"])), "[::1]:80");
        assert_eq!(host(&addresses(&["127.0.0.2:80"])), "127.0.0.2:80");
    }

    fn loaded(public: &str) -> Loaded {
        let overlay = overlay().expect("random bytes");
        let loader = Loader::new().development(overlay.iter().map(|(name, text)| (*name, text.as_str())));
        loader.flag("--public-address", "public.address", public).load().expect("settings")
    }

    fn both(port: u16) -> [SocketAddr; 2] {
        ["[::1]:0", "127.0.0.1:0"].map(|text| {
            let mut address: SocketAddr = text.parse().expect("an address");
            address.set_port(port);
            address
        })
    }
}
