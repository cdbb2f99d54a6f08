//! From the tree to the typed configuration, noting every mistake on the way.

use std::collections::BTreeMap;

use super::{
    error::ConfigError,
    node::{Kind, Node, Position},
    visit::{Check, Section, Value, Visitor},
};

/// What is known of the file while it is read.
pub(super) struct Report {
    file: String,
    pub errors: Vec<ConfigError>,
    /// Where each value stands, by its path.
    positions: BTreeMap<String, Position>,
}

impl Report {
    pub fn new(file: &str) -> Self {
        Self {
            file: file.to_owned(),
            errors: Vec::new(),
            positions: BTreeMap::new(),
        }
    }

    pub fn error(&mut self, position: Position, path: &str, message: impl Into<String>) {
        self.errors.push(ConfigError {
            file: self.file.clone(),
            position: Some(position),
            path: path.to_owned(),
            message: message.into(),
        });
    }

    /// A mistake that shows only when values are compared. A path that is not in the file stands
    /// at the nearest one above it that is. A value that is wrong in itself is left at that.
    pub fn error_at(&mut self, path: &str, message: impl Into<String>) {
        let inside = |other: &str| {
            other
                .strip_prefix(path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        if self.errors.iter().any(|error| inside(&error.path)) {
            return;
        }
        let mut above = path;
        let position = loop {
            if let Some(position) = self.positions.get(above) {
                break *position;
            }
            match above.rfind(['.', '[']) {
                Some(end) => above = &above[..end],
                None => break Position { line: 1, column: 1 },
            }
        };
        self.error(position, path, message);
    }
}

/// Reads a whole section from a node.
pub(super) fn read_section<S: Section>(
    node: &Node,
    path: &str,
    section: &mut S,
    report: &mut Report,
) {
    let entries = match &node.kind {
        Kind::Unset => return,
        Kind::Map(entries) => entries,
        other => {
            let message = format!("{}; expected a mapping", other.describe());
            return report.error(node.position, path, message);
        }
    };
    let mut reader = Reader {
        entries: unique_keys(entries, path, report),
        path,
        known: Vec::new(),
        report,
    };
    section.visit(&mut reader);
    reader.refuse_the_rest();
}

/// Text keys with their first values; everything else is a mistake.
fn unique_keys<'n>(
    entries: &'n [(Node, Node)],
    path: &str,
    report: &mut Report,
) -> Vec<(&'n str, &'n Node, &'n Node)> {
    let mut unique: Vec<(&str, &Node, &Node)> = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        let Kind::Scalar { text, .. } = &key.kind else {
            let message = format!("{} as a key; expected a name", key.kind.describe());
            report.error(key.position, path, message);
            continue;
        };
        let first = unique
            .iter()
            .find(|(name, ..)| name == text)
            .map(|(_, key, _)| key.position);
        match first {
            Some(first) => {
                let message = format!("given twice; it is at line {} already", first.line);
                report.error(key.position, &join(path, text), message);
            }
            None => unique.push((text, key, value)),
        }
    }
    unique
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

struct Reader<'r, 'n> {
    entries: Vec<(&'n str, &'n Node, &'n Node)>,
    path: &'r str,
    known: Vec<&'static str>,
    report: &'r mut Report,
}

impl<'n> Reader<'_, 'n> {
    /// The value of a key, its path, and a note of where it stands.
    fn take(&mut self, key: &'static str) -> Option<(&'n Node, String)> {
        self.known.push(key);
        let index = self.entries.iter().position(|(name, ..)| *name == key)?;
        let (_, _, node) = self.entries.remove(index);
        let path = join(self.path, key);
        self.report.positions.insert(path.clone(), node.position);
        (!matches!(node.kind, Kind::Unset)).then_some((node, path))
    }

