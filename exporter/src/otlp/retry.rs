//! What a failed request means, and when to send it again.
//!
//! <https://opentelemetry.io/docs/specs/otlp/#failures>

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::advice;
use super::settings::RetrySettings;

/// A request that was not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Whether to send it again.
    pub verdict: Verdict,
    /// A short name for the counters: a gRPC code, an HTTP status, or what the connection did.
    pub reason: Cow<'static, str>,
    /// For the log.
    pub message: String,
}

/// Whether to send a failed request again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Again, not before the server's word if it gave one.
    Retry(Option<Duration>),
    /// Never.
    Drop,
}

impl Failure {
    /// The connection failed before the server could say anything.
    pub(crate) fn connection(reason: &'static str, error: &dyn std::error::Error) -> Self {
        Self {
            verdict: Verdict::Retry(None),
            reason: reason.into(),
            message: chain(error),
        }
    }

    /// The server said nothing for too long.
    pub(crate) fn timeout(timeout: Duration) -> Self {
        Self {
            verdict: Verdict::Retry(None),
            reason: "timeout".into(),
            message: format!("no answer within {timeout:?}"),
        }
    }

    /// The server's gRPC status.
    pub(crate) fn grpc(status: &Status) -> Self {
        let info = status.get_details_retry_info();
        let wait = info.as_ref().and_then(|info| info.retry_delay);
        let verdict = match status.code() {
            Code::Cancelled
            | Code::DeadlineExceeded
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unavailable
            | Code::DataLoss => Verdict::Retry(wait),
            // Without RetryInfo the server will never take it, e.g. since it is too long.
            Code::ResourceExhausted if info.is_some() => Verdict::Retry(wait),
            _ => Verdict::Drop,
        };
        let name = code_name(status.code());
        Self {
            verdict,
            reason: name.into(),
            message: format!(
                "{name}: {}{}",
                status.message(),
                advice::grpc(status.code())
            ),
        }
    }

    /// An HTTP status that is not 2xx.
    pub(crate) fn http(status: u16, retry_after: Option<&str>, message: &str) -> Self {
        let verdict = match status {
            429 | 502 | 503 | 504 => Verdict::Retry(
                retry_after.and_then(|value| parse_retry_after(value, SystemTime::now())),
            ),
            _ => Verdict::Drop,
        };
        Self {
            verdict,
            reason: format!("http_{status}").into(),
            message: format!("HTTP status {status}: {message}{}", advice::http(status)),
        }
    }
}

/// An error with its causes, which is where the useful word often is.
fn chain(error: &dyn std::error::Error) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !message.contains(&text) {
            message.push_str(": ");
            message.push_str(&text);
        }
        cause = error.source();
    }
    message
}

/// `Retry-After` (RFC 9110, 10.2.3): seconds or a date.
fn parse_retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// The waits between the attempts of one request.
#[derive(Debug)]
pub(crate) struct Backoff {
    settings: RetrySettings,
    next: Duration,
}

/// Each wait is this many times the one before.
const GROWTH: f64 = 1.5;
/// A wait is this far from its nominal value at most, so that agents that failed together don't
/// come back together.
const JITTER: f64 = 0.5;

impl Backoff {
    pub(crate) fn new(settings: RetrySettings) -> Self {
        Self {
            settings,
            next: settings.initial,
        }
    }

    /// The next wait, or `None` when it would end later than `max_elapsed` after the first attempt,
    /// which was `elapsed` ago.
    pub(crate) fn next(&mut self, asked: Option<Duration>, elapsed: Duration) -> Option<Duration> {
        let factor = 1.0 - JITTER + 2.0 * JITTER * fastrand::f64();
        let own = self.next.min(self.settings.max).mul_f64(factor);
        self.next = self.next.mul_f64(GROWTH).min(self.settings.max);
        let wait = asked.map_or(own, |asked| asked.max(own));
        let limit = self.settings.max_elapsed;
        (limit.is_zero() || elapsed.saturating_add(wait) <= limit).then_some(wait)
    }
}

#[cfg(test)]
#[path = "retry_tests.rs"]
mod tests;
