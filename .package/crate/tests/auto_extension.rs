//! In a process of its own, since it changes what all connections have.

use rusqlite::{Connection, Result};

fn version() -> Result<String> {
    Connection::open_in_memory()?.query_row("SELECT safetensors_version()", [], |row| row.get(0))
}

#[test]
fn connections_that_are_opened_later() -> Result<()> {
    assert!(version().is_err());
    sqlite_safetensors::auto_extension()?;
    assert!(version()?.contains(env!("CARGO_PKG_VERSION")));
    assert!(sqlite_safetensors::cancel_auto_extension());
    assert!(!sqlite_safetensors::cancel_auto_extension());
    assert!(version().is_err());
    Ok(())
}
