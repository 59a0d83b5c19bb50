//! Clients that are sent away come back elsewhere: the pace at which they are is the pace at which others get them.

use std::time::Duration;

use engine::Order;
use model::{CloseReason, Moment, Period};

use crate::world::{Setup, World};

const WORKERS: u16 = 2;
const CLIENTS: u64 = 600;
const WINDOW: Duration = Duration::from_secs(60);
/// A second's part of all clients.
const PER_SECOND: u64 = CLIENTS / 60;

#[test]
fn a_drain_sends_clients_away_at_one_pace_and_in_time() {
    let mut world = drained();
    let ends = closes_by_tick(&mut world, WINDOW);
    assert_eq!(ends.iter().sum::<u64>(), CLIENTS);
    for (tick, second) in ends.windows(10).enumerate() {
        let closed: u64 = second.iter().sum();
        let slack = u64::from(WORKERS);
        assert!(closed <= PER_SECOND + slack, "{closed} in the second after tick {tick}");
        assert!(closed + slack >= PER_SECOND, "{closed} in the second after tick {tick}");
    }
    assert_eq!(count(&world, &CloseReason::Shutdown), CLIENTS);
    world.end();
}

#[test]
fn a_drain_that_was_held_up_does_not_make_up_for_it_at_once() {
    let mut world = drained();
    closes_by_tick(&mut world, Duration::from_secs(10));
    world.stand_still(Duration::from_secs(30));
    let ends = closes_by_tick(&mut world, Duration::from_secs(60));
    let at_once = PER_SECOND * 5 / 4 + u64::from(WORKERS);
    assert!(ends[0] <= at_once, "{} at once", ends[0]);
    for (tick, second) in ends[1..].windows(10).enumerate() {
        let closed: u64 = second.iter().sum();
        // In ticks with less than one connection each, a quarter more is one more.
        assert!(closed <= 2 * at_once, "{closed} in the second after tick {tick}");
    }
    assert_eq!(count(&world, &CloseReason::Shutdown), CLIENTS);
    world.end();
}

#[test]
fn a_slow_worker_drains_in_time_though_it_wakes_up_rarely() {
    let mut world = drained();
    for _ in 0..WINDOW.as_millis() / 700 {
        world.stand_still(Duration::from_millis(600));
        world.pass(Moment::TICK);
    }
    let left = CLIENTS - count(&world, &CloseReason::Shutdown);
    assert!(left <= PER_SECOND, "{left} left at the end of the window");
    world.end();
}

#[test]
fn who_came_together_does_not_grow_old_together() {
    let mut world = crowd(Period::seconds(100));
    let ends = closes_by_tick(&mut world, Duration::from_secs(89));
    assert_eq!(ends.iter().sum::<u64>(), 0, "nobody is that old");
    let ends = closes_by_tick(&mut world, Duration::from_secs(22));
    assert_eq!(ends.iter().sum::<u64>(), CLIENTS, "everybody is");
    let most = ends.chunks(10).map(|second| second.iter().sum::<u64>()).max();
    // 30 of 600 are to be expected; of chance, one in a billion runs sees 66.
    assert!(most < Some(66), "{most:?} in a second");
    assert_eq!(count(&world, &CloseReason::Aged), CLIENTS);
    world.end();
}

#[test]
fn who_is_too_old_when_the_age_is_changed_leaves_by_and_by() {
    // Without heartbeats nothing else wakes their timers up.
    let mut world = crowd(Period::default());
    world.pass(Duration::from_secs(300));
    world.change_age(Period::seconds(100));
    let ends = closes_by_tick(&mut world, Duration::from_secs(23));
    assert_eq!(ends.iter().sum::<u64>(), CLIENTS, "everybody is too old");
    let most = ends[30..].chunks(10).map(|second| second.iter().sum::<u64>()).max();
    assert!(most < Some(66), "{most:?} in a second");
    assert_eq!(count(&world, &CloseReason::Aged), CLIENTS);
    world.end();
}

#[test]
fn during_a_drain_nobody_leaves_for_its_age() {
    let mut world = crowd(Period::seconds(20));
    world.pass(Duration::from_secs(15));
    drain(&world);
    world.settle();
    world.pass(WINDOW);
    assert_eq!((count(&world, &CloseReason::Aged), count(&world, &CloseReason::Shutdown)), (0, CLIENTS));
    world.end();
}

fn crowd(connection_age: Period) -> World {
    let mut world = World::new(Setup { workers: WORKERS, ..Setup::default() });
    world.change_age(connection_age);
    for client in 0..CLIENTS as usize {
        world.connect(client % usize::from(WORKERS));
    }
    world.settle();
    world
}

fn drained() -> World {
    let mut world = crowd(Period::default());
    drain(&world);
    for worker in 0..usize::from(WORKERS) {
        world.serve_worker(worker);
    }
    world
}

fn drain(world: &World) {
    (0..usize::from(WORKERS)).for_each(|worker| world.order(worker, Order::Drain { window: WINDOW }));
}

/// How many are closed at each tick.
fn closes_by_tick(world: &mut World, span: Duration) -> Vec<u64> {
    let closed = |world: &World| world.count().closed.iter().sum::<u64>();
    let ticks = span.as_millis() / Moment::TICK.as_millis();
    let tick = |_| {
        let before = closed(world);
        world.pass(Moment::TICK);
        closed(world) - before
    };
    (0..ticks).map(tick).collect()
}

fn count(world: &World, reason: &CloseReason) -> u64 {
    world.count().closed[reason.index()]
}
