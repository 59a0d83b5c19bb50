//! Chance against recovery: a broker that loses, repeats, breaks and cannot be read at random times, clients
//! that come and go with the position they remember. Nobody ever has a gap without being told.

use std::time::Duration;

use model::ChannelName;
use proptest::prelude::*;

use crate::faulty_broker::{Faults, FaultyBroker};
use crate::world::{Setup, World};

const WORKERS: usize = 2;
const CLIENTS: usize = 4;
const NEWS: &str = "kept:news";

/// Something that happens.
#[derive(Debug, Clone)]
enum Step {
    Publish,
    PublishAndLose,
    PublishTwice,
    Subscribe(usize),
    Recover(usize),
    Unsubscribe(usize),
    Sever,
    Join,
    CannotRead(bool),
    ReadLate(bool),
    ServeNode,
    ServeWorker(usize),
    Flush(usize),
    Pass(u64),
    Settle,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn nobody_has_a_gap_without_being_told(steps in prop::collection::vec(step(), 1..120)) {
        let mut story = Story::new();
        for step in &steps {
            story.take(step);
        }
        story.heal();
        story.world.end();
    }
}

fn step() -> impl Strategy<Value = Step> {
    let (client, worker) = (0..CLIENTS, 0..WORKERS);
    prop_oneof![
        6 => Just(Step::Publish),
        2 => Just(Step::PublishAndLose),
        1 => Just(Step::PublishTwice),
        3 => client.clone().prop_map(Step::Subscribe),
        3 => client.clone().prop_map(Step::Recover),
        1 => client.prop_map(Step::Unsubscribe),
        1 => Just(Step::Sever),
        2 => Just(Step::Join),
        1 => any::<bool>().prop_map(Step::CannotRead),
        2 => any::<bool>().prop_map(Step::ReadLate),
        4 => Just(Step::ServeNode),
        4 => worker.clone().prop_map(Step::ServeWorker),
        2 => worker.prop_map(Step::Flush),
        2 => (1_u64..30).prop_map(Step::Pass),
        2 => Just(Step::Settle),
    ]
}

struct Story {
    world: World,
    faults: Faults,
    channel: ChannelName,
    published: u64,
    is_joined: bool,
    readers: Vec<Reader>,
}

/// A client, and what it has seen.
#[derive(Default)]
struct Reader {
    requests: u32,
    seen: u64,
    is_subscribed: bool,
    asks: bool,
}

impl Story {
    fn new() -> Self {
        let faults = Faults::default();
        let broker = Box::new(FaultyBroker::new(faults.clone()));
        let mut world = World::new(Setup { workers: WORKERS as u16, broker, ..Setup::default() });
        let readers = (0..CLIENTS).map(|client| {
            world.connect(client % WORKERS);
            Reader { requests: 1, ..Reader::default() }
        });
        let readers = readers.collect();
        world.settle();
        let channel = ChannelName::parse(NEWS).expect("a channel name");
        Self { world, faults, channel, published: 0, is_joined: true, readers }
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Publish => self.publish(),
            Step::PublishAndLose => {
                self.faults.cannot_hand_on(true);
                self.publish();
                self.world.serve_node();
                self.faults.cannot_hand_on(false);
            }
            Step::PublishTwice => {
                self.faults.hand_on_twice(true);
                self.publish();
                self.world.serve_node();
                self.faults.hand_on_twice(false);
            }
            Step::Subscribe(client) => self.ask(client, "subscribe"),
            Step::Recover(client) => self.ask(client, "recover"),
            Step::Unsubscribe(client) => self.ask(client, "unsubscribe"),
            Step::Sever => {
                self.is_joined = false;
                self.faults.cannot_hand_on(true);
                self.faults.sever(&self.channel);
            }
            Step::Join => self.join(),
            Step::CannotRead(cannot) => self.faults.cannot_read(cannot),
            Step::ReadLate(is_late) => self.faults.read_late(is_late),
            Step::ServeNode => self.world.serve_node(),
            Step::ServeWorker(worker) => drop(self.world.serve_worker(worker)),
            Step::Flush(worker) => self.world.flush(worker, usize::MAX),
            Step::Pass(ticks) => self.world.pass(Duration::from_millis(100 * ticks)),
            Step::Settle => self.world.settle(),
        }
        self.listen();
    }

    fn publish(&mut self) {
        self.published += 1;
        drop(self.world.publish(NEWS, &self.published.to_string()));
    }

    fn join(&mut self) {
        if !std::mem::replace(&mut self.is_joined, true) {
            self.faults.cannot_hand_on(false);
            self.faults.join(&self.channel);
        }
    }

    fn ask(&mut self, client: usize, word: &str) {
        let reader = &mut self.readers[client];
        if reader.asks {
            return;
        }
        reader.asks = true;
        reader.requests += 1;
        let frame = format!("{} {word} {NEWS} {}", reader.requests, reader.seen);
        self.world.send(client, &frame);
    }

    fn listen(&mut self) {
        for client in 0..CLIENTS {
            for line in self.world.heard(client) {
                self.readers[client].hear(&line);
            }
        }
    }

    /// All faults end, and everybody comes back.
    fn heal(&mut self) {
        self.faults.cannot_read(false);
        self.faults.read_late(false);
        self.join();
        self.world.settle();
        self.world.pass_for_all(Duration::from_secs(45));
        self.listen();
        for client in 0..CLIENTS {
            if !self.readers[client].is_subscribed {
                self.ask(client, "recover");
            }
        }
        self.world.settle();
        self.listen();
        self.publish();
        self.world.settle();
        self.listen();
        for (client, reader) in self.readers.iter().enumerate() {
            assert!(reader.is_subscribed, "client {client}");
            assert_eq!(reader.seen, self.published, "client {client}");
        }
    }
}

impl Reader {
    fn hear(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            [_, "connected", _] => {}
            [_, "unsubscribed"] => (self.is_subscribed, self.asks) = (false, false),
            [_, "refused", "105"] => {
                assert!(self.is_subscribed, "{line}");
                self.asks = false;
            }
            // It may still believe to be subscribed, when it is yet to be told that it lapsed.
            [_, "refused", "100"] => self.asks = false,
            [NEWS, "ended", "2500"] => {
                assert!(self.is_subscribed, "{line}");
                self.is_subscribed = false;
            }
            [NEWS, "says", number] => {
                assert!(self.is_subscribed, "{line}");
                self.see(number);
            }
            [_, "subscribed", "at", position, ..] => {
                (self.is_subscribed, self.asks) = (true, false);
                if words.get(4) == Some(&"whole") {
                    assert_eq!(position, self.seen.to_string(), "{line}");
                    let numbers = line.split_once('[').expect("a list").1.trim_end_matches(']');
                    numbers.split_whitespace().for_each(|number| self.see(number));
                } else {
                    self.seen = position.parse().expect("a number");
                }
            }
            _ => panic!("{line} was not expected"),
        }
    }

    fn see(&mut self, number: &str) {
        self.seen += 1;
        assert_eq!(number, self.seen.to_string(), "the next one");
    }
}
