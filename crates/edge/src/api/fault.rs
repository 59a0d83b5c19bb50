//! Why a call failed, and how that is told.

use std::borrow::Cow;
use std::fmt::Display;

use axum::http::StatusCode;
use model::Refusal;
use schemars::JsonSchema;
use serde::Serialize;

/// Why a call failed.
#[derive(Debug)]
pub(super) enum Fault {
    /// What was sent is not a request. Says why.
    Malformed(String),
    /// The key may not do that. Says what is missing.
    Forbidden(String),
    /// The call was turned down.
    Refused(Refusal, Cow<'static, str>),
}

/// A failed call.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct ErrorObject {
    /// Why, as a number.
    pub(super) code: u16,
    /// Why, for people.
    pub(super) message: String,
}

impl Fault {
    /// A field of the request is wrong: what it is or should be.
    pub(super) fn field(name: &str, what: impl Display) -> Self {
        let refusal = Refusal::BadRequest;
        Self::Refused(refusal, format!("{}: {name}: {what}", refusal.text()).into())
    }

    /// The code by which it is told.
    pub(super) fn code(&self) -> u16 {
        match self {
            Self::Malformed(_) => Refusal::BadRequest.code(),
            Self::Forbidden(_) => Refusal::PermissionDenied.code(),
            Self::Refused(refusal, _) => refusal.code(),
        }
    }

    /// As it is told where the answer is JSON whatever happened.
    pub(super) fn into_object(self) -> ErrorObject {
        let with_detail = |refusal: Refusal, detail: String| ErrorObject {
            code: refusal.code(),
            message: format!("{}: {detail}", refusal.text()),
        };
        match self {
            Self::Malformed(detail) => with_detail(Refusal::BadRequest, detail),
            Self::Forbidden(detail) => with_detail(Refusal::PermissionDenied, detail),
            Self::Refused(refusal, text) => ErrorObject { code: refusal.code(), message: text.into_owned() },
        }
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal, refusal.text().into())
    }
}

/// The HTTP status of a refusal, where failures are told by status.
pub(super) fn status(refusal: Refusal) -> StatusCode {
    match refusal {
        Refusal::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        Refusal::UnknownChannel | Refusal::MethodNotFound => StatusCode::NOT_FOUND,
        Refusal::PermissionDenied => StatusCode::FORBIDDEN,
        Refusal::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
        Refusal::UnrecoverablePosition => StatusCode::RANGE_NOT_SATISFIABLE,
        Refusal::AlreadySubscribed
        | Refusal::LimitExceeded
        | Refusal::BadRequest
        | Refusal::NotAvailable
        | Refusal::TokenExpired
        | Refusal::Expired => StatusCode::BAD_REQUEST,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_told_with_its_code() {
        let told = |fault: Fault| {
            let object = fault.into_object();
            (object.code, object.message)
        };
        for (fault, code, message) in [
            (Fault::from(Refusal::UnknownChannel), 102, "unknown channel"),
            (Fault::field("channel", "is empty"), 107, "bad request: channel: is empty"),
            (Fault::Malformed("no".to_owned()), 107, "bad request: no"),
            (Fault::Forbidden("no".to_owned()), 103, "permission denied: no"),
        ] {
            assert_eq!(told(fault), (code, message.to_owned()));
        }
    }

    #[test]
    fn refusals_have_statuses() {
        let told = Refusal::ALL.map(|refusal| (refusal.code(), status(refusal).as_u16()));
        let expected = [
            (100, 500),
            (102, 404),
            (103, 403),
            (104, 404),
            (105, 400),
            (106, 400),
            (107, 400),
            (108, 400),
            (109, 400),
            (110, 400),
            (111, 429),
            (112, 416),
        ];
        assert_eq!(told, expected);
    }
}
