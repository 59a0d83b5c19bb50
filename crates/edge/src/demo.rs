//! The demo page: a chat in one file, served under a policy that lets it run nothing else and connect nowhere
//! else. It speaks the native protocol like any other client, and knows no key.

use std::hash::{BuildHasher, RandomState};

use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::NATIVE_PATH;

const PAGE: &str = include_str!("demo.html");

/// Serves the page at `/demo`. It connects to `port`, where the public listener is, of the host that it came
/// from.
pub(crate) fn router(port: u16) -> Router {
    Router::new().route("/demo", get(move |headers: HeaderMap| async move { answer(&headers, port) }))
}

fn answer(headers: &HeaderMap, port: u16) -> Response {
    let host = match headers.get(header::HOST) {
        Some(host) => host.to_str().ok().and_then(host_without_port),
        None => Some("localhost"),
    };
    let Some(host) = host else {
        return (StatusCode::BAD_REQUEST, "the Host header is neither a name nor an address").into_response();
    };
    let nonce = nonce();
    let page = PAGE
        .replace("{{nonce}}", &nonce)
        .replace("{{websocket}}", &format!("ws://{host}:{port}{NATIVE_PATH}"));
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; img-src data:; \
         connect-src ws://{host}:{port}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, policy.as_str()),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, page).into_response()
}

/// The host of a Host header. What is let through goes into markup and into a policy, so it is letters,
/// digits, `.`, `-` and `_`, or an IPv6 address in brackets.
fn host_without_port(authority: &str) -> Option<&str> {
    let is_port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if is_port(port) => host,
        Some(_) | None => authority,
    };
    let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is_host = match bracketed {
        Some(address) => address.bytes().all(|byte| byte.is_ascii_hexdigit() || b":.".contains(&byte)),
        None => host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte)),
    };
    (is_host && !bracketed.unwrap_or(host).is_empty()).then_some(host)
}

/// 128 bits that a page cannot know beforehand. The standard library keys its hashes from the system's
/// randomness, and a keyed hash is what these are.
fn nonce() -> String {
    format!("{:016x}{:016x}", RandomState::new().hash_one("high"), RandomState::new().hash_one("low"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_connects_to_the_host_that_it_came_from() {
        check("localhost:9000", "ws://localhost:8000");
        check("127.0.0.1:9000", "ws://127.0.0.1:8000");
        check("[::1]:9000", "ws://[::1]:8000");
        check("node-1.example.com", "ws://node-1.example.com:8000");
    }

    #[test]
    fn a_host_that_could_break_out_is_refused() {
        for host in ["", ":9000", "a;script-src *", "a\"b", "a b:1", "a<b", "[::1", "[]", "a:b:1", "user@a"] {
            assert_eq!(host_without_port(host), None, "{host}");
        }
    }

    #[test]
    fn only_what_carries_the_nonce_runs() {
        assert_ne!(nonce(), nonce());
        let policy = policy_for("localhost:9000");
        assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"), "{policy}");
        for opening in ["<script", "<style"] {
            let with_nonce = format!("{opening} nonce=\"{{{{nonce}}}}\">");
            assert_eq!(PAGE.matches(opening).count(), 1, "{opening}");
            assert!(PAGE.contains(&with_nonce), "{opening}");
        }
    }

    #[test]
    fn the_page_writes_texts_and_no_markup() {
        for sink in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", " style="] {
            assert!(!PAGE.contains(sink), "{sink}");
        }
        assert!(!PAGE.contains("http://") && !PAGE.contains("https://"), "the page loads nothing");
        assert!(PAGE.lines().count() <= 200);
    }

    fn check(host: &str, websocket: &str) {
        let policy = policy_for(host);
        assert!(policy.contains(&format!("connect-src {websocket};")), "{policy}");
    }

    fn policy_for(host: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().expect("a header"));
        let answer = answer(&headers, 8000);
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
        answer.headers()[header::CONTENT_SECURITY_POLICY].to_str().expect("text").to_owned()
    }
}
