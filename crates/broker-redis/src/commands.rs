//! The command connection to one primary: pipelines of whatever waits, several under way at once, answers in
//! order. What Redis may have carried out is never sent again.

use std::rc::Rc;

use model::limits;
use redis::{Pipeline, Value};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::board::Board;
use crate::counters::Fault;
use crate::dial::Purpose;
use crate::exchange::{Exchange, ExchangeError, error_text};
use crate::explain;
use crate::log::Line;
use crate::pause::Pause;
use crate::primary::Primary;
use crate::request::{Dialect, Request};

/// A pipeline that has come back.
struct Flown {
    requests: Vec<Request>,
    /// One value for each request; absent when the connection was lost or too slow.
    replies: Option<Vec<Value>>,
    /// The number of the probe that it was, instead of requests.
    probe: Option<u64>,
}

/// Why a connection is given up.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("Redis closed the connection")]
    Closed,
    #[error("commands were not answered in time")]
    Silent,
    #[error("it is no primary any more")]
    Demoted,
    #[error("the library is gone: {0}")]
    Library(ExchangeError),
}

/// Keeps the connection for as long as the task lives.
pub(crate) async fn run(board: Rc<Board>, primary: Rc<Primary>) {
    let mut pause = Pause::new();
    let endpoint = &primary.endpoint;
    loop {
        match open(&board, &primary).await {
            Ok((exchange, dialect)) => {
                board.counters.borrow_mut().callers.made += 1;
                primary.desk.is_up.set(true);
                board.signals.answered.notify_waiters();
                tracing::info!(target: "fanfare::redis", %endpoint, "command connection made");
                let begun = Instant::now();
                let ended = Clerk { board: &board, primary: &primary, exchange, dialect }.serve().await;
                primary.desk.is_up.set(false);
                board.counters.borrow_mut().callers.lost += 1;
                tracing::warn!(target: "fanfare::redis", %endpoint, %ended, "command connection lost");
                board.doubt(format!("{endpoint}: {ended}"));
                if begun.elapsed() > limits::REDIS_PAUSE_MAX {
                    pause.reset();
                }
            }
            Err(error) => {
                if let Some(unsaid) = board.throttle.borrow_mut().admit(Line::Unreachable, Instant::now()) {
                    tracing::warn!(target: "fanfare::redis", %endpoint, %error, unsaid, "cannot send commands");
                }
                board.doubt(format!("{endpoint}: {error}"));
            }
        }
        board.rest(pause.next()).await;
    }
}

async fn open(board: &Rc<Board>, primary: &Primary) -> Result<(Exchange, Dialect), ExchangeError> {
    let mut exchange = Exchange::open(&board.setup.dialer, &primary.endpoint, Purpose::Commands).await?;
    if let Some(server) = exchange.server().await? {
        if !server.is_primary {
            return Err(ExchangeError::Unfit("this is a replica, not a primary".to_owned()));
        }
        if server.is_cluster != board.names.borrow().is_cluster {
            return Err(ExchangeError::Unfit("it became a cluster, or ceased to be one".to_owned()));
        }
    }
    let dialect = exchange.settle(board, primary).await?;
    Ok((exchange, dialect))
}

/// One connection in use.
struct Clerk<'d> {
    board: &'d Rc<Board>,
    primary: &'d Primary,
    exchange: Exchange,
    dialect: Dialect,
}

