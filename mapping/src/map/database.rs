//! What the heads of database protocols say.

use std::sync::Arc;

use super::options::MapOptions;
use super::statements::{Statement, Statements};
use crate::attributes::key;
use crate::protocol::sql::Dialect;
use crate::protocol::{Heads, mysql, postgres, redis};
use crate::span::{Attributes, Text};

/// The longest summary that the semantic conventions allow.
const LONGEST_SUMMARY: usize = 255;

#[derive(Clone, Debug)]
pub(crate) struct Database {
    system: &'static str,
    operation: Option<Text>,
    batch: Option<usize>,
    namespace: Option<Text>,
    /// What was run, in its order. Several where a driver sends several at once.
    statements: Vec<Arc<Statement>>,
    /// They were only prepared.
    prepared: bool,
    /// The error code of the reply.
    pub(super) status: Option<Text>,
    /// A farewell: the connection is closed next, and that is no error.
    pub(super) farewell: bool,
}

impl Database {
    fn new(system: &'static str) -> Self {
        Self {
            system,
            operation: None,
            batch: None,
            namespace: None,
            statements: Vec::new(),
            prepared: false,
            status: None,
            farewell: false,
        }
    }

    pub(super) fn redis(heads: &Heads<'_>) -> Self {
        let mut database = Self::new("redis");
        let request = heads.request.and_then(|head| {
            redis::Request::parse(head).or_else(|| redis::Request::parse_inline(head))
        });
        if let Some(request) = request {
            database.farewell = request.operation == "QUIT";
            database.batch = request.batch;
            database.operation = Some(request.operation.into());
        }
        database.status = heads.reply.and_then(redis::error).map(Text::copied);
        database
    }

    pub(super) fn postgres(
        heads: &Heads<'_>,
        cookie: u64,
        statements: &mut Statements,
        options: &MapOptions,
    ) -> Self {
        use postgres::Message;
        let mut database = Self::new("postgresql");
        // What was parsed and not bound yet, by its name.
        let mut parsed: Option<(&[u8], Arc<Statement>)> = None;
        let mut cut = false;
        for message in postgres::Messages::new(heads.request.unwrap_or_default()) {
            match message {
                Message::Startup { database: name } => {
                    database.namespace = name.map(Text::copied);
                }
                Message::Query { sql, whole } => {
                    database.run(read(sql, Dialect::Postgres, whole, options));
                }
                Message::Parse { name, sql, whole } => {
                    let statement = read(sql, Dialect::Postgres, whole, options);
                    if !name.is_empty() {
                        statements.prepare(cookie, name, statement.clone());
                    }
                    cut |= !whole;
                    parsed = Some((name, statement));
                }
                Message::Bind { name } => match parsed.take() {
                    Some((parsed_name, statement)) if parsed_name == name => {
                        database.run(statement);
                    }
                    _ => match statements.get(cookie, name) {
                        Some(statement) => database.run(statement),
                        None => database.operation = Some("EXECUTE".into()),
                    },
                },
                Message::Terminate => database.farewell = true,
                Message::Cut(_) => cut = true,
                Message::Negotiation | Message::Other(_) => {}
            }
        }
        // The rest of a head that is cut off usually runs what was parsed.
        if let Some((name, statement)) = parsed {
            if name.is_empty() {
                statements.prepare(cookie, name, statement.clone());
            }
            database.prepared = !cut && database.statements.is_empty();
            if cut || database.prepared {
                database.run(statement);
            }
        }
        database.status = heads.reply.and_then(postgres::error).map(Text::copied);
        database
    }

