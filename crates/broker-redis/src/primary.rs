//! One primary of Redis as the tasks and calls see it: its commands that wait, its orders that wait, and the
//! buffer that goes to and fro between the pub/sub task and whoever takes publications in.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::channels::{Order, PrimaryId};
use crate::intake::ReadBuffer;
use crate::probe::Probe;
use crate::request::Request;
use crate::rights::Rights;
use crate::target::Endpoint;

/// One primary.
pub(crate) struct Primary {
    /// Its number.
    pub(crate) id: PrimaryId,
    /// Where it is.
    pub(crate) endpoint: Endpoint,
    /// The pub/sub side.
    pub(crate) link: Link,
    /// The command side.
    pub(crate) desk: Desk,
    /// Whether the two are joined.
    pub(crate) probe: Probe,
    /// What may not be asked there.
    pub(crate) rights: Rights,
    tasks: RefCell<JoinSet<()>>,
}

/// What is shared with the pub/sub task.
#[derive(Default)]
pub(crate) struct Link {
    /// What is to be asked. Each channel is in it once: the table of channels knows what is under way.
    pub(crate) orders: RefCell<VecDeque<Order>>,
    /// There are orders.
    pub(crate) ordered: Notify,
    /// What was read and not taken in yet.
    pub(crate) full: RefCell<Option<ReadBuffer>>,
    /// What was taken in, to be read into again.
    pub(crate) drained: RefCell<Option<ReadBuffer>>,
    /// There is something drained.
    pub(crate) returned: Notify,
    /// What was asked and not answered yet, in order.
    pub(crate) asked: RefCell<VecDeque<Question>>,
    /// Whether the connection is made.
    pub(crate) is_up: Cell<bool>,
}

/// A command on a pub/sub connection whose answers have not all come.
#[derive(Debug)]
pub(crate) enum Question {
    /// To subscribe or unsubscribe.
    Channels {
        /// The channels, the next to be answered first.
        orders: VecDeque<Order>,
    },
    /// To subscribe to the probe.
    Probe {
        /// On which channel.
        channel: Vec<u8>,
    },
    /// Whether anybody is there.
    Ping {
        /// The probe that was published before.
        behind: Option<u64>,
    },
}

/// What is shared with the command task.
#[derive(Default)]
pub(crate) struct Desk {
    /// Commands that wait. Bounded by the ledger.
    pub(crate) requests: RefCell<VecDeque<Request>>,
    /// There are commands.
    pub(crate) requested: Notify,
    /// Whether the connection is made.
    pub(crate) is_up: Cell<bool>,
}

impl Desk {
    /// Appends a command.
    pub(crate) fn push(&self, request: Request) {
        self.requests.borrow_mut().push_back(request);
        self.requested.notify_one();
    }
}

impl Link {
    /// Appends an order.
    pub(crate) fn push(&self, order: Order) {
        self.orders.borrow_mut().push_back(order);
        self.ordered.notify_one();
    }
}

impl Primary {
    /// A primary that nobody speaks with yet.
    pub(crate) fn new(id: PrimaryId, endpoint: Endpoint) -> Self {
        let (link, desk, rights) = Default::default();
        let probe = Probe::new(Instant::now());
        Self { id, endpoint, link, desk, probe, rights, tasks: RefCell::default() }
    }

    /// Starts a task that ends when the primary is given up.
    pub(crate) fn own(&self, task: impl Future<Output = ()> + 'static) {
        self.tasks.borrow_mut().spawn_local(task);
    }

    /// Ends the tasks. What waits is left to be taken.
    pub(crate) fn end(&self) {
        self.tasks.borrow_mut().abort_all();
        self.link.is_up.set(false);
        self.desk.is_up.set(false);
    }
}
