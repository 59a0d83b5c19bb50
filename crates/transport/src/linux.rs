//! What is Linux's own: descriptor limits, listening sockets, error numbers, the control group's quota, the
//! memory and processor time in use, the machine's name.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use model::limits::{LISTEN_BACKLOG, UNACKNOWLEDGED_MAX, UNSENT_BYTES_MAX};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};
use socket2::{Domain, Protocol, Socket, Type};

/// Raises the soft limit of open descriptors to the hard one and returns it.
pub fn raise_descriptor_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let in_force = if raised.is_ok() { limit.maximum } else { limit.current };
    in_force.unwrap_or(u64::from(u32::MAX))
}

/// Opens a listening socket. Accepted sockets inherit its options, which saves calls per connection.
/// `shared` lets several of this process listen on one address.
pub(crate) fn listen(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.bind(&address.into())?;
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_notsent_lowat(UNSENT_BYTES_MAX)?;
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX))?;
    socket.set_keepalive(true)?;
    socket.set_nonblocking(true)?;
    socket.listen(LISTEN_BACKLOG)?;
    Ok(socket.into())
}

/// Whether an error of `accept` means that no descriptor is left.
pub(crate) fn is_out_of_descriptors(error: &io::Error) -> bool {
    const EMFILE: i32 = 24;
    const ENFILE: i32 = 23;
    matches!(error.raw_os_error(), Some(EMFILE | ENFILE))
}

/// Whether an error of [`listen`] means that the machine lacks the address, or its whole family.
pub(crate) fn is_missing(error: &io::Error) -> bool {
    const EAFNOSUPPORT: i32 = 97;
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(EAFNOSUPPORT)
}

/// Cores that the control group grants, rounded up; those of the machine where it grants all.
pub fn cpu_quota() -> u16 {
    let quota = quota_v2().or_else(quota_v1).map(|cores| cores.ceil().max(1.0) as usize);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    u16::try_from(quota.map_or(cores, |quota| quota.min(cores))).unwrap_or(u16::MAX)
}

fn quota_v2() -> Option<f64> {
    let text = fs::read_to_string("/sys/fs/cgroup/cpu.max").ok()?;
    let (quota, period) = text.trim().split_once(' ')?;
    Some(quota.parse::<f64>().ok()? / period.parse::<f64>().ok()?)
}

fn quota_v1() -> Option<f64> {
    let read =
        |name: &str| fs::read_to_string(format!("/sys/fs/cgroup/cpu/{name}")).ok()?.trim().parse().ok();
    let (quota, period): (f64, f64) = (read("cpu.cfs_quota_us")?, read("cpu.cfs_period_us")?);
    (quota > 0.0).then(|| quota / period)
}

/// Bytes of memory that the control group allows, or that the machine has.
pub fn memory_limit() -> u64 {
    let group = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let limits = group.iter().filter_map(|path| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok());
    limits.chain(machine_memory()).min().unwrap_or(u64::MAX)
}

fn machine_memory() -> Option<u64> {
    bytes_in("/proc/meminfo", "MemTotal:")
}

/// Bytes of memory that the process uses.
pub fn resident_bytes() -> Option<u64> {
    bytes_in("/proc/self/status", "VmRSS:")
}

/// Time that the process has spent on processors.
pub fn processor_time() -> Duration {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(spent).expect("a process has spent no negative time")
}

/// What the machine is called, if it has a name.
pub fn host_name() -> Option<String> {
    let text = fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let name = text.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

/// A figure of a file whose lines are `NAME: NUMBER kB`.
fn bytes_in(path: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_uses_some_of_the_machines_memory() {
        let (resident, machine) = (resident_bytes().expect("a figure"), machine_memory().expect("a figure"));
        assert!((64 * 1024..machine).contains(&resident), "{resident} of {machine}");
    }

    #[test]
    fn cores_work_for_the_process() {
        let before = processor_time();
        let begun = std::time::Instant::now();
        while processor_time() == before {
            assert!(begun.elapsed() < Duration::from_secs(10), "the clock stands still");
        }
    }

    #[test]
    fn an_address_that_the_machine_lacks_is_told_from_one_that_is_taken() {
        let nobody: SocketAddr = "203.0.113.1:0".parse().expect("an address");
        assert!(is_missing(&listen(nobody, false).expect_err("nobody has it")));
        assert!(is_missing(&io::Error::from_raw_os_error(97)));
        let holder = listen("127.0.0.1:0".parse().expect("an address"), false).expect("a listener");
        let taken = listen(holder.local_addr().expect("an address"), false).expect_err("it is taken");
        assert!(!is_missing(&taken), "{taken}");
    }
}
