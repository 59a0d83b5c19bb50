//! Which primaries there are: found by asking, looked up again when in doubt and now and then. A change ends
//! what is of the past, begins what is new, and moves channels to where they are at home.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use model::limits;
use redis::Value;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::board::{Board, Map};
use crate::channels::PrimaryId;
use crate::commands;
use crate::dial::Purpose;
use crate::exchange::{Exchange, ExchangeError};
use crate::explain;
use crate::link;
use crate::log::Line;
use crate::names;
use crate::pause::Pause;
use crate::primary::Primary;
use crate::rounds;
use crate::slots::{self, Range};
use crate::target::{Endpoint, Finder};

/// What was found.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    primaries: Vec<Endpoint>,
    /// In a cluster, which primary, by its place in the list, answers for which slots.
    ranges: Option<Vec<Range>>,
}

/// Finds the primaries for as long as the broker lives.
pub(crate) async fn run(board: Rc<Board>) {
    let mut finding = Finding { board, askable: VecDeque::new(), next_id: 1 };
    let mut pause = Pause::new();
    loop {
        let looked = Instant::now();
        let is_found = match finding.look().await {
            Ok(found) => {
                finding.apply(&found);
                finding.board.signals.answered.notify_waiters();
                true
            }
            Err(error) => {
                finding.tell(&error);
                false
            }
        };
        if is_found {
            tokio::select! {
                () = finding.board.signals.doubted.notified() => {}
                () = tokio::time::sleep(finding.interval()) => {}
            }
            if looked.elapsed() > limits::REDIS_PAUSE_MAX {
                pause.reset();
            }
        }
        finding.board.rest(pause.next()).await;
    }
}

struct Finding {
    board: Rc<Board>,
    /// Whom to ask; who does not answer goes to the end.
    askable: VecDeque<Endpoint>,
    next_id: u32,
}

impl Finding {
    /// Until the next look when nobody is in doubt.
    fn interval(&self) -> Duration {
        match &self.board.setup.target.finder {
            Finder::Sentinels { .. } => limits::REDIS_SENTINEL_LOOK,
            Finder::Seeds(_) => limits::REDIS_CLUSTER_LOOK,
        }
    }

    async fn look(&mut self) -> Result<Found, ExchangeError> {
        match &self.board.setup.target.finder {
            Finder::Seeds(seeds) => {
                if self.askable.is_empty() {
                    self.askable = seeds.iter().cloned().collect();
                }
                self.ask_around().await
            }
            Finder::Sentinels { addresses, name } => {
                let primary = ask_sentinels(&self.board, addresses, name).await?;
                Ok(Found { primaries: vec![primary], ranges: None })
            }
        }
    }

    async fn ask_around(&mut self) -> Result<Found, ExchangeError> {
        let mut last = ExchangeError::Lost;
        for _ in 0..self.askable.len() {
            let Some(endpoint) = self.askable.front().cloned() else { break };
            match ask_seed(&self.board, &endpoint).await {
                Ok(found) => return Ok(found),
                Err(error) => last = error,
            }
            self.askable.rotate_left(1);
        }
        Err(last)
    }

    fn tell(&self, error: &ExchangeError) {
        let board = &self.board;
        *board.trouble.borrow_mut() = format!("Redis was not found: {error}");
        if let Some(unsaid) = board.throttle.borrow_mut().admit(Line::Unknown, Instant::now()) {
            tracing::warn!(target: "fanfare::redis", %error, unsaid, "Redis was not found");
        }
    }

