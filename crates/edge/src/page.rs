//! How pages for browsers are served: under a policy that lets them run nothing else and load nothing.

use std::hash::{BuildHasher, RandomState};

use axum::http::header;
use axum::response::{IntoResponse, Response};

/// Answers with a page, whose `{{nonce}}` marks what of it may run. `more` adds directives to the policy, such as where
/// it may connect.
pub(crate) fn answer(page: &str, more: &str) -> Response {
    let nonce = nonce();
    let page = page.replace("{{nonce}}", &nonce);
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; img-src data:; {more}; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
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

/// 128 bits that a page cannot know beforehand. The standard library keys its hashes from the system's
/// randomness, and a keyed hash is what these are.
fn nonce() -> String {
    format!("{:016x}{:016x}", RandomState::new().hash_one("high"), RandomState::new().hash_one("low"))
}

/// What every page must keep to: nothing runs or is styled without the nonce, no text becomes markup, nothing is
/// loaded from elsewhere.
#[cfg(test)]
pub(crate) fn check(page: &str) {
    for opening in ["<script", "<style"] {
        let with_nonce = format!("{opening} nonce=\"{{{{nonce}}}}\">");
        assert_eq!(page.matches(opening).count(), 1, "{opening}");
        assert!(page.contains(&with_nonce), "{opening}");
    }
    for sink in
        ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", " style=", " onclick="]
    {
        assert!(!page.contains(sink), "{sink}");
    }
    let without_namespace = page.replace("http://www.w3.org/2000/svg", "");
    assert!(!without_namespace.contains("http://") && !without_namespace.contains("https://"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_carries_the_nonce_runs() {
        assert_ne!(nonce(), nonce());
        let answer = answer("{{nonce}}", "connect-src 'self'");
        let policy = answer.headers()[header::CONTENT_SECURITY_POLICY].to_str().expect("text");
        assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"), "{policy}");
        assert!(
            policy.contains("; connect-src 'self'; ") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
    }
}
