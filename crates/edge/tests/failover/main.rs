//! Two nodes over Redis with Sentinels and over Redis Cluster, and an exact account of many deliveries: what
//! takes its time. What tests share is that of the tests over one Redis.

#![expect(clippy::disallowed_methods, reason = "tests wait against the clock")]

mod account;
mod cluster;
mod deaf;
#[expect(dead_code, reason = "of what starts a node, other binaries use more")]
#[path = "../it/edge.rs"]
mod edge;
#[path = "../cluster/follower.rs"]
mod follower;
#[path = "../cluster/load.rs"]
mod load;
mod minute;
#[expect(dead_code, reason = "of what is asked of a node, other binaries use more")]
#[path = "../cluster/nodes.rs"]
mod nodes;
mod replaced;
mod sentinels;
#[expect(dead_code, reason = "of what a user does, other binaries use more")]
#[path = "../it/user.rs"]
mod user;
