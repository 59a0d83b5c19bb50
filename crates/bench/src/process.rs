//! What processes use, as the kernel says it: CPU of the measured process thread by thread, its memory, the
//! bench's own CPU, descriptors and CPU affinity. Linux only.

use std::collections::HashMap;
use std::fs;
use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};

use crate::BenchError;

/// Nanoseconds of one tick of `/proc/PID/stat`; Linux shows 100 ticks a second on every machine we run on.
const TICK_NS: u64 = 10_000_000;

/// The measured processes: one node, or several whose figures are added up.
#[derive(Clone)]
pub(crate) struct Process {
    pids: Vec<u32>,
}

/// CPU used so far: exact per living thread, in ticks for the process as a whole.
pub(crate) struct CpuReading {
    ns_by_thread: HashMap<u32, u64>,
    ticks: u64,
}

/// CPU used between two readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CpuUsed {
    pub(crate) ns: u64,
    /// Threads that ended in between. If there are any, `ns` is the process's own sum in ticks of 10 ms,
    /// because an ended thread's exact time is gone.
    pub(crate) threads_ended: usize,
}

/// Resident memory in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    pub(crate) rss: u64,
    pub(crate) anonymous: u64,
    pub(crate) private: u64,
}

impl Process {
    pub(crate) fn new(pids: &[u32]) -> Self {
        Self { pids: pids.to_vec() }
    }

    pub(crate) fn cpu(&self) -> Result<CpuReading, BenchError> {
        let mut reading = CpuReading { ns_by_thread: HashMap::new(), ticks: 0 };
        for pid in &self.pids {
            read_threads(*pid, &mut reading.ns_by_thread)?;
            reading.ticks += ticks(&read(*pid, "stat")?).unwrap_or(0);
        }
        Ok(reading)
    }

    pub(crate) fn memory(&self) -> Result<Memory, BenchError> {
        let mut sum = Memory::default();
        for pid in &self.pids {
            let memory = parse_memory(&read(*pid, "smaps_rollup")?);
            sum.rss += memory.rss;
            sum.anonymous += memory.anonymous;
            sum.private += memory.private;
        }
        Ok(sum)
    }
}

impl CpuReading {
    pub(crate) fn since(&self, before: &Self) -> CpuUsed {
        let threads_ended =
            before.ns_by_thread.keys().filter(|thread| !self.ns_by_thread.contains_key(thread)).count();
        let exact: u64 = self
            .ns_by_thread
            .iter()
            .map(|(thread, ns)| ns.saturating_sub(before.ns_by_thread.get(thread).copied().unwrap_or(0)))
            .sum();
        let coarse = self.ticks.saturating_sub(before.ticks) * TICK_NS;
        CpuUsed { ns: if threads_ended == 0 { exact } else { coarse.max(exact) }, threads_ended }
    }
}

/// CPU of this process so far.
pub(crate) fn own_cpu_ns() -> u64 {
    clock_ns(ClockId::ProcessCPUTime)
}

/// CPU of this thread so far.
pub(crate) fn thread_cpu_ns() -> u64 {
    clock_ns(ClockId::ThreadCPUTime)
}

/// Raises the soft limit of descriptors to the hard one and says what that is.
pub(crate) fn raise_descriptor_limit() -> io::Result<u64> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: maximum, maximum };
    setrlimit(Resource::Nofile, raised)?;
    Ok(maximum.unwrap_or(u64::MAX))
}

/// Confines the calling thread to one CPU.
pub(crate) fn confine(cpu: usize) -> io::Result<()> {
    if cpu >= CpuSet::MAX_CPU {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut only = CpuSet::new();
    only.set(cpu);
    Ok(sched_setaffinity(None, &only)?)
}

fn read_threads(pid: u32, ns_by_thread: &mut HashMap<u32, u64>) -> Result<(), BenchError> {
    let folder = format!("/proc/{pid}/task");
    let before = ns_by_thread.len();
    for entry in fs::read_dir(&folder).map_err(|error| unreadable(&folder, &error))? {
        let entry = entry.map_err(|error| unreadable(&folder, &error))?;
        // A thread may end between the listing and the reading; then it is one of those that ended.
        let Ok(text) = fs::read_to_string(entry.path().join("schedstat")) else {
            continue;
        };
        let thread = entry.file_name().to_str().and_then(|name| name.parse().ok());
        if let (Some(thread), Some(ns)) = (thread, first_number(&text)) {
            ns_by_thread.insert(thread, ns);
        }
    }
    if ns_by_thread.len() == before {
        return Err(BenchError::Process(format!("{folder}/*/schedstat says nothing (CONFIG_SCHED_INFO)")));
    }
    Ok(())
}

fn read(pid: u32, file: &str) -> Result<String, BenchError> {
    let path = format!("/proc/{pid}/{file}");
    fs::read_to_string(&path).map_err(|error| unreadable(&path, &error))
}

fn clock_ns(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    let whole = u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000;
    whole + u64::try_from(time.tv_nsec).unwrap_or(0)
}

fn first_number(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}

/// User and system ticks, ended threads included. The name in parentheses may hold anything, spaces too.
fn ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

fn parse_memory(smaps_rollup: &str) -> Memory {
    let mut memory = Memory::default();
    for line in smaps_rollup.lines() {
        let Some((name, rest)) = line.split_once(':') else {
            continue;
        };
        let bytes = first_number(rest).unwrap_or(0) * 1024;
        match name {
            "Rss" => memory.rss = bytes,
            "Anonymous" => memory.anonymous = bytes,
            "Private_Clean" | "Private_Dirty" => memory.private += bytes,
            _ => {}
        }
    }
    memory
}

fn unreadable(path: &str, error: &io::Error) -> BenchError {
    BenchError::Process(format!("{path}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_can_be_read() {
        let process = Process::new(&[std::process::id()]);
        let before = process.cpu().unwrap();
        assert!(process.memory().unwrap().rss > 0);
        assert!(process.cpu().unwrap().ns_by_thread.len() >= before.ns_by_thread.len().min(1));
        assert!(own_cpu_ns() > 0 && thread_cpu_ns() > 0);
    }

    #[test]
    fn an_ended_thread_makes_the_sum_coarse() {
        let reading = |threads: &[(u32, u64)], ticks| CpuReading {
            ns_by_thread: threads.iter().copied().collect(),
            ticks,
        };
        let before = reading(&[(1, 100), (2, 50)], 10);
        let same = reading(&[(1, 130), (2, 60), (3, 5)], 10).since(&before);
        assert_eq!((same.ns, same.threads_ended), (45, 0));
        let ended = reading(&[(1, 130)], 12).since(&before);
        assert_eq!((ended.ns, ended.threads_ended), (2 * TICK_NS, 1));
    }

    #[test]
    fn procfs_lines_are_understood() {
        assert_eq!(ticks("7 (a b) c) S 1 1 1 0 -1 4 5 6 7 8 30 12 0 0 20"), Some(42));
        let memory = parse_memory(
            "0-1 [rollup]\nRss: 4 kB\nPrivate_Clean: 1 kB\nPrivate_Dirty: 2 kB\nAnonymous: 3 kB\n",
        );
        let wanted = Memory { rss: 4096, anonymous: 3072, private: 3072 };
        assert_eq!(memory, wanted);
    }
}
