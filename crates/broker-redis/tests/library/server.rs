//! A redis-server of the test's own, and the library in both of its forms.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use broker_redis::library::{FUNCTIONS, Function};
use redis::{Connection, FromRedisValue, RedisError, RedisResult, Value};

const PATIENCE: Duration = Duration::from_secs(10);

/// How the library is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Functions,
    Scripts,
}

/// A server with one connection to it. It is killed when dropped.
pub(crate) struct Server {
    child: Child,
    port: u16,
    connection: Connection,
    form: Form,
}

/// Runs a test once in either form, each time on a fresh server.
pub(crate) fn in_both_forms(test: impl Fn(&mut Server)) {
    for form in [Form::Functions, Form::Scripts] {
        println!("{form:?}");
        test(&mut Server::start(form));
    }
}

impl Server {
    pub(crate) fn start(form: Form) -> Self {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
            let port = port.expect("a free port").port();
            let mut child = Command::new("redis-server")
                .args([
                    "--port",
                    &port.to_string(),
                    "--bind",
                    "127.0.0.1",
                    "--save",
                    "",
                    "--appendonly",
                    "no",
                ])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .spawn()
                .expect("redis-server is installed");
            while child.try_wait().expect("a child").is_none() {
                if let Ok(connection) = connect(port) {
                    let mut server = Self { child, port, connection, form };
                    if form == Form::Functions {
                        server.tell::<()>(&["FUNCTION", "LOAD", FUNCTIONS]);
                    }
                    return server;
                }
                assert!(Instant::now() < deadline, "redis-server did not answer in time");
                std::thread::sleep(Duration::from_millis(5));
            }
            assert!(Instant::now() < deadline, "redis-server did not start");
        }
    }

    pub(crate) fn form(&self) -> Form {
        self.form
    }

    /// Calls a function of the library.
    pub(crate) fn call<T: FromRedisValue>(
        &mut self,
        function: Function,
        key: &str,
        args: &[&[u8]],
    ) -> RedisResult<T> {
        let mut command = match self.form {
            Form::Functions => redis::cmd("FCALL").arg(function.name).to_owned(),
            Form::Scripts => redis::cmd("EVAL").arg(function.script).to_owned(),
        };
        command.arg(1).arg(key).arg(args).query(&mut self.connection)
    }

    /// Sends a command that succeeds.
    pub(crate) fn tell<T: FromRedisValue>(&mut self, words: &[&str]) -> T {
        self.ask(words).unwrap_or_else(|error| panic!("{:?}: {error}", &words[..1]))
    }

    /// Sends a command.
    pub(crate) fn ask<T: FromRedisValue>(&mut self, words: &[&str]) -> RedisResult<T> {
        redis::cmd(words[0]).arg(&words[1..]).query(&mut self.connection)
    }

    /// All keys and values, as they would be saved.
    pub(crate) fn kept(&mut self) -> Vec<(String, Vec<u8>)> {
        let mut keys: Vec<String> = self.tell(&["KEYS", "*"]);
        keys.sort();
        keys.into_iter()
            .map(|key| {
                let value = self.tell(&["DUMP", &key]);
                (key, value)
            })
            .collect()
    }

    /// Listens to a channel.
    pub(crate) fn subscribe(&self, command: &str, channel: &str) -> TcpStream {
        let mut socket = TcpStream::connect(("127.0.0.1", self.port)).expect("a connection");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        socket.write_all(format!("{command} {channel}\r\n").as_bytes()).expect("a write");
        let kind = command.to_lowercase();
        let confirmed =
            format!("*3\r\n${}\r\n{kind}\r\n${}\r\n{channel}\r\n:1\r\n", kind.len(), channel.len());
        assert_eq!(heard(&mut socket, confirmed.len()), confirmed.as_bytes());
        socket
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn connect(port: u16) -> RedisResult<Connection> {
    let mut connection = redis::Client::open(("127.0.0.1", port))?.get_connection()?;
    redis::cmd("PING").query::<Value>(&mut connection)?;
    Ok(connection)
}

/// The next bytes of a connection that listens.
pub(crate) fn heard(socket: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    socket.read_exact(&mut bytes).expect("bytes in time");
    bytes
}

/// Code and text of an error.
pub(crate) fn text_of(error: &RedisError) -> String {
    format!("{} {}", error.code().unwrap_or_default(), error.detail().unwrap_or_default())
}
