//! The configuration: typed, with every mistake of a file reported at once, and where it is.

mod check;
mod error;
pub mod lanes;
mod node;
mod print;
mod read;
pub mod schema;
mod substitute;
mod value;
mod visit;

#[cfg(test)]
mod tests;

use std::path::Path;

pub use error::{ConfigError, ConfigErrors};
pub use node::Position;
use schema::{
    baggage::Baggage,
    exporter::Exporter,
    kubernetes::Kubernetes,
    limits::Limits,
    placement::Placement,
    process::Process,
    runtimes::Runtimes,
    services::Services,
    telemetry::Telemetry,
    trace::{Capture, Ingress, Sampling},
    transmission::Agent,
    wire::{Inject, TcpOption, Trust},
};
pub use value::{ByteSize, Secret};
use visit::{Section, Visitor};

/// Everything that can be configured; `config.yaml` at the top of the repository explains each key.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// The section that is shared with joylive-agent.
    pub agent: Agent,
    /// What is traced.
    pub process: Process,
    /// Runtimes whose own units of work are followed.
    pub runtimes: Runtimes,
    /// Where new traces may begin.
    pub ingress: Ingress,
    /// Which new traces are recorded.
    pub sampling: Sampling,
    /// Who gets the TCP option.
    pub inject: Inject,
    /// Whose TCP option is believed.
    pub trust: Trust,
    /// The TCP option's formats.
    pub option: TcpOption,
    /// What is read from payloads.
    pub capture: Capture,
    /// What baggage is shown.
    pub baggage: Baggage,
    /// Names of services.
    pub services: Services,
    /// Which unit, cell and lane processes belong to.
    pub placement: Placement,
    /// Where labels of pods come from.
    pub kubernetes: Kubernetes,
    /// Where spans go.
    pub exporter: Exporter,
    /// What the agent says of itself.
    pub telemetry: Telemetry,
    /// Memory and time.
    pub limits: Limits,
}

impl Section for Config {
    fn visit<V: Visitor>(&mut self, v: &mut V) {
        v.section("agent", &mut self.agent);
        v.section("process", &mut self.process);
        v.section("runtimes", &mut self.runtimes);
        v.section("ingress", &mut self.ingress);
        v.section("sampling", &mut self.sampling);
        v.section("inject", &mut self.inject);
        v.section("trust", &mut self.trust);
        v.section("option", &mut self.option);
        v.section("capture", &mut self.capture);
        v.section("baggage", &mut self.baggage);
        v.section("services", &mut self.services);
        v.section("placement", &mut self.placement);
        v.section("kubernetes", &mut self.kubernetes);
        v.section("exporter", &mut self.exporter);
        v.section("telemetry", &mut self.telemetry);
        v.section("limits", &mut self.limits);
    }
}

impl Config {
    /// Reads a file, with `${NAME}` from this process's environment.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, ConfigErrors> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError {
            file: name.clone(),
            position: None,
            path: String::new(),
            message: format!("cannot be read: {error}"),
        })?;
        Self::parse(&name, &text, |variable| std::env::var(variable).ok())
    }

    /// Parses a text. `name` is for the errors; `env` gives the values of `${NAME}`.
    ///
    /// Keys that are not given have their defaults, and an empty text is all of them.
    pub fn parse(
        name: &str,
        text: &str,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigErrors> {
        let mut report = read::Report::new(name);
        let mut config = Self::default();
        match node::parse(text) {
            Err(error) => report.error(error.position, "", error.message),
            Ok(mut root) => {
                substitute::substitute_tree(&mut root, &env, "", &mut |position, path, message| {
                    report.error(position, path, message);
                });
                read::read_section(&root, "", &mut config, &mut report);
                check::check(&config, &mut report);
            }
        }
        ConfigErrors::new(report.errors).map_or(Ok(config), Err)
    }

    /// All keys with their effective values, as YAML. Secrets are not shown.
    pub fn to_yaml(&self) -> String {
        print::print(&mut self.clone())
    }

    /// What is accepted without effect on this agent: to be said once, at the start.
    pub fn notices(&self) -> Vec<String> {
        let mut notices = Vec::new();
        if !self.agent.governance.transmission.thread.is_empty() {
            notices.push(
                "agent.governance.transmission.thread names Java classes: it matters to the Java helper only"
                    .into(),
            );
        }
        notices
    }
}
