//! `agent.governance.transmission`: which baggage is carried, and in which form.
//!
//! The section is that of joylive-agent, name for name, so that one file serves both.

use super::super::{
    value::names,
    visit::{Section, Visitor, any},
};

names! {
    /// The form that baggage is written in.
    Format {
        /// The W3C `baggage` header.
        W3c = "w3c",
        /// One header per key.
        Live = "live",
    }
}

names! {
    /// Which forms are read besides the configured one.
    AutoDetect {
        /// None.
        None = "NONE" | "none",
        /// The others in turn, until one gives an allowed key.
        First = "FIRST" | "first",
        /// All, with the values of one key merged.
        All = "ALL" | "all",
    }
}

names! {
    /// Whose reading of the standards is followed where they differ.
    Compat {
        /// W3C Baggage.
        W3c = "w3c",
        /// Today's joylive-agent, byte for byte.
        Joylive = "joylive",
    }
}

/// `agent`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Agent {
    /// `agent.governance`.
    pub governance: Governance,
}

/// `agent.governance`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Governance {
    /// `agent.governance.transmission`.
    pub transmission: Transmission,
}

/// `agent.governance.transmission`.
#[derive(Clone, Debug, PartialEq)]
pub struct Transmission {
    /// The form that is written.
    pub format: Format,
    /// What else is read.
    pub auto_detect: AutoDetect,
    /// Keys that are carried.
    pub keys: Vec<String>,
    /// Prefixes of keys that are carried; none is empty.
    pub prefixes: Vec<String>,
    /// Whose reading of the standards is followed.
    pub compat: Compat,
    /// Java classes; the kernel agent acts on none of them.
    pub thread: Thread,
}

/// `agent.governance.transmission.thread`: what the Java helper leaves alone, by class name.
#[derive(Clone, Debug, PartialEq)]
pub struct Thread {
    /// Executors by name.
    pub exclude_executors: Vec<String>,
    /// Tasks by name.
    pub exclude_tasks: Vec<String>,
    /// Executors by prefix.
    pub exclude_executor_prefixes: Vec<String>,
    /// Tasks by prefix.
    pub exclude_task_prefixes: Vec<String>,
}

