//! Every setting that is marked as one that a running node takes on changes what threads work with, and no other
//! does.

use auth::{Algorithm, Claims, Signer};
use engine::Rules;
use model::{ChannelName, Secret, UnixTime};

use crate::config::{Change, Loaded, Loader, SettingPath, every_setting};
use crate::parts::{Fixed, Parts};

const SECRETS: [&str; 2] = ["one secret of thirty-two bytes or more", "another secret of thirty-two bytes"];
const PUBLIC_KEYS: [&str; 2] = [
    include_str!("../../../auth/tests/keys/rsa.pub.pem"),
    include_str!("../../../auth/tests/keys/rsa-previous.pub.pem"),
];
const API_KEYS: [&str; 4] = ["all", "all-changed", "named", "named-changed"];
/// What both keys signed: `{"alg":"RS256"}.{"sub":"alice"}`.
const SIGNED: [&str; 2] = [
    concat!(
        "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.v-i6skvJrG_1VtyroQOMtRuB0Icdeog8b1CaEMn7TItwiKWXMg__a7",
        "HLonvy93JcmKOsmUPWNceAfgZehBRdanjcCOqNp7F29t-AWwFIsUcN9CdaKpLMQdRltLRXrew0J7tSicxRa8JCv_wvbJn31B",
        "jhXcMNWZIpiCpAYCOBe6DjpufhVBLPOqweB_kqCoJqMa8VbhPMn3mQJIQq9elpWJ9mklIhHYh2j8v0LmMi2Zx7_katKyJQfZ",
        "h8T600ls97QEgHMF12DjQopPRbPkh9kqEINOvKJBSLWI6xz2WJ_CmR1oK7gcclBz515aZDrKcdB7V4dQt_dRRpqm6oTwvO_w",
    ),
    concat!(
        "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.AMgw8gOy_TDOrSSE-bPR_RT1tL75NnkD1C21ojicxjAI3vRRbeBShC",
        "0DXM4sMIq9cwAQg2qL5x7t1xQ9nXVSwibcU9Puhyp7jXrdFLfVPtMezt1Bt4toWPBfzAK-iHuurd1mhuTt7TmRbLHT2ePaSJ",
        "sE1fmAPLZQWsbyTP9V1XD1hyp4F20G4iFI6PfBCXfcfZxaM6rsSsNMf09Mp5C_8c8UMszOHR15GUCgpQc4-8cZZQJeFTNbkg",
        "GlaaAjwDIwpLK4U1EVYk38OfsdeCxa6gfX1jWX-5g2s6kA51Mv9b3i_1hISbnQdACSpZkTcr4ayggTEA9Iqk_7UqepM3bSVg",
    ),
];

#[test]
fn what_is_marked_is_applied_and_nothing_else_is() {
    let (mut applied, mut waiting) = (0, 0);
    for (setting, value, is_reloadable) in every_setting() {
        let before = load(&setting, None);
        let found = load(&setting, Some(&changed(&setting, &value)));
        let change = Change::between(&before, &found).expect("settings that fit each other");
        let (told, quiet) = match is_reloadable {
            true => (&change.applied, &change.waiting),
            false => (&change.waiting, &change.applied),
        };
        assert_eq!((&told[..], &quiet[..]), (&[setting.clone()][..], &[][..]));
        let is_applied = seen(&before) != seen(&change.settings);
        assert_eq!(is_applied, is_reloadable, "{setting}: marked as reloadable, or changes what threads use");
        (applied, waiting) = (applied + u32::from(is_applied), waiting + u32::from(!is_applied));
    }
    assert!(applied > 60 && waiting > 15, "{applied} applied, {waiting} waiting");
}

