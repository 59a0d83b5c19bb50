//! Two outboxes of one table, compared with two plain queues.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

const BOUND: usize = 900;

/// Something that happens to one of the outboxes.
#[derive(Debug, Clone)]
enum Step {
    Publish { channel: u32, size: usize },
    Tell { size: usize },
    TellLast { size: usize },
    Write { bytes: usize },
    Drop { channel: u32 },
    DropUnstarted,
    Clear,
}

/// Frames with their channel, and how much of the first was taken.
#[derive(Default)]
struct Queue {
    frames: VecDeque<(Vec<u8>, u32)>,
    sent: usize,
}

proptest! {
    #[test]
    fn an_outbox_is_a_queue(steps in prop::collection::vec(step(), 1..120)) {
        let mut table = Outboxes::new();
        let mut outboxes = [Outbox::new(), Outbox::new()];
        let mut queues = [Queue::default(), Queue::default()];
        for (number, (which, step)) in steps.into_iter().enumerate() {
            let (outbox, queue) = (&mut outboxes[which], &mut queues[which]);
            let left = take(&step, number as u8, &mut table, outbox);
            prop_assert_eq!(left, queue.take(&step, number as u8), "{:?}", step);
            prop_assert_eq!(waiting(&table, outbox), queue.waiting());
            prop_assert_eq!(outbox.is_empty(), queue.frames.is_empty());
            prop_assert_eq!(outbox.charge(), queue.charge());
            // No frame is shared between the two.
            prop_assert_eq!(table.bytes(), queues.iter().map(Queue::charge).sum::<usize>());
        }
        outboxes.iter_mut().for_each(|outbox| table.clear(outbox));
        prop_assert_eq!(table.bytes(), 0);
    }
}

fn step() -> impl Strategy<Value = (usize, Step)> {
    let step = prop_oneof![
        6 => (0_u32..3, 1_usize..12).prop_map(|(channel, size)| Step::Publish { channel, size }),
        3 => (1_usize..12).prop_map(|size| Step::Tell { size }),
        1 => (1_usize..12).prop_map(|size| Step::TellLast { size }),
        6 => (1_usize..30).prop_map(|bytes| Step::Write { bytes }),
        2 => (0_u32..3).prop_map(|channel| Step::Drop { channel }),
        1 => Just(Step::DropUnstarted),
        1 => Just(Step::Clear),
    ];
    (0_usize..2, step)
}

/// Carries a step out; `Overflowed` when a frame was not taken.
fn take(step: &Step, number: u8, table: &mut Outboxes, outbox: &mut Outbox) -> Push {
    let frame = |size| Bytes::from(vec![number; size]);
    match *step {
        Step::Publish { channel, size } => {
            let (namespace, accepted) = (NamespaceId::default(), Moment::default());
            let origin = Origin::Publication { namespace, travel_micros: 0, accepted, span: None };
            let frame = Rc::new(OutFrame { bytes: frame(size), origin });
            return table.push_publication(outbox, &frame, channel, BOUND);
        }
        Step::Tell { size } => return table.push_control(outbox, frame(size), BOUND),
        Step::TellLast { size } => table.push_last(outbox, frame(size)),
        Step::Write { bytes } => {
            let mut sent = Sent { deliveries_by_namespace: vec![0], ..Sent::default() };
            let bytes = bytes.min(waiting(table, outbox).len());
            table.advance(outbox, bytes, Moment::default(), &mut sent);
        }
        Step::Drop { channel } => table.drop_publications(outbox, |queued| queued == channel),
        Step::DropUnstarted => table.drop_unstarted(outbox),
        Step::Clear => table.clear(outbox),
    }
    Push::Accepted
}

impl Queue {
    fn take(&mut self, step: &Step, number: u8) -> Push {
        match *step {
            Step::Publish { size, .. } | Step::Tell { size } if self.charge() + cost(size) > BOUND => {
                return Push::Overflowed;
            }
            Step::Publish { channel, size } => self.frames.push_back((vec![number; size], channel)),
            Step::Tell { size } | Step::TellLast { size } => {
                self.frames.push_back((vec![number; size], NONE))
            }
            Step::Write { bytes } => self.write(bytes.min(self.waiting().len())),
            Step::Drop { channel } => self.retain(|queued| queued != channel),
            Step::DropUnstarted => self.retain(|_| false),
            Step::Clear => *self = Self::default(),
        }
        Push::Accepted
    }

    fn charge(&self) -> usize {
        self.frames.iter().map(|(bytes, _)| cost(bytes.len())).sum()
    }

    fn waiting(&self) -> Vec<u8> {
        let all: Vec<u8> = self.frames.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
        all[self.sent..].to_vec()
    }

    fn write(&mut self, bytes: usize) {
        self.sent += bytes;
        while self.frames.front().is_some_and(|(frame, _)| frame.len() <= self.sent) {
            self.sent -= self.frames.pop_front().map_or(0, |(frame, _)| frame.len());
        }
    }

    /// Keeps what is partly written, whatever it is.
    fn retain(&mut self, kept: impl Fn(u32) -> bool) {
        let started = usize::from(self.sent > 0);
        let mut index = 0;
        self.frames.retain(|(_, channel)| {
            index += 1;
            index <= started || kept(*channel)
        });
    }
}

fn waiting(table: &Outboxes, outbox: &Outbox) -> Vec<u8> {
    let mut slices = [IoSlice::new(&[]); FRAMES_PER_WRITE_MAX];
    let count = table.gather(outbox, &mut slices);
    slices[..count].iter().flat_map(|slice| slice.iter().copied()).collect()
}
