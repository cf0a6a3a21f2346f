"""The Python package's connections: load(), connect() with and without the interpreter's support for extensions,
query()."""

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading

import making
from python_package import error, imported, module
from tally import Tally

tally = Tally()
ROOT = tempfile.mkdtemp(prefix="python_connections.")
package = imported(ROOT)
auto_extension = package._auto_extension
MODEL = making.file(f"{ROOT}/model.safetensors", {"a": b"\1\2\3", "b": b"\4"})
COUNT = "SELECT count(*) FROM safetensors_tensors(?)"
LOADS = hasattr(sqlite3.Connection, "enable_load_extension")


def counts(connection):
    """What the extension says about the model, through any connection."""
    cursor = connection.cursor()
    return [tuple(row) for row in cursor.execute(COUNT, (MODEL,))]


def allows_extensions(connection):
    name = package.loadable_path().replace("'", "''")
    kind, text = error(lambda: list(connection.cursor().execute(f"SELECT load_extension('{name}')")))
    return kind == "none" and text == ""


def knows(connection):
    """Whether the extension is in the connection."""
    return error(connection.execute, COUNT, (MODEL,))[0] == "none"


def by_automatic_extension(database=":memory:", **options):
    """connect() as it is in a Python without support for extensions."""
    return auto_extension.opened_with_extension(lambda: sqlite3.connect(database, **options))


def test_connect():
    for connect in (package.connect, by_automatic_extension):
        tally.equal(counts(connect()), [(2,)], "connect() to a database in memory")
        path = os.path.join(ROOT, "data.db")
        with connect(path, isolation_level=None, timeout=1) as database:
            tally.equal((counts(database), database.isolation_level), ([(2,)], None), "connect() with options")
            database.execute("CREATE TABLE IF NOT EXISTS t(x)")
        tally.check(os.path.getsize(path) > 0, "connect() to a file")

        class Own(sqlite3.Connection):
            """A factory."""

        tally.check(isinstance(connect(factory=Own), Own), "connect() with a factory")
        tally.equal(error(connect, os.path.join(ROOT, "none", "data.db")),
                    ("OperationalError", "unable to open database file"), "connect() to what cannot be opened")
        tally.check(not knows(sqlite3.connect(":memory:")), "a connection that another opens afterwards has no extension")


def test_threads():
    """While one thread connects, connections of others have no extension; and all that connect() have it."""
    ended, strangers, own = threading.Event(), [], []

    def open_plainly():
        while not ended.is_set():
            connection = sqlite3.connect(":memory:")
            strangers.append(knows(connection))
            connection.close()

    def open_ours():
        for _ in range(100):
            connection = by_automatic_extension()
            own.append(knows(connection))
            connection.close()

    others = [threading.Thread(target=open_plainly) for _ in range(2)]
    ours = [threading.Thread(target=open_ours) for _ in range(3)]
    for thread in others + ours:
        thread.start()
    for thread in ours:
        thread.join()
    ended.set()
    for thread in others:
        thread.join()
    tally.equal((len(own), all(own)), (300, True), "connections of several threads at a time")
    tally.equal((len(strangers) > 0, any(strangers)), (True, False), "connections that other threads open meanwhile")


def test_nested():
    """A factory that opens a connection of its own."""
    class Outer(sqlite3.Connection):
        def __init__(self, *arguments, **options):
            self.inner = by_automatic_extension()
            super().__init__(*arguments, **options)

    outer = by_automatic_extension(factory=Outer)
    tally.equal((knows(outer), knows(outer.inner)), (True, True), "a connection that is opened by another's factory")
    tally.check(not knows(sqlite3.connect(":memory:")), "and one afterwards")


