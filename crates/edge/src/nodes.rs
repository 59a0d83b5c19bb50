//! What nodes tell each other: who is there, what backends want of connections, which channels
//! have subscribers, which connections there are.

pub(crate) mod connections;
pub(crate) mod directive;
pub(crate) mod directives;
pub(crate) mod identity;
mod inbox;
pub(crate) mod letters;
pub(crate) mod listing;
pub(crate) mod roster;
