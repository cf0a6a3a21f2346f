"""safetensors_files: a header is read only when a column needs it, a row is about one state of a file, and the
fingerprints of headers are those that xxHash and SQL's own json_array() give."""

import json
import os
import struct
import tempfile

from tally import Tally, connect

HERE = tempfile.mkdtemp(prefix="files.")
tally = Tally()
db = connect()
EMPTY_HASH = "99aa06d3014798d86001c324468d497f"  # of no bytes: xxhsum -H2 /dev/null


def write(name, entries, metadata=None, pad=0):
    """A file of U8 tensors: (name, shape)."""
    header, at = {}, 0
    if metadata is not None:
        header["__metadata__"] = metadata
    for tensor, shape in entries:
        size = 1
        for dimension in shape:
            size *= dimension
        header[tensor] = {"dtype": "U8", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode() + b" " * pad
    with open(f"{HERE}/{name}", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + bytes(at))
    return text


def reads():
    """The system calls of this process that read; None where the system does not count them."""
    try:
        with open("/proc/self/io", encoding="ascii") as file:
            return int(dict(line.split(":") for line in file)["syscr"])
    except OSError:
        return None


def test_hidden_reads():
    count = 200
    for number in range(count):
        write(f"many-{number}.safetensors", [("a", [number])])
    if reads() is None:
        print("skipped: how many reads a statement makes, which this system does not count")
        return
    for columns, needed in (("count(*)", False), ("count(file), sum(size)", False), ("max(mtime), max(inode), max(device)", False),
                            ("count(*) FILTER (WHERE status = 'ok')", True), ("sum(tensors)", True), ("max(error)", True),
                            ("max(layout)", True), ("max(header_hash)", True), ("sum(data_offset)", True)):
        before = reads()
        connect().execute(f"SELECT {columns} FROM safetensors_files(?)", [f"{HERE}/many-*"]).fetchall()
        made = reads() - before
        tally.check((made >= count) == needed, f"{columns} reads headers: {needed}", f"{made} reads of {count} files")
    before = reads()
    connect().execute("SELECT file, status FROM safetensors_files(?) WHERE size < 90", [f"{HERE}/many-*"]).fetchall()
    tally.check(reads() - before < count, "rows that the condition leaves out are not read", reads() - before)


def test_one_state():
    path = f"{HERE}/changing.safetensors"
    write("changing.safetensors", [("a", [1])])

    def change(_):
        write("changing.new", [("a", [1]), ("b", [2])])
        os.replace(f"{HERE}/changing.new", path)
        return 1

    db.create_function("change", 1, change)
    size = os.path.getsize(path)
    first = db.execute("SELECT size, change(file), tensors, status, error, layout, size FROM safetensors_files(?)", [path]).fetchone()
    tally.equal(first[:4] + first[5:], (size, 1, None, "invalid", None, size), "a row about a file that was replaced")
    tally.check("has changed since" in first[4], "says so", first[4])
    tally.equal(db.execute("SELECT tensors, status, size FROM safetensors_files(?)", [path]).fetchone(), (2, "ok", os.path.getsize(path)),
                "the next statement sees the new file")
    status = os.stat(path)
    tally.equal(db.execute("SELECT status, change(file), tensors, mtime, inode, size FROM safetensors_files(?)", [path]).fetchone(),
                ("ok", 1, 2, status.st_mtime_ns, status.st_ino, status.st_size), "the file whose header was read is the row's")
    os.remove(path)
    tally.equal(db.execute("SELECT size, mtime, status FROM safetensors_files(?)", [path]).fetchone(), (None, None, "missing"), "a missing file")
    with open(f"{HERE}/text.safetensors", "wb") as file:
        file.write(b"no header")
    status = os.stat(f"{HERE}/text.safetensors")
    tally.equal(db.execute("SELECT size, mtime, inode, device, status, layout, header_hash FROM safetensors_files(?)", [f"{HERE}/text.safetensors"]).fetchone(),
                (9, status.st_mtime_ns, status.st_ino, status.st_dev, "invalid", None, None), "an invalid file")


def test_fingerprints():
    by_sql = ("SELECT tensor_hash(CAST(ifnull(group_concat(json_array(name, dtype, shape, offset - (SELECT data_offset FROM safetensors_files(:path))),"
              " char(10)), '') AS BLOB), 'U8') FROM safetensors_tensors(:path)")
    hash_of = "SELECT tensor_hash(?, 'U8')"
    names = ["plain", "quote\"", "back\\slash", "tab\t", "bell\x07", "\x1f", "\x7f", "é漢😀", "/", "'", "\b\f\n\r"]
    cases = {"odd.safetensors": [(name, [2, 3]) for name in names], "none.safetensors": [], "scalar.safetensors": [("s", []), ("z", [0, 5])],
             "large.safetensors": [(f"model.layers.{n}.weight", [n % 3, 2]) for n in range(5000)]}
    for file, entries in cases.items():
        text = write(file, entries)
        path = f"{HERE}/{file}"
        found = db.execute("SELECT header_hash, layout, header_size FROM safetensors_files(?)", [path]).fetchone()
        tally.equal(found, (db.execute(hash_of, [text]).fetchone()[0], db.execute(by_sql, {"path": path}).fetchone()[0], len(text)), file)
        with open(path, "rb") as opened:
            blob = opened.read()
        tally.equal(db.execute("SELECT header_hash, layout, header_size FROM safetensors_files(?)", [blob]).fetchone(), found, f"{file} as a BLOB")
    tally.equal(db.execute("SELECT layout FROM safetensors_files(?)", [f"{HERE}/none.safetensors"]).fetchone(), (EMPTY_HASH,), "of no tensors")

    layouts = []
    for metadata, pad, entries in ((None, 0, [("a", [2]), ("b", [3])]), ({"x": "y"}, 0, [("a", [2]), ("b", [3])]), (None, 5, [("a", [2]), ("b", [3])]),
                                   (None, 0, [("b", [3]), ("a", [2])]), (None, 0, [("a", [2]), ("c", [3])]), (None, 0, [("a", [2]), ("b", [1, 3])])):
        write("same.safetensors", entries, metadata, pad)
        layouts.append(db.execute("SELECT layout, header_hash FROM safetensors_files(?)", [f"{HERE}/same.safetensors"]).fetchone())
    tally.equal(len({layout for layout, _ in layouts[:3]}), 1, "metadata and padding are no part of a layout")
    tally.equal(len({layout for layout, _ in layouts}), 4, "order, names and shapes are")
    tally.equal(len({header for _, header in layouts}), 6, "all are of the header")


tally.run(globals(), HERE)
