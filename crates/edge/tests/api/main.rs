//! The server API of a real node over real sockets. Every exchange is compared with the OpenAPI document.

mod batches;
mod connections;
mod document;
mod listing;
mod node;
mod publishing;
mod refusals;