/// Settings in which each can be changed on its own, and `setting` changed to `value`.
fn load(setting: &SettingPath, value: Option<&str>) -> Loaded {
    let base = [
        ("token.hmac_secret", SECRETS[0]),
        ("token.public_key", PUBLIC_KEYS[0]),
        ("api.key", API_KEYS[0]),
        ("api.keys.NAME.key", API_KEYS[2]),
        ("channels.history_size", "10"),
        ("channels.history_ttl", "1m"),
        ("namespaces.NAME.history_size", "10"),
        ("namespaces.NAME.history_ttl", "1m"),
    ];
    let loader = Loader::new().development(base);
    let loader = value.iter().fold(loader, |loader, value| loader.flag("--set", &setting.to_string(), value));
    loader.load().unwrap_or_else(|errors| panic!("{setting}: {errors}"))
}

/// Another value than `value`, the default.
fn changed(setting: &SettingPath, value: &str) -> String {
    let name = setting.segments().last().map_or("", String::as_str);
    let text = match name {
        "history_size" => "11",
        "hmac_secret" | "hmac_secret_previous" => SECRETS[1],
        "public_key" | "public_key_previous" => PUBLIC_KEYS[1],
        "algorithms" => "HS384 RS256",
        "key" if setting.segments().len() == 2 => API_KEYS[1],
        "key" => API_KEYS[3],
        "methods" => "info",
        "namespaces" => "NAME",
        "allowed_origins" => "https://example.com",
        "trusted_proxies" => "10.0.0.0/8",
        "url" if setting.segments()[0] == "tracing" => "http://127.0.0.1:1",
        "url" => "redis://127.0.0.1:1",
        "sample_ratio" => "0.5",
        "address" => "localhost:1",
        "publication_size" => "1KiB",
        "outbox_size" => "2MiB",
        "outbox_total" => "8MiB",
        "error_mode" => "transport",
        "recovery" => "latest",
        "level" => "debug",
        "format" => "json",
        _ => "",
    };
    match value {
        _ if !text.is_empty() => text.to_owned(),
        "true" => "false".to_owned(),
        "false" => "true".to_owned(),
        "\"\"" => "x".to_owned(),
        text if text.starts_with('"') => longer(text).to_owned(),
        number => (number.parse::<u32>().expect("a number") + 1).to_string(),
    }
}

fn longer(duration: &str) -> &'static str {
    match duration {
        "\"30d\"" => "31d",
        "\"fanfare\"" => "other",
        "\"8s\"" => "9s",
        _ => "33s",
    }
}

/// Everything that can be seen of what threads work with.
fn seen(loaded: &Loaded) -> String {
    let config = &loaded.config;
    let rules = Rules::new(&config.channels, &config.namespaces, config.client.insecure);
    let fixed = Fixed { workers: 2, descriptors: 100_000, proxy_protocol: false, allows_loopback: false };
    let parts = Parts::new(config, rules, fixed).expect("settings that fit each other");
    let Parts { policy, admission, access, drain, level } = parts;
    let verifier = &policy.verifier;
    let signers = SECRETS.map(|secret| {
        [Algorithm::HS256, Algorithm::HS384]
            .map(|algorithm| Signer::hmac(&Secret::new(secret), algorithm).expect("a secret"))
    });
    let claims = || {
        let claims = Claims::connection("alice");
        let ends = Claims::connection("alice").expires(UnixTime(2_000_000_000));
        [claims, ends, Claims::connection("alice").audience("x"), Claims::connection("alice").issuer("x")]
    };
    let own = signers.iter().flatten().flat_map(|signer| claims().map(|claims| signer.sign(&claims)));
    let tokens = own.chain(SIGNED.map(str::to_owned));
    let believed =
        tokens.map(|token| verifier.verify_connection(&token, UnixTime(1_800_000_000)).granted().is_some());
    let believed: Vec<bool> = believed.collect();
    let keys = API_KEYS.map(|key| access.rights(key));
    let channel = ChannelName::parse("NAME:a").expect("a name");
    let sizes = (policy.outbox_bytes, policy.outbox_bytes_total, policy.publication_bytes_max);
    let limits = (policy.message_bytes_max(), policy.rules.of(&channel).is_ok(), sizes);
    format!(
        "{believed:?} {keys:?} {limits:?} {:?} {:?} {admission:?} {access:?} {drain:?} {level:?}",
        policy.client, policy.rules
    )
}
