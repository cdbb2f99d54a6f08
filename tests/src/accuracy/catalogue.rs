//! All programs, in the order of the table.

use super::programs::Program;
use super::requests::Protocol;

/// Redis, PostgreSQL, HTTP, three at once (two HTTP, one Redis), PostgreSQL.
const USUAL: &[&str] = &["s1", "s2", "s3", "s4", "s5", "s6", "s7"];
/// One and two more.
const EIGHT: &[&str] = &["s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8"];
const NINE: &[&str] = &["s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9"];
/// Of a proxy: the request itself.
const SAME: &[&str] = &[""];

#[rustfmt::skip]
const fn program(
    directory: &'static str, name: &'static str, program: &'static str,
    steps: &'static [&'static str], about: &'static str,
) -> Program {
    Program { name, about, directory, program, steps, own: None }
}

/// All programs.
#[rustfmt::skip]
pub const PROGRAMS: &[Program] = &[
    program("nginx", "nginx", "", SAME,
        "keep-alive upstreams, retries at the next one"),
    program("haproxy", "haproxy", "", SAME,
        "two threads, shared keep-alive connections, retries at the other server"),

    program("python", "python-threads", "python threads.py", &["s1", "s2", "s3", "s4", "s7"],
        "http.server, a thread per connection; redis-py, psycopg's pool, requests, http.client"),
    program("python", "python-executor", "python executor.py", &["s1", "s3", "s6"],
        "an acceptor that reads, a ThreadPoolExecutor of 8 that works and replies"),
    program("python", "gunicorn-sync", "gunicorn --workers 4 wsgi:application", USUAL,
        "4 workers, a connection for each request; redis-py, psycopg, requests"),
    program("python", "gunicorn-threads", "gunicorn --workers 2 --threads 8 wsgi:application", USUAL,
        "the same with 2 workers of 8 threads"),
    program("python", "gunicorn-gevent", "gunicorn --workers 2 --worker-class gevent green:application", USUAL,
        "2 gevent workers; requests, redis-py; s4, s5 in children"),
    program("python", "gevent", "python green.py", USUAL,
        "gevent's pywsgi, the same application"),
    program("python", "aiohttp", "python aio.py", USUAL,
        "aiohttp, asyncpg, redis.asyncio; a gather of s4, s5, s6"),
    program("python", "asyncio-tasks", "python tasks.py", EIGHT,
        "a task per request; sleeps, an executor, wait_for"),
    program("python", "fastapi-asyncio", "env LOOP=asyncio python fast.py", NINE,
        "FastAPI, uvicorn, httpx; s5, s8 in threads, s9 after the reply"),
    program("python", "fastapi-uvloop", "env LOOP=uvloop python fast.py", NINE,
        "the same with uvloop"),

    program("go", "go", "order", USUAL,
        "net/http, pgx, go-redis; s4, s5, s6 in goroutines"),
    program("go", "go-stripped", "order-stripped", USUAL,
        "the same without symbols"),
    Program {
        own: Some(Protocol::Http2),
        ..program("go", "go-grpc", "rpc", &["s1", "s2", "s3", "s4"],
            "net/http, and a gRPC client's one connection; s2, s3, s4 at once")
    },

    program("node", "node", "usual.js", USUAL,
        "http's global agent, pg's pool of 10, one ioredis connection"),
    program("node", "node-pools", "pools.js", &["s1", "s2", "s3", "s4", "s5", "s7", "s8"],
        "pg's pool of 10, http without a limit; s4, s5 at once"),
    program("node", "node-limited", "pools.js 10", &["s1", "s2", "s3", "s4", "s5", "s7", "s8"],
        "the same with http limited to 10 connections"),
    program("node", "node-timers", "timers.js", EIGHT,
        "timers, setImmediate and files between the calls"),

    program("java", "java-urlconnection", "Order urlconnection", USUAL,
        "the JDK's HTTP server with 16 threads, HikariCP, Jedis, HttpURLConnection"),
    program("java", "java-apache", "Order apache", USUAL,
        "the same with Apache's HttpClient"),
    program("java", "java-okhttp", "Order okhttp", USUAL,
        "the same with OkHttp; s4, s5 in its dispatcher's threads"),
    program("java", "java-httpclient", "Order httpclient", USUAL,
        "the same with the JDK's HttpClient; s4, s5 at once"),
    program("java", "java-virtual", "Order urlconnection virtual", USUAL,
        "the first with virtual threads; s4, s5, s6 at once. As java-virtual@21 or @25"),
    program("java", "java-netty", "Reactive", USUAL,
        "reactor-netty as server and client, one Lettuce connection"),

    program("rust", "rust", "order join", USUAL,
        "axum, reqwest, tokio-postgres, redis; s4, s5, s6 within the task"),
    program("rust", "rust-spawn", "order spawn", USUAL,
        "the same with a task for each of s4, s5, s6"),
    program("rust", "rust-stripped", "order-stripped join", USUAL,
        "the first without symbols"),
];
