//! The keys of the server API: which one a request carries, and what it may do. A key is never told.

use std::borrow::Cow;
use std::hint::black_box;

use axum::http::header::{AUTHORIZATION, HeaderMap};
use axum::http::request::Parts;
use engine::{NamespaceId, Rules};
use model::Secret;

use super::fault::Fault;
use super::method::Method;
use crate::config::{AllowConfig, ApiConfig, ApiMethod};

/// Every configured key.
#[derive(Debug)]
pub(super) struct Keys(Vec<Key>);

/// A key and what it may do.
#[derive(Debug)]
pub(super) struct Key {
    secret: Secret,
    /// The name of its section; empty for the one that may do everything.
    name: Box<str>,
    /// None: all.
    methods: Option<Box<[ApiMethod]>>,
    /// By [`NamespaceId::index`]. None: all.
    namespaces: Option<Box<[bool]>>,
}

impl Keys {
    pub(super) fn new(config: &ApiConfig, rules: &Rules) -> Self {
        let everything = AllowConfig::default();
        let main = ("", &config.key, &everything);
        let named = config.keys.iter().map(|(name, key)| (name.as_str(), &key.key, &key.allow));
        let keys = std::iter::once(main)
            .chain(named)
            .filter(|(_, secret, _)| !secret.is_empty())
            .map(|(name, secret, allow)| Key::new(name, secret, allow, rules));
        Self(keys.collect())
    }

    /// The key that a request carries.
    pub(super) fn of(&self, head: &Parts) -> Option<&Key> {
        let presented = presented(&head.headers, head.uri.query())?;
        // How long this takes depends on what was presented and on how many keys there are, but not on how much
        // of a key was guessed.
        let mut found = None;
        for key in &self.0 {
            if is_same(&presented, key.secret.reveal().as_bytes()) {
                found = Some(key);
            }
        }
        found
    }
}

impl Key {
    fn new(name: &str, secret: &Secret, allow: &AllowConfig, rules: &Rules) -> Self {
        let listed = |name: &str| allow.namespaces.iter().any(|listed| listed == name);
        let namespaces = || {
            let mut allowed = vec![false; rules.count()];
            rules.names().for_each(|(id, name)| allowed[id.index()] = listed(name));
            allowed.into()
        };
        Self {
            secret: secret.clone(),
            name: name.into(),
            methods: (!allow.methods.is_empty()).then(|| allow.methods.as_slice().into()),
            namespaces: (!allow.namespaces.is_empty()).then(namespaces),
        }
    }

    /// May it call this method?
    pub(super) fn may_call(&self, method: Method) -> Result<(), Fault> {
        let (Some(methods), Some(right)) = (&self.methods, method.right()) else {
            return Ok(());
        };
        if methods.contains(&right) {
            return Ok(());
        }
        let (name, method) = (&self.name, method.name());
        Err(Fault::Forbidden(format!(
            "the key `{name}` may not call {method}: see the setting api.keys.{name}.allow.methods"
        )))
    }

    /// May it touch channels of this namespace?
    pub(super) fn may_touch(&self, namespace: NamespaceId, rules: &Rules) -> Result<(), Fault> {
        if self.sees(namespace) {
            return Ok(());
        }
        let channels = match rules.name(namespace) {
            "" => "channels without a namespace".to_owned(),
            namespace => format!("channels of the namespace `{namespace}`"),
        };
        let name = &self.name;
        Err(Fault::Forbidden(format!(
            "the key `{name}` may not touch {channels}: see the setting api.keys.{name}.allow.namespaces"
        )))
    }

    /// May it ask about all channels at once?
    pub(super) fn may_touch_all(&self) -> Result<(), Fault> {
        if self.namespaces.is_none() {
            return Ok(());
        }
        let name = &self.name;
        Err(Fault::Forbidden(format!(
            "the key `{name}` may only ask by channel: see the setting api.keys.{name}.allow.namespaces"
        )))
    }

    /// Whether lists for this key hold channels of this namespace.
    pub(super) fn sees(&self, namespace: NamespaceId) -> bool {
        // A namespace that came after the request's key was looked up is none that it may touch.
        let is_listed = |allowed: &[bool]| allowed.get(namespace.index()) == Some(&true);
        self.namespaces.as_deref().is_none_or(is_listed)
    }
}

/// What a request presents as its key: the first of the header of that purpose, the general one, the query.
fn presented<'a>(headers: &'a HeaderMap, query: Option<&'a str>) -> Option<Cow<'a, [u8]>> {
    let own = headers.get("x-api-key").map(|value| value.as_bytes()).filter(|key| !key.is_empty());
    let general = || {
        let (scheme, key) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("apikey").then(|| key.trim().as_bytes())
    };
    let in_query = || {
        let mut pairs = query?.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(name, _)| *name == "api_key").map(|(_, key)| decode(key))
    };
    own.or_else(general).map(Cow::Borrowed).or_else(in_query)
}

