//! A redis-server of the test's own, and the library in both of its forms.

use std::io::{Read, Write};
use std::net::TcpStream;

use broker_redis::library::{FUNCTIONS, Function};
use redis::{Connection, FromRedisValue, RedisError, RedisResult, Value};
use testkit::PATIENCE;
use testkit::redis::Options;

/// How the library is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Functions,
    Scripts,
}

/// A server with one connection to it.
pub(crate) struct Server {
    server: testkit::redis::Server,
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
        let server = testkit::redis::Server::start(&Options::new());
        let client = redis::Client::open(server.url()).expect("an address");
        let connection = client.get_connection().expect("the server answers");
        let mut server = Self { server, connection, form };
        if form == Form::Functions {
            server.tell::<()>(&["FUNCTION", "LOAD", FUNCTIONS]);
        }
        server
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

    /// Calls a function that turns the call down, for what it says; nothing is written then.
    pub(crate) fn refuses(&mut self, function: Function, key: &str, args: &[&[u8]]) -> String {
        let before = self.kept();
        let error = self.call::<Value>(function, key, args).expect_err("a refusal");
        let text = text_of(&error);
        assert_eq!(self.kept(), before, "nothing is written: {text}");
        text
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
        let mut socket = TcpStream::connect(("127.0.0.1", self.server.port())).expect("a connection");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        socket.write_all(format!("{command} {channel}\r\n").as_bytes()).expect("a write");
        let kind = command.to_lowercase();
        let confirmed =
            format!("*3\r\n${}\r\n{kind}\r\n${}\r\n{channel}\r\n:1\r\n", kind.len(), channel.len());
        assert_eq!(heard(&mut socket, confirmed.len()), confirmed.as_bytes());
        socket
    }
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
