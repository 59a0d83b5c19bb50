//! The probe against a clock of the test's own.

use super::*;

const SECOND: Duration = limits::REDIS_PROBE_INTERVAL;

/// A probe whose subscription is confirmed.
fn confirmed(now: Instant) -> Probe {
    let probe = Probe::new(now);
    probe.settle(b"p".to_vec());
    connect(&probe);
    probe
}

fn connect(probe: &Probe) {
    probe.connected();
    assert_eq!(probe.begin_subscription().as_deref(), Some(&b"p"[..]));
    assert!(probe.begin_subscription().is_none());
    probe.confirmed(b"p");
}

/// Sends the probe that is due, and has a ping overtake it.
fn overtake(probe: &Probe, now: Instant) -> Shot {
    let shot = probe.take(now).expect("a probe is due");
    assert!(probe.published(shot.number));
    assert_eq!(probe.chase(), Some(shot.number));
    probe.overtaken(shot.number);
    shot
}

/// Lets so many probes pass unheard, one a second, and says what came of the last.
fn miss(probe: &Probe, count: u32, now: &mut Instant) -> Finding {
    let mut finding = Finding::Well;
    for _ in 0..count {
        overtake(probe, *now);
        *now += SECOND;
        finding = probe.on_time(true, *now);
    }
    finding
}

#[tokio::test]
async fn a_probe_that_comes_back_says_how_long_it_took() {
    let now = Instant::now();
    let probe = confirmed(now);
    assert_eq!(probe.on_time(true, now), Finding::Well);
    let shot = probe.take(now).expect("a probe is due");
    let span = Duration::from_millis(2);
    assert_eq!(probe.came(b"p", &shot.payload, now + span), Some(span));
    assert!(!probe.published(shot.number), "no ping is needed behind it");
    assert_eq!(probe.age(now + SECOND), SECOND - span);
}

#[tokio::test]
async fn what_anybody_else_publishes_is_no_probe() {
    let now = Instant::now();
    let (probe, other) = (confirmed(now), confirmed(now));
    for each in [&probe, &other] {
        each.on_time(true, now);
    }
    let (shot, foreign) = (probe.take(now).expect("due"), other.take(now).expect("due"));
    assert_eq!(shot.number, foreign.number);
    let later = probe.seal.close(shot.number + 1);
    for payload in [&foreign.payload, &later, &b"1 ".to_vec(), &b"1".to_vec(), &Vec::new(), &b"\xff".to_vec()]
    {
        assert_eq!(probe.came(b"p", payload, now + SECOND), None);
        assert_eq!(probe.age(now + SECOND), SECOND, "{payload:?}");
    }
    assert_eq!(probe.came(b"q", &shot.payload, now + SECOND), None, "another channel");
    assert_eq!(probe.came(b"p", &shot.payload, now + SECOND), Some(SECOND));
    probe.came(b"p", &shot.payload, now + SECOND * 2);
    assert_eq!(probe.age(now + SECOND * 2), SECOND, "a repetition");
}

#[tokio::test]
async fn a_connection_is_given_up_after_three_misses_and_later_each_time() {
    let mut now = Instant::now();
    let probe = confirmed(now);
    probe.on_time(true, now);
    for allowed in [3, 6, 12, 24, 24] {
        assert_eq!(miss(&probe, allowed - 1, &mut now), Finding::Missed);
        assert!(probe.is_silent() && !probe.is_given_up());
        assert_eq!(miss(&probe, 1, &mut now), Finding::Deaf);
        assert!(probe.is_given_up() && probe.take(now).is_none());
        probe.disconnected();
        assert!(!probe.is_given_up() && probe.was_given_up());
        connect(&probe);
        probe.on_time(true, now);
    }
    let shot = probe.take(now).expect("a probe is due");
    assert!(probe.came(b"p", &shot.payload, now).is_some());
    assert!(!probe.is_silent() && !probe.was_given_up());
    probe.on_time(true, now);
    assert_eq!(miss(&probe, 3, &mut now), Finding::Deaf);
}