    pub(super) fn mysql(
        heads: &Heads<'_>,
        cookie: u64,
        statements: &mut Statements,
        options: &MapOptions,
    ) -> Self {
        use mysql::Request;
        let mut database = Self::new("mysql");
        match heads.request.and_then(|head| Request::parse(head, true)) {
            Some(Request::Query {
                sql: Some(sql),
                whole,
            }) => {
                database.run(read(sql, Dialect::MySql, whole, options));
            }
            Some(Request::Prepare { sql, whole }) => {
                let statement = read(sql, Dialect::MySql, whole, options);
                if let Some(number) = heads.reply.and_then(mysql::prepared) {
                    statements.prepare(cookie, number, statement.clone());
                }
                database.prepared = true;
                database.run(statement);
            }
            Some(Request::Execute { statement }) => match statements.get(cookie, statement) {
                Some(statement) => database.run(statement),
                None => database.operation = Some("EXECUTE".into()),
            },
            Some(Request::Use { database: name }) => {
                database.namespace = name.map(Text::copied);
                database.operation = Some("USE".into());
            }
            Some(Request::Quit) => {
                database.farewell = true;
                database.operation = Some("QUIT".into());
            }
            Some(Request::Other(name)) => database.operation = Some(name.into()),
            Some(Request::Query { sql: None, .. } | Request::Login) | None => {}
        }
        let error = heads.reply.and_then(mysql::error);
        database.status = error.map(|code| code.to_string().into());
        database
    }

    fn run(&mut self, statement: Arc<Statement>) {
        self.statements.push(statement);
    }

    /// The summary, else the operation, else the system.
    pub(super) fn name(&self) -> Text {
        self.summary()
            .or_else(|| self.operation.clone())
            .unwrap_or(Text::constant(self.system))
    }

    /// What the statements do: `db.query.summary`.
    fn summary(&self) -> Option<Text> {
        if !self.prepared
            && let [statement] = self.statements.as_slice()
        {
            return statement.summary.clone();
        }
        let mut text = String::new();
        let prepare = self.prepared.then_some("PREPARE");
        let summaries = self
            .statements
            .iter()
            .filter_map(|statement| statement.summary.as_deref());
        for part in prepare.into_iter().chain(summaries) {
            if text.len() + 1 + part.len() > LONGEST_SUMMARY {
                break;
            }
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(part);
        }
        (!text.is_empty()).then(|| text.into())
    }

    pub(super) fn write(&self, attributes: &mut Attributes) {
        attributes.text(key!("network.protocol.name"), self.system);
        attributes.text(key!("db.system.name"), self.system);
        let only = match self.statements.as_slice() {
            [statement] if !self.prepared => Some(statement),
            _ => None,
        };
        let operation = match (&self.operation, only) {
            (Some(operation), _) => Some(operation.clone()),
            (None, Some(statement)) => statement.operation.map(Text::constant),
            (None, None) => self.prepared.then_some(Text::constant("PREPARE")),
        };
        if let Some(operation) = operation {
            attributes.text(key!("db.operation.name"), &operation);
        }
        if let Some(collection) = only.and_then(|statement| statement.collection.as_ref()) {
            attributes.text(key!("db.collection.name"), collection);
        }
        if let Some(namespace) = &self.namespace {
            attributes.text(key!("db.namespace"), namespace);
        }
        if let Some(summary) = self.summary() {
            attributes.text(key!("db.query.summary"), &summary);
        }
        if let Some(text) = self.text() {
            attributes.text(key!("db.query.text"), text.as_str());
        }
        if let Some(batch) = self.batch {
            attributes.number(key!("db.operation.batch.size"), batch);
        }
        if let Some(status) = &self.status {
            attributes.text(key!("db.response.status_code"), status);
        }
    }

    fn text(&self) -> Option<String> {
        let texts: Vec<_> = self
            .statements
            .iter()
            .filter_map(|statement| statement.text.as_deref())
            .collect();
        (!texts.is_empty()).then(|| texts.join("; "))
    }
}

fn read(sql: &[u8], dialect: Dialect, whole: bool, options: &MapOptions) -> Arc<Statement> {
    Arc::new(Statement::read(sql, dialect, whole, options.query_text))
}
