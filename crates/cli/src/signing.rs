//! Signing with the configured secret, so that the node of the same settings believes the token.

use auth::{Algorithm, Claims, Config, Signer};

use crate::failure::Failure;

const HMAC: [Algorithm; 3] = [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];

/// Signs with the configured secret under the first algorithm that these settings accept.
pub(crate) fn signer(config: &Config) -> Result<Signer, Failure> {
    if config.hmac_secret.is_empty() {
        return Err(Failure::unusable(
            "signing needs the secret that the node verifies with: set FANFARE__TOKEN__HMAC_SECRET, or give \
             --secret-file or --config",
        ));
    }
    match algorithm(config) {
        Some(algorithm) => Ok(Signer::hmac(&config.hmac_secret, algorithm)?),
        None => Err(Failure::unusable(
            "token.algorithms has none for a secret, so the node would refuse the token: add HS256, or let your \
             backend sign",
        )),
    }
}

/// The same, if these settings have a use for tokens signed with a secret.
pub(crate) fn signer_if_accepted(config: &Config) -> Result<Option<Signer>, Failure> {
    if config.hmac_secret.is_empty() || algorithm(config).is_none() {
        Ok(None)
    } else {
        signer(config).map(Some)
    }
}

/// Adds what the settings demand of every token.
pub(crate) fn for_node(claims: Claims, config: &Config) -> Claims {
    let claims = if config.issuer.is_empty() { claims } else { claims.issuer(&config.issuer) };
    if config.audience.is_empty() { claims } else { claims.audience(&config.audience) }
}

fn algorithm(config: &Config) -> Option<Algorithm> {
    if config.algorithms.is_empty() {
        return Some(Algorithm::HS256);
    }
    let accepted = config.algorithms.iter().filter_map(|name| Algorithm::parse(name));
    accepted.into_iter().find(|algorithm| HMAC.contains(algorithm))
}
