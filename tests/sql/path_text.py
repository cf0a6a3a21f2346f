"""Paths that are not UTF-8: what SQL gets of them is, and names the same file when it is given back."""

import os
import shutil
import sqlite3
import sys
import tempfile

import making
from tally import Tally, connect

tally = Tally()
if not sys.platform.startswith("linux"):
    print("skipped: paths that are not UTF-8 (file systems have them on Linux)")
    tally.finish()
directory = tempfile.mkdtemp()
strange = os.path.join(os.fsencode(directory), b"caf\xe9")
os.mkdir(strange)
NAMES = {  # the file's name, and how it is shown
    b"plain.safetensors": "plain.safetensors", "ü.safetensors".encode(): "ü.safetensors",
    b"\xfc.safetensors": "%FC.safetensors", b"%FC.safetensors": "%25FC.safetensors",
    b"%25FC.safetensors": "%2525FC.safetensors", b"100%.safetensors": "100%.safetensors",
    b"a%20b%3F#.safetensors": "a%20b%3F#.safetensors", b"\xe2\x82.safetensors": "%E2%82.safetensors",
    b"%C3%A9.safetensors": "%25C3%25A9.safetensors", b"\xed\xa0\x80.safetensors": "%ED%A0%80.safetensors",
}
for place in (os.fsencode(directory), strange):
    for number, name in enumerate(NAMES):
        path = making.file(f"{directory}/new", {"w": bytes([number])}, {"k": "v"})
        os.rename(path, os.path.join(place, name))
os.mkdir(os.path.join(strange, b"directory\xff.safetensors"))
with open(os.path.join(strange, b"bad\xff.safetensors"), "wb") as bad:
    header = b'{"\xff":{"dtype":"U8","shape":[1],"data_offsets":[0,2]}}'
    bad.write(len(header).to_bytes(8, "little") + header + b"xx")

db = connect()
db.text_factory = bytes  # as SQLite has them: str would refuse what is not UTF-8


def rows(sql, *values):
    try:
        found = db.execute(sql, values).fetchall()
    except sqlite3.Error as error:
        return str(error)
    return [tuple(value.decode() if isinstance(value, bytes) else value for value in row) for row in found]


SHOWN = f"{directory}/caf%E9"
for place, shown in ((directory, directory), (SHOWN, SHOWN)):
    found = dict(rows("SELECT file, status FROM safetensors_files(?)", f"{place}/*.safetensors"))
    for number, (name, shown_name) in enumerate(NAMES.items()):
        path = f"{shown}/{shown_name}"
        tally.check(path in found, f"{name} is shown as {shown_name}", found)
        got = rows("SELECT t.file, t.name, tensor_json(t.ref), tensor_json(tensor_ref(t.file, 'w')), s.max, m.value, "
                   "e.value, json_array_length(tensor_shape(r.ref)) FROM safetensors_tensors(?1) t, tensor_stats(t.ref) s, "
                   "safetensors_metadata(t.file) m, tensor_elements(t.ref) e, tensor_rows(t.ref) r", path)
        tally.equal(got, [(path, "w", f"[{number}]", f"[{number}]", number, "v", number, 0)], f"{path} is that file")
for name, number in (("%20", None), ("100%", 5), ("%25FC", 3)):  # names as they are, where they mean nothing else
    got = rows("SELECT tensor_json(ref) FROM safetensors_tensors(?)", f"{directory}/{name}.safetensors")
    tally.equal(got if number is not None else "no such file" in got, [(f"[{number}]",)] if number is not None else True, name)
tally.equal(rows("SELECT tensor_json(?)", f"{SHOWN}/%FC.safetensors#w"), [("[2]",)], "a ref by hand")

# the directory as a whole
found = rows("SELECT file, message FROM safetensors_check(?) WHERE severity = 'error' AND code <> 'duplicate-tensor'", SHOWN)
tally.check(all(file.startswith(SHOWN) and directory not in message for file, message in found) and len(found) >= 2, "check", found)
tally.equal(rows("SELECT DISTINCT tensor FROM safetensors_check(?) WHERE tensor <> 'w'", f"{SHOWN}/bad%FF.safetensors"),
            [("%FF",)], "a name that is not UTF-8")
tally.check(f"safetensors: {SHOWN}/bad%FF.safetensors: " in rows("SELECT * FROM safetensors_tensors(?)", f"{SHOWN}/bad%FF.safetensors"), "message")

# an argument that is not UTF-8 itself
raw = (strange + b"/plain.safetensors").hex()
got = rows(f"SELECT file, name, ref FROM safetensors_tensors(CAST(x'{raw}' AS TEXT))")
tally.equal(got, [(f"{SHOWN}/plain.safetensors", "w", f"{directory}/caf%25E9/plain.safetensors#w")], "raw argument")
column = rows("SELECT name FROM pragma_table_xinfo('safetensors_files') WHERE hidden = 1 ORDER BY cid LIMIT 1")[0][0]
tally.equal(rows(f"SELECT {column} FROM safetensors_files(CAST(x'{raw}' AS TEXT))"), [(f"{SHOWN}/plain.safetensors",)], "hidden column")
tally.equal(rows(f"SELECT tensor_ref(CAST(x'{raw}' AS TEXT), 'w')"), [(f"{directory}/caf%25E9/plain.safetensors#w",)], "tensor_ref")
tally.equal(rows(f"SELECT tensor_json(tensor_ref(CAST(x'{raw}' AS TEXT), 'w'))"), [("[0]",)], "and back")
for sql in ("SELECT * FROM safetensors_tensors(CAST(x'ff2e73' AS TEXT))", "SELECT tensor_json(CAST(x'ff2e7323' AS TEXT))"):
    tally.check("safetensors: %FF.s: no such file" in rows(sql), sql, rows(sql))

db.close()
shutil.rmtree(directory)
tally.finish()
