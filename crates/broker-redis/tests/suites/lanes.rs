//! Both suites where functions may be loaded, and where the ACL forbids them.

use testkit::{check_broker, check_presence};

use crate::rig::Rig;

/// The least rights, but for how the library is called.
const RIGHTS: &str = "resetkeys resetchannels ~fanfare:* &fanfare:* -@all +ping +info +publish +subscribe \
                      +unsubscribe +time +hmget +hset +hdel +hlen +get +set +del +pexpire +xadd +xrange +xrevrange \
                      +zadd +zrem +zscore +zcount +zrangebyscore +pttl";
const BY_FUNCTIONS: &str = "+fcall +function|load";
const BY_SCRIPTS: &str = "+evalsha +script|load";

fn rig(calls: &str) -> Rig {
    Rig::new(&format!("{RIGHTS} {calls}"))
}

fn assert_called(rig: &Rig, called: &str, not_called: &str) {
    let calls = |command: &str| rig.server.command(&["INFO", "commandstats"]).contains(command);
    assert!(calls(called) && !calls(not_called), "{called} is used, {not_called} is not");
}

#[test]
fn the_broker_passes_by_functions() {
    let mut rig = rig(BY_FUNCTIONS);
    check_broker(&mut rig);
    assert_called(&rig, "cmdstat_fcall:calls", "cmdstat_evalsha:calls");
}

#[test]
fn the_broker_passes_by_scripts_where_functions_are_forbidden() {
    let mut rig = rig(BY_SCRIPTS);
    check_broker(&mut rig);
    assert_called(&rig, "cmdstat_evalsha:calls", "cmdstat_function|load:calls");
}

#[test]
fn the_presence_passes_by_functions() {
    let mut rig = rig(BY_FUNCTIONS);
    check_presence(&mut rig);
    assert_called(&rig, "cmdstat_fcall:calls", "cmdstat_evalsha:calls");
}

#[test]
fn the_presence_passes_by_scripts_where_functions_are_forbidden() {
    let mut rig = rig(BY_SCRIPTS);
    check_presence(&mut rig);
    assert_called(&rig, "cmdstat_evalsha:calls", "cmdstat_function|load:calls");
}
