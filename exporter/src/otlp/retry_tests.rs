use tonic_types::ErrorDetails;

use super::*;

fn verdict(code: Code) -> Verdict {
    Failure::grpc(&Status::new(code, "why")).verdict
}

#[test]
fn grpc_codes_are_retried_as_the_specification_says() {
    let again = [
        Code::Cancelled,
        Code::DeadlineExceeded,
        Code::Aborted,
        Code::OutOfRange,
        Code::Unavailable,
        Code::DataLoss,
    ];
    for code in (1..=16).map(Code::from) {
        let expected = if again.contains(&code) {
            Verdict::Retry(None)
        } else {
            Verdict::Drop
        };
        assert_eq!(verdict(code), expected, "{code:?}");
    }
}

#[test]
fn retry_info_makes_exhausted_resources_retryable_and_sets_the_wait() {
    let wait = Duration::from_secs(3);
    for code in [Code::ResourceExhausted, Code::Unavailable] {
        let details = ErrorDetails::with_retry_info(Some(wait));
        let status = Status::with_error_details(code, "busy", details);
        assert_eq!(Failure::grpc(&status).verdict, Verdict::Retry(Some(wait)));
    }
}

#[test]
fn retry_info_without_a_time_leaves_the_wait_to_the_back_off() {
    let details = ErrorDetails::with_retry_info(None);
    let status = Status::with_error_details(Code::ResourceExhausted, "busy", details);
    assert_eq!(Failure::grpc(&status).verdict, Verdict::Retry(None));
}

#[test]
fn what_is_refused_for_good_comes_with_advice() {
    let refused = Failure::grpc(&Status::unauthenticated("no token"));
    assert_eq!(
        refused.message,
        "UNAUTHENTICATED: no token; are the credentials in exporter.headers right?"
    );
    let refused = Failure::http(415, None, "unsupported");
    assert!(refused.message.contains("exporter.compression"));
}

#[test]
fn http_statuses_are_retried_as_the_specification_says() {
    for status in 300..600 {
        let again = matches!(status, 429 | 502 | 503 | 504);
        let expected = if again {
            Verdict::Retry(None)
        } else {
            Verdict::Drop
        };
        assert_eq!(
            Failure::http(status, None, "").verdict,
            expected,
            "{status}"
        );
    }
    let asked = Failure::http(503, Some(" 7 "), "").verdict;
    assert_eq!(asked, Verdict::Retry(Some(Duration::from_secs(7))));
}

#[test]
fn retry_after_may_be_a_date() {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_767);
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    assert_eq!(parse_retry_after(date, now), Some(Duration::from_secs(10)));
    let later = now + Duration::from_secs(60);
    assert_eq!(parse_retry_after(date, later), Some(Duration::ZERO));
    assert_eq!(parse_retry_after("soon", now), None);
}

const SETTINGS: RetrySettings = RetrySettings {
    initial: Duration::from_secs(1),
    max: Duration::from_secs(4),
    max_elapsed: Duration::from_secs(60),
};

#[test]
fn waits_grow_up_to_their_limit_with_jitter_around_it() {
    let mut backoff = Backoff::new(SETTINGS);
    for nominal in [1.0, 1.5, 2.25, 3.375, 4.0, 4.0] {
        let wait = backoff
            .next(None, Duration::ZERO)
            .expect("within the limit")
            .as_secs_f64();
        assert!(
            (nominal * 0.5..=nominal * 1.5).contains(&wait),
            "{wait} for {nominal}"
        );
    }
}

#[test]
fn the_server_may_ask_for_more_and_not_for_less() {
    let mut backoff = Backoff::new(SETTINGS);
    let asked = Duration::from_secs(20);
    assert_eq!(backoff.next(Some(asked), Duration::ZERO), Some(asked));
    assert!(backoff.next(Some(Duration::ZERO), Duration::ZERO) > Some(Duration::ZERO));
}

#[test]
fn a_request_is_given_up_at_its_limit_unless_there_is_none() {
    let asked = Some(Duration::from_secs(61));
    assert_eq!(Backoff::new(SETTINGS).next(asked, Duration::ZERO), None);
    assert_eq!(
        Backoff::new(SETTINGS).next(None, Duration::from_secs(60)),
        None
    );
    let mut endless = Backoff::new(RetrySettings {
        max_elapsed: Duration::ZERO,
        ..SETTINGS
    });
    assert!(endless.next(None, Duration::from_secs(1 << 40)).is_some());
}
