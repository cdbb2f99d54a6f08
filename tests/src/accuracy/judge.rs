//! Says of every request that the program in the middle sent what became of it.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use super::matching::{self, Asked, Line, Place, SLACK};
use crate::spans::{Kind, Span};

/// Who calls whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop {
    /// Who calls.
    pub client: &'static str,
    /// Who is called.
    pub server: &'static str,
}

/// What is said about a request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Finding {
    /// Its span's parent is the visit whose request carried the same id.
    Right,
    /// Its span has no parent, for the reason that its agent gives.
    Orphan(String),
    /// Its span's parent is something else; how that was found.
    Wrong(String),
    /// It has no span of its own: it is in that of another request.
    Merged,
    /// It has no span.
    Missing,
}

/// A finding and what it is about.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The request's unique id; none for a log-in and the like.
    pub id: Option<String>,
    /// Which of the program's calls.
    pub step: String,
    /// Of the caller's span.
    pub finding: Finding,
    /// Of the far end's span: whether it is in the trace of this request.
    pub far: Finding,
    /// For a reader.
    pub about: String,
}

/// Everything that was found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// One for each request with an id, and for each without one whose parent can't be right.
    pub verdicts: Vec<Verdict>,
    /// Spans that are about nothing, or about a part of something.
    pub extra: Vec<String>,
    /// Visits: requests to the program.
    pub visits: usize,
    /// Those of them without a span.
    pub visits_missing: usize,
    /// What does not fit: spans whose own reading of the head names another request than their
    /// bytes do, requests that came in the trace of another.
    pub misread: Vec<String>,
}

/// A request to the program in the middle.
struct Visit<'a> {
    span: Option<&'a Span>,
    /// The trace that its caller began, as it was on the wire.
    trace_id: Option<&'a str>,
    asked: &'a Asked,
}

/// The spans of one side of a line, by the request that they begin with.
type Side<'a> = BTreeMap<usize, &'a Span>;

struct Court<'a> {
    hops: &'a [Hop],
    lines: &'a [Line],
    callers: Vec<Side<'a>>,
    callees: Vec<Side<'a>>,
    visits: HashMap<(&'a str, &'a str), Visit<'a>>,
    /// Whose trace is whose.
    owners: HashMap<&'a str, &'a str>,
    /// Who was called, and for which request, by the span id of the visit.
    parents: HashMap<&'a str, (&'a str, &'a str)>,
}

/// Judges all requests whose caller was called itself.
pub fn judge(hops: &[Hop], lines: &[Line], spans: &[Span]) -> Report {
    let mut report = Report::default();
    let mut court = Court {
        hops,
        lines,
        callers: vec![Side::new(); lines.len()],
        callees: vec![Side::new(); lines.len()],
        visits: HashMap::new(),
        owners: HashMap::new(),
        parents: HashMap::new(),
    };
    court.hear(spans, &mut report);
    court.find_visits(&mut report);
    for (index, line) in lines.iter().enumerate() {
        let caller = hops[line.hop].client;
        if hops.iter().any(|hop| hop.server == caller) {
            court.judge_line(index, caller, &mut report);
        }
    }
    report
}

impl Report {
    /// Verdicts with a wrong parent, at either end.
    pub fn wrong(&self) -> impl Iterator<Item = &Verdict> {
        let is_wrong = |finding: &Finding| matches!(finding, Finding::Wrong(_));
        self.verdicts
            .iter()
            .filter(move |verdict| is_wrong(&verdict.finding) || is_wrong(&verdict.far))
    }
}