    /// Makes what was found what is.
    fn apply(&mut self, found: &Found) {
        let board = Rc::clone(&self.board);
        let (map, begun) = self.map_of(found);
        let is_same = {
            let now = board.map.borrow();
            let is_cluster = board.names.borrow().is_cluster;
            let ids = |map: &Map| map.primaries.iter().map(|primary| primary.id).collect::<Vec<_>>();
            is_cluster == found.ranges.is_some() && now.slots == map.slots && ids(&now) == ids(&map)
        };
        if !is_same {
            self.replace(map, found.ranges.is_some());
        }
        for primary in &board.map.borrow().primaries {
            let orders = board.channels.borrow_mut().claim(primary.id);
            orders.into_iter().for_each(|order| primary.link.push(order));
        }
        for primary in begun {
            primary.own(link::run(Rc::clone(&board), Rc::clone(&primary)));
            primary.own(commands::run(Rc::clone(&board), Rc::clone(&primary)));
            primary.own(rounds::run(Rc::clone(&board), Rc::clone(&primary)));
        }
        board.send_homeless();
    }

    fn replace(&mut self, map: Map, is_cluster: bool) {
        let board = &self.board;
        board.counters.borrow_mut().topology_changes += 1;
        let endpoints: Vec<String> =
            map.primaries.iter().map(|primary| primary.endpoint.to_string()).collect();
        tracing::info!(target: "fanfare::redis", is_cluster, primaries = endpoints.join(" "), "Redis was found");
        board.names.borrow_mut().is_cluster = is_cluster;
        let old = std::mem::replace(&mut *board.map.borrow_mut(), map);
        let map = board.map.borrow();
        for primary in &old.primaries {
            if map.primary(primary.id).is_none() {
                primary.end();
                let waiting = std::mem::take(&mut *primary.desk.requests.borrow_mut());
                board.homeless.borrow_mut().extend(waiting);
            }
        }
        let mut events = Vec::new();
        let names = board.names.borrow();
        board.channels.borrow_mut().move_home(|channel| map.home(&names, channel), &mut events);
        board.tell_all(events);
        // Whoever is a primary now can be asked next time; the seeds may be gone by then.
        if let Finder::Seeds(seeds) = &board.setup.target.finder {
            let seeds =
                seeds.iter().filter(|seed| !map.primaries.iter().any(|known| known.endpoint == **seed));
            let known = map.primaries.iter().map(|primary| &primary.endpoint).filter(|_| is_cluster);
            let askable: VecDeque<Endpoint> = known.chain(seeds).cloned().collect();
            if !askable.is_empty() {
                self.askable = askable;
            }
        }
    }

    /// The map of what was found, with the primaries that are there already, and those that are new.
    fn map_of(&mut self, found: &Found) -> (Map, Vec<Rc<Primary>>) {
        let board = Rc::clone(&self.board);
        let known = &board.map.borrow().primaries;
        let mut begun = Vec::new();
        let mut primaries = Vec::with_capacity(found.primaries.len());
        for endpoint in &found.primaries {
            let primary = match known.iter().find(|primary| primary.endpoint == *endpoint) {
                Some(primary) => Rc::clone(primary),
                None => {
                    let primary = Rc::new(Primary::new(PrimaryId(self.next_id), endpoint.clone()));
                    self.next_id += 1;
                    begun.push(Rc::clone(&primary));
                    primary
                }
            };
            primaries.push(primary);
        }
        let mut slots = Vec::new();
        if let Some(ranges) = &found.ranges {
            slots = vec![PrimaryId::NONE; usize::from(names::SLOTS)];
            for range in ranges {
                slots[usize::from(range.first)..=usize::from(range.last)].fill(primaries[range.primary].id);
            }
        }
        (Map { primaries, slots }, begun)
    }
}

