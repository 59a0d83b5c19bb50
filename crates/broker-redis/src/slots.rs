//! The reply to `CLUSTER SLOTS`: which primary answers for which slots. Bounded and strictly decoded.

use model::limits;
use redis::Value;

use crate::names;
use crate::target::Endpoint;

/// Slots that one primary answers for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    /// The first slot.
    pub(crate) first: u16,
    /// The last slot.
    pub(crate) last: u16,
    /// The primary's place in the list of primaries.
    pub(crate) primary: usize,
}

/// Parses the reply of the server at `asked`, which stands for itself where it does not know its own name. The
/// primaries are in an order that does not depend on the reply's.
pub(crate) fn parse(reply: &Value, asked: &Endpoint) -> Result<(Vec<Endpoint>, Vec<Range>), &'static str> {
    const FOREIGN: &str = "CLUSTER SLOTS was answered with something else";
    let Value::Array(rows) = reply else { return Err(FOREIGN) };
    if rows.len() > usize::from(names::SLOTS) {
        return Err(FOREIGN);
    }
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let Value::Array(parts) = row else { return Err(FOREIGN) };
        let [Value::Int(first), Value::Int(last), Value::Array(primary), ..] = parts.as_slice() else {
            return Err(FOREIGN);
        };
        let [host, Value::Int(port), ..] = primary.as_slice() else { return Err(FOREIGN) };
        let host = if let Value::BulkString(host) = host { host.as_slice() } else { b"" };
        let host = match std::str::from_utf8(host).map_err(|_| FOREIGN)? {
            "" | "?" => asked.host.clone(),
            host => host.to_owned(),
        };
        let slot =
            |number: i64| u16::try_from(number).ok().filter(|slot| *slot < names::SLOTS).ok_or(FOREIGN);
        let (first, last) = (slot(*first)?, slot(*last)?);
        if first > last {
            return Err(FOREIGN);
        }
        found.push((Endpoint { host, port: u16::try_from(*port).map_err(|_| FOREIGN)? }, first, last));
    }
    if found.is_empty() {
        return Err("no slot of the cluster has a primary");
    }
    let mut primaries: Vec<Endpoint> = found.iter().map(|(endpoint, ..)| endpoint.clone()).collect();
    primaries.sort_by(|a, b| (&a.host, a.port).cmp(&(&b.host, b.port)));
    primaries.dedup();
    if primaries.len() > limits::REDIS_PRIMARIES_MAX {
        return Err("the cluster has too many primaries");
    }
    let place = |endpoint: &Endpoint| primaries.iter().position(|known| known == endpoint).unwrap_or(0);
    let ranges = found.iter().map(|(endpoint, first, last)| Range {
        first: *first,
        last: *last,
        primary: place(endpoint),
    });
    let ranges = ranges.collect();
    Ok((primaries, ranges))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_primary_that_does_not_know_its_name_is_the_one_that_was_asked() {
        let node = |host: Value, port| Value::Array(vec![host, Value::Int(port), Value::Nil, Value::Nil]);
        let row = |first, last, node| Value::Array(vec![Value::Int(first), Value::Int(last), node]);
        let reply = Value::Array(vec![
            row(100, 16_383, node(Value::BulkString(b"b".to_vec()), 2)),
            row(0, 98, node(Value::Nil, 1)),
            row(99, 99, node(Value::BulkString(b"b".to_vec()), 2)),
        ]);
        let asked = Endpoint { host: "a".to_owned(), port: 9 };
        let (primaries, ranges) = parse(&reply, &asked).unwrap();
        let at = |host: &str, port| Endpoint { host: host.to_owned(), port };
        assert_eq!(primaries, [at("a", 1), at("b", 2)]);
        let range = |first, last, primary| Range { first, last, primary };
        assert_eq!(ranges, [range(100, 16_383, 1), range(0, 98, 0), range(99, 99, 1)]);
    }

    #[test]
    fn what_is_no_list_of_slots_is_turned_down() {
        let asked = Endpoint { host: "a".to_owned(), port: 9 };
        let node = Value::Array(vec![Value::Nil, Value::Int(1)]);
        for wrong in [
            Value::Nil,
            Value::Array(Vec::new()),
            Value::Array(vec![Value::Nil]),
            Value::Array(vec![Value::Array(vec![Value::Int(5), Value::Int(4), node.clone()])]),
            Value::Array(vec![Value::Array(vec![Value::Int(0), Value::Int(16_384), node])]),
        ] {
            assert!(parse(&wrong, &asked).is_err(), "{wrong:?}");
        }
    }
}
