//! Runs the binary, with an environment of its own. Whatever was started is killed when the test lets go of it.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

/// Longer than any step takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// What to run.
pub(crate) struct Run(Command);

/// What a command left behind.
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A command that runs.
pub(crate) struct Running {
    child: Child,
    pub(crate) out: Lines,
    pub(crate) err: Lines,
}

/// What a running command writes.
pub(crate) struct Lines(Receiver<String>);

/// The binary with these arguments, separated by white space.
pub(crate) fn fanfare(arguments: &str) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare"));
    command.env_clear().args(arguments.split_whitespace());
    Run(command)
}

impl Run {
    /// One more argument, white space and all.
    pub(crate) fn arg(mut self, argument: &str) -> Self {
        self.0.arg(argument);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.0.env(name, value);
        self
    }

    pub(crate) fn finish(self) -> Finished {
        self.finish_with("")
    }

    /// Runs to the end, with this on standard input.
    pub(crate) fn finish_with(self, input: &str) -> Finished {
        self.start_with(input).finish()
    }

    pub(crate) fn start(self) -> Running {
        self.start_with("")
    }

    fn start_with(mut self, input: &str) -> Running {
        self.0.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.0.spawn().expect("the binary is there");
        // A command that does not read its input may be gone already.
        drop(child.stdin.take().expect("a pipe").write_all(input.as_bytes()));
        let out = Lines::of(child.stdout.take().expect("a pipe"));
        let err = Lines::of(child.stderr.take().expect("a pipe"));
        Running { child, out, err }
    }
}

impl Running {
    /// Asks the process to end.
    pub(crate) fn terminate(&self) {
        let killed = Command::new("kill").arg(self.child.id().to_string()).status();
        assert!(killed.expect("kill is there").success());
    }

    pub(crate) fn finish(mut self) -> Finished {
        let (out, err) = (self.out.rest(), self.err.rest());
        let status = self.child.wait().expect("it was started here");
        Finished { code: status.code(), out, err }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Lines {
    fn of(pipe: impl Read + Send + 'static) -> Self {
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self(lines)
    }

    /// Waits for a line that begins so, and gives what follows.
    pub(crate) fn after(&self, beginning: &str) -> String {
        let mut seen = String::new();
        loop {
            match self.0.recv_timeout(PATIENCE) {
                Ok(line) => match line.strip_prefix(beginning) {
                    Some(rest) => return rest.to_owned(),
                    None => seen.extend([line.as_str(), "\n"]),
                },
                Err(why) => panic!("no line begins with `{beginning}` ({why}):\n{seen}"),
            }
        }
    }

    /// Everything until the command closes the pipe.
    fn rest(&self) -> String {
        let mut text = String::new();
        loop {
            match self.0.recv_timeout(PATIENCE) {
                Ok(line) => text.extend([line.as_str(), "\n"]),
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return text,
                Err(why @ std::sync::mpsc::RecvTimeoutError::Timeout) => {
                    panic!("it does not end ({why}):\n{text}")
                }
            }
        }
    }
}

impl Finished {
    /// Failed with this code, and one line on standard error that has all these texts.
    pub(crate) fn failed(&self, code: i32, texts: &[&str]) {
        let Self { code: found, out, err } = self;
        assert_eq!(*found, Some(code), "{out}{err}");
        assert!(err.starts_with("error: ") && err.lines().count() == 1, "one line:\n{err}");
        for text in texts {
            assert!(err.contains(text), "`{text}`:\n{err}");
        }
    }

    /// Succeeded with nothing on standard error; what is on standard output.
    pub(crate) fn succeeded(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (Some(0), ""), "{}", self.out);
        self.out
    }
}
