//! Forms in which the listener side's settings are written: addresses to listen on, origins, networks.
//! Parsed once, at start.

mod listen_address;
mod network;
mod origin_pattern;

pub use listen_address::ListenAddress;
pub use network::Network;
pub use origin_pattern::OriginPattern;

/// Why a text is not what a setting needs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// Not an address to listen on.
    #[error("`{0}` is not an address: write `:8000`, `localhost:8000`, `192.0.2.1:8000` or `[::1]:8000`")]
    ListenAddress(String),
    /// Not a network.
    #[error("`{0}` is not a network: write an IP address or a range like `10.0.0.0/8` or `fd00::/8`")]
    Network(String),
    /// Not a pattern of origins.
    #[error("`{0}` matches no origin: write scheme and host without a path, like `https://*.example.com`")]
    OriginPattern(String),
}
