//! Addresses to listen on: one socket per worker and address, and a clear error when one is taken.

use std::io;
use std::net::{SocketAddr, TcpListener};

use crate::{ListenAddress, linux};

/// An address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {cause}")]
pub struct BindError {
    /// Which.
    pub address: SocketAddr,
    /// Why.
    pub cause: io::Error,
}

impl BindError {
    /// Whether another socket listens there.
    pub fn is_taken(&self) -> bool {
        self.cause.kind() == io::ErrorKind::AddrInUse
    }
}

/// Opens `sharers` lists of listening sockets, one for each thread that accepts, each with a socket for every
/// address that `wanted` stands for. A family that the machine lacks is left out while another is there.
pub fn bind(wanted: ListenAddress, sharers: u16) -> Result<Vec<Vec<TcpListener>>, BindError> {
    /// The port that the kernel chooses for one family may be in use in the other.
    const CHOICES_MAX: usize = 16;
    let mut choices = if wanted.port() == 0 { CHOICES_MAX } else { 1 };
    loop {
        choices -= 1;
        match bind_once(wanted, sharers) {
            Err(error) if error.is_taken() && choices > 0 => {}
            outcome => return outcome,
        }
    }
}

fn bind_once(wanted: ListenAddress, sharers: u16) -> Result<Vec<Vec<TcpListener>>, BindError> {
    let mut lists: Vec<Vec<TcpListener>> = (0..sharers).map(|_| Vec::new()).collect();
    let mut port = None;
    let mut missing = None;
    for mut address in wanted.resolve() {
        if let (0, Some(port)) = (address.port(), port) {
            address.set_port(port);
        }
        // Sockets that share an address let a second process in as well: whether one is there shows only
        // without sharing.
        let claimed = match linux::listen(address, false).and_then(|claim| claim.local_addr()) {
            Ok(claimed) => claimed,
            Err(cause) if linux::is_missing(&cause) => {
                missing = Some(BindError { address, cause });
                continue;
            }
            Err(cause) => return Err(BindError { address, cause }),
        };
        port = Some(claimed.port());
        for list in &mut lists {
            list.push(linux::listen(claimed, true).map_err(|cause| BindError { address, cause })?);
        }
    }
    match missing {
        Some(error) if lists.iter().all(Vec::is_empty) => Err(error),
        Some(_) | None => Ok(lists),
    }
}
