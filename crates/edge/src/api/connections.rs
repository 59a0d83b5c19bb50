//! Calls about a user's connections, which every worker carries out for those that are its own.

use std::sync::Arc;

use auth::ServerGrant;
use engine::{Expiry, Target};
use model::{ClientId, CloseReason, Refusal, UnixTime, limits};

use super::answer::{Answer, Outcome};
use super::caller::{Caller, spliced};
use super::fault::Fault;
use super::request::{
    DisconnectReason, DisconnectRequest, RefreshRequest, SubscribeRequest, UnsubscribeRequest,
};
use super::text::Text;
use crate::nodes::directive::{Directive, Wish};

impl Caller<'_> {
    pub(super) async fn subscribe(self, request: SubscribeRequest<'_>) -> Outcome {
        let target = target(request.user, &request.client, &request.session)?;
        let (channel, _) = self.channel("channel", &request.channel)?;
        let expires = end(request.expire_at)?;
        if expires.is_some_and(|end| end <= self.api.handle.clock().now().unix) {
            return Err(Refusal::Expired.into());
        }
        let info = spliced("info", request.info, &request.b64info)?;
        let data = spliced("data", request.data, &request.b64data)?;
        let grant = Arc::new(ServerGrant { channel, info, data });
        self.direct(target, Wish::Subscribe { grant, expires }).await
    }

    pub(super) async fn unsubscribe(self, request: UnsubscribeRequest<'_>) -> Outcome {
        let target = target(request.user, &request.client, &request.session)?;
        let (channel, _) = self.channel("channel", &request.channel)?;
        self.direct(target, Wish::Unsubscribe { channel }).await
    }

    pub(super) async fn disconnect(self, request: DisconnectRequest<'_>) -> Outcome {
        let target = target(request.user, &request.client, &request.session)?;
        let reason = close_reason(request.disconnect)?;
        let spared = request.spared.unwrap_or_default();
        let spared: Arc<[ClientId]> = spared.iter().filter_map(|client| ClientId::parse(client)).collect();
        self.direct(target, Wish::Disconnect { reason, spared }).await
    }

    pub(super) async fn refresh(self, request: RefreshRequest<'_>) -> Outcome {
        let target = target(request.user, &request.client, &request.session)?;
        let expiry = match (request.expired, end(request.expire_at)?) {
            (Some(true), _) => Expiry::Now,
            (Some(false) | None, Some(end)) => Expiry::At(end),
            (Some(false) | None, None) => Expiry::Never,
        };
        let info = spliced("info", request.info, "")?;
        self.direct(target, Wish::Refresh { expiry, info }).await
    }

    async fn direct(self, target: Option<Target>, wish: Wish) -> Outcome {
        if let Some(target) = target {
            self.api.handle.direct(&Directive { target, wish }).await?;
        }
        Ok(Answer::EMPTY)
    }
}

/// The connections that a call is about; none if no connection can be meant.
fn target(user: Option<Text<'_>>, client: &str, session: &str) -> Result<Option<Target>, Fault> {
    let Some(user) = user else {
        return Err(Fault::field("user", "is missing: \"\" stands for connections without a user"));
    };
    let user = Box::from(&*user);
    // Only connections over HTTP have sessions, and there are none of those.
    if !session.is_empty() {
        return Ok(None);
    }
    Ok(match client {
        "" => Some(Target { user, client: None }),
        client => ClientId::parse(client).map(|client| Target { user, client: Some(client) }),
    })
}

fn end(expire_at: Option<i64>) -> Result<Option<UnixTime>, Fault> {
    match expire_at {
        None | Some(0) => Ok(None),
        Some(end) if end > 0 => Ok(Some(UnixTime(end))),
        Some(_) => Err(Fault::field("expire_at", "is negative: give seconds since 1970, or 0 for never")),
    }
}