    fn refuse_the_rest(self) {
        for (name, key, _) in self.entries {
            let nearest = self
                .known
                .iter()
                .map(|known| {
                    (
                        strsim::jaro_winkler(&name.to_lowercase(), &known.to_lowercase()),
                        known,
                    )
                })
                .max_by(|(a, _), (b, _)| a.total_cmp(b));
            let message = match nearest {
                Some((likeness, known)) if likeness > 0.7 => {
                    format!("unknown key; did you mean {:?}?", join(self.path, known))
                }
                _ => format!("unknown key; expected one of {}", self.known.join(", ")),
            };
            self.report
                .error(key.position, &join(self.path, name), message);
        }
    }
}

/// One scalar, or a noted mistake.
fn read_scalar<T: Value>(
    node: &Node,
    path: &str,
    check: Check<T>,
    report: &mut Report,
) -> Option<T> {
    let result = match &node.kind {
        Kind::Scalar { text, quoted } => T::from_text(text, *quoted),
        other => Err(format!("{}; expected {}", other.describe(), T::expected())),
    };
    match result.and_then(|value| check(&value).map(|()| value)) {
        Ok(value) => Some(value),
        Err(message) => {
            report.error(node.position, path, message);
            None
        }
    }
}

/// The items of a list with their paths, leaving out the unset ones.
fn list<'n>(node: &'n Node, path: &str, of: &str, report: &mut Report) -> Vec<(&'n Node, String)> {
    let Kind::List(items) = &node.kind else {
        report.error(
            node.position,
            path,
            format!("{}; expected a list of {of}", node.kind.describe()),
        );
        return Vec::new();
    };
    let items = items
        .iter()
        .enumerate()
        .map(|(i, item)| (item, format!("{path}[{i}]")));
    let items: Vec<_> = items
        .filter(|(item, _)| !matches!(item.kind, Kind::Unset))
        .collect();
    for (item, path) in &items {
        report.positions.insert(path.clone(), item.position);
    }
    items
}

/// The entries of a mapping with free names, each with its path, leaving out the unset ones.
fn free_names<'n>(
    node: &'n Node,
    path: &str,
    report: &mut Report,
) -> Vec<(&'n str, &'n Node, String)> {
    let Kind::Map(entries) = &node.kind else {
        let message = format!("{}; expected a mapping", node.kind.describe());
        report.error(node.position, path, message);
        return Vec::new();
    };
    let mut named = Vec::new();
    for (name, key, value) in unique_keys(entries, path, report) {
        let path = join(path, name);
        report.positions.insert(path.clone(), key.position);
        if !matches!(value.kind, Kind::Unset) {
            named.push((name, value, path));
        }
    }
    named
}

impl Visitor for Reader<'_, '_> {
    fn scalar<T: Value>(&mut self, key: &'static str, value: &mut T, check: Check<T>) {
        let Some((node, path)) = self.take(key) else {
            return;
        };
        if let Some(read) = read_scalar(node, &path, check, self.report) {
            *value = read;
        }
    }

    fn scalars<T: Value>(&mut self, key: &'static str, values: &mut Vec<T>, check: Check<T>) {
        let Some((node, path)) = self.take(key) else {
            return;
        };
        let items = list(node, &path, &T::expected(), self.report);
        *values = items
            .into_iter()
            .filter_map(|(item, path)| read_scalar(item, &path, check, self.report))
            .collect();
    }

    fn pairs<T: Value>(
        &mut self,
        key: &'static str,
        pairs: &mut Vec<(String, T)>,
        check: Check<T>,
    ) {
        let Some((node, path)) = self.take(key) else {
            return;
        };
        pairs.clear();
        for (name, value, path) in free_names(node, &path, self.report) {
            if let Some(read) = read_scalar(value, &path, check, self.report) {
                pairs.push((name.to_owned(), read));
            }
        }
    }

    fn values(
        &mut self,
        key: &'static str,
        values: &mut Vec<(String, Vec<String>)>,
        check: Check<String>,
    ) {
        let Some((node, path)) = self.take(key) else {
            return;
        };
        values.clear();
        for (name, value, path) in free_names(node, &path, self.report) {
            let items = match &value.kind {
                Kind::List(_) => list(value, &path, &String::expected(), self.report),
                _ => vec![(value, path)],
            };
            let texts = items
                .into_iter()
                .filter_map(|(item, path)| read_scalar(item, &path, check, self.report));
            values.push((name.to_owned(), texts.collect()));
        }
    }

    fn section<S: Section>(&mut self, key: &'static str, section: &mut S) {
        let Some((node, path)) = self.take(key) else {
            return;
        };
        read_section(node, &path, section, self.report);
    }

    fn sections<S: Section + Default>(
        &mut self,
        key: &'static str,
        sections: &mut Vec<S>,
        required: &'static [&'static str],
    ) {
        let Some((node, path)) = self.take(key) else {
            return;
        };
        sections.clear();
        for (item, path) in list(node, &path, "mappings", self.report) {
            let mut section = S::default();
            read_section(item, &path, &mut section, self.report);
            sections.push(section);
            for key in required {
                if matches!(item.kind, Kind::Map(_)) && !has(item, key) {
                    self.report
                        .error(item.position, &path, format!("{key:?} is missing"));
                }
            }
        }
    }
}

fn has(node: &Node, wanted: &str) -> bool {
    let Kind::Map(entries) = &node.kind else {
        return false;
    };
    entries.iter().any(|(key, value)| {
        matches!(&key.kind, Kind::Scalar { text, .. } if text == wanted)
            && !matches!(value.kind, Kind::Unset)
    })
}
