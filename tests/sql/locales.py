"""Numbers in results and messages are written, and read, as SQL and JSON have them, whatever locale the
host has set: one with a comma for the point, and one with a point of two bytes."""

import json
import locale
import os
import shutil
import struct
import subprocess
import sys
import tempfile

import making
from tally import Tally, connect

LOCALES = {"de_DE": ",", "ps_AF": "\u066b"}
SENTENCE = "skipped: locales (localedef, or its sources, are not installed)"


def write_header(path, text):
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text + b"a")
    return path


def answers(directory):
    db = connect()
    path = making.file(f"{directory}/a.safetensors", {"a": ("F32", [3], struct.pack("<3f", 1.5, 0.1, 1e30))}, {"a": "b"})
    odd = write_header(f"{directory}/odd.safetensors",
                       b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":1.5e3}}')
    making.index(f"{directory}/sharded/m.safetensors.index.json", {"a": "a.safetensors"}, total_size=12.5, x=1.5)
    shutil.copy(path, f"{directory}/sharded/a.safetensors")
    questions = [
        ("SELECT safetensors_pretty(13015864), safetensors_pretty(26114695168, 'B'), safetensors_pretty(-1.5), "
         "safetensors_pretty(1e300, 'B'), safetensors_pretty(0.125), safetensors_pretty(999.5), safetensors_pretty(7)"),
        f"SELECT tensor_json('{path}#a')",
        f"SELECT min, max, mean, std FROM tensor_stats('{path}#a')",
        f"SELECT lo, hi, count FROM tensor_histogram('{path}#a', 2, 0.5, 2.5)",
        f"SELECT lo, hi, count FROM tensor_histogram('{path}#a', '2', '0.5', '2.5')",
        f"SELECT tensor_allclose('{path}#a', '{path}#a', 0.5, '0.5')",
        f"SELECT idx FROM tensor_elements('{path}#a') WHERE idx > '0.5'",
        f"SELECT name, shape FROM safetensors_tensors('{odd}')",
        f"SELECT severity, code FROM safetensors_check('{odd}')",
        f"SELECT name FROM safetensors_tensors('{directory}/sharded')",
        f"SELECT severity, code FROM safetensors_check('{directory}/sharded')",
        "SELECT hex(safetensors_serialize('a', 'U8', '[1]', x'01', '{\"x\": \"1.5\"}'))",
        f"SELECT * FROM tensor_histogram('{path}#a', 2, 3.5, 2.5)",
    ]
    found = []
    for sql in questions:
        try:
            found.append([sql, db.execute(sql).fetchall()])
        except Exception as error:  # its words are compared, too
            found.append([sql, str(error)])
    return json.loads(json.dumps(found))


def answers_in(name, locales, directory):
    """The answers of a process in that locale; None where it cannot be had."""
    code = subprocess.run(["localedef", "-i", name, "-f", "UTF-8", f"{locales}/{name}.UTF-8"], check=False,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode if shutil.which("localedef") else 1
    if code > 1 or not os.path.exists(f"{locales}/{name}.UTF-8"):
        return None
    done = subprocess.run([sys.executable, __file__, name, directory], env={**os.environ, "LOCPATH": locales}, check=False,
                          capture_output=True, text=True)
    return json.loads(done.stdout) if done.returncode == 0 else [["it ran", done.stderr]]


def main():
    tally = Tally()
    with tempfile.TemporaryDirectory() as locales, tempfile.TemporaryDirectory() as directory:
        expected = answers(directory)
        tally.equal(expected[0][1], [["13.0 M", "26.1 GB", "-1.50", "1.00e+300 B", "0.12", "1.00 k", "7"]], "no locale")
        for name in LOCALES:
            found = answers_in(name, locales, directory)
            if found is None:
                print(SENTENCE)
                continue
            tally.equal(len(found), len(expected), f"{name}: answers")
            for (sql, got), (_, right) in zip(found, expected):
                tally.equal(got, right, f"{name}: {sql}")
    tally.finish()


if len(sys.argv) == 3:
    locale.setlocale(locale.LC_ALL, f"{sys.argv[1]}.UTF-8")
    assert locale.localeconv()["decimal_point"] == LOCALES[sys.argv[1]]
    print(json.dumps(answers(sys.argv[2])))
else:
    main()