fn close_reason(asked: Option<DisconnectReason<'_>>) -> Result<CloseReason, Fault> {
    let standard = CloseReason::Disconnected;
    let Some(DisconnectReason { code, reason }) = asked else {
        return Ok(standard);
    };
    let code = match code.unwrap_or(0) {
        0 => standard.code(),
        code @ 3000..=4999 => code as u16,
        code => {
            return Err(Fault::field(
                "disconnect.code",
                format_args!("is {code}: take one from 3000 to 4999"),
            ));
        }
    };
    if reason.len() > limits::CLOSE_TEXT_BYTES_MAX {
        let what = format_args!("has {} bytes, at most {}", reason.len(), limits::CLOSE_TEXT_BYTES_MAX);
        return Err(Fault::field("disconnect.reason", what));
    }
    let text = if reason.is_empty() { standard.text() } else { (*reason).into() };
    if code == standard.code() && text == standard.text() {
        return Ok(standard);
    }
    Ok(CloseReason::Requested { code, text: text.into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::request::parse;

    #[test]
    fn a_close_reason_has_a_code_in_range_and_a_text() {
        let asked = |json: &str| {
            let request: DisconnectRequest<'_> = parse(json.as_bytes()).expect("a request");
            close_reason(request.disconnect)
                .map(|reason| (reason.code(), reason.text().into_owned()))
                .map_err(|fault| fault.into_object().message)
        };
        let reason = |code: u16, text: &str| Ok((code, text.to_owned()));
        assert_eq!(asked("{}"), reason(3503, "force disconnect"));
        assert_eq!(asked(r#"{"disconnect":null}"#), reason(3503, "force disconnect"));
        assert_eq!(asked(r#"{"disconnect":{}}"#), reason(3503, "force disconnect"));
        assert_eq!(asked(r#"{"disconnect":{"code":4001}}"#), reason(4001, "force disconnect"));
        assert_eq!(asked(r#"{"disconnect":{"code":3000,"reason":"bye"}}"#), reason(3000, "bye"));
        assert_eq!(asked(r#"{"disconnect":{"reason":"bye"}}"#), reason(3503, "bye"));
        let longest = "x".repeat(123);
        let long = format!(r#"{{"disconnect":{{"code":4999,"reason":"{longest}"}}}}"#);
        assert_eq!(asked(&long), reason(4999, &longest));
        for code in [1, 1000, 2999, 5000, 70_000] {
            let told = asked(&format!(r#"{{"disconnect":{{"code":{code}}}}}"#)).expect_err("refused");
            assert!(told.contains("disconnect.code"), "{told}");
        }
        let longer = format!(r#"{{"disconnect":{{"reason":"{longest}x"}}}}"#);
        assert!(asked(&longer).expect_err("refused").contains("disconnect.reason"));
    }

    #[test]
    fn a_target_is_a_user_or_one_of_their_connections() {
        let client = "123e4567-e89b-42d3-a456-426614174000";
        let meant = |json: &str| {
            let request: UnsubscribeRequest<'_> = parse(json.as_bytes()).expect("a request");
            target(request.user, &request.client, &request.session)
                .map(|target| target.map(|target| (target.user, target.client.is_some())))
                .map_err(|fault| fault.into_object().code)
        };
        assert_eq!(meant(r#"{"user":"a"}"#), Ok(Some(("a".into(), false))));
        assert_eq!(meant(r#"{"user":"","client":null}"#), Ok(Some(("".into(), false))));
        assert_eq!(meant(&format!(r#"{{"user":"a","client":"{client}"}}"#)), Ok(Some(("a".into(), true))));
        assert_eq!(meant(r#"{"user":"a","client":"nobody"}"#), Ok(None));
        assert_eq!(meant(r#"{"user":"a","session":"any"}"#), Ok(None));
        assert_eq!(meant(r#"{"client":"a"}"#), Err(107));
        assert_eq!(meant(r#"{"user":null}"#), Err(107));
    }
}