/// Asks a server for the primaries: itself, or those of its cluster.
async fn ask_seed(board: &Board, endpoint: &Endpoint) -> Result<Found, ExchangeError> {
    let mut exchange = Exchange::open(&board.setup.dialer, endpoint, Purpose::Commands).await?;
    let server = exchange.server().await?;
    if server.as_ref().is_none_or(|server| server.is_cluster) {
        let mut command = redis::cmd("CLUSTER");
        command.arg("SLOTS");
        match exchange.ask(&command).await? {
            Ok(reply) => {
                let (primaries, ranges) = slots::parse(&reply, endpoint)
                    .map_err(|reason| ExchangeError::Unfit(format!("{endpoint}: {reason}")))?;
                return Ok(Found { primaries, ranges: Some(ranges) });
            }
            Err(error) if server.is_some() => {
                let (command, prefix) = ("CLUSTER SLOTS", board.names.borrow().prefix.clone());
                let fix = explain::fix(&error, command, &prefix);
                let code = explain::code(&error).to_owned();
                return Err(ExchangeError::Refused { command, code, fix });
            }
            // Neither may be asked: then it is what most are.
            Err(_) => {}
        }
    }
    if server.is_some_and(|server| !server.is_primary) {
        return Err(ExchangeError::Unfit(format!("{endpoint} is a replica: let redis.url name the primary")));
    }
    Ok(Found { primaries: vec![endpoint.clone()], ranges: None })
}

/// Asks all Sentinels for the primary; what most of those say who answer holds, if it is one.
async fn ask_sentinels(
    board: &Rc<Board>,
    addresses: &[Endpoint],
    name: &str,
) -> Result<Endpoint, ExchangeError> {
    let mut asking = JoinSet::new();
    for address in addresses {
        let (board, address, name) = (Rc::clone(board), address.clone(), name.to_owned());
        asking.spawn_local(async move { ask_sentinel(&board, &address, &name).await });
    }
    let mut votes: Vec<(Endpoint, usize)> = Vec::new();
    let mut last = ExchangeError::Lost;
    while let Some(answer) = asking.join_next().await {
        match answer.expect("a question's task does not panic and is not aborted") {
            Ok(endpoint) => match votes.iter_mut().find(|(known, _)| *known == endpoint) {
                Some((_, count)) => *count += 1,
                None => votes.push((endpoint, 1)),
            },
            Err(error) => last = error,
        }
    }
    let current = board.map.borrow().primaries.first().map(|primary| primary.endpoint.clone());
    let is_current = |endpoint: &Endpoint| current.as_ref() == Some(endpoint);
    let chosen = votes.into_iter().max_by_key(|(endpoint, count)| (*count, is_current(endpoint)));
    let Some((endpoint, _)) = chosen else { return Err(last) };
    if is_current(&endpoint) && board.is_up() {
        return Ok(endpoint);
    }
    let mut exchange = Exchange::open(&board.setup.dialer, &endpoint, Purpose::Commands).await?;
    match exchange.server().await? {
        Some(server) if !server.is_primary => {
            Err(ExchangeError::Unfit(format!("the Sentinels name {endpoint}, which is no primary yet")))
        }
        Some(_) | None => Ok(endpoint),
    }
}

async fn ask_sentinel(board: &Board, address: &Endpoint, name: &str) -> Result<Endpoint, ExchangeError> {
    let mut exchange = Exchange::open(&board.setup.dialer, address, Purpose::Sentinel).await?;
    let mut command = redis::cmd("SENTINEL");
    command.arg("GET-MASTER-ADDR-BY-NAME").arg(name);
    let unknown = || ExchangeError::Unfit(format!("the Sentinel at {address} knows no primary named {name}"));
    match exchange.ask(&command).await? {
        Ok(Value::Array(parts)) => match parts.as_slice() {
            [Value::BulkString(host), Value::BulkString(port)] => {
                let host = String::from_utf8_lossy(host).into_owned();
                let port = String::from_utf8_lossy(port).parse().map_err(|_| unknown())?;
                Ok(Endpoint { host, port })
            }
            _ => Err(unknown()),
        },
        Ok(_) => Err(unknown()),
        Err(error) => {
            let (command, code) = ("SENTINEL GET-MASTER-ADDR-BY-NAME", explain::code(&error).to_owned());
            let fix = "look at redis.sentinel_username and redis.sentinel_password".to_owned();
            Err(ExchangeError::Refused { command, code, fix })
        }
    }
}
