//! `fanfare token --explain`: what a token says, and what a node of these settings would make of it.

use std::fmt::Write as _;
use std::io::{self, Read};

use auth::{Config, Explanation, TokenKind, Verdict, Verifier, explain};
use model::UnixTime;

use crate::failure::Failure;
use crate::text;

/// Longer than any token that a handshake or frame carries.
const TOKEN_BYTES_MAX: u64 = 64 * 1024;

pub(super) fn run(token: &str, config: &Config) -> Result<(), Failure> {
    let token = match token {
        "-" => read_standard_input()?,
        token => token.to_owned(),
    };
    let verifier = Verifier::new(config)?;
    let now = text::unix_time();
    let explanation = explain(token.trim(), &verifier, now);
    text::print(&render(&explanation, now))?;
    match explanation.verdict {
        Verdict::Granted(()) => Ok(()),
        Verdict::Refused(_) | Verdict::KeyUnknown(_) => Err(Failure::refused_as_printed()),
    }
}

fn read_standard_input() -> Result<String, Failure> {
    let mut token = String::new();
    io::stdin()
        .take(TOKEN_BYTES_MAX)
        .read_to_string(&mut token)
        .map_err(|error| Failure::unusable(format!("cannot read the token from standard input: {error}")))?;
    Ok(token)
}

fn render(explanation: &Explanation, now: UnixTime) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<10}{}", text::printable(value));
    };
    if let Some(algorithm) = &explanation.algorithm {
        line("algorithm", algorithm);
    }
    if let Some(kid) = &explanation.kid {
        line("key id", kid);
    }
    if let Some(claims) = &explanation.claims {
        let kind = match claims.kind {
            TokenKind::Connection => "connection token",
            TokenKind::Subscription => "subscription token",
        };
        line("kind", kind);
        line("user", if claims.user.is_empty() { "anonymous" } else { &claims.user });
        if let Some(channel) = &claims.channel {
            line("channel", channel);
        }
        let instant = |at: UnixTime| text::instant(at, now);
        line("expires", &claims.token_expires.map_or_else(|| "never".to_owned(), instant));
        if claims.expires != claims.token_expires {
            line("grants to", &claims.expires.map_or_else(|| "for ever".to_owned(), instant));
        }
        if let Some(begins) = claims.begins {
            line("begins", &instant(begins));
        }
        if let Some(issuer) = &claims.issuer {
            line("issuer", issuer);
        }
        if !claims.audiences.is_empty() {
            line("audience", &claims.audiences.join(", "));
        }
    }
    match &explanation.verdict {
        Verdict::Granted(()) => line("verdict", "accepted by a node with these settings"),
        Verdict::Refused(refusal) => line("verdict", &format!("refused: {refusal}; {}", refusal.hint())),
        Verdict::KeyUnknown(key) => {
            line("verdict", &format!("refused: no key fits; {} (see {})", key.hint(), key.setting()));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use auth::{Claims, Signer};
    use model::{ChannelName, Secret};

    use super::*;

    const NOW: UnixTime = UnixTime(1_700_000_000);

    #[test]
    fn a_good_token_is_told_in_lines() {
        let claims = Claims::connection("alice").expires(UnixTime(NOW.0 + 3600)).audience("us");
        let expected = "algorithm HS256\nkind      connection token\nuser      alice\n\
                        expires   2023-11-14T23:13:20Z, in 60 min\naudience  us\n\
                        verdict   accepted by a node with these settings\n";
        assert_eq!(explained(&sign(&claims)), expected);
    }

    #[test]
    fn a_refusal_names_what_to_change() {
        let old = sign(&Claims::connection("").expires(UnixTime(NOW.0 - 90)));
        let text = explained(&old);
        assert!(text.contains("user      anonymous\n") && text.contains(", 90 s ago\n"), "{text}");
        assert!(text.contains("verdict   refused: the token has expired; "), "{text}");
        let forged = format!("{}x", sign(&Claims::connection("alice")).trim_end_matches('x'));
        assert!(explained(&forged).contains("token.hmac_secret"), "{forged}");
        assert!(explained("nonsense").starts_with("verdict   refused: "));
    }

    #[test]
    fn what_the_bearer_wrote_cannot_steer_a_terminal() {
        let channel = ChannelName::parse("news").expect("a channel");
        let text = explained(&sign(&Claims::subscription("a\u{1b}[2J\nverdict fine", &channel)));
        assert!(
            text.contains("user      a\\u{1b}[2J\\nverdict fine\nchannel   news\nexpires   never\n"),
            "{text}"
        );
    }

    fn config() -> Config {
        Config { hmac_secret: Secret::new("0123456789abcdef0123456789abcdef"), ..Config::default() }
    }

    fn sign(claims: &Claims) -> String {
        Signer::hmac(&config().hmac_secret, auth::Algorithm::HS256).expect("a signer").sign(claims)
    }

    fn explained(token: &str) -> String {
        let verifier = Verifier::new(&config()).expect("a key");
        render(&explain(token, &verifier, NOW), NOW)
    }
}
