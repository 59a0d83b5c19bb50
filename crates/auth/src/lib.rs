//! Token bytes and a time in, a grant out. Keys are given, never fetched here.
//!
//! [`Verifier`] answers for the node; [`Signer`] and [`explain`] serve the command line and the load generator.

#![forbid(unsafe_code)]

mod algorithm;
mod claims;
mod config;
mod explain;
mod grant;
mod json;
mod key;
mod pem;
mod refusal;
mod segments;
mod signer;
mod verifier;

pub use algorithm::Algorithm;
pub use claims::TokenKind;
pub use config::Config;
pub use explain::{ExplainedClaims, Explanation, explain};
pub use grant::{ConnectionGrant, LEEWAY, ServerGrant, SubscriptionGrant};
pub use key::{KeyError, KeyFault, KeyWarning};
pub use refusal::{KeyId, TokenRefusal, Verdict};
pub use signer::{Claims, Signer};
pub use verifier::Verifier;
