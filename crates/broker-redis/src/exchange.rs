//! A connection for commands: from its login to being fit for use, and what may be asked on it one by one.

use model::limits;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, Pipeline, RedisConnectionInfo, Value};
use tokio::task::JoinSet;

use crate::board::Board;
use crate::dial::{DialError, Dialer, Purpose};
use crate::explain;
use crate::primary::Primary;
use crate::request::{Dialect, SCRIPTED};
use crate::rights;
use crate::target::Endpoint;
use crate::version::Server;

/// Why there is no connection that can be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExchangeError {
    /// None was made.
    #[error("{0}")]
    Dial(#[from] DialError),
    /// It was lost, or answered too late.
    #[error("the connection was lost")]
    Lost,
    /// A command that is needed was turned down.
    #[error("{command} was refused: {code}: {fix}")]
    Refused {
        /// Which.
        command: &'static str,
        /// Why.
        code: String,
        /// What to do.
        fix: String,
    },
    /// The server will not do.
    #[error("{0}")]
    Unfit(String),
}

/// A connection for commands. Its driver ends with it.
pub(crate) struct Exchange {
    pub(crate) connection: MultiplexedConnection,
    pub(crate) driver: JoinSet<()>,
}

impl Exchange {
    /// Makes a connection.
    pub(crate) async fn open(
        dialer: &Dialer,
        endpoint: &Endpoint,
        purpose: Purpose,
    ) -> Result<Self, ExchangeError> {
        let line = dialer.dial(endpoint, purpose).await?;
        // The login is done; the crate is to add nothing of its own.
        let nobody = RedisConnectionInfo::default().set_skip_set_lib_name();
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let made = MultiplexedConnection::new_with_config(&nobody, line, config).await;
        let (connection, driving) = made.map_err(|_| ExchangeError::Lost)?;
        let mut driver = JoinSet::new();
        driver.spawn_local(driving);
        Ok(Self { connection, driver })
    }

    /// Asks one thing. An error that Redis answers is an answer, too.
    pub(crate) async fn ask(&mut self, command: &Cmd) -> Result<Result<Value, String>, ExchangeError> {
        let asked = self.connection.send_packed_command(command);
        let answer = tokio::time::timeout(limits::REDIS_CONNECT_DEADLINE, asked).await;
        match answer.map_err(|_| ExchangeError::Lost)? {
            Ok(Value::ServerError(error)) => Ok(Err(error_text(&error))),
            Ok(value) => Ok(Ok(value)),
            Err(_) => Err(ExchangeError::Lost),
        }
    }

    /// Asks several things at once. Errors that Redis answers are among the answers.
    pub(crate) async fn ask_all(&mut self, pipeline: &Pipeline) -> Result<Vec<Value>, ExchangeError> {
        let asked = self.connection.send_packed_commands(pipeline, 0, pipeline.len());
        let answers = tokio::time::timeout(limits::REDIS_CONNECT_DEADLINE, asked).await;
        answers.ok().and_then(Result::ok).ok_or(ExchangeError::Lost)
    }

    /// What the server says about itself; `None` when it may not be asked.
    pub(crate) async fn server(&mut self) -> Result<Option<Server>, ExchangeError> {
        let text = match self.ask(&redis::cmd("INFO")).await? {
            Ok(Value::BulkString(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
            Ok(Value::VerbatimString { text, .. }) => text,
            Err(error) if explain::code(&error) == "NOPERM" => return Ok(None),
            Err(error) => return Err(refused("INFO", &error, "")),
            Ok(_) => return Err(ExchangeError::Lost),
        };
        let server = Server::parse(&text);
        if let Some(reason) = server.too_old() {
            return Err(ExchangeError::Unfit(reason));
        }
        if server.is_loading {
            return Err(ExchangeError::Unfit("Redis still reads its data".to_owned()));
        }
        Ok(Some(server))
    }

    /// Makes sure that the library can be called, as functions or else as scripts, and finds out what is
    /// forbidden of all that is needed.
    pub(crate) async fn settle(
        &mut self,
        board: &Board,
        primary: &Primary,
    ) -> Result<Dialect, ExchangeError> {
        let (dialect, unloadable) = self.load_library(board).await?;
        let names = board.names.borrow().clone();
        let mut forbidden = rights::forbidden(self, &dialect, &names, &board.setup.node).await?;
        forbidden.extend(unloadable);
        primary.rights.found(forbidden, &primary.endpoint, &names.prefix);
        Ok(dialect)
    }

    /// How the library can be called, and what is forbidden if it cannot.
    async fn load_library(
        &mut self,
        board: &Board,
    ) -> Result<(Dialect, Option<&'static str>), ExchangeError> {
        const FUNCTIONS: (Dialect, Option<&str>) = (Dialect::Functions, None);
        let mut ask_number = redis::cmd("FCALL");
        ask_number.arg("fanfare_library").arg(0);
        let is_current = |number: i64| number >= i64::from(board.setup.library.number);
        match self.ask(&ask_number).await? {
            Ok(Value::Int(number)) if is_current(number) => return Ok(FUNCTIONS),
            Ok(_) => {}
            Err(error) if explain::code(&error) == "ERR" && !is_unknown_command(&error) => {}
            Err(error) if explain::code(&error) == "NOPERM" => {
                return self.load_scripts(board, "FCALL").await;
            }
            Err(_) => return self.load_scripts(board, "SCRIPT LOAD").await,
        }
        let mut load = redis::cmd("FUNCTION");
        load.arg("LOAD").arg("REPLACE").arg(&*board.setup.library.text);
        match self.ask(&load).await? {
            Ok(_) => Ok(FUNCTIONS),
            Err(_) => self.load_scripts(board, "FUNCTION LOAD").await,
        }
    }

    /// `instead` is what would do as well as scripts.
    async fn load_scripts(
        &mut self,
        board: &Board,
        instead: &'static str,
    ) -> Result<(Dialect, Option<&'static str>), ExchangeError> {
        let mut digests: [String; SCRIPTED.len()] = Default::default();
        for (digest, function) in digests.iter_mut().zip(SCRIPTED) {
            let mut load = redis::cmd("SCRIPT");
            load.arg("LOAD").arg(function.script);
            *digest = match self.ask(&load).await? {
                Ok(Value::BulkString(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
                Ok(Value::SimpleString(text)) => text,
                Ok(_) => return Err(ExchangeError::Lost),
                // Publishing without history needs no library: let those calls fail one by one.
                Err(error) if explain::code(&error) == "NOPERM" => {
                    return Ok((Dialect::Functions, Some(instead)));
                }
                Err(error) => return Err(refused("SCRIPT LOAD", &error, &board.names.borrow().prefix)),
            };
        }
        Ok((Dialect::Scripts(digests), None))
    }
}

fn is_unknown_command(error: &str) -> bool {
    error.to_ascii_lowercase().contains("unknown command")
}

fn refused(command: &'static str, error: &str, prefix: &str) -> ExchangeError {
    let fix = explain::fix(error, command, prefix);
    ExchangeError::Refused { command, code: explain::code(error).to_owned(), fix }
}

/// An error as Redis wrote it.
pub(crate) fn error_text(error: &redis::ServerError) -> String {
    match error.details() {
        Some(details) => format!("{} {details}", error.code()),
        None => error.code().to_owned(),
    }
}
