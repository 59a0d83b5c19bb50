//! Clocks and sockets exist only at the rim: everything above the transport line is told the time and hands
//! back what to do.

use super::Violation;
use super::source::Source;

const RIM: [&str; 7] = ["broker-redis", "transport", "edge", "bench", "cli", "testkit", "xtask"];

const SOCKET: &str = "sockets belong to transport and edge: take bytes in, hand bytes out";
const CLOCK: &str = "time is a parameter here: take `now`";

const SENSES: [(&str, &str); 9] = [
    ("tokio::net", SOCKET),
    ("TcpListener", SOCKET),
    ("TcpStream", SOCKET),
    ("TcpSocket", SOCKET),
    ("UdpSocket", SOCKET),
    ("UnixListener", SOCKET),
    ("UnixStream", SOCKET),
    ("Instant::now", CLOCK),
    ("SystemTime::now", CLOCK),
];

/// Looks for clocks and sockets in the crates that must not have any, tests aside.
pub(crate) fn check(sources: &[Source]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for source in sources.iter().filter(|source| !RIM.contains(&source.crate_name())) {
        for (number, line) in source.code_lines().filter(|(number, _)| !source.is_test(*number)) {
            if let Some((text, fix)) = SENSES.iter().find(|(text, _)| line.contains(text)) {
                violations.push(Violation::new(&source.path, number, format!("`{text}`: {fix}")));
            }
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_core_has_no_senses() {
        let found = |path: &str, text: &str| check(&[Source::new(path, text)]).len();
        for sense in [
            "let now = Instant::now();",
            "use tokio::net::TcpStream;",
            "use std::net::{IpAddr, TcpListener};",
        ] {
            assert_eq!(found("crates/engine/src/a.rs", sense), 1, "{sense}");
            assert_eq!(found("crates/transport/src/a.rs", sense), 0, "{sense}");
            assert_eq!(found("crates/engine/tests/a.rs", sense), 0, "{sense}");
            let test = format!("#[cfg(test)]\nmod tests {{\n{sense}\n}}");
            assert_eq!(found("crates/engine/src/a.rs", &test), 0, "{sense}");
            let comment = format!("// {sense}");
            assert_eq!(found("crates/engine/src/a.rs", &comment), 0, "{sense}");
        }
        assert_eq!(found("crates/engine/src/a.rs", "use std::net::IpAddr;"), 0);
    }
}
