//! What a server says about itself: which version, whether primary, whether part of a cluster.

/// What a server says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Server {
    /// Whether it may be written to.
    pub(crate) is_primary: bool,
    /// Whether it is part of a cluster.
    pub(crate) is_cluster: bool,
    /// Whether it still reads its data.
    pub(crate) is_loading: bool,
    product: &'static str,
    version: (u32, u32),
}

/// The oldest versions that will do.
const OLDEST_REDIS: (u32, u32) = (7, 0);
const OLDEST_VALKEY: (u32, u32) = (7, 2);

impl Server {
    /// Parses the reply to `INFO`.
    pub(crate) fn parse(text: &str) -> Self {
        let field = |name: &str| {
            let mut lines = text.lines().filter_map(|line| line.split_once(':'));
            lines.find(|(key, _)| *key == name).map(|(_, value)| value.trim())
        };
        let (product, version) = match field("valkey_version") {
            Some(version) => ("Valkey", version),
            None => ("Redis", field("redis_version").unwrap_or_default()),
        };
        let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
        Self {
            is_primary: field("role") != Some("slave"),
            is_cluster: field("cluster_enabled") == Some("1"),
            is_loading: field("loading") == Some("1"),
            product,
            version: (parts.next().unwrap_or(0), parts.next().unwrap_or(0)),
        }
    }

    /// Why it will not do, if it is too old.
    pub(crate) fn too_old(&self) -> Option<String> {
        let oldest = if self.product == "Valkey" { OLDEST_VALKEY } else { OLDEST_REDIS };
        (self.version < oldest).then(|| {
            let (found, needed) = (self.version, oldest);
            format!(
                "{} {}.{} is too old: {}.{} or newer is needed",
                self.product, found.0, found.1, needed.0, needed.1
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_servers_are_turned_down_by_name_and_version() {
        let why = |text: &str| Server::parse(text).too_old();
        assert_eq!(why("# Server\r\nredis_version:7.0.15\r\n"), None);
        assert_eq!(why("redis_version:8.0.2\r\n"), None);
        assert_eq!(why("redis_version:7.2.4\r\nvalkey_version:8.1.1\r\n"), None);
        assert_eq!(
            why("redis_version:6.2.7\r\n").as_deref(),
            Some("Redis 6.2 is too old: 7.0 or newer is needed")
        );
        assert!(why("").is_some());
    }

    #[test]
    fn a_server_says_what_it_is() {
        let text = "redis_version:7.0.0\r\nloading:0\r\nrole:slave\r\nmaster_host:a\r\ncluster_enabled:1\r\n";
        let server = Server::parse(text);
        assert!(!server.is_primary && server.is_cluster && !server.is_loading);
        assert!(Server::parse("redis_version:7.0.0\r\nrole:master\r\n").is_primary);
    }
}
