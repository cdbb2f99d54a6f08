//! What an operator can do about an endpoint that refuses spans for good.

use tonic::Code;

const CREDENTIALS: &str = "; are the credentials in exporter.headers right?";
const SIZE: &str = "; a smaller exporter.batch.max_bytes may help";
const COMPRESSION: &str = "; exporter.compression may be one that the endpoint does not take";

/// For a gRPC code; empty where there is nothing to say.
pub(super) fn grpc(code: Code) -> &'static str {
    match code {
        Code::Unauthenticated | Code::PermissionDenied => CREDENTIALS,
        Code::ResourceExhausted => SIZE,
        Code::Unimplemented => {
            "; either exporter.endpoint is no OTLP/gRPC receiver for traces, or \
             exporter.compression is one that it does not take"
        }
        _ => "",
    }
}

/// For an HTTP status; empty where there is nothing to say.
pub(super) fn http(status: u16) -> &'static str {
    match status {
        401 | 403 => CREDENTIALS,
        404 | 405 => "; exporter.endpoint may be no OTLP/HTTP receiver for traces",
        407 => "; the proxy wants credentials: http://user:password@proxy:3128",
        413 => SIZE,
        415 => COMPRESSION,
        _ => "",
    }
}