impl Clerk<'_> {
    async fn serve(mut self) -> Ended {
        let mut flying = JoinSet::new();
        let mut heard = Instant::now();
        let ended = loop {
            while flying.len() < limits::REDIS_PIPELINES_MAX && self.launch(&mut flying) {}
            self.launch_probe(&mut flying);
            let idle_at = heard + limits::REDIS_PING_INTERVAL;
            tokio::select! {
                Some(flown) = flying.join_next() => {
                    heard = Instant::now();
                    let flown = flown.expect("a pipeline's task does not panic and is not aborted");
                    if let Some(ended) = self.land(flown).await {
                        break ended;
                    }
                }
                _ = self.exchange.driver.join_next() => break Ended::Closed,
                () = self.primary.desk.requested.notified(), if flying.len() < limits::REDIS_PIPELINES_MAX => {}
                () = tokio::time::sleep_until(idle_at), if flying.is_empty() => self.ping(&mut flying),
            }
        };
        // Without its driver a connection answers all that is under way at once.
        self.exchange.driver.abort_all();
        while let Some(flown) = flying.join_next().await {
            let flown = flown.expect("a pipeline's task does not panic and is not aborted");
            match flown.replies {
                Some(_) => drop(self.land(flown).await),
                None => self.lose(flown),
            }
        }
        ended
    }

    /// Nobody knows whether Redis carried it out.
    fn lose(&self, flown: Flown) {
        flown.requests.into_iter().for_each(|request| self.board.refuse(request.key, Fault::Lost));
        flown.probe.into_iter().for_each(|number| self.primary.probe.unpublished(number, false));
    }

    /// Publishes the node's own probe, if it is due: beside the pipelines, since there is never more than one.
    fn launch_probe(&self, flying: &mut JoinSet<Flown>) {
        let Some(shot) = self.primary.probe.take(Instant::now()) else { return };
        let mut pipeline = Pipeline::new();
        pipeline.cmd(self.board.names.borrow().publish_command()).arg(shot.channel).arg(shot.payload);
        self.fly(pipeline, Vec::new(), Some(shot.number), flying);
    }

    /// Redis has answered the publishing of a probe.
    fn land_probe(&self, number: u64, reply: Option<&Value>) {
        let (board, probe) = (self.board, &self.primary.probe);
        match reply {
            Some(Value::Int(_)) => {
                if probe.published(number) {
                    self.primary.link.ordered.notify_one();
                }
            }
            Some(Value::ServerError(error)) => {
                let text = error_text(error);
                probe.unpublished(number, true);
                let command = board.names.borrow().publish_command();
                self.tell_refused(&text, command);
                match explain::fault(&text) {
                    Fault::Moving => board.doubt(explain::code(&text).to_owned()),
                    Fault::Permission => self.primary.rights.doubt(),
                    Fault::Deadline
                    | Fault::Lost
                    | Fault::Full
                    | Fault::Memory
                    | Fault::ReadOnly
                    | Fault::Other => {}
                }
            }
            Some(_) | None => probe.unpublished(number, true),
        }
    }

    fn tell_refused(&self, text: &str, command: &str) {
        let board = self.board;
        if let Some(unsaid) = board.throttle.borrow_mut().admit(Line::Refused, Instant::now()) {
            let fix = explain::fix(text, command, &board.names.borrow().prefix);
            let (endpoint, error) = (&self.primary.endpoint, explain::code(text));
            tracing::warn!(target: "fanfare::redis", %endpoint, command, error, fix, unsaid, "command refused");
        }
    }

    /// Sends what waits as one pipeline, if anything does.
    fn launch(&mut self, flying: &mut JoinSet<Flown>) -> bool {
        let (mut requests, mut bytes) = (Vec::new(), 0);
        let mut pipeline = Pipeline::new();
        {
            let names = self.board.names.borrow();
            let mut waiting = self.primary.desk.requests.borrow_mut();
            while requests.len() < limits::REDIS_PIPELINE_COMMANDS_MAX
                && bytes < limits::REDIS_PIPELINE_BYTES_MAX
            {
                let Some(request) = waiting.pop_front() else { break };
                if !self.board.ledger.borrow().is_open(request.key) {
                    continue;
                }
                bytes += request.task.size();
                if request.is_asking {
                    pipeline.cmd("ASKING");
                }
                pipeline.add_command(request.command(&names, &self.dialect));
                requests.push(request);
            }
        }
        if requests.is_empty() {
            return false;
        }
        let mut counters = self.board.counters.borrow_mut();
        counters.commands += requests.len() as u64;
        counters.pipelines += 1;
        self.fly(pipeline, requests, None, flying);
        true
    }

    fn ping(&self, flying: &mut JoinSet<Flown>) {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("PING");
        self.fly(pipeline, Vec::new(), None, flying);
    }

    fn fly(
        &self,
        pipeline: Pipeline,
        requests: Vec<Request>,
        probe: Option<u64>,
        flying: &mut JoinSet<Flown>,
    ) {
        let mut connection = self.exchange.connection.clone();
        flying.spawn_local(async move {
            let count = pipeline.len();
            let sent = connection.send_packed_commands(&pipeline, 0, count);
            let replies = tokio::time::timeout(limits::PUBLISH_DEADLINE, sent).await;
            Flown { requests, probe, replies: replies.ok().and_then(Result::ok) }
        });
    }

    /// Answers what has come back.
    async fn land(&mut self, flown: Flown) -> Option<Ended> {
        let Flown { requests, replies: Some(replies), probe } = flown else {
            self.lose(flown);
            return Some(Ended::Silent);
        };
        let mut replies = replies.into_iter();
        if let Some(number) = probe {
            self.land_probe(number, replies.next().as_ref());
        }
        let (mut ended, mut needs_library) = (None, false);
        for request in requests {
            if request.is_asking {
                replies.next();
            }
            match replies.next() {
                None => self.board.refuse(request.key, Fault::Other),
                Some(Value::ServerError(error)) => {
                    let text = error_text(&error);
                    match self.turned_down(request, &text) {
                        Turn::Done => {}
                        Turn::Library => needs_library = true,
                        Turn::Demoted => ended = Some(Ended::Demoted),
                    }
                }
                Some(reply) => self.answered(&request, reply),
            }
        }
        if (needs_library || self.primary.rights.take_due()) && ended.is_none() {
            match self.exchange.settle(self.board, self.primary).await {
                Ok(dialect) => self.dialect = dialect,
                Err(error) => ended = Some(Ended::Library(error)),
            }
        }
        ended
    }

    fn answered(&self, request: &Request, reply: Value) {
        let board = self.board;
        let Some(asked) = board.ledger.borrow_mut().close(request.key) else { return };
        let mut malformed = |reason: crate::envelope::Malformed| {
            board.counters.borrow_mut().malformed[reason.index()] += 1;
        };
        if matches!(request.task, crate::request::Task::Announce { .. }) {
            return;
        }
        let (terms, now) = (&board.setup.terms, board.moment.get());
        let now = (now, board.unix_micros(now));
        match request.answer(asked.ticket(), reply, terms, now, &mut malformed) {
            Some(event) => board.tell(event),
            None => {
                board.count_fault(Fault::Other);
                board.tell_some(asked.refused());
            }
        }
    }

    /// Redis turned something down: it was not carried out, and may be asked again where that can help.
    fn turned_down(&self, mut request: Request, text: &str) -> Turn {
        let (board, fault) = (self.board, explain::fault(text));
        let is_missing = explain::code(text) == "NOSCRIPT" || text.contains("Function not found");
        request.repeats += 1;
        if is_missing && request.repeats == 1 {
            self.primary.desk.requests.borrow_mut().push_front(request);
            return Turn::Library;
        }
        if fault == Fault::Moving && request.repeats <= limits::REDIS_REPEATS_MAX {
            board.counters.borrow_mut().repeats += 1;
            board.redirect(request, text);
            return Turn::Done;
        }
        if fault == Fault::Permission {
            self.primary.rights.doubt();
        }
        let command = request.command_name(&board.names.borrow(), &self.dialect);
        self.tell_refused(text, command);
        board.refuse(request.key, fault);
        if explain::code(text) == "READONLY" { Turn::Demoted } else { Turn::Done }
    }
}

/// What one command that was turned down means for the others.
enum Turn {
    Done,
    Library,
    Demoted,
}