impl<'a> Court<'a> {
    /// Finds the line and the place of each span.
    fn hear(&mut self, spans: &'a [Span], report: &mut Report) {
        let mut by_ends: BTreeMap<(SocketAddr, SocketAddr), Vec<usize>> = BTreeMap::new();
        for (index, line) in self.lines.iter().enumerate() {
            let ends = (line.id.client, line.id.server);
            by_ends.entry(ends).or_default().push(index);
        }
        let mut seen = HashMap::new();
        let mut sides: BTreeMap<(usize, Kind), Vec<&Span>> = BTreeMap::new();
        for span in spans {
            if seen.insert(&span.span_id, ()).is_some() {
                report.extra.push(format!("exported twice: {}", told(span)));
                continue;
            }
            let ends = span.ends().map(|(local, peer)| match span.kind {
                Kind::Client => (local, peer),
                Kind::Server => (peer, local),
            });
            let of_ends = ends.and_then(|ends| by_ends.get(&ends));
            // Ports are used again: the latest that had been opened.
            let line = of_ends.and_then(|lines| {
                let opened = |index: &&usize| self.lines[**index].opened <= span.start + SLACK;
                lines.iter().rev().find(opened)
            });
            match line {
                Some(line) => sides.entry((*line, span.kind)).or_default().push(span),
                None => report
                    .extra
                    .push(format!("no such connection: {}", told(span))),
            }
        }
        for ((index, kind), mut spans) in sides {
            spans.sort_by_key(|span| span.start);
            let line = &self.lines[index];
            let side = match kind {
                Kind::Client => &mut self.callers[index],
                Kind::Server => &mut self.callees[index],
            };
            for (span, place) in spans.iter().zip(line.places(&spans)) {
                hear_one(line, span, place, report);
                if let Place::Begins(number) = place {
                    side.insert(number, span);
                }
            }
        }
    }

    fn find_visits(&mut self, report: &mut Report) {
        for (index, line) in self.lines.iter().enumerate() {
            let server = self.hops[line.hop].server;
            if !self.hops.iter().any(|hop| hop.client == server) {
                continue;
            }
            for (number, asked) in line.requests.iter().enumerate() {
                let Some(id) = asked.request.id.as_deref() else {
                    continue;
                };
                let span = self.callees[index].get(&number).copied();
                let wire = line
                    .context_of(number)
                    .map(|context| context.trace_id.as_str());
                let trace_id = wire.or(span.map(|span| span.trace_id.as_str()));
                report.visits += 1;
                report.visits_missing += usize::from(span.is_none());
                let before = trace_id.and_then(|trace_id| self.owners.insert(trace_id, id));
                if let Some(before) = before.filter(|before| *before != id) {
                    report
                        .misread
                        .push(format!("{before} and {id} came in one trace"));
                }
                self.parents
                    .extend(span.map(|span| (span.span_id.as_str(), (server, id))));
                let visit = Visit {
                    span,
                    trace_id,
                    asked,
                };
                self.visits.insert((server, id), visit);
            }
        }
    }

    fn judge_line(&self, index: usize, caller: &'a str, report: &mut Report) {
        let line = &self.lines[index];
        for (number, asked) in line.requests.iter().enumerate() {
            let (begin, edge) = covering(line, &self.callers[index], number);
            let Some(id) = asked.request.id.as_deref() else {
                let edge = edge.filter(|_| begin == number);
                report
                    .verdicts
                    .extend(edge.and_then(|edge| self.judge_set_up(edge)));
                continue;
            };
            let visit = self.visits.get(&(caller, id));
            let (finding, why) = match edge {
                None => self.without_span(line, number, id),
                Some(edge) if begin == number => self.judge_edge(edge, visit),
                // Several of one visit in one span are that span's.
                Some(edge) if line.requests[begin].request.id.as_deref() == Some(id) => {
                    self.judge_edge(edge, visit)
                }
                Some(edge) => (Finding::Merged, format!("in {}", told(edge))),
            };
            let far = self.judge_far(index, number, id);
            let (step, ends) = (&asked.request.step, (line.id.client, line.id.server));
            report.verdicts.push(Verdict {
                about: format!("{step} of {id}, {} -> {}: {why}", ends.0, ends.1),
                id: Some(id.to_owned()),
                step: step.clone(),
                finding,
                far,
            });
        }
    }

    fn judge_edge(&self, edge: &Span, visit: Option<&Visit>) -> (Finding, String) {
        let how = edge.parent_found_by().to_owned();
        let Some(parent) = &edge.parent else {
            return (Finding::Orphan(how), told(edge));
        };
        let right = visit.is_some_and(|visit| match visit.span {
            Some(span) => (parent, &edge.trace_id) == (&span.span_id, &span.trace_id),
            None => {
                visit.trace_id == Some(&edge.trace_id) && !self.parents.contains_key(&parent[..])
            }
        });
        if right {
            return (Finding::Right, how);
        }
        let why = format!("{}, under {}", told(edge), self.tell_parent(edge, parent));
        (Finding::Wrong(how), why)
    }

