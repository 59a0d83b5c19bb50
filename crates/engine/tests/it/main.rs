//! The engine as its neighbours see it: workers, sequencer and broker on one thread, in any order that a test
//! or chance chooses, with sockets that take as little as they like.

mod broker;
mod faulty_broker;
mod full_mailbox;
mod gaps;
mod history;
mod kept;
mod leaving;
mod listing;
mod naive;
mod outboxes;
mod presence;
mod protocol;
mod reload;
mod repair;
mod slots;
mod world;
