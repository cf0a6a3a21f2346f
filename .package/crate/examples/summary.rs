//! Prints the tensors of a checkpoint, the largest first: `cargo run --example summary -- model.safetensors`.

fn main() -> rusqlite::Result<()> {
    let path = std::env::args().nth(1).expect("the path of a checkpoint");
    let db = rusqlite::Connection::open_in_memory()?;
    sqlite_safetensors::load(&db)?;
    let mut statement = db.prepare(
        "SELECT name, dtype, shape, safetensors_pretty(nbytes, 'B') FROM safetensors_tensors(?) ORDER BY nbytes DESC",
    )?;
    let mut rows = statement.query([path])?;
    while let Some(row) = rows.next()? {
        let [name, dtype, shape, size] = [0, 1, 2, 3].map(|column| row.get::<_, String>(column));
        println!("{:<60} {:<5} {:<16} {:>10}", name?, dtype?, shape?, size?);
    }
    Ok(())
}
