//! What Redis says when it turns something down, and what an operator can do about it.

use crate::counters::Fault;

/// The code that an error begins with; nothing of what follows, which may quote what was published.
pub(crate) fn code(text: &str) -> &str {
    let word = text.split_ascii_whitespace().next().unwrap_or_default();
    let is_code = !word.is_empty() && word.len() <= 32 && word.bytes().all(|byte| byte.is_ascii_uppercase());
    if is_code { word } else { "ERR" }
}

/// Whether the user may call a function or script, but not do what it does.
fn is_forbidden_within(text: &str) -> bool {
    text.contains("The user executing the script")
}

/// What Redis says to a client too many.
const FULL: &str = "ERR max number of clients reached";

/// Whether Redis turns the whole connection down, whatever was asked on it.
pub(crate) fn ends_the_connection(text: &str) -> bool {
    matches!(code(text), "NOAUTH" | "DENIED") || text.starts_with(FULL)
}

/// Which kind of fault an error is.
pub(crate) fn fault(text: &str) -> Fault {
    if is_forbidden_within(text) {
        return Fault::Permission;
    }
    match code(text) {
        "NOPERM" | "NOAUTH" | "WRONGPASS" => Fault::Permission,
        "OOM" => Fault::Memory,
        "READONLY" | "MISCONF" | "NOREPLICAS" => Fault::ReadOnly,
        "MOVED" | "ASK" | "TRYAGAIN" | "CLUSTERDOWN" | "LOADING" | "MASTERDOWN" => Fault::Moving,
        _ => Fault::Other,
    }
}

/// What the library does.
const WITHIN: &str = "+time +hmget +hset +hdel +hlen +get +set +del +pexpire +pttl +xadd +xrange +xrevrange +zadd \
                      +zrem +zscore +zcount +zrangebyscore +publish (+spublish in a cluster)";

/// What an operator can do about an error.
pub(crate) fn fix(text: &str, command: &str, prefix: &str) -> String {
    if is_forbidden_within(text) {
        return format!(
            "add to the ACL of the user that redis.username names: {WITHIN} ~{prefix}:* &{prefix}:*"
        );
    }
    if text.starts_with(FULL) {
        return "raise Redis' maxclients".to_owned();
    }
    match code(text) {
        "NOPERM" => missing(&[command], prefix),
        "NOAUTH" | "WRONGPASS" => "set redis.username and redis.password as Redis has them".to_owned(),
        "DENIED" => {
            "Redis serves its own machine alone (protected mode): give it a password, and set redis.password"
                .to_owned()
        }
        "OOM" => "raise Redis' maxmemory, or keep fewer publications".to_owned(),
        "READONLY" => "this is a replica: let redis.url name the primary, or use Sentinel".to_owned(),
        "MISCONF" => "Redis cannot save its data: look at its log and its disk".to_owned(),
        "NOREPLICAS" => "Redis waits for replicas: look at min-replicas-to-write".to_owned(),
        "WRONGTYPE" => {
            format!("something else uses keys that begin with {prefix}: — choose another redis.prefix")
        }
        "MOVED" | "ASK" | "TRYAGAIN" | "CLUSTERDOWN" | "LOADING" | "MASTERDOWN" => {
            "none needed, if it does not last".to_owned()
        }
        _ => "look at the log of Redis".to_owned(),
    }
}

/// What an operator can do about commands that are forbidden.
pub(crate) fn missing(commands: &[&str], prefix: &str) -> String {
    let word = |command: &&str| format!("+{} ", command.to_ascii_lowercase().replace(' ', "|"));
    let words: String = commands.iter().map(word).collect();
    format!("add to the ACL of the user that redis.username names: {words}~{prefix}:* &{prefix}:*")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_permission_is_told_as_the_words_to_add() {
        let text = "NOPERM this user has no permissions to run the 'ssubscribe' command";
        assert_eq!(code(text), "NOPERM");
        assert_eq!(fault(text), Fault::Permission);
        let fix = fix(text, "SSUBSCRIBE", "fanfare");
        assert!(fix.ends_with("+ssubscribe ~fanfare:* &fanfare:*"), "{fix}");
    }

    #[test]
    fn a_permission_that_is_missing_within_a_function_is_told_as_all_it_may_be() {
        let text =
            "ERR The user executing the script can't run this command or subcommand script: e3fd, on x:1.";
        assert_eq!(fault(text), Fault::Permission);
        assert!(fix(text, "FCALL", "fanfare").contains("+xadd"));
    }

    #[test]
    fn all_it_may_be_is_what_the_page_names_beside_what_nodes_call_themselves() {
        let page = include_str!("../../../docs/redis.md");
        let line = page.lines().find(|line| line.starts_with("ACL SETUSER fanfare ")).unwrap();
        let (_, within) = line.split_once("+function|load ").unwrap();
        assert!(WITHIN.starts_with(within), "{within}");
    }

    #[test]
    fn what_follows_a_code_is_not_shown() {
        assert_eq!(code("ERR Error running script: secret"), "ERR");
        assert_eq!(code("secret payload"), "ERR");
        assert_eq!(code(""), "ERR");
    }
}
