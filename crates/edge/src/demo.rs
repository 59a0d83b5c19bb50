//! The demo page: a chat in one file, served under a policy that lets it connect nowhere else. It
//! speaks the native protocol like any other client, and knows no key.

use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::{NATIVE_PATH, page};

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
    let socket = format!("ws://{host}:{port}");
    let page = PAGE.replace("{{websocket}}", &format!("{socket}{NATIVE_PATH}"));
    page::answer(&page, &format!("connect-src {socket}"))
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
    fn the_page_writes_texts_and_no_markup() {
        page::check(PAGE);
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
        answer.headers()[header::CONTENT_SECURITY_POLICY].to_str().expect("text").to_owned()
    }
}
