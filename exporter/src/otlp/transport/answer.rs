//! What a server sends back: read to its end, and kept as far as anyone wants to know it.

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::Body;
use http_body_util::BodyExt;

/// The most of a body that is kept: a message and a number fit in many times over.
pub(super) const MAX_BODY: usize = 64 << 10;

/// The end of a response.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub body: Bytes,
    pub trailers: Option<HeaderMap>,
}

impl Answer {
    pub(super) async fn read<B>(mut body: B) -> Result<Self, B::Error>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let mut kept = BytesMut::new();
        let mut trailers = None;
        while let Some(frame) = body.frame().await.transpose()? {
            match frame.into_data() {
                Ok(chunk) => {
                    let room = MAX_BODY - kept.len();
                    kept.extend_from_slice(&chunk[..chunk.len().min(room)]);
                }
                Err(frame) => trailers = frame.into_trailers().ok(),
            }
        }
        let body = kept.freeze();
        Ok(Self { body, trailers })
    }
}
