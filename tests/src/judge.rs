//! Holds the spans against the truth: right, orphan, wrong, missing, extra.
//!
//! A span is matched with its message by its connection and the order on it, so nothing that the
//! agent itself inferred is believed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;

use crate::spans::{Kind, Span};
use crate::truth::{Hop, Message};

/// What is said about a span, or about the lack of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Finding {
    /// The parent is the right one (or there is rightly none).
    Right,
    /// There should be a parent, and there is none.
    Orphan,
    /// The parent belongs to another request, or is the wrong span of this one.
    Wrong,
    /// Two requests in one trace, or two messages in one span.
    Merged,
    /// A message without its span.
    Missing,
    /// A span without a message.
    Extra,
    /// The parent is no exported span, and the right one was not exported either.
    Dangling,
}

/// A finding, and what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The finding.
    pub finding: Finding,
    /// The request, if it is known.
    pub id: Option<String>,
    /// For a reader: which span of which hop, and why.
    pub about: String,
}

/// Everything the judge found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// One verdict for each span and each span that is not there.
    pub verdicts: Vec<Verdict>,
}

/// Which span is which message's, at which end.
type Matched<'a> = BTreeMap<(usize, Kind), &'a Span>;

/// Judges all spans; both ends of every hop are expected to be traced.
pub fn judge(hops: &[Hop], messages: &[Message], spans: &[Span]) -> Report {
    let mut report = Report::default();
    let spans = once(spans, &mut report);
    let matched = match_all(hops, messages, &spans, &mut report);
    for (&(message, kind), span) in &matched {
        let expected = expected_parent(hops, messages, &matched, message, kind);
        let (finding, why) = parent(&expected, span, &spans);
        report.add(finding, hops, &messages[message], kind, &why);
    }
    shared_traces(hops, messages, &matched, &mut report);
    report
}

impl Report {
    /// The verdicts about these requests, and those that are about no known request.
    pub fn about<'a>(&self, ids: impl IntoIterator<Item = &'a str>) -> Report {
        let ids: BTreeSet<&str> = ids.into_iter().collect();
        let about = |verdict: &&Verdict| verdict.id.as_deref().is_none_or(|id| ids.contains(id));
        Report {
            verdicts: self.verdicts.iter().filter(about).cloned().collect(),
        }
    }

    /// How many verdicts are `finding`.
    pub fn count(&self, finding: Finding) -> usize {
        self.verdicts
            .iter()
            .filter(|verdict| verdict.finding == finding)
            .count()
    }

    /// Fails with the counts and some examples unless every verdict is one of `allowed`, and some
    /// are [`Finding::Right`].
    ///
    /// # Errors
    /// When something else was found, or nothing at all.
    pub fn expect_only(&self, allowed: &[Finding]) -> anyhow::Result<()> {
        let fine = self
            .verdicts
            .iter()
            .all(|verdict| allowed.contains(&verdict.finding));
        anyhow::ensure!(fine && self.count(Finding::Right) > 0, "{self}");
        Ok(())
    }

    fn add(&mut self, finding: Finding, hops: &[Hop], message: &Message, kind: Kind, why: &str) {
        let Hop { client, server, .. } = &hops[message.hop];
        let (number, connection) = (message.number, message.connection.client);
        let about =
            format!("{kind:?} of {client} -> {server}, message {number} from {connection}: {why}");
        self.verdicts.push(Verdict {
            finding,
            id: message.id.clone(),
            about,
        });
    }

    fn extra(&mut self, span: &Span, why: &str) {
        let about = format!(
            "{:?} {:?} of {}: {why}",
            span.kind,
            span.name,
            span.service()
        );
        self.verdicts.push(Verdict {
            finding: Finding::Extra,
            id: None,
            about,
        });
    }
}

impl fmt::Display for Report {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut counts: BTreeMap<Finding, Vec<&Verdict>> = BTreeMap::new();
        for verdict in &self.verdicts {
            counts.entry(verdict.finding).or_default().push(verdict);
        }
        for (finding, verdicts) in counts {
            writeln!(to, "{finding:?}: {}", verdicts.len())?;
            let examples = if finding == Finding::Right { 0 } else { 8 };
            for Verdict { id, about, .. } in verdicts.into_iter().take(examples) {
                writeln!(to, "  {}: {about}", id.as_deref().unwrap_or("no request"))?;
            }
        }
        Ok(())
    }
}

/// A span that was exported twice counts once, and the second time as extra.
fn once<'a>(spans: &'a [Span], report: &mut Report) -> Vec<&'a Span> {
    let mut seen = BTreeSet::new();
    let mut kept = Vec::new();
    for span in spans {
        if seen.insert((&span.trace_id, &span.span_id)) {
            kept.push(span);
        } else {
            report.extra(span, "its id was exported before");
        }
    }
    kept
}

