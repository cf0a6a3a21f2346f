"""Two SQLite libraries in one process: the second load is refused with a sentence, and the first goes on; a copy of
the extension serves the second."""

import ctypes
import os
import re
import shutil
import tempfile

import making
from tally import BUILD, Tally, connect

tally = Tally()
OK, ROW = 0, 100
first = connect()
ROOT = tempfile.mkdtemp(prefix="two_libraries.")


def sqlite_of_this_python():
    with open("/proc/self/maps", encoding="utf-8") as maps:
        found = re.findall(r"(/\S*libsqlite3\.so\S*)", maps.read())
    return found[0] if found else None


class Library:
    """What is needed of a second library's interface."""

    def __init__(self, path):
        self.call = ctypes.CDLL(path, mode=ctypes.RTLD_LOCAL)
        self.call.sqlite3_column_text.restype = ctypes.c_char_p
        self.call.sqlite3_libversion.restype = ctypes.c_char_p
        self.db = ctypes.c_void_p()
        self.call.sqlite3_open(b":memory:", ctypes.byref(self.db))
        self.call.sqlite3_enable_load_extension(self.db, 1)

    def load(self, path):
        message = ctypes.c_char_p()
        code = self.call.sqlite3_load_extension(self.db, path.encode(), b"sqlite3_safetensors_init", ctypes.byref(message))
        return code, (message.value or b"").decode()

    def value(self, sql):
        statement = ctypes.c_void_p()
        if self.call.sqlite3_prepare_v2(self.db, sql.encode(), -1, ctypes.byref(statement), None) != OK:
            return None
        value = self.call.sqlite3_column_text(statement, 0) if self.call.sqlite3_step(statement) == ROW else None
        self.call.sqlite3_finalize(statement)
        return value.decode() if value is not None else None


path = sqlite_of_this_python()
if path is None:
    print("skipped: two SQLite libraries in one process (this Python has SQLite built in)")
else:
    MODEL = making.file(f"{ROOT}/m.safetensors", {"x": b"\1\2\3"})
    SQL = f"SELECT name || tensor_json(ref) || s.max FROM safetensors_tensors('{MODEL}') t, tensor_stats(t.ref) s"
    second = Library(shutil.copy(path, f"{ROOT}/another_sqlite.so"))
    tally.equal(second.value("SELECT 1"), "1", "the second library works")

    code, message = second.load(os.path.abspath(f"{BUILD}/safetensors.so"))
    tally.check(code != OK and "safetensors: expected one SQLite library in this process, found " in message,
                "the second load is refused", code, message)
    tally.equal(second.value(SQL), None, "there is nothing in the second")
    tally.equal(first.execute(SQL).fetchone(), ("x[1,2,3]3",), "the first goes on")
    tally.equal(connect().execute(SQL).fetchone(), ("x[1,2,3]3",), "also with new connections")

    copy = shutil.copy(f"{BUILD}/safetensors.so", f"{ROOT}/safetensors_copy.so")
    tally.equal(second.load(copy), (OK, ""), "a copy is the way out")
    tally.equal(second.value(SQL), "x[1,2,3]3", "which works")
    tally.equal(first.execute(SQL).fetchone(), ("x[1,2,3]3",), "beside the first")
    tally.equal(second.call.sqlite3_close(second.db), OK, "the second closes")
    first.close()
shutil.rmtree(ROOT)
tally.finish()