impl Thread {
    /// Whether it names nothing.
    pub fn is_empty(&self) -> bool {
        let all = [
            &self.exclude_executors,
            &self.exclude_tasks,
            &self.exclude_executor_prefixes,
            &self.exclude_task_prefixes,
        ];
        all.into_iter().all(Vec::is_empty)
    }
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

impl Default for Transmission {
    fn default() -> Self {
        Self {
            format: Format::Live,
            auto_detect: AutoDetect::None,
            keys: texts(&[
                "x-live-space-id",
                "x-live-rule-id",
                "x-live-uid",
                "x-lane-space-id",
                "x-lane-code",
            ]),
            prefixes: texts(&["x-live-", "x-lane-", "x-service-"]),
            compat: Compat::W3c,
            thread: Thread::default(),
        }
    }
}

impl Default for Thread {
    fn default() -> Self {
        Self {
            exclude_executors: texts(&[
                "io.netty.channel.MultithreadEventLoopGroup",
                "io.netty.channel.nio.NioEventLoop",
                "io.netty.channel.SingleThreadEventLoop",
                "io.netty.channel.kqueue.KQueueEventLoopGroup",
                "io.netty.channel.kqueue.KQueueEventLoop",
                "org.apache.tomcat.util.threads.ThreadPoolExecutor",
                "org.apache.tomcat.util.threads.ScheduledThreadPoolExecutor",
                "org.apache.tomcat.util.threads.InlineExecutorService",
                "javax.management.NotificationBroadcasterSupport$1",
                "com.netflix.stats.distribution.DataPublisher$PublishThreadFactory",
                "com.alibaba.druid.pool.DruidAbstractDataSource$SynchronousExecutor",
            ]),
            exclude_tasks: texts(&[
                "com.jd.live.agent.core.thread.NamedThreadFactory",
                "com.jd.jr.sgm.client.disruptor.LogEventFactory",
                "com.jd.jr.sgm.client.util.AgentThreadFactory",
                "com.jd.pfinder.profiler.common.util.NamedThreadFactory",
                "io.opentelemetry.sdk.internal.DaemonThreadFactory",
                "io.sermant.dubbo.registry.factory.RegistryNotifyThreadFactory",
                "io.sermant.dynamic.config.init.DynamicConfigThreadFactory",
                "io.sermant.flowcontrol.common.factory.FlowControlThreadFactory",
                "io.sermant.loadbalancer.factory.LoadbalancerThreadFactory",
                "io.sermant.core.utils.ThreadFactoryUtils",
                "io.sermant.implement.service.xds.handler.XdsHandler.NamedThreadFactory",
                "io.sermant.discovery.factory.RealmServiceThreadFactory",
                "org.apache.skywalking.apm.agent.core.boot.DefaultNamedThreadFactory",
                "sun.rmi.runtime.RuntimeUtil$1",
                "sun.rmi.transport.tcp.TCPTransport$1",
                "sun.rmi.transport.DGCImpl$1",
                "sun.rmi.transport.DGCAckHandler$1",
                "org.apache.tomcat.util.threads.TaskThreadFactory",
            ]),
            exclude_executor_prefixes: texts(&[
                "com.jd.live.agent.shaded.",
                "com.netflix.hystrix.util.HystrixTimer$ScheduledExecutor$",
                "com.netflix.stats.distribution.DataPublisher$PublishThreadFactory$",
                "com.alibaba.nacos.",
            ]),
            exclude_task_prefixes: texts(&[
                "reactor.core.scheduler.BoundedElasticScheduler$$Lambda",
                "org.springframework.cloud.commons.util.InetUtils$$Lambda$",
                "com.alibaba.nacos.",
            ]),
        }
    }
}

/// Keys become header names: RFC 9110 section 5.6.2 says which characters they have.
pub(super) fn token(text: &str) -> Result<(), String> {
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    match text.bytes().find(|b| !is_token(*b)) {
        None if text.is_empty() => Err("an empty key; expected a header's name".into()),
        None => Ok(()),
        Some(_) => Err(format!(
            "{text:?} is no header name; expected letters, digits and !#$%&'*+-.^_`|~"
        )),
    }
}

fn header_prefix(text: &str) -> Result<(), String> {
    prefix(text).and_then(|()| token(text))
}

fn prefix(text: &str) -> Result<(), String> {
    match text.is_empty() {
        true => Err("an empty prefix matches everything; remove it or write a longer one".into()),
        false => Ok(()),
    }
}

impl Section for Agent {
    fn visit<V: Visitor>(&mut self, v: &mut V) {
        v.section("governance", &mut self.governance);
    }
}

impl Section for Governance {
    fn visit<V: Visitor>(&mut self, v: &mut V) {
        v.section("transmission", &mut self.transmission);
    }
}

impl Section for Transmission {
    fn visit<V: Visitor>(&mut self, v: &mut V) {
        v.scalar("type", &mut self.format, any);
        v.scalar("autoDetect", &mut self.auto_detect, any);
        v.scalars("keys", &mut self.keys, |text| token(text));
        v.scalars("prefixes", &mut self.prefixes, |text| header_prefix(text));
        v.scalar("compat", &mut self.compat, any);
        v.section("thread", &mut self.thread);
    }
}

impl Section for Thread {
    fn visit<V: Visitor>(&mut self, v: &mut V) {
        v.scalars("excludeExecutors", &mut self.exclude_executors, any);
        v.scalars("excludeTasks", &mut self.exclude_tasks, any);
        v.scalars(
            "excludeExecutorPrefixes",
            &mut self.exclude_executor_prefixes,
            |text| prefix(text),
        );
        v.scalars(
            "excludeTaskPrefixes",
            &mut self.exclude_task_prefixes,
            |text| prefix(text),
        );
    }
}
