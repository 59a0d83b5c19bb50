//! What a token may do: the rules its claims must meet, and the grants that follow from them.

use std::time::Duration;

use model::{ChannelName, RawJson, UnixTime};

use crate::claims::{PresentedClaims, PresentedOptions, TokenKind};
use crate::json::Text;
use crate::{Config, TokenRefusal};

/// How far an issuer's clock may be off: `exp` is believed this much longer, `nbf` this much earlier.
pub const LEEWAY: Duration = Duration::from_secs(5);

/// What a connection may be and have.
#[derive(Debug, Clone)]
pub struct ConnectionGrant {
    /// Who connects; empty for anonymous ones.
    pub user: Box<str>,
    /// What others may see of the connection. Without line breaks.
    pub info: Option<Box<RawJson>>,
    /// When the connection ends unless it is refreshed. May have passed only if the token says so in `expire_at`;
    /// a token that lives by [`LEEWAY`] has one more second.
    pub expires: Option<UnixTime>,
    /// Channels that the connection is subscribed to from its start, by name, each once.
    pub subscriptions: Vec<ServerGrant>,
}

/// One channel that a connection is subscribed to by its token.
#[derive(Debug, Clone)]
pub struct ServerGrant {
    /// The channel.
    pub channel: ChannelName,
    /// What others may see of the subscription. Without line breaks.
    pub info: Option<Box<RawJson>>,
    /// What the client is told beside the subscription. Without line breaks.
    pub data: Option<Box<RawJson>>,
}

/// One channel that a connection may subscribe to.
#[derive(Debug, Clone)]
pub struct SubscriptionGrant {
    /// The channel.
    pub channel: ChannelName,
    /// Whose connection it must be; empty for anonymous ones.
    pub user: Box<str>,
    /// Which connection it must be, as the text of its client id, if the token names one.
    pub client: Option<Box<str>>,
    /// What others may see of the subscription. Without line breaks.
    pub info: Option<Box<RawJson>>,
    /// What the client is told beside the subscription. Without line breaks.
    pub data: Option<Box<RawJson>>,
    /// When the subscription ends unless it is refreshed; as in [`ConnectionGrant::expires`].
    pub expires: Option<UnixTime>,
}

/// What every token must say, by configuration.
#[derive(Debug)]
pub(crate) struct Requirements {
    audience: Box<str>,
    issuer: Box<str>,
    require_exp: bool,
}

impl Requirements {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            audience: config.audience.as_str().into(),
            issuer: config.issuer.as_str().into(),
            require_exp: config.require_exp,
        }
    }

    /// Whether a token of genuine signature may be used as `kind` at this time.
    pub(crate) fn admit(
        &self,
        claims: &PresentedClaims<'_>,
        kind: TokenKind,
        now: UnixTime,
    ) -> Result<(), TokenRefusal> {
        if !self.issuer.is_empty() && claims.iss.as_ref().map(Text::as_str) != Some(&*self.issuer) {
            return Err(TokenRefusal::WrongIssuer);
        }
        let is_ours = |audience: &Text<'_>| audience.as_str() == &*self.audience;
        if !self.audience.is_empty() && !claims.audiences().iter().any(is_ours) {
            return Err(TokenRefusal::WrongAudience);
        }
        match (kind, claims.kind()) {
            (TokenKind::Connection, TokenKind::Subscription) => {
                return Err(TokenRefusal::SubscriptionTokenUsedToConnect);
            }
            (TokenKind::Subscription, TokenKind::Connection) => {
                return Err(TokenRefusal::ConnectionTokenUsedToSubscribe);
            }
            (TokenKind::Connection, TokenKind::Connection)
            | (TokenKind::Subscription, TokenKind::Subscription) => {}
        }
        self.admit_at(claims, now)
    }

    fn admit_at(&self, claims: &PresentedClaims<'_>, now: UnixTime) -> Result<(), TokenRefusal> {
        let leeway = LEEWAY.as_secs() as i64;
        match claims.exp {
            Some(exp) if now.0 >= exp.0.saturating_add(leeway) => return Err(TokenRefusal::Expired),
            None if self.require_exp => return Err(TokenRefusal::NoExpiry),
            Some(_) | None => {}
        }
        match claims.nbf {
            Some(nbf) if now.0.saturating_add(leeway) < nbf.0 => Err(TokenRefusal::NotYetValid),
            Some(_) | None => Ok(()),
        }
    }
}

impl ConnectionGrant {
    pub(crate) fn from_claims(claims: &PresentedClaims<'_>, now: UnixTime) -> Result<Self, TokenRefusal> {
        Ok(Self {
            user: user(claims),
            info: claims.info()?,
            expires: expires(claims, now)?,
            subscriptions: subscriptions(claims)?,
        })
    }
}

impl SubscriptionGrant {
    pub(crate) fn from_claims(claims: &PresentedClaims<'_>, now: UnixTime) -> Result<Self, TokenRefusal> {
        Ok(Self {
            channel: channel(claims.channel.as_ref().map_or("", Text::as_str))?,
            user: user(claims),
            client: claims.client.as_ref().map(Text::to_boxed).filter(|client| !client.is_empty()),
            info: claims.info()?,
            data: claims.data()?,
            expires: expires(claims, now)?,
        })
    }
}

/// When that which the token grants ends, as the token says it.
pub(crate) fn stated_end(claims: &PresentedClaims<'_>) -> Result<Option<UnixTime>, TokenRefusal> {
    match claims.expire_at {
        None => Ok(claims.exp.map(UnixTime::from)),
        Some(end) if end.0 == 0 => Ok(None),
        Some(end) if end.0 > 0 => Ok(Some(end.into())),
        // Neither a time to come nor the sign for "never": a slip that must not grant for ever.
        Some(_) => Err(TokenRefusal::WrongClaims),
    }
}

fn expires(claims: &PresentedClaims<'_>, now: UnixTime) -> Result<Option<UnixTime>, TokenRefusal> {
    let end = stated_end(claims)?;
    // Without this, leeway would admit a token whose grant is over.
    let soonest = UnixTime(now.0.saturating_add(1));
    Ok(match claims.expire_at {
        None => end.map(|end| end.max(soonest)),
        Some(_) => end,
    })
}

fn user(claims: &PresentedClaims<'_>) -> Box<str> {
    claims.sub.as_ref().map(Text::to_boxed).unwrap_or_default()
}

fn subscriptions(claims: &PresentedClaims<'_>) -> Result<Vec<ServerGrant>, TokenRefusal> {
    let mut grants = Vec::new();
    if let Some(subs) = &claims.subs {
        for (name, options) in subs {
            let options = PresentedOptions::parse(*options)?;
            grants.push(ServerGrant {
                channel: channel(name.as_str())?,
                info: options.info()?,
                data: options.data()?,
            });
        }
    } else {
        for name in claims.channels.iter().flatten() {
            grants.push(ServerGrant { channel: channel(name.as_str())?, info: None, data: None });
        }
        grants.sort_by(|one, other| one.channel.cmp(&other.channel));
        grants.dedup_by(|one, other| one.channel == other.channel);
    }
    grants.shrink_to_fit();
    Ok(grants)
}

fn channel(name: &str) -> Result<ChannelName, TokenRefusal> {
    ChannelName::parse(name).map_err(|_| TokenRefusal::WrongClaims)
}
