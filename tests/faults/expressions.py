"""Computed tensors when things fail: the disk of their temporary file is full, the work is cancelled and begun again. And what
they cost: what they read, and memory that does not grow with the tensors.

Covers little: of all lines, others reach nearly as many.
"""

import json
import os
import resource
import signal
import sqlite3
import struct
import tempfile
import time

from tally import BUILD, Tally

MB = 1 << 20
LIMIT = 64 * MB  # above the idle extension
CHECKPOINTS = 50
KEPT = "tensor_transpose(tensor_neg(tensor_random('[1000,3000]', 1)), '[1,0]')"  # 24 MB of doubles
tally = Tally()


def connect(io="pread"):
    """A connection that reads files by system calls, which the system counts."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.enable_load_extension(True)
    db.load_extension(os.path.join(BUILD, "safetensors"))
    db.execute("SELECT safetensors_config('io', ?)", (io,))
    return db


def make(path, tensors):
    """A file of holes: all zero."""
    header, end = {}, 0
    for name, dtype, shape, nbytes in tensors:
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [end, end + nbytes]}
        end += nbytes
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + end)


def temporary_files():
    """Those of SQLite that this process has open; they have no name any more."""
    links = []
    for number in os.listdir("/proc/self/fd"):
        try:
            links.append(os.readlink(f"/proc/self/fd/{number}"))
        except FileNotFoundError:
            pass
    return [link for link in links if "etilqs" in link]


def bytes_read():
    with open("/proc/self/io") as file:
        return int(file.readline().split()[1])


def message(db, sql, *values):
    try:
        return f"finished with {db.execute(sql, values).fetchall()}"
    except sqlite3.Error as error:
        return str(error)


# ---- The temporary file ----

def limited(db, limit, value, sql):
    before = resource.getrlimit(limit)
    resource.setrlimit(limit, (value, before[1]))
    try:
        return message(db, sql)
    finally:
        resource.setrlimit(limit, before)


def check_temporary(db, directory):
    sql = f"SELECT max FROM tensor_stats({KEPT})"
    right = db.execute("SELECT -min FROM tensor_stats(tensor_random('[1000,3000]', 1))").fetchone()
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    for name, limit, value, found in (("full", resource.RLIMIT_FSIZE, MB, "temporary file: expected to write a file"),
                                      ("no descriptors", resource.RLIMIT_NOFILE, 0, "temporary file: expected to create a file")):
        got = limited(db, limit, value, sql)
        tally.check(found in got and got.startswith("safetensors: "), f"{name}: a sentence", got)
        tally.equal((temporary_files(), os.listdir(directory)), ([], []), f"{name}: nothing left")
        tally.equal(db.execute(sql).fetchone(), right, f"{name}: right afterwards")
        tally.equal((temporary_files(), os.listdir(directory)), ([], []), f"{name}: nothing left afterwards")
    target = os.path.join(directory, "out.safetensors")
    db.execute("BEGIN")
    db.execute(f"INSERT INTO safetensors_write(path, name, data) SELECT ?, 'x', {KEPT}", (target,))
    got = limited(db, resource.RLIMIT_FSIZE, MB, "COMMIT")
    tally.check("temporary file" in got, "a full disk at COMMIT: a sentence", got)
    if db.in_transaction:
        db.execute("ROLLBACK")
    tally.equal((temporary_files(), os.listdir(directory)), ([], []), "a full disk at COMMIT: nothing left")


# ---- Cancelled, and begun again ----

def cancelled(db, sql):
    """Whether the statement is ended by the progress handler, which says so when it is called again and again."""
    began = time.monotonic()
    db.set_progress_handler(lambda: time.monotonic() - began > 0.05, 1000)
    got = message(db, sql)
    db.set_progress_handler(None, 0)
    return "interrupt" in got, got


def check_cancelled(db, directory):
    """A row whose preparation is cancelled can be asked for again: what it had kept is not left behind."""
    large = "tensor_transpose(tensor_exp(tensor_random('[7000,7000]', 1)), '[1,0]')"
    db.execute("BEGIN")
    db.execute(f"INSERT INTO safetensors_write(path, name, data) SELECT ?, 'x', {large}", (os.path.join(directory, "out.safetensors"),))
    for attempt in range(3):
        ended, got = cancelled(db, "SELECT length(data) FROM safetensors_write")
        tally.check(ended, f"attempt {attempt}: cancelled", got)
        if not db.in_transaction:
            return  # SQLite has rolled back
        tally.check(len(temporary_files()) <= 1, f"attempt {attempt}: one temporary file at most", temporary_files())
    db.execute("ROLLBACK")
    tally.equal((temporary_files(), os.listdir(directory)), ([], []), "cancelled: nothing left")


# ---- Files that are mapped part by part ----

def random_file(path, count):
    with open(path, "wb") as file:
        header = json.dumps({"x": {"dtype": "BF16", "shape": [count], "data_offsets": [0, 2 * count]}}).encode()
        file.write(struct.pack("<Q", len(header)) + header + os.urandom(2 * count))


def check_mapped(db, directory):
    """The same numbers as without mappings; and an error, not the end of the process, if a file is cut short or overwritten
    while a statement reads it."""
    count = 5 * MB + 77
    a, b = os.path.join(directory, "a.safetensors"), os.path.join(directory, "b.safetensors")
    random_file(a, count)
    random_file(b, count)
    total = f"tensor_add('{a}#x', tensor_mul('{b}#x', 0.3))"
    hashes = set()
    for io in "map", "pread":
        db.execute(f"SELECT safetensors_config('io', '{io}')")
        for threads in 0, 3:
            db.execute(f"PRAGMA threads = {threads}")
            hashes.add(db.execute(f"SELECT tensor_hash({total}), (SELECT l2 FROM tensor_stats({total}))").fetchone())
    tally.equal(len(hashes), 1, "mapped or read, on one or four threads")
    db.execute("SELECT safetensors_config('io', 'map')")
    for how in "cut short", "overwritten":
        rows = db.execute(f"SELECT value FROM tensor_elements({total})")
        for _ in range(400000):
            rows.fetchone()
        with open(b, "r+b") as file:
            if how == "cut short":
                file.truncate(4096)
            else:
                file.seek(MB)
                file.write(os.urandom(MB))
        try:
            got = f"finished with {sum(1 for row in rows)} rows"
        except sqlite3.Error as error:
            got = str(error)
        tally.check(got.startswith("safetensors: ") and "b.safetensors" in got, f"{how}: a sentence", got)
        random_file(b, count)
    db.execute("PRAGMA threads = 0")
    db.execute("SELECT safetensors_config('io', 'pread')")
    os.unlink(a)
    os.unlink(b)


# ---- What first passes have found ----

def check_remembered(db, directory):
    """The sums of slerp are remembered for a part of an expression, whatever its t and what it stands in, until a file changes."""
    count = 4 * MB
    a, b = os.path.join(directory, "a.safetensors"), os.path.join(directory, "b.safetensors")
    random_file(a, count)
    random_file(b, count)
    for path in a, b:  # files that have just changed are not trusted
        os.utime(path, (1e9, 1e9))
    time.sleep(2.2)
    item = "SELECT tensor_item(tensor_neg(tensor_slerp(?, ?, {t})), 5)"
    finite = "tensor_where(tensor_less(tensor_abs('{path}#x'), 1e30), '{path}#x', 0)"

    def asked(t, connection=db):
        before = bytes_read()
        sides = [connection.execute("SELECT " + finite.format(path=path)).fetchone()[0] for path in (a, b)]
        got = connection.execute(item.format(t=t), sides).fetchone()
        return got, bytes_read() - before

    asked(0.5)
    for t in 0.5, 0.25:
        got, read = asked(t)
        fresh = connect()
        tally.equal(got, asked(t, fresh)[0], f"slerp at {t}: as on a fresh connection")
        tally.check(read < MB, f"slerp at {t}: not read again", read)
        fresh.close()
    with open(b, "r+b") as file:
        file.seek(MB)
        file.write(bytes(MB))
    os.utime(b, (1e9 + 1, 1e9 + 1))
    got, read = asked(0.25)
    fresh = connect()
    tally.equal(got, asked(0.25, fresh)[0], "another state of the file: as on a fresh connection")
    tally.check(read > MB, "another state of the file: read again", read)
    fresh.close()
    os.unlink(a)
    os.unlink(b)


def check_counted(db, directory):
    """What a quantile has counted serves the next one of the same tensor, until its file changes."""
    path = os.path.join(directory, "counted.safetensors")
    make(path, [("h", "F16", [2, 4 * MB], 16 * MB)])
    half, whole = f"'{path}?slice=1#h'", f"'{path}#h'"

    def asked(*quantiles, connection=db):
        before = bytes_read()
        got = connection.execute("SELECT " + ", ".join(f"tensor_quantile({tensor})" for tensor in quantiles)).fetchone()
        return got, bytes_read() - before

    with open(path, "r+b") as file:  # the second half: 1, and one 2
        file.seek(-8 * MB, os.SEEK_END)
        file.write(b"\0\x3c" * (4 * MB - 1) + b"\0\x40")
    got, read = asked(f"{half}, 0.5", f"{half}, 1", f"{half}, 0, 'lower'")
    tally.equal(got, (1.0, 2.0, 1.0), "quantiles of a file that has just changed")
    tally.check(read < 9 * MB, "read once in a statement", read)
    os.utime(path, (1e9, 1e9))
    time.sleep(2.2)
    asked(f"{half}, 0.5", f"{whole}, 0.5")
    for expression, expected in ((f"{half}, 1", 2.0), (f"{whole}, 0.25", 0.0), (f"{whole}, 1", 2.0)):
        got, read = asked(expression)
        tally.equal(got, (expected,), expression)
        tally.check(read < MB, f"{expression}: not read again", read)
    double = "tensor_mul({tensor}, {by})"
    got, _ = asked(double.format(tensor=half, by=2) + ", 1")
    tally.equal(got, (4.0,), "a quantile of a product")
    got, read = asked(double.format(tensor=half, by=2) + ", 0")
    tally.equal(got, (2.0,), "another one")
    tally.check(read < 9 * MB, "of F32: a pass less", read)
    got, read = asked(double.format(tensor=half, by=3) + ", 1")
    tally.equal(got, (6.0,), "of another product: counted anew")
    with open(path, "r+b") as file:
        file.seek(-8 * MB, os.SEEK_END)
        file.write(b"\0\x42" * 2)
    os.utime(path, (1e9 + 1, 1e9 + 1))
    got, read = asked(f"{half}, 1")
    tally.equal(got, (3.0,), "another state of the file")
    tally.check(read > 7 * MB, "read again", read)
    os.unlink(path)


# ---- What is described reads headers alone ----

def check_described(db, directory):
    path = os.path.join(directory, "large.safetensors")
    make(path, [("x", "F32", [4096, 16384], 256 * MB)])
    x = f"'{path}#x'"
    before = bytes_read()
    for expression, shape in ((f"tensor_slerp({x}, tensor_neg({x}), 0.5)", "[4096,16384]"),
                              (f"tensor_matmul({x}, tensor_transpose(tensor_exp({x})))", "[4096,4096]"),
                              (f"tensor_add({x}, tensor_norm({x}, 0))", "[4096,16384]"),
                              (f"tensor_concat(1, {x}, tensor_take({x}, '[1,1]', 1))", "[4096,16386]")):
        got = db.execute(f"SELECT tensor_shape(e), tensor_dtype(e), tensor_numel(e) * 4 = tensor_nbytes(e) FROM (SELECT {expression} AS e)").fetchone()
        tally.equal(got, (shape, "F32", 1), expression)
    tally.check(bytes_read() - before < MB, "only headers are read", bytes_read() - before)
    db.execute(f"SELECT tensor_item(tensor_add({x}, 1), 7, 8), tensor_json(tensor_neg({x}), '5, 100:104')").fetchone()
    tally.check(bytes_read() - before < 2 * MB, "of elements, only what they need is read", bytes_read() - before)
    before = bytes_read()
    turned = f"tensor_transpose(tensor_exp({x}))"
    got = db.execute(f"SELECT tensor_item({turned}, 8, 7), tensor_json({turned}, '5:7, 3'), tensor_item(tensor_matmul({turned}, "
                     f"tensor_transpose(tensor_neg({turned}))), 2, 3), tensor_item(tensor_norm(tensor_reshape({turned}, '[-1,4096]'), 1), 9, 0)").fetchone()
    tally.equal(got, (1.0, "[1.0,1.0]", -4096.0, 64.0), "elements of what is kept otherwise")
    tally.check(bytes_read() - before < 96 * MB, "of what is kept otherwise, only what they need is read", bytes_read() - before)
    tally.equal(temporary_files(), [], "and nothing is kept")
    os.unlink(path)


def check_read_once(db, directory):
    path = os.path.join(directory, "two.safetensors")
    make(path, [("x", "BF16", [4096, 8192], 64 * MB), ("y", "BF16", [4096, 8192], 64 * MB)])
    for threads in 0, 3:
        db.execute(f"PRAGMA threads = {threads}")
        before = bytes_read()
        db.execute(f"SELECT n_nan FROM tensor_stats(tensor_add('{path}#x', '{path}#y'))").fetchone()
        tally.check(bytes_read() - before < 140 * MB, f"nothing is read twice, {threads} threads more", bytes_read() - before)
    os.unlink(path)


# ---- Packed weights ----

PACKED = (("fp8", "F8_E4M3", [8192, 16384], 128 * MB), ("blocks", "F32", [64, 128], 32768), ("int4", "I32", [8192, 4096], 128 * MB),
          ("scales", "F16", [8192, 256], 4 * MB), ("qweight", "I32", [1024, 32768], 128 * MB), ("qzeros", "I32", [64, 4096], MB),
          ("groups", "F16", [64, 32768], 4 * MB))


def packed(path):
    """Expressions by their schemes."""
    def parts(**names):
        return "json_object(" + ", ".join(f"'{role}', '{path}#{name}'" for role, name in names.items()) + ")"
    return {"fp8": f"tensor_dequantize('fp8', {parts(weight='fp8', scale='blocks')})",
            "int4": f"tensor_dequantize('int4', {parts(weight_packed='int4', weight_scale='scales')})",
            "gptq": f"tensor_dequantize('gptq', {parts(qweight='qweight', qzeros='qzeros', scales='groups')})"}


def check_packed(db, directory):
    path = os.path.join(directory, "packed.safetensors")
    make(path, PACKED)
    db.execute("PRAGMA threads = 0")
    for scheme, expression in packed(path).items():
        before = bytes_read()
        got = db.execute(f"SELECT tensor_dtype(e), tensor_numel(e) * 4 = tensor_nbytes(e) FROM (SELECT {expression} AS e)").fetchone()
        tally.equal(got, ("F32", 1), f"{scheme}: dtype and size")
        tally.check(bytes_read() - before < MB, f"{scheme}: only headers are read", bytes_read() - before)
        db.execute(f"SELECT tensor_item({expression}, 7, 8)").fetchone()
        tally.check(bytes_read() - before < 8 * MB, f"{scheme}: of elements, only what they need is read", bytes_read() - before)
        for table in f"tensor_stats({expression})", f"tensor_stats(tensor_transpose({expression}))":
            many = "json_each('[" + "1," * 40 + "1]')"  # one alone may be done before anybody asks
            ended, got = cancelled(db, f"SELECT sum(n_nan) FROM {many} CROSS JOIN {table}")
            tally.check(ended, f"{scheme}: cancelled", got)
    for scheme, expression in packed(path).items():
        for threads in 0, 3:
            got, answer = peak([f"SELECT n_nan FROM tensor_stats({expression})"], threads)
            tally.equal(answer, "finished with [(0,)]", f"{scheme}: numbers, {threads} threads more")
            tally.check(got < LIMIT, f"{scheme}, {threads} threads more: memory", f"{got / MB:.0f} MB")
            print(f"{scheme}, {threads} threads more: {got / MB:.0f} MB")
    os.unlink(path)


# ---- Memory ----

def status(field):
    with open("/proc/self/status") as file:
        return [int(line.split()[1]) * 1024 for line in file if line.startswith(field + ":")][0]


def peak(statements, threads):
    """How many bytes statements take above a connection with the extension, in a process of its own, and what they answer."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        db = connect("map")
        db.execute(f"PRAGMA threads = {threads}")
        db.execute("SELECT tensor_json(tensor_neg(tensor_full('[2]', 1)))").fetchall()
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")  # the peak begins here
        before = status("VmRSS")
        got = [message(db, sql) for sql in statements][-1]
        os.write(writing, json.dumps([status("VmHWM") - before, got]).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as file:
        text = file.read()
    os.waitpid(child, 0)
    return json.loads(text)


def check_memory(directory):
    rows, columns = 2048, 4096
    runs = [os.path.join(directory, f"run{i}.safetensors") for i in range(CHECKPOINTS)]
    for path in runs:
        make(path, [("x", "BF16", [rows, columns], rows * columns * 2)])
    lora = os.path.join(directory, "lora.safetensors")
    make(lora, [("a", "BF16", [16, columns], 32 * columns), ("b", "BF16", [rows, 16], 32 * rows)])
    out = os.path.join(directory, "out.safetensors")
    x = f"'{runs[0]}#x'"
    average = "tensors_average(column1 || '#x') FROM (VALUES " + ",".join(f"('{path}')" for path in runs) + ")"
    folded = f"tensor_add({x}, tensor_mul(tensor_matmul('{lora}#b', '{lora}#a'), 2))"
    blocks = f"tensor_delta('oft', json_object('oft_R', tensor_random('[16,32640]', 1)), '{{}}', {x})"
    butterflies = f"tensor_delta('boft', json_object('boft_R', tensor_random('[2,256,16,16]', 1)), '{{}}', {x})"
    factors = "'lora_A', tensor_random('[16,4096]', 1), 'lora_B', tensor_random('[2048,16]', 2)"
    magnitudes = (f"tensor_delta('dora', json_object({factors}, 'lora_magnitude_vector', tensor_random('[2048]', 3)), "
                  f"'{{}}', {x})")
    convolution = ("tensor_delta('lora', json_object('lora_A', tensor_random('[16,1280,1,1]', 1), "
                   "'lora_B', tensor_random('[1280,16,1,1]', 2), 'lora_mid', tensor_random('[16,16,3,3]', 3)))")
    for name, *statements in (
            ("stats of an average", f"SELECT n_nan FROM (SELECT {average.replace(' FROM', ' AS e FROM')}), tensor_stats(e)"),
            ("writing an average", f"INSERT INTO safetensors_write(path, name, dtype, data, mode) SELECT '{out}', 'x', 'BF16', e, 'replace' "
             f"FROM (SELECT {average.replace(' FROM', ' AS e FROM')})", f"SELECT n_nan FROM tensor_stats('{out}#x')"),
            ("a low rank added", f"SELECT n_nan FROM tensor_stats({folded})"),
            ("comparison", f"SELECT n_diff FROM tensor_compare({folded}, {x})"),
            ("rotations", f"SELECT n_nan FROM tensor_stats({blocks})"),
            ("butterflies", f"SELECT n_nan FROM tensor_stats({butterflies})"),
            ("magnitudes", f"SELECT n_nan FROM tensor_stats({magnitudes})"),
            ("a change of a convolution", f"SELECT n_nan FROM tensor_stats({convolution})"),
            ("what is kept in a file", f"SELECT n_nan FROM tensor_stats(tensor_transpose(tensor_neg({x})))")):
        for threads in 0, 3:
            got, answer = peak(statements, threads)
            tally.equal(answer, "finished with [(0,)]", f"{name}: zeros, {threads} threads more")
            tally.check(got < LIMIT, f"{name}, {threads} threads more: memory", f"{got / MB:.0f} MB")
            print(f"{name}, {threads} threads more: {got / MB:.0f} MB")


with tempfile.TemporaryDirectory() as directory:
    os.environ["SQLITE_TMPDIR"] = directory
    db = connect()
    check_temporary(db, directory)
    check_cancelled(db, directory)
    check_mapped(db, directory)
    check_remembered(db, directory)
    check_counted(db, directory)
    check_described(db, directory)
    check_read_once(db, directory)
    check_packed(db, directory)
    db.close()
    check_memory(directory)
tally.finish()