    /// A log-in or the like belongs to nobody who could be named; but its parent must have been open.
    fn judge_set_up(&self, edge: &Span) -> Option<Verdict> {
        let parent = edge.parent.as_ref()?;
        let visit = self.visit_of(parent)?;
        let until = visit.asked.replied.map_or(u64::MAX, |at| at + SLACK);
        let open = (visit.asked.sent..until).contains(&edge.start);
        let wrong = Verdict {
            id: None,
            step: String::new(),
            finding: Finding::Wrong(edge.parent_found_by().to_owned()),
            far: Finding::Missing,
            about: format!(
                "set-up, {}, under {}",
                told(edge),
                self.tell_parent(edge, parent)
            ),
        };
        (!open).then_some(wrong)
    }

    /// No span came; what went over the wire may be wrong all the same.
    fn without_span(&self, line: &Line, number: usize, id: &str) -> (Finding, String) {
        let context = line.context_of(number);
        let owner = context.and_then(|context| self.owners.get(context.trace_id.as_str()));
        match owner {
            Some(owner) if *owner != id => {
                let why = format!("no span, and on the wire the trace of {owner}");
                (Finding::Wrong("unexported".into()), why)
            }
            _ => (Finding::Missing, "no span".into()),
        }
    }

    fn judge_far(&self, index: usize, number: usize, id: &str) -> Finding {
        let line = &self.lines[index];
        let (begin, span) = covering(line, &self.callees[index], number);
        let Some(span) = span else {
            return Finding::Missing;
        };
        if begin != number && line.requests[begin].request.id.as_deref() != Some(id) {
            return Finding::Merged;
        }
        let how = span.parent_found_by().to_owned();
        let caller = self.callers[index].get(&begin);
        let parent_fits = caller.is_none_or(|caller| span.parent.as_ref() == Some(&caller.span_id));
        match self.owners.get(span.trace_id.as_str()) {
            None => Finding::Orphan(how),
            Some(owner) if *owner == id && parent_fits => Finding::Right,
            Some(_) => Finding::Wrong(how),
        }
    }

    fn visit_of(&self, span_id: &str) -> Option<&Visit<'a>> {
        self.visits.get(self.parents.get(span_id)?)
    }

    fn tell_parent(&self, edge: &Span, parent: &str) -> String {
        let Some(visit) = self.visit_of(parent) else {
            return format!("{parent}, which is no visit");
        };
        let id = visit.asked.request.id.as_deref().unwrap_or_default();
        let at = |time: u64| (time.cast_signed() - edge.start.cast_signed()) / 1000;
        let (sent, replied) = (at(visit.asked.sent), visit.asked.replied.map(at));
        format!("the visit of {id}, open from {sent} us to {replied:?} us of its start")
    }
}

fn hear_one(line: &Line, span: &Span, place: Place, report: &mut Report) {
    match place {
        Place::Begins(number) if line.requests[number].request.beside => {
            report
                .extra
                .push(format!("beside all requests: {}", told(span)));
        }
        Place::Begins(number) => {
            let (read, sent) = (
                matching::id_in_head(span),
                &line.requests[number].request.id,
            );
            if read.is_some() && read != *sent {
                report.misread.push(format!("{sent:?}: {}", told(span)));
            }
        }
        Place::Within(number) => {
            let id = &line.requests[number].request.id;
            report
                .extra
                .push(format!("a part of {id:?}: {}", told(span)));
        }
        Place::Nowhere => report
            .extra
            .push(format!("no such request: {}", told(span))),
    }
}

/// The span that holds a request: its own, or the one before that had not ended.
fn covering<'a>(line: &Line, side: &Side<'a>, number: usize) -> (usize, Option<&'a Span>) {
    match side.range(..=number).next_back() {
        Some((begin, span)) if *begin == number || span.end >= line.requests[number].sent => {
            (*begin, Some(*span))
        }
        _ => (number, None),
    }
}

fn told(span: &Span) -> String {
    let (kind, name, how) = (span.kind, &span.name, span.parent_found_by());
    let service = span.service();
    let ends = span
        .ends()
        .map_or_else(String::new, |(local, peer)| format!(" {local} -> {peer}"));
    format!("{kind:?} {name:?} of {service}{ends} ({how})")
}

#[cfg(test)]
mod tests;
