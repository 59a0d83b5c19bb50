//! Checks: what the nodes of one cluster share. Backends with one node have nothing to check here.

use broker::PublishTerms;
use model::Position;

use super::Backend;
use super::driven::Driven;
use super::samples::{ALL, RULES, TOP, assert_same, channel, kept, numbered, offsets, passing};

super::checks![
    nodes_hear_each_other,
    nodes_share_histories,
    nodes_share_keys,
    one_node_alone_renews_an_epoch,
    two_nodes_count_together,
];

fn nodes_hear_each_other(backend: &mut dyn Backend) {
    let Some(mut driven) = two(backend) else { return };
    let channel = channel("both");
    driven.join(0, &channel);
    for number in 1..=20 {
        let terms = if number % 2 == 0 { kept() } else { passing() };
        let position = driven.publish(1, &channel, &numbered(number), terms).expect("it is accepted");
        let heard = driven.hear(0, &channel);
        assert_eq!(heard.position, position);
        assert_same(&heard.publication, &numbered(number));
    }
    driven.join(1, &channel);
    driven.publish(0, &channel, &numbered(21), passing()).expect("it is accepted");
    for node in 0..2 {
        assert_same(&driven.hear(node, &channel).publication, &numbered(21));
    }
    driven.leave(0, &channel);
    driven.publish(1, &channel, &numbered(22), passing()).expect("it is accepted");
    assert_same(&driven.hear(1, &channel).publication, &numbered(22));
    driven.expect_silence();
}

fn nodes_share_histories(backend: &mut dyn Backend) {
    let Some(mut driven) = two(backend) else { return };
    let channel = channel("shared");
    let begun = driven.read(0, &channel, RULES, TOP).top;
    assert_eq!(driven.read(1, &channel, RULES, TOP).top, begun);
    for number in 1..=6 {
        let node = number as usize % 2;
        let position = driven.publish(node, &channel, &numbered(number), kept()).expect("it is kept");
        assert_eq!(position, Some(Position { offset: number, ..begun }));
    }
    for node in 0..2 {
        let page = driven.read(node, &channel, RULES, ALL);
        assert_eq!((page.top.epoch, offsets(&page)), (begun.epoch, vec![1, 2, 3, 4, 5, 6]));
    }
    driven.remove(1, &channel);
    let page = driven.read(0, &channel, RULES, ALL);
    assert_eq!((page.top, page.entries.len()), (Position { offset: 6, ..begun }, 0));
}

fn nodes_share_keys(backend: &mut dyn Backend) {
    let Some(mut driven) = two(backend) else { return };
    let terms = |terms: PublishTerms| PublishTerms { idempotency_key: Some("k".into()), ..terms };
    for history in [kept(), passing()] {
        let channel = channel("keys");
        driven.join(0, &channel);
        let first =
            driven.publish(0, &channel, &numbered(1), terms(history.clone())).expect("it is accepted");
        assert_eq!(driven.publish(1, &channel, &numbered(2), terms(history)), Ok(first));
        assert_same(&driven.hear(0, &channel).publication, &numbered(1));
    }
    driven.expect_silence();
}

fn one_node_alone_renews_an_epoch(backend: &mut dyn Backend) {
    let Some(mut driven) = two(backend) else { return };
    let channel = channel("renewed by one");
    driven.publish(0, &channel, &numbered(1), kept()).expect("it is kept");
    let found = driven.read(1, &channel, RULES, TOP).top;
    let lost = (Position { offset: 2, ..found }, None);
    let renewed = driven.renew(0, &channel, RULES, lost);
    assert_ne!(renewed.epoch, found.epoch);
    assert_eq!(driven.renew(1, &channel, RULES, lost), renewed, "who comes second hears of the first");
}

fn two_nodes_count_together(backend: &mut dyn Backend) {
    const COUNT: u64 = 200;
    let Some(mut driven) = two(backend) else { return };
    let channel = channel("counted together");
    driven.join(0, &channel);
    driven.join(1, &channel);
    for number in 0..COUNT {
        driven.begin_publish(number as usize % 2, &channel, &numbered(number), kept());
    }
    let mut heard_by = [Vec::new(), Vec::new()];
    for (node, heard_by) in heard_by.iter_mut().enumerate() {
        for offset in 1..=COUNT {
            let heard = driven.hear(node, &channel);
            assert_eq!(heard.position.map(|position| position.offset), Some(offset));
            heard_by.push(heard.publication.payload);
        }
    }
    assert_eq!(heard_by[0], heard_by[1], "both hear the same in the same order");
    driven.expect_silence();
}

fn two(backend: &mut dyn Backend) -> Option<Driven<'_>> {
    backend.is_shared().then(|| Driven::new(backend, 2))
}
