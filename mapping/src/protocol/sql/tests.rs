use super::Dialect::{MySql, Postgres};
use super::*;

fn summary(text: &str) -> Option<String> {
    summarize(text.as_bytes(), Postgres, true).map(|summary| summary.text.into_owned())
}

#[test]
fn summaries_are_operations_and_targets_in_their_order() {
    for (text, expected) in [
        ("SELECT * FROM orders WHERE id = 7", "SELECT orders"),
        (
            "select o.id from public.orders as o",
            "SELECT public.orders",
        ),
        ("SELECT 1", "SELECT"),
        (
            "SELECT * FROM songs, artists WHERE a = b",
            "SELECT songs artists",
        ),
        (
            "SELECT a FROM t1 x JOIN t2 USING (id) LEFT JOIN t3 ON x.a = t3.b, t4",
            "SELECT t1 t2 t3",
        ),
        ("SELECT a FROM t ORDER BY a, b", "SELECT t"),
        (
            "INSERT INTO orders(id, name) VALUES ($1, $2)",
            "INSERT orders",
        ),
        (
            "INSERT INTO a (x) SELECT y FROM b WHERE z = 1",
            "INSERT a SELECT b",
        ),
        (
            "INSERT IGNORE INTO a VALUES (1) ON DUPLICATE KEY UPDATE x = 2",
            "INSERT a",
        ),
        (
            "INSERT INTO a VALUES (1) ON CONFLICT (id) DO UPDATE SET x = 1",
            "INSERT a",
        ),
        (
            "UPDATE ONLY stock SET n = n - 1 WHERE id = 3",
            "UPDATE stock",
        ),
        ("UPDATE a SET x = b.y FROM b WHERE a.i = b.i", "UPDATE a b"),
        ("DELETE FROM cart WHERE user_id = 5", "DELETE cart"),
        (
            "DELETE FROM cart USING users WHERE 1 = 1",
            "DELETE cart users",
        ),
        ("BEGIN", "BEGIN"),
        ("START TRANSACTION READ ONLY", "START"),
        ("COMMIT;", "COMMIT"),
        ("BEGIN; UPDATE t SET a = 1; COMMIT", "BEGIN UPDATE t COMMIT"),
        ("SET application_name TO 'x'", "SET"),
        (
            "CREATE TABLE IF NOT EXISTS t (id int, FOREIGN KEY (a) REFERENCES b)",
            "CREATE TABLE t",
        ),
        (
            "CREATE UNIQUE INDEX CONCURRENTLY i ON t (a)",
            "CREATE INDEX i",
        ),
        (
            "CREATE TABLE t AS SELECT * FROM s",
            "CREATE TABLE t SELECT s",
        ),
        ("CREATE EXTENSION hstore", "CREATE"),
        ("CREATE EXTENSION hstore; SELECT 1", "CREATE SELECT"),
        (
            "CREATE FUNCTION f() RETURNS TABLE (a int) AS $$ SELECT 1 $$",
            "CREATE",
        ),
        (
            "create or replace view v as select * from t",
            "CREATE VIEW v SELECT t",
        ),
        ("DROP TABLE t", "DROP TABLE t"),
        ("TRUNCATE TABLE t", "TRUNCATE t"),
        (
            "EXPLAIN ANALYZE UPDATE t SET a = 1",
            "EXPLAIN ANALYZE UPDATE t",
        ),
        ("EXPLAIN SELECT * FROM t", "EXPLAIN SELECT t"),
        ("COPY t FROM STDIN WITH (FORMAT csv)", "COPY t"),
        ("COPY (SELECT a FROM t) TO STDOUT", "COPY SELECT t"),
        ("LOCK TABLE t IN SHARE MODE", "LOCK t"),
        ("SELECT * FROM 'a' WHERE b", "SELECT"),
        ("CALL restock(7)", "CALL restock"),
        ("SELECT * FROM \"song list\"", "SELECT \"song list\""),
        ("SELECT * FROM generate_series(1, 10)", "SELECT"),
        ("SELECT extract(epoch FROM ts) FROM t", "SELECT t"),
        ("SELECT a IS DISTINCT FROM b FROM t", "SELECT t"),
        (
            "SELECT * FROM a WHERE id IN (SELECT id FROM b)",
            "SELECT a SELECT b",
        ),
        (
            "SELECT order_date FROM (SELECT * FROM orders o JOIN customers c ON o.i = c.i)",
            "SELECT SELECT orders customers",
        ),
        ("SELECT * FROM (a JOIN b ON a.i = b.i)", "SELECT a b"),
        (
            "(SELECT a FROM t) UNION ALL (SELECT a FROM u)",
            "SELECT t SELECT u",
        ),
        ("SELECT a FROM t UNION SELECT a FROM u", "SELECT t SELECT u"),
        (
            "-- SELECT nothing\n/* nor /* here */ */ SELECT a FROM t",
            "SELECT t",
        ),
        ("SELECT a FROM t FOR UPDATE", "SELECT t"),
        ("SELECT 'a FROM b' FROM t", "SELECT t"),
    ] {
        assert_eq!(summary(text).as_deref(), Some(expected), "{text}");
    }
}