#[tokio::test]
async fn a_probe_behind_much_to_read_is_not_missed() {
    let now = Instant::now();
    let probe = confirmed(now);
    probe.on_time(true, now);
    let shot = probe.take(now).expect("a probe is due");
    probe.published(shot.number);
    assert_eq!(probe.chase(), Some(shot.number));
    for second in 1..60 {
        assert_eq!(probe.on_time(true, now + SECOND * second), Finding::Well);
        assert!(probe.take(now).is_none());
    }
    assert_eq!(probe.came(b"p", &shot.payload, now + SECOND * 60), Some(SECOND * 60));
}

#[tokio::test]
async fn a_probe_that_comes_after_its_ping_counts_all_the_same() {
    let mut now = Instant::now();
    let probe = confirmed(now);
    probe.on_time(true, now);
    for _ in 0..10 {
        let shot = overtake(&probe, now);
        now += SECOND;
        assert_eq!(probe.on_time(true, now), Finding::Missed);
        probe.came(b"p", &shot.payload, now);
        assert!(!probe.is_silent());
    }
}

#[tokio::test]
async fn a_probe_that_was_never_published_is_not_missed() {
    let mut now = Instant::now();
    let probe = confirmed(now);
    for is_refused in [true, false].repeat(10) {
        assert_eq!(probe.on_time(true, now), Finding::Well);
        let shot = probe.take(now).expect("a probe is due");
        probe.unpublished(shot.number, is_refused);
        now += SECOND;
    }
    assert_eq!(probe.age(now), SECOND * 20);
}

#[tokio::test]
async fn a_node_is_at_fault_when_new_connections_are_deaf_while_commands_are_answered() {
    let mut now = Instant::now();
    let probe = confirmed(now);
    let pass = |seconds: u32, is_answering: bool, now: &mut Instant| {
        for _ in 0..seconds {
            *now += SECOND;
            probe.on_time(is_answering, *now);
        }
        probe.is_overdue(*now)
    };
    assert!(!pass(60, true, &mut now), "the connection was never lost");
    probe.disconnected();
    assert!(!pass(60, false, &mut now), "Redis is away");
    assert!(!pass(10, true, &mut now));
    assert!(pass(1, true, &mut now));
    assert!(!pass(1, false, &mut now), "Redis is away again");
    assert!(pass(11, true, &mut now));
    connect(&probe);
    probe.on_time(true, now);
    assert!(probe.is_overdue(now), "a connection alone heals nothing");
    let shot = probe.take(now).expect("a probe is due");
    probe.came(b"p", &shot.payload, now);
    assert!(!pass(60, true, &mut now));
}

#[tokio::test]
async fn a_probe_that_redis_forbids_is_nobodys_fault() {
    let mut now = Instant::now();
    let probe = confirmed(now);
    probe.disconnected();
    probe.connected();
    probe.begin_subscription();
    assert!(probe.ended(b"p", true));
    for _ in 0..60 {
        now += SECOND;
        assert_eq!(probe.on_time(true, now), Finding::Well);
        assert!(!probe.is_overdue(now));
        probe.want();
        assert!(probe.begin_subscription().is_some(), "it is tried again");
        assert!(probe.ended(b"p", true));
    }
}

#[tokio::test]
async fn a_probe_whose_channel_moves_is_subscribed_to_anew() {
    let now = Instant::now();
    let probe = confirmed(now);
    probe.on_time(true, now);
    let shot = probe.take(now).expect("a probe is due");
    probe.settle(b"q".to_vec());
    assert!(!probe.ended(b"p", false), "the old subscription matters no more");
    assert_eq!(probe.came(b"p", &shot.payload, now), None);
    probe.want();
    assert_eq!(probe.begin_subscription().as_deref(), Some(&b"q"[..]));
    probe.confirmed(b"p");
    probe.on_time(true, now);
    assert!(probe.take(now).is_none(), "another channel was confirmed");
    probe.confirmed(b"q");
    probe.on_time(true, now);
    assert_eq!(probe.take(now).expect("a probe is due").channel, b"q");
}