/// A value of a query, with its `%` sequences resolved; those that are none stand for themselves.
fn decode(value: &str) -> Cow<'_, [u8]> {
    if !value.contains(['%', '+']) {
        return Cow::Borrowed(value.as_bytes());
    }
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let mut rest = value.as_bytes();
    let mut decoded = Vec::with_capacity(rest.len());
    while let [byte, after @ ..] = rest {
        rest = after;
        match (byte, digit(after.first()), digit(after.get(1))) {
            (b'%', Some(high), Some(low)) => {
                decoded.push((high << 4 | low) as u8);
                rest = &after[2..];
            }
            (b'+', _, _) => decoded.push(b' '),
            (byte, _, _) => decoded.push(*byte),
        }
    }
    Cow::Owned(decoded)
}

/// Compares without stopping at the first difference.
fn is_same(presented: &[u8], key: &[u8]) -> bool {
    let pairs = presented.iter().zip(key.iter().cycle());
    let differs = pairs.fold(0, |differs, (one, other)| black_box(differs | (one ^ other)));
    black_box(differs == 0) & (presented.len() == key.len())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use axum::http::Request;
    use engine::NamespaceConfig;
    use model::ChannelName;

    use super::*;
    use crate::config::ApiKeyConfig;

    #[test]
    fn a_key_is_found_where_it_may_stand() {
        let keys = keys();
        let found = |uri: &str, headers: &[(&str, &str)]| {
            let mut request = Request::builder().uri(uri);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let (head, ()) = request.body(()).expect("a request").into_parts();
            keys.of(&head).map(|key| key.name.to_string())
        };
        let all = Some(String::new());
        for headers in [
            ("X-API-Key", "all powerful"),
            ("Authorization", "apikey all powerful"),
            ("authorization", "ApiKey  all powerful"),
        ] {
            assert_eq!(found("/api/info", &[headers]), all, "{headers:?}");
        }
        assert_eq!(found("/api/info?a=b&api_key=all%20powerful", &[]), all);
        assert_eq!(found("/api/info?api_key=all+powerful", &[]), all);
        assert_eq!(found("/api/info", &[("X-API-Key", "limited")]).as_deref(), Some("billing"));
        assert_eq!(found("/api/info?api_key=limited", &[("X-API-Key", "")]).as_deref(), Some("billing"));
        for headers in [
            ("X-API-Key", "all powerfuL"),
            ("X-API-Key", "all power"),
            ("X-API-Key", "all powerfulall powerful"),
            ("X-API-Key", ""),
            ("Authorization", "Bearer all powerful"),
            ("Authorization", "all powerful"),
        ] {
            assert_eq!(found("/api/info", &[headers]), None, "{headers:?}");
        }
        let both = [("X-API-Key", "wrong"), ("Authorization", "apikey limited")];
        assert_eq!(found("/api/info?api_key=limited", &both), None);
        assert_eq!(found("/api/info", &[]), None);
    }

    #[test]
    fn without_a_configured_key_none_fits() {
        let keys = Keys::new(&ApiConfig::default(), &rules());
        for presented in ["", "x"] {
            let request = Request::builder().uri(format!("/api/info?api_key={presented}"));
            let (head, ()) = request.body(()).expect("a request").into_parts();
            assert!(keys.of(&head).is_none());
        }
    }

    #[test]
    fn a_limited_key_may_do_what_is_allowed() {
        let (keys, rules) = (keys(), rules());
        let [all, limited] = &keys.0[..] else {
            panic!("two keys");
        };
        for method in Method::ALL {
            assert!(all.may_call(method).is_ok());
            let expected = method == Method::Publish || method.right().is_none();
            assert_eq!(limited.may_call(method).is_ok(), expected, "{method:?}");
        }
        for (channel, expected) in [("invoices:1", true), ("chat:1", false), ("news", false)] {
            let namespace = rules.of(&ChannelName::parse(channel).expect("a name")).expect("known");
            assert!(all.may_touch(namespace, &rules).is_ok());
            assert_eq!(limited.may_touch(namespace, &rules).is_ok(), expected, "{channel}");
        }
    }

    #[test]
    fn a_refusal_names_the_setting_and_not_the_key() {
        let Err(Fault::Forbidden(told)) = keys().0[1].may_call(Method::Disconnect) else {
            panic!("forbidden");
        };
        assert!(told.contains("api.keys.billing.allow.methods"), "{told}");
        assert!(!told.contains("limited"), "{told}");
    }

    fn keys() -> Keys {
        let allow =
            AllowConfig { methods: vec![ApiMethod::Publish], namespaces: vec!["invoices".to_owned()] };
        let limited = ApiKeyConfig { key: Secret::new("limited"), allow };
        let config = ApiConfig {
            key: Secret::new("all powerful"),
            keys: BTreeMap::from([
                ("billing".to_owned(), limited),
                ("unset".to_owned(), ApiKeyConfig::default()),
            ]),
            ..ApiConfig::default()
        };
        Keys::new(&config, &rules())
    }

    fn rules() -> Rules {
        let namespaces = ["chat", "invoices"].map(|name| (name.to_owned(), NamespaceConfig::default()));
        Rules::new(&NamespaceConfig::default(), &BTreeMap::from(namespaces), false)
    }
}
