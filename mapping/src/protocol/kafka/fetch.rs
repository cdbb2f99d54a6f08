//! Fetch (API key 1): messages are asked for.

use super::primitives::Fields;
use super::produce::first_partition;
use super::{Request, text};

/// From this version on, topics are known by their ids.
const TOPIC_IDS: i16 = 13;
/// From this version on, a request of a session names only what has changed.
const SESSIONS: i16 = 7;

/// Reads the body of a request up to its only topic. Messages come in the reply, behind the head.
pub(super) fn request<'a>(mut body: Fields<'a>, request: &mut Request<'a>) -> Option<()> {
    let version = request.version;
    // The replica's id; from version 15 on it is a tagged field.
    if version < 15 {
        body.rest.i32()?;
    }
    // How long to wait, the least and the most bytes, the isolation level.
    body.rest.take(4 + 4 + 4 + 1)?;
    if version >= SESSIONS {
        body.rest.take(4 + 4)?;
    }
    if body.count()? == 1 && version < TOPIC_IDS {
        request.topic = text(body.string()?);
        if body.count()? == 1 {
            request.partition = Some(body.rest.i32()?);
        }
    }
    Some(())
}

/// The error code of a reply, or else of its first partition.
pub(super) fn error(mut reply: Fields<'_>, version: i16) -> Option<i16> {
    let _throttled = reply.rest.i32()?;
    if version >= SESSIONS {
        let error = reply.rest.i16()?;
        let _session = reply.rest.i32()?;
        if error != 0 {
            return Some(error);
        }
    }
    first_partition(&mut reply, version >= TOPIC_IDS)
}
