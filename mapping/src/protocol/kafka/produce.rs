//! Produce (API key 0): messages are sent.

use super::primitives::Fields;
use super::records::Batch;
use super::{Request, text};
use crate::protocol::message::Unread;

/// From this version on there are transactions, and messages come in batches and with headers.
const BATCHES: i16 = 3;
/// From this version on, topics are known by their ids.
pub(super) const TOPIC_IDS: i16 = 13;

/// Reads the body of a request, and says whether it can be one.
pub(super) fn request<'a>(mut body: Fields<'a>, request: &mut Request<'a>) -> bool {
    let with_headers = request.version >= BATCHES;
    if with_headers && body.nullable_string().is_none() {
        request.unread = Some(Unread::Cut);
        return true;
    }
    let acks = body.rest.i16();
    request.unanswered = acks == Some(0);
    if acks.is_some_and(|acks| !(-1..=1).contains(&acks)) {
        return false;
    }
    let mut batch = None;
    let whole = topics(&mut body, request, &mut batch);
    if !with_headers {
        request.batch = None;
        return true;
    }
    // Some of the batches are not seen: how many messages they have is not known.
    if whole.is_none() {
        request.batch = None;
        request.unread = Some(Unread::Cut);
    }
    match batch {
        Some(Ok(batch)) => {
            request.unread = None;
            batch.first_headers(request);
        }
        Some(Err(why)) => request.unread = Some(why),
        None => {}
    }
    true
}

/// Reads from behind the acknowledgements that are asked for.
fn topics<'a>(
    body: &mut Fields<'a>,
    request: &mut Request<'a>,
    first: &mut Option<Result<Batch<'a>, Unread>>,
) -> Option<()> {
    let _timeout = body.rest.i32()?;
    let topics = body.count()?;
    let mut messages = 0usize;
    for _ in 0..topics {
        if request.version >= TOPIC_IDS {
            body.rest.take(16)?;
        } else {
            let name = text(body.string()?);
            if topics == 1 {
                request.topic = name;
            }
        }
        let partitions = body.count()?;
        let only = topics == 1 && partitions == 1;
        for _ in 0..partitions {
            let partition = body.rest.i32()?;
            request.partition = only.then_some(partition);
            let length = body.bytes_length()?;
            let records = body.rest.take(length.min(body.rest.0.len()))?;
            if length > 0 && request.version >= BATCHES {
                let batch = Batch::parse(records);
                first.get_or_insert(batch);
                messages = messages.saturating_add(batch.ok()?.count);
            }
            if records.len() < length {
                // The head of the only batch says how many messages there are.
                request.batch = Some(messages);
                return only.then_some(());
            }
            body.tags()?;
        }
        body.tags()?;
    }
    request.batch = Some(messages);
    Some(())
}

/// The error code of the first partition in a reply.
pub(super) fn error(mut reply: Fields<'_>, version: i16) -> Option<i16> {
    first_partition(&mut reply, version >= TOPIC_IDS)
}

/// Reads up to the error of the first partition of the first topic.
pub(super) fn first_partition(reply: &mut Fields<'_>, ids: bool) -> Option<i16> {
    if reply.count()? == 0 {
        return None;
    }
    if ids {
        reply.rest.take(16)?;
    } else {
        reply.string()?;
    }
    if reply.count()? == 0 {
        return None;
    }
    reply.rest.i32()?;
    reply.rest.i16()
}
