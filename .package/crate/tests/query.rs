//! A file that is made here byte by byte, by hand, is read through SQL.

use rusqlite::{Connection, Result};

/// A tensor of two F32: 1.5 and -2.0.
fn model() -> Vec<u8> {
    let header = br#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}} "#;
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(header);
    file.extend_from_slice(&[0, 0, 0xc0, 0x3f, 0, 0, 0, 0xc0]);
    file
}

fn values(db: &Connection) -> Result<(String, f64, f64)> {
    db.query_row(
        "SELECT t.name, s.min, s.max FROM safetensors_tensors(?) AS t, tensor_stats(t.data, t.dtype) AS s",
        [model()],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )
}

#[test]
fn one_connection() -> Result<()> {
    let db = Connection::open_in_memory()?;
    assert!(values(&db).is_err());
    sqlite_safetensors::load(&db)?;
    sqlite_safetensors::load(&db)?;
    assert_eq!(values(&db)?, ("a".to_string(), -2.0, 1.5));
    Ok(())
}

#[test]
fn a_file() -> Result<()> {
    let path = std::env::temp_dir().join(format!("sqlite-safetensors-{}.safetensors", std::process::id()));
    std::fs::write(&path, model()).unwrap();
    let db = Connection::open_in_memory()?;
    sqlite_safetensors::load(&db)?;
    let item: f64 = db.query_row("SELECT tensor_item(tensor_ref(?, 'a'), 0)", [path.to_str()], |row| {
        row.get(0)
    })?;
    std::fs::remove_file(&path).unwrap();
    assert_eq!(item, 1.5);
    let message = db.query_row("SELECT tensor_item(tensor_ref(?, 'a'), 0)", [path.to_str()], |row| {
        row.get::<_, f64>(0)
    });
    assert!(message.unwrap_err().to_string().contains("no such file"));
    Ok(())
}
