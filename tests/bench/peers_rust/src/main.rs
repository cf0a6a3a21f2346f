//! The Rust crate as programs use it: a file is mapped, and `SafeTensors::deserialize` has its header parsed and
//! validated by `SafeTensors::read_metadata`, without a copy of the names.
//!
//!     peers list FILE      prints names and shapes
//!     peers                answers each line of its input, `open FILE` or `index FILE`, with a line: how many
//!                          tensors, and how many bytes they have

use memmap2::Mmap;
use safetensors::SafeTensors;
use serde::Deserialize;
use std::collections::{BTreeSet, HashMap};
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, BufRead, BufWriter, Write};
use std::path::Path;

type Answer = Result<(usize, usize), Box<dyn Error>>;

#[derive(Deserialize)]
struct Index {
    weight_map: HashMap<String, String>,
}

fn map(path: &Path) -> io::Result<Mmap> {
    // Safe as long as nobody cuts the file short, which the benchmark does not.
    unsafe { Mmap::map(&File::open(path)?) }
}

fn open(path: &Path) -> Answer {
    let bytes = map(path)?;
    let tensors = SafeTensors::deserialize(&bytes)?;
    let size = tensors.iter().map(|(_, tensor)| tensor.data().len()).sum();
    Ok((tensors.len(), size))
}

/// The shards that the index names, each opened.
fn index(path: &Path) -> Answer {
    let index: Index = serde_json::from_slice(&fs::read(path)?)?;
    let shards: BTreeSet<&String> = index.weight_map.values().collect();
    let (mut tensors, mut size) = (0, 0);
    for shard in shards {
        let (more, bytes) = open(&path.with_file_name(shard))?;
        tensors += more;
        size += bytes;
    }
    Ok((tensors, size))
}

fn list(path: &Path) -> Result<(), Box<dyn Error>> {
    let bytes = map(path)?;
    let mut out = BufWriter::new(io::stdout().lock());
    for (name, tensor) in SafeTensors::deserialize(&bytes)?.iter() {
        writeln!(out, "{name}|{:?}", tensor.shape())?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().collect();
    if words.len() == 3 && words[1] == "list" {
        return list(Path::new(&words[2]));
    }
    for line in io::stdin().lock().lines() {
        let line = line?;
        let (tensors, size) = match line.split_once(' ') {
            Some(("open", path)) => open(Path::new(path))?,
            Some(("index", path)) => index(Path::new(path))?,
            _ => return Err("expected open FILE or index FILE".into()),
        };
        println!("{tensors}|{size}");
    }
    Ok(())
}
