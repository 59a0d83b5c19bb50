//! The server API of a real node over real sockets. Every exchange is compared with the OpenAPI document.

mod batches;
mod connections;
mod document;
mod history;
mod listing;
mod node;
mod presence;
mod publishing;
mod refusals;
mod who;