#[test]
fn common_table_expressions_are_queries_and_no_tables() {
    for (text, expected) in [
        (
            "WITH recent AS (SELECT * FROM orders WHERE at > now()) \
             SELECT * FROM recent JOIN users u ON u.id = recent.uid",
            "SELECT orders SELECT users",
        ),
        (
            "WITH RECURSIVE t(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM t) SELECT sum(n) FROM t",
            "VALUES SELECT SELECT",
        ),
        (
            "WITH gone AS (DELETE FROM cart RETURNING *), b AS MATERIALIZED (SELECT 1) \
             INSERT INTO log SELECT * FROM gone",
            "DELETE cart SELECT INSERT log SELECT",
        ),
    ] {
        assert_eq!(summary(text).as_deref(), Some(expected), "{text}");
    }
}

#[test]
fn what_is_no_statement_has_no_summary() {
    for text in ["", "   ", "hello world", "42", "'SELECT'", "\u{1}\u{2}"] {
        assert_eq!(summary(text), None, "{text}");
    }
}

#[test]
fn a_single_operation_on_a_single_table_is_given_apart() {
    let one = summarize(b"select * from orders", Postgres, true).unwrap();
    assert_eq!(one.operation, Some("SELECT"));
    assert_eq!(one.collection.as_deref(), Some("orders"));
    let two = summarize(b"INSERT INTO a SELECT 1 FROM b", Postgres, true).unwrap();
    assert_eq!((two.operation, two.collection), (None, None));
    let cut = summarize(b"SELECT * FROM orders, ", Postgres, false).unwrap();
    assert_eq!((cut.operation, cut.collection), (Some("SELECT"), None));
}

#[test]
fn a_name_that_is_cut_off_is_left_out() {
    let text = b"SELECT a FROM public.orders WHERE id = 'x'";
    for cut in 0..text.len() {
        let Some(seen) = summarize(&text[..cut], Postgres, false) else {
            assert!(cut < 7, "lost at {cut}");
            continue;
        };
        let whole = cut > b"SELECT a FROM public.orders".len();
        let expected = if whole {
            "SELECT public.orders"
        } else {
            "SELECT"
        };
        assert_eq!(seen.text, expected, "cut at {cut}");
    }
}

#[test]
fn a_summary_ends_between_words_before_it_gets_too_long() {
    let tables: Vec<_> = (0..100).map(|n| format!("table_number_{n}")).collect();
    let text = summary(&format!("SELECT * FROM {}", tables.join(", "))).unwrap();
    assert!(text.len() <= 255);
    assert!(text.ends_with("table_number_15"), "{text}");
}

#[test]
fn literals_and_comments_are_removed() {
    for (dialect, text, expected) in [
        (
            Postgres,
            "SELECT 'it''s', 1.5e3, -7 FROM t -- x",
            "SELECT ?, ?, -? FROM t",
        ),
        (
            Postgres,
            "SELECT E'a\\'b', $1, $$ x $$, $q$ y $$ z $q$",
            "SELECT ?, $1, ?, ?",
        ),
        (
            Postgres,
            "SELECT \"name\", x'1f', TRUE, t1.c2::int4",
            "SELECT \"name\", ?, ?, t1.c2::int4",
        ),
        (Postgres, "SELECT\n\t'\\' , a", "SELECT ? , a"),
        (
            MySql,
            "SELECT \"text\", `name`, 'a\\'b', 0xFF # x",
            "SELECT ?, `name`, ?, ?",
        ),
        (MySql, "SELECT /*! secret */ ? , @v", "SELECT ? , @v"),
    ] {
        assert_eq!(redact(text.as_bytes(), dialect, true), expected);
    }
}

#[test]
fn no_part_of_a_literal_survives_a_cut() {
    let text = b"INSERT INTO t VALUES ('secret', $tag$secret$tag$, E'\\'secret', \"id\", 1)";
    for cut in 0..text.len() {
        let redacted = redact(&text[..cut], Postgres, false);
        assert!(!redacted.contains("sec"), "{redacted}");
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>, whole: bool) {
        for dialect in [Postgres, MySql] {
            summarize(&bytes, dialect, whole);
            redact(&bytes, dialect, whole);
            is_statement(&bytes, dialect);
        }
    }

    #[test]
    fn no_mixture_of_sql_panics(
        words in proptest::collection::vec(proptest::sample::select(vec![
            "SELECT", "FROM", "WITH", "AS", "(", ")", ",", ";", "INSERT", "INTO", "a", "\"b", "'",
            "$$", "$1", "JOIN", "USING", "CREATE", "TABLE", ".", "--", "/*", "UPDATE", "\\",
        ]), 0..40),
        whole: bool,
    ) {
        let text = words.join(" ");
        for dialect in [Postgres, MySql] {
            if let Some(summary) = summarize(text.as_bytes(), dialect, whole) {
                proptest::prop_assert!(summary.text.len() <= 255);
            }
            redact(text.as_bytes(), dialect, whole);
        }
    }
}
