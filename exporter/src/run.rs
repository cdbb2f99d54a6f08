//! The `run` command.

use crate::config::Config;

/// Runs the agent with this configuration.
pub async fn run(config: Config) -> anyhow::Result<()> {
    for notice in config.notices() {
        tracing::info!("{notice}");
    }
    Ok(())
}
