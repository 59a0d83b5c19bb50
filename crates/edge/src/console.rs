//! The console: a page for operators that asks the server API and reads metrics, with the key that they type in.
//! It is the same for everybody, and knows nothing that its reader's key does not let it see.

use axum::Router;
use axum::routing::get;

use crate::page;

const PAGE: &str = include_str!("console/page.html");
const STYLE: &str = include_str!("console/style.css");
const SCRIPT: &str = include_str!("console/script.js");

/// Texts never become markup or scripts, and it talks to the node that it came from alone.
const POLICY: &str = "connect-src 'self'; require-trusted-types-for 'script'; trusted-types 'none'";

/// Serves the page at `/console`.
pub(crate) fn router() -> Router {
    Router::new().route("/console", get(async || page::answer(&whole(), POLICY)))
}

fn whole() -> String {
    PAGE.replace("{{style}}", STYLE).replace("{{script}}", SCRIPT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_writes_texts_and_no_markup() {
        let page = whole();
        page::check(&page);
        assert_eq!(page.matches("{{").count(), 2, "something is not filled in");
        for store in ["localStorage", "sessionStorage", "indexedDB", "document.cookie", "caches."] {
            assert!(!page.contains(store), "{store}");
        }
    }

    #[test]
    fn the_page_calls_nothing_that_changes_anything() {
        let mut called: Vec<&str> =
            SCRIPT.split("call('").skip(1).filter_map(|rest| rest.split('\'').next()).collect();
        called.sort_unstable();
        called.dedup();
        assert_eq!(called, ["channels", "connections", "history", "info", "presence_stats"]);
        assert_eq!((SCRIPT.matches("fetch(").count(), SCRIPT.matches(" ask(").count()), (1, 3));
    }
}
