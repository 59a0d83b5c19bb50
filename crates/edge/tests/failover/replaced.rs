//! What holds of a channel with history when its primary was replaced.

use testkit::eventually;

use crate::follower::Follower;
use crate::load::Account;

/// The last acknowledged publication was heard. What the replica had not got yet when it took over is lost, and
/// then subscribers were told, once; else all was heard, once.
pub(crate) fn was_heard_or_told(account: &Account, followers: &[Follower]) {
    let &(_, last) = account.acknowledged.last().expect("something was acknowledged");
    for follower in followers {
        eventually("the last one is heard", || {
            follower.heard().publications.last().is_some_and(|&(offset, _)| offset >= last)
        });
        let heard = follower.heard();
        assert!(
            heard.oddities.is_empty() && heard.lapses <= 1,
            "{} lapses, {:?}",
            heard.lapses,
            heard.oddities
        );
        if heard.lapses == 0 {
            account.is_within(&heard);
        }
    }
}
