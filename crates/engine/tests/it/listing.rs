//! Pages of connections: each that stays is listed once, and no page takes long.

use std::sync::Arc;

use engine::{ConnectionPage, ConnectionQuery, ConnectionReport, Order, PageLimits};
use model::{ChannelName, ClientId, limits};
use tokio::sync::oneshot;

use crate::world::{Setup, World};

#[test]
fn a_connection_that_stays_is_on_one_page_whoever_comes_and_goes() {
    let mut world = World::new(Setup::default());
    let clients: Vec<usize> = (0..10).map(|_| world.connect(0)).collect();
    world.settle();
    let ids: Vec<ClientId> = clients.iter().map(|client| id(&world.heard(*client))).collect();
    let (mut found, mut from, mut pages) = (Vec::new(), 0, 0);
    loop {
        let page = list(&mut world, &ConnectionQuery::default(), from, 3);
        assert!(page.connections.len() <= 3);
        found.extend(page.connections.iter().map(|report| report.client));
        pages += 1;
        let Some(next) = page.next else { break };
        from = next;
        // One that was listed goes, one that was not goes, and others take their places.
        if pages == 1 {
            [clients[1], clients[8]].into_iter().for_each(|client| world.leave(client));
            for _ in 0..3 {
                world.connect(0);
            }
            world.settle();
        }
    }
    for (index, id) in ids.iter().enumerate() {
        let times = found.iter().filter(|found| *found == id).count();
        assert_eq!(times, usize::from(index != 8), "connection {index}");
    }
    world.end();
}

#[test]
fn connections_are_found_by_what_they_are_subscribed_to() {
    let mut world = World::new(Setup::default());
    let clients: Vec<usize> = (0..3).map(|_| world.connect(0)).collect();
    for (client, channels) in clients.iter().zip([&["news", "chat"][..], &["news"], &[]]) {
        channels.iter().for_each(|channel| world.send(*client, &format!("2 subscribe {channel}")));
    }
    world.settle();
    let ids: Vec<ClientId> = clients.iter().map(|client| id(&world.heard(*client))).collect();
    let of = |channel: Option<&str>, client: Option<ClientId>| {
        let channel = channel.map(|name| ChannelName::parse(name).expect("a name"));
        ConnectionQuery { channel, client, user: None }
    };
    let mut found = |query: ConnectionQuery| -> Vec<ClientId> {
        let page = list(&mut world, &query, 0, 10);
        assert_eq!(page.next, None);
        page.connections.iter().map(|report| report.client).collect()
    };
    assert_eq!(found(of(None, None)), ids);
    assert_eq!(found(of(Some("news"), None)), ids[..2]);
    assert_eq!(found(of(Some("news"), Some(ids[1]))), [ids[1]]);
    assert_eq!(found(of(None, Some(ids[2]))), [ids[2]]);
    assert!(found(of(Some("nowhere"), None)).is_empty());
    assert!(found(ConnectionQuery { user: Some("alice".into()), ..Default::default() }).is_empty());
    let report = list(&mut world, &of(Some("chat"), None), 0, 1).connections.remove(0);
    let mut names: Vec<&str> = report.channels.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["chat", "news"]);
    assert_eq!((&*report.user, report.transport, report.protocol), ("", "lines", "words"));
    world.end();
}

#[test]
fn a_page_ends_when_enough_was_looked_at() {
    let mut world = World::new(Setup::default());
    let count = limits::CONNECTIONS_LOOKED_AT_MAX + 100;
    let clients: Vec<usize> = (0..count).map(|_| world.connect(0)).collect();
    world.send(clients[count - 1], "2 subscribe news");
    world.settle();
    // Of a user with so many connections every one is looked at, a page at a time.
    let nobody = Some(ClientId::new(1));
    for user in [None, Some(Box::from(""))] {
        let query = ConnectionQuery { user, client: nobody, channel: None };
        let page = list(&mut world, &query, 0, 10);
        assert_eq!((page.connections.len(), page.next), (0, Some(limits::CONNECTIONS_LOOKED_AT_MAX as u32)));
        assert_eq!(list(&mut world, &query, page.next.expect("more"), 10).next, None);
    }
    let all = list(&mut world, &ConnectionQuery::default(), 0, usize::MAX);
    assert_eq!(all.connections.len(), limits::CONNECTIONS_LOOKED_AT_MAX);
    // The channel has few, so they are found at once.
    let channel = ChannelName::parse("news").ok();
    let page = list(&mut world, &ConnectionQuery { user: Some("".into()), channel, client: None }, 0, 10);
    assert_eq!((page.connections.len(), page.next), (1, None));
    world.end();
}

#[test]
fn a_page_ends_once_its_bytes_are_used_up_and_the_next_goes_on_there() {
    let mut world = World::new(Setup::default());
    let clients: Vec<usize> = (0..10).map(|_| world.connect(0)).collect();
    world.settle();
    let ids: Vec<ClientId> = clients.iter().map(|client| id(&world.heard(*client))).collect();
    let each = |_: &ConnectionReport| 10;
    for (bytes, expected) in
        [(0, 0), (1, 1), (9, 1), (10, 1), (11, 2), (30, 3), (31, 4), (100, 10), (101, 10)]
    {
        let room = PageLimits { count: usize::MAX, bytes, size: each };
        let page = list_within(&mut world, &ConnectionQuery::default(), 0, room);
        let next = (expected < 10).then_some(expected as u32);
        assert_eq!(
            (page.connections.len(), page.bytes, page.next),
            (expected, 10 * expected, next),
            "{bytes}"
        );
    }
    let (mut found, mut from) = (Vec::new(), Some(0));
    while let Some(place) = from {
        let room = PageLimits { count: 4, bytes: 25, size: each };
        let page = list_within(&mut world, &ConnectionQuery::default(), place, room);
        found.extend(page.connections.iter().map(|report| report.client));
        from = page.next;
    }
    assert_eq!(found, ids);
    world.end();
}

fn list(world: &mut World, query: &ConnectionQuery, from: u32, count: usize) -> ConnectionPage {
    list_within(world, query, from, PageLimits { count, bytes: usize::MAX, size: |_| 1 })
}

fn list_within(world: &mut World, query: &ConnectionQuery, from: u32, room: PageLimits) -> ConnectionPage {
    let (reply, mut page) = oneshot::channel();
    world.order(0, Order::Connections { query: Arc::new(query.clone()), from, room, reply });
    world.serve_worker(0);
    page.try_recv().expect("a worker answers at once")
}

fn id(heard: &[String]) -> ClientId {
    let id = heard[0].strip_prefix("1 connected ").expect("the client is connected");
    ClientId::parse(id).expect("an id")
}