def in_child(work):
    """What the function answers in a fork of this process."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        signal.alarm(60)  # a lock that nobody gives back would hold it for ever
        try:
            os._exit(0 if work() else 1)
        finally:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_fork():
    tally.check(in_child(lambda: counts(package.connect()) == [(2,)]), "connect() in a fork")
    tally.check(in_child(lambda: counts(by_automatic_extension()) == [(2,)]), "connect() in a fork, without support")
    with auto_extension._lock:  # as if another thread were about to connect
        tally.check(in_child(lambda: counts(by_automatic_extension()) == [(2,)]), "a fork while another thread connects")


def test_refusals():
    """What is said where this Python's SQLite has no extensions: it cannot be found, or is another, or passes no
    interface. The last is what SQLite does if it was compiled so."""
    found, auto_extension._library = auto_extension._library, None
    libraries = auto_extension._libraries
    advice = "use the program safetensors-sql, the package apsw, or a Python whose sqlite3 module has enable_load_extension"
    try:
        auto_extension._libraries = lambda: iter([])
        kind, text = error(by_automatic_extension)
        tally.check(kind == "NotSupportedError" and advice in text, "no library has SQLite", kind, text)

        class Apart:
            """A library that takes the extension and is not asked for connections."""
            version = sqlite3.connect(":memory:").execute("SELECT sqlite_source_id()").fetchone()[0].encode()
            asked = []

            @staticmethod
            def sqlite3_auto_extension(function):
                return Apart.asked.append(function) or 0

            sqlite3_cancel_auto_extension = sqlite3_auto_extension

            class sqlite3_sourceid:
                def __new__(cls):
                    return Apart.version

        auto_extension._libraries = lambda: iter([Apart])
        kind, text = error(by_automatic_extension)
        tally.check(kind == "NotSupportedError" and advice in text, "a library that this Python does not use", kind, text)
        auto_extension._libraries = lambda: iter([Apart, *libraries()])
        tally.check(knows(by_automatic_extension()), "the library is found behind another")
        auto_extension._library, Apart.version = None, b"another"
        Apart.asked.clear()
        tally.equal((knows(by_automatic_extension()), Apart.asked), (True, []), "the library is found behind another version")
    finally:
        auto_extension._library, auto_extension._libraries = found, libraries
    auto_extension._thread.is_opening, auto_extension._thread.was_called = True, False
    tally.equal((auto_extension._run_here(0, 0, 0), auto_extension._thread.was_called), (0, False), "no interface")
    auto_extension._thread.is_opening = False


def test_load_sqlite3():
    if not LOADS:
        kind, text = error(package.load, sqlite3.connect(":memory:"))
        tally.check(kind == "NotSupportedError" and "open it with sqlite_safetensors.connect()" in text,
                    "load() where connections cannot load", kind, text)
        return
    connection = sqlite3.connect(":memory:")
    tally.check(package.load(connection) is connection, "load() returns the connection")
    tally.equal((counts(connection), allows_extensions(connection)), ([(2,)], False), "load() where none may be loaded")
    connection.enable_load_extension(True)
    tally.equal((counts(package.load(connection)), allows_extensions(connection)), ([(2,)], True),
                "load() again, where extensions may be loaded")
    connection.close()
    tally.equal(error(package.load, connection), ("ProgrammingError", "Cannot operate on a closed database."),
                "load() into a closed connection")
    refused = sqlite3.connect(":memory:")
    place, package._loading.loadable_path = package._loading.loadable_path, lambda: f"{ROOT}/nothing"
    try:
        kind, text = error(package.load, refused)
        tally.check(kind == "OperationalError" and f"{ROOT}/nothing" in text, "load() of what is not there", kind, text)
        tally.check(not allows_extensions(refused), "load() that fails leaves the connection as it was")
    finally:
        package._loading.loadable_path = place


def test_load_others():
    class Awaited:
        async def enable_load_extension(self, enabled):
            return enabled

        async def load_extension(self, path):
            return path

    for wrong in ("model.db", None, 7, sqlite3.connect(":memory:").cursor()):
        kind, text = error(package.load, wrong)
        if isinstance(wrong, sqlite3.Cursor) and kind != "TypeError":  # it leads to its connection
            tally.check(LOADS and kind == "none" or "connect()" in text, "load() of a cursor", kind, text)
            continue
        tally.check(kind == "TypeError" and text.endswith(f"found {type(wrong).__qualname__}"), f"load() of {wrong!r}", text)
    kind, text = error(package.load, Awaited())
    tally.check(kind == "TypeError" and "loadable_path()" in text, "load() of a connection with async methods", kind, text)
    sqlalchemy = module("sqlalchemy")
    if sqlalchemy is not None and LOADS:
        engine = sqlalchemy.create_engine("sqlite://")
        raw = engine.raw_connection()
        tally.check(package.load(raw) is raw and counts(raw) == [(2,)], "load() into SQLAlchemy's raw connection")
        raw.close()
        with sqlalchemy.create_engine("sqlite://").connect() as connection:
            package.load(connection)
            tally.equal(connection.exec_driver_sql(COUNT, (MODEL,)).scalar(), 2, "load() into SQLAlchemy's connection")
    if sqlalchemy is not None:
        engine = sqlalchemy.create_engine("sqlite://", creator=package.connect)
        with engine.connect() as connection:
            tally.equal(connection.exec_driver_sql(COUNT, (MODEL,)).scalar(), 2, "SQLAlchemy with connect()")
            tally.equal(package.query("SELECT 1 AS one", connection=connection), [{"one": 1}], "query() on it")


OTHER_DRIVER = """
import sys
import {driver} as driver, sqlite_safetensors
connection = sqlite_safetensors.load(driver.{connect}(":memory:"))
query = sqlite_safetensors.query
print(query("SELECT name, numel FROM safetensors_tensors(?) ORDER BY name", [sys.argv[1]], connection=connection))
print(query("SELECT name FROM safetensors_tensors(:path) WHERE 0", dict(path=sys.argv[1]), connection=connection))
print(sqlite_safetensors._loading._allows_extensions(connection))
{tensor}
"""


def test_other_drivers():
    """In processes of their own, as the extension serves one SQLite library in each."""
    path = os.path.dirname(os.path.dirname(package.__file__)) + os.pathsep + os.environ.get("PYTHONPATH", "")
    for driver, connect in (("apsw", "Connection"), ("pysqlite3", "connect")):
        if module(driver) is not None:
            tensor = "print(sqlite_safetensors.tensor(connection, sys.argv[1] + '#a').tolist())" if module("numpy") else ""
            done = subprocess.run([sys.executable, "-c", OTHER_DRIVER.format(driver=driver, connect=connect, tensor=tensor),
                                   MODEL], capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": path})
            tally.equal(done.stdout + done.stderr, "[{'name': 'a', 'numel': 3}, {'name': 'b', 'numel': 1}]\n[]\nFalse\n"
                        + "[1, 2, 3]\n" * bool(tensor), driver)


def test_query():
    sql = "SELECT name, numel, 0.5 AS half, NULL AS void FROM safetensors_tensors(:path) ORDER BY name"
    expected = [{"name": "a", "numel": 3, "half": 0.5, "void": None}, {"name": "b", "numel": 1, "half": 0.5, "void": None}]
    tally.equal(package.query(sql, {"path": MODEL}), expected, "query() by names")
    tally.equal(package.query("SELECT name FROM safetensors_tensors(?) WHERE numel = ?", [MODEL, 1]), [{"name": "b"}],
                "query() by positions")
    tally.equal(package.query("SELECT 1 AS one WHERE 0"), [], "query() without rows")
    connection = package.connect()
    connection.row_factory = lambda cursor, row: "a row"
    tally.equal(package.query("SELECT 1 AS one", connection=connection), [{"one": 1}], "query() whatever makes rows")
    tally.equal(package.query("CREATE TABLE t(x)", connection=connection), [], "query() of what has no columns")
    tally.equal(error(package.query, "SELECT 1 AS x, 2 AS x"),
                ("ValueError", "expected columns of different names, found 'x' twice; name one of them with AS"), "two columns")
    tally.equal(error(package.query, "SELECT 1", as_="list"),
                ("ValueError", "expected as_ to be one of dicts, pandas, polars, arrow, found 'list'"), "another form")
    tally.equal(error(package.query, "SELECT missing"), ("OperationalError", "no such column: missing"), "an error")
    missing = os.path.join(ROOT, "missing.safetensors")
    kind, text = error(package.query, COUNT, [missing])
    tally.check(kind == "OperationalError" and missing in text, "a file that is not there", kind, text)
    connection.close()
    tally.equal(error(package.query, "SELECT 1", connection=connection),
                ("ProgrammingError", "Cannot operate on a closed database."), "a closed connection")


def test_query_writes():
    written = os.path.join(ROOT, "written.safetensors")
    sql = "INSERT INTO safetensors_write(path, name, dtype, shape, data) VALUES (?, 'x', 'U8', '[2]', x'0708')"
    tally.equal(package.query(sql, [written]), [], "query() that writes")
    tally.equal(making.tensors_of(written), {"x": ("U8", [2], b"\7\10")}, "what it wrote is there when it returns")


def test_frames():
    sql, names = "SELECT 1 AS n, 'a' AS t UNION ALL SELECT 2, NULL", ["n", "t"]
    if module("pandas") is not None:
        frame = package.query(sql, as_="pandas")
        tally.equal((list(frame.columns), frame["n"].tolist(), frame["t"][0]), (names, [1, 2], "a"), "pandas")
        tally.equal(list(package.query(sql + " LIMIT 0", as_="pandas").columns), names, "pandas without rows")
    if module("polars") is not None:
        tally.equal(package.query(sql, as_="polars").rows(), [(1, "a"), (2, None)], "polars")
        tally.equal(package.query(sql + " LIMIT 0", as_="polars").columns, names, "polars without rows")
    if module("pyarrow") is not None:
        tally.equal(package.query(sql, as_="arrow").to_pydict(), {"n": [1, 2], "t": ["a", None]}, "Arrow")
        tally.equal(package.query(sql + " LIMIT 0", as_="arrow").column_names, names, "Arrow without rows")
    for name, as_ in (("pandas", "pandas"), ("polars", "polars"), ("pyarrow", "arrow")):
        kept, sys.modules[name] = sys.modules.get(name), None  # as if it were not installed
        kind, text = error(package.query, "SELECT 1", as_=as_)
        tally.equal((kind, text), ("ModuleNotFoundError", f"query(as_={as_!r}) needs the package {name}"), f"no {name}")
        if kept is None:
            del sys.modules[name]
        else:
            sys.modules[name] = kept


def test_places():
    path = package.loadable_path()
    tally.check(os.path.isfile(path + ".so"), "loadable_path() is the library, without its suffix", path)
    if not os.environ.get("INSTALLED"):
        kind, text = error(package.program_path)
        tally.check(kind == "FileNotFoundError" and text.startswith("safetensors-sql: expected the program"), text)
    else:
        done = subprocess.run([package.program_path(), "--version"], capture_output=True, text=True, check=False)
        tally.check(done.returncode == 0 and package.__version__ in done.stdout, "program_path()", done)


tally.run(globals(), ROOT)
