//! The `lanewire` command.

fn main() -> anyhow::Result<()> {
    Ok(())
}