fn match_all<'a>(
    hops: &[Hop],
    messages: &[Message],
    spans: &[&'a Span],
    report: &mut Report,
) -> Matched<'a> {
    // By the two addresses, not by connection: a span does not know the sequence number.
    type Side = (SocketAddr, SocketAddr, Kind);
    let mut expected: BTreeMap<Side, Vec<usize>> = BTreeMap::new();
    for (index, message) in messages.iter().enumerate() {
        for kind in [Kind::Client, Kind::Server] {
            let side = (message.connection.client, message.connection.server, kind);
            expected.entry(side).or_default().push(index);
        }
    }
    let mut found: BTreeMap<Side, Vec<&Span>> = BTreeMap::new();
    for span in spans {
        let side = span.ends().map(|(local, peer)| match span.kind {
            Kind::Client => (local, peer, Kind::Client),
            Kind::Server => (peer, local, Kind::Server),
        });
        match side.filter(|side| expected.contains_key(side)) {
            Some(side) => found.entry(side).or_default().push(span),
            None => report.extra(span, &format!("no such connection: {:?}", span.ends())),
        }
    }
    let mut matched = Matched::new();
    for (side, mut indices) in expected {
        let mut spans = found.remove(&side).unwrap_or_default();
        indices.sort_by_key(|index| messages[*index].start);
        spans.sort_by_key(|span| span.start);
        if indices.len() == spans.len() {
            matched.extend(indices.into_iter().map(|index| (index, side.2)).zip(spans));
        } else {
            match_by_time(
                hops,
                messages,
                side.2,
                &indices,
                &spans,
                &mut matched,
                report,
            );
        }
    }
    matched
}

/// Where the counts differ, the times tell which is which: a caller's span starts right before its
/// request leaves, a callee's between the request and the reply.
fn match_by_time<'a>(
    hops: &[Hop],
    messages: &[Message],
    kind: Kind,
    indices: &[usize],
    spans: &[&'a Span],
    matched: &mut Matched<'a>,
    report: &mut Report,
) {
    for span in spans {
        // A capture is stamped by another clock reading than the span: allow a little either way.
        const SLACK: u64 = 20_000;
        let place = match kind {
            Kind::Client => {
                indices.partition_point(|index| messages[*index].start + SLACK < span.start)
            }
            Kind::Server => indices
                .partition_point(|index| messages[*index].start <= span.start + SLACK)
                .wrapping_sub(1),
        };
        match indices.get(place) {
            Some(index) if !matched.contains_key(&(*index, kind)) => {
                matched.insert((*index, kind), span);
            }
            _ => report.extra(span, "its connection carried no such message"),
        }
    }
    let mut before: Option<&Span> = None;
    for index in indices {
        let message = &messages[*index];
        match matched.get(&(*index, kind)) {
            Some(span) => before = Some(span),
            None if before.is_some_and(|span| span.end >= message.start) => {
                report.add(
                    Finding::Merged,
                    hops,
                    message,
                    kind,
                    "part of the span before it",
                );
            }
            None => report.add(Finding::Missing, hops, message, kind, "no span"),
        }
    }
}

/// What a span's parent should be.
enum Expected<'a> {
    /// There should be none.
    None,
    /// This one.
    Span(&'a Span),
    /// One that was not exported.
    Lost,
}

fn expected_parent<'a>(
    hops: &[Hop],
    messages: &[Message],
    matched: &Matched<'a>,
    message: usize,
    kind: Kind,
) -> Expected<'a> {
    let this = &messages[message];
    let parent = match kind {
        Kind::Server => Some((message, Kind::Client)),
        Kind::Client => {
            let visit = messages.iter().position(|other| {
                hops[other.hop].server == hops[this.hop].client
                    && other.id == this.id
                    && !other.set_up
            });
            visit.map(|visit| (visit, Kind::Server))
        }
    };
    match parent.map(|key| matched.get(&key)) {
        None => Expected::None,
        Some(Some(span)) => Expected::Span(span),
        Some(None) => Expected::Lost,
    }
}

fn parent(expected: &Expected, span: &Span, spans: &[&Span]) -> (Finding, String) {
    let how = span.parent_found_by();
    let Some(parent) = &span.parent else {
        return match expected {
            Expected::None => (Finding::Right, "a root".into()),
            _ => (Finding::Orphan, how.into()),
        };
    };
    if let Expected::Span(expected) = expected
        && *parent == expected.span_id
    {
        return match span.trace_id == expected.trace_id {
            true => (Finding::Right, how.into()),
            false => (
                Finding::Orphan,
                format!("{how}, in another trace than its parent"),
            ),
        };
    }
    let known = spans.iter().find(|span| span.span_id == *parent);
    match (known, expected) {
        (Some(known), _) => {
            let (kind, name, service) = (known.kind, &known.name, known.service());
            (
                Finding::Wrong,
                format!("{how}: under {kind:?} {name:?} of {service}"),
            )
        }
        (None, Expected::Lost) => (Finding::Dangling, format!("{how}: neither was exported")),
        (None, _) => (
            Finding::Wrong,
            format!("{how}: under {parent}, which nobody exported"),
        ),
    }
}

fn shared_traces(hops: &[Hop], messages: &[Message], matched: &Matched, report: &mut Report) {
    let mut first: BTreeMap<&str, &str> = BTreeMap::new();
    for (&(index, kind), span) in matched {
        let Some(id) = &messages[index].id else {
            continue;
        };
        let owner = *first.entry(&span.trace_id).or_insert(id);
        if owner != id {
            let why = format!("its trace is also that of {owner}");
            report.add(Finding::Merged, hops, &messages[index], kind, &why);
        }
        // The agent's own reading of the path must agree with the wire.
        if let Some(path) = span.text("url.path")
            && !path.ends_with(id.as_str())
        {
            let why = format!("url.path is {path}");
            report.add(Finding::Merged, hops, &messages[index], kind, &why);
        }
    }
}

#[cfg(test)]
mod tests;
