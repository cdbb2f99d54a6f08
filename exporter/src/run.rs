//! What the `run` and `demo` commands do.

use crate::{cli::DemoOptions, config::Config};

/// Runs the agent with this configuration.
pub async fn run(config: Config) -> anyhow::Result<()> {
    for notice in config.notices() {
        tracing::info!("{notice}");
    }
    Ok(())
}

/// Runs the demo.
pub async fn demo(_options: DemoOptions) -> anyhow::Result<()> {
    anyhow::bail!("this build has no demo")
}
