"""What a path may be: index files, directories, patterns, the Hugging Face cache; in every table and
function that takes one; and what is said of those that lead nowhere."""

import functools
import os
import re
import shutil
import subprocess
import sys
import tempfile

import making
from tally import Tally, connect, database_error

tally = Tally()
db = connect()
START = os.getcwd()
TRACED = "PATH_FORMS_TRACED" in os.environ
# Open to other users: a test below becomes one.
ROOT = tempfile.mkdtemp(prefix="path_forms.")
os.chmod(ROOT, 0o755)
for variable in ("HF_HUB_CACHE", "HF_HOME"):
    os.environ.pop(variable, None)
os.environ["HOME"] = f"{ROOT}/home"


def rows(sql, *arguments):
    return db.execute(sql, arguments).fetchall()


def names(path):
    return [name for name, in rows("SELECT name FROM safetensors_tensors(?)", path)]


def files(path):
    """Files relative to ROOT, and their status."""
    return [(os.path.relpath(file, ROOT), status) for file, status in
            rows("SELECT file, status FROM safetensors_files(?)", path)]


error_of = functools.partial(database_error, db)


def refuses(path, *words):
    """safetensors_tensors stops with an error that has these words."""
    message = error_of("SELECT * FROM safetensors_tensors(?)", path)
    for word in ("safetensors: ", *words):
        tally.check(word in message, f"the error of {path[:200]!r} has {word!r}", message[:500])


def test_every_form():
    """A model of two shards under all names; a query of each table and function."""
    directory = f"{ROOT}/hub/models--org--name/snapshots/0123abcd"
    making.model(directory, {"model-00001-of-00002.safetensors": {"a": b"\1\2", "b": b"\3"},
                          "model-00002-of-00002.safetensors": {"c": b"\4\5\6\7"}})
    os.makedirs(f"{ROOT}/hub/models--org--name/refs")
    with open(f"{ROOT}/hub/models--org--name/refs/main", "w", encoding="utf-8") as out:
        out.write("0123abcd")
    os.environ["HF_HUB_CACHE"] = f"{ROOT}/hub"
    second = "model-00002-of-00002.safetensors"
    index = "model.safetensors.index.json"
    whole = [directory, f"{directory}/", f"{directory}/{index}", "hf://org/name", "hf://org/name@main",
             "hf://org/name@0123abcd", f"hf://org/name/{index}", f"hf://org/name@main/{index}"]
    parts = [f"{directory}/{second}", f"hf://org/name/{second}", f"hf://org/name@main/{second}"]
    patterns = [f"{directory}/model-0000[12]-*.safetensors", "hf://org/name/*.safetensors"]
    for path in whole + parts + patterns:
        expected = ["c"] if path in parts else ["a", "b", "c"]
        tally.equal(names(path), expected, f"tensors of {path}")
        tally.equal(rows("SELECT status, tensors FROM safetensors_files(?)", path),
                    [("ok", 1)] if path in parts else [("ok", 2), ("ok", 1)], f"files of {path}")
        tally.equal(rows("SELECT count(*) FROM safetensors_metadata(?)", path), [(0,)], f"metadata of {path}")
        tally.equal(rows("SELECT * FROM safetensors_check(?)", path), [], f"check of {path}")
        tally.equal(rows("SELECT name, status FROM safetensors_diff(?, ?) ORDER BY name", path, directory),
                    [(name, "same" if name in expected else "only_b") for name in "abc"], f"diff of {path}")
        tally.equal(rows("SELECT ref, tensor_nbytes(ref), data FROM safetensors_tensors(?) WHERE name = 'c'", path),
                    [(f"{directory}/{second}#c", 4, b"\4\5\6\7")], f"the ref of {path} names the shard")
        db.execute(f"CREATE VIRTUAL TABLE temp.named USING safetensors('{path}')")
        tally.equal(rows("SELECT name FROM named"), [(name,) for name in expected], f"named table of {path}")
        db.execute("DROP TABLE named")
    calls = [("tensor_dtype({})", "U8"), ("tensor_shape({})", "[4]"), ("tensor_numel({})", 4),
             ("tensor_nbytes({})", 4), ("tensor_data({})", b"\4\5\6\7"), ("tensor_data({}, '1:3')", b"\5\6"),
             ("tensor_json({})", "[4,5,6,7]"), ("tensor_item({}, -1)", 7),
             ("tensor_cast({}, 'I16')", b"\4\0\5\0\6\0\7\0"),
             ("tensor_hash({0}) = tensor_hash(x'04050607', 'U8')", 1),
             ("(SELECT sum(value) FROM tensor_elements({}))", 22), ("(SELECT max FROM tensor_stats({}))", 7),
             ("(SELECT sum(count) FROM tensor_histogram({}, 3))", 4),
             ("tensor_equal({0}, {0})", 1), ("tensor_max_abs_diff({0}, tensor_ref(?1, 'c'))", 0),
             ("(SELECT equal FROM tensor_compare({0}, {0}))", 1),
             ("(SELECT group_concat(hex(data), '') FROM tensor_rows({}))", "04050607")]
    for path in whole + parts:
        for call, expected in calls:
            sql = "SELECT " + call.format("tensor_ref(?1, 'c')")
            tally.equal(rows(sql, path), [(expected,)], f"{call} of {path}")
        tally.equal(rows("SELECT tensor_json(tensor_ref(?, 'c', '::2'))", path), [("[4,6]",)], f"slice of {path}")
        tally.check('a tensor "d"' in error_of("SELECT tensor_dtype(tensor_ref(?, 'd'))", path),
                    f"no tensor d in {path}")
    for path in patterns:
        tally.check("found a pattern" in error_of("SELECT tensor_dtype(tensor_ref(?, 'c'))", path), f"ref to {path}")
    del os.environ["HF_HUB_CACHE"]


def test_index_rules():
    """What a weight_map may not say. The second shard is missing: only if the names are judged before
    any is opened can the name be what the error is about."""
    directory = f"{ROOT}/rules"
    making.file(f"{ROOT}/outside/secret.safetensors", {"s": b"\1"})
    bad = {"/etc/x.safetensors": "an absolute path", f"{ROOT}/outside/secret.safetensors": "an absolute path",
           "../outside/secret.safetensors": "'..'", "sub/../../outside/secret.safetensors": "'..'", "..": "'..'",
           "sub/..": "'..'", "sub/../x": "'..'", ".": "'.'", "./.": "'.'", "a\\b.safetensors": "a backslash", "..\\outside\\x": "a backslash",
           "\\\\server\\share\\x": "a backslash", "C:x.safetensors": "a colon", "C:/x.safetensors": "a colon",
           "file:///etc/x": "a colon", "https://example.com/x.safetensors": "a colon", "hf://org/name/x": "a colon",
           "a\nb.safetensors": "a control character", "a\x7fb": "a control character", "a\x1bb": "a control",
           "a\x85b": "a control character", "a\0b.safetensors": "a control character", "\0": "a control", "": "empty",
           "sub/": "a directory", "x.safetensors/": "a directory", "//x": "an absolute path"}
    for name, words in bad.items():
        path = making.index(f"{directory}/model.safetensors.index.json", {"a": "missing.safetensors", "s": name})
        refuses(path, path, 'tensor "s"', words)
        tally.equal(files(directory), [("rules/model.safetensors.index.json", "invalid")], f"files with {name!r}")
        tally.check(words in error_of("SELECT tensor_data(?)", f"{path}#s"), f"ref with {name!r}")
        tally.equal(rows("SELECT code, tensor FROM safetensors_check(?) WHERE code NOT IN ('missing-shard', 'odd-index')",
                         directory),
                    [("bad-path", "s")], f"check with {name!r}")
    for name in ("sub/x.safetensors", "a b.safetensors", "ü%20#?.safetensors", "...", "x..y", "-", "~", "$HOME"):
        making.model(directory, {name: {"s": b"\1"}})
        tally.equal(names(directory), ["s"], f"a shard may be named {name!r}")
        tally.equal(rows("SELECT tensor_json(ref) FROM safetensors_tensors(?)", directory), [("[1]",)], f"ref to {name!r}")
    # Names of one file, as os.path.join() and the system take them, are one shard.
    making.file(f"{directory}/sub/x.safetensors", {"s": b"\1", "t": b"\2", "u": b"\3"})
    for name in ("./sub/x.safetensors", "sub//x.safetensors", ".//./sub/./x.safetensors"):
        path = making.index(f"{directory}/model.safetensors.index.json", {"s": "sub/x.safetensors", "t": name, "u": name})
        tally.equal(names(directory), ["s", "t", "u"], f"a shard may be named {name!r}")
        tally.equal(files(directory), [("rules/sub/x.safetensors", "ok")], f"{name!r} names the same shard")
        tally.equal(rows("SELECT tensor_json(?)", f"{path}#u"), [("[3]",)], f"ref to {name!r}")
        tally.equal(rows("SELECT * FROM safetensors_check(?) WHERE code NOT IN ('unindexed-shard', 'odd-index')",
                         directory), [], f"check with {name!r}")


def test_nothing_outside_is_opened():
    """Of the test above, what the kernel saw."""
    trace = f"{ROOT}/trace"
    command = ["strace", "-f", "-o", trace, "-e", "trace=open,openat,openat2", sys.executable, __file__]
    try:
        subprocess.run(command, cwd=START, env={**os.environ, "PATH_FORMS_TRACED": "1"}, capture_output=True,
                       check=False)
    except FileNotFoundError:
        print("skipped: what is opened (strace is not installed)")
        return
    with open(trace, encoding="utf-8", errors="replace") as file:
        opened = [line.split('"')[1] for line in file if "O_RDONLY" in line]
    if not opened:
        print("skipped: what is opened (strace cannot trace here)")
        return
    tally.check(any(path.endswith("/sub/x.safetensors") for path in opened), "the trace has what is opened")
    outside = [path for path in opened if re.search(r"outside/|/etc/x|/\.\.(/|$)|secret|C:", path)]
    tally.equal(outside, [], "what lies outside is not opened")


def test_routes():
    directory = f"{ROOT}/routes"
    one, two = "model-1.safetensors", "model-2.safetensors"
    making.file(f"{directory}/{one}", {"a": b"\1", "b": b"\2"})
    path = f"{directory}/model.safetensors.index.json"
    good = {"a": one, "b": one, "c": two}
    making.file(f"{directory}/{two}", {"c": b"\3", "d": b"\3"})
    good["d"] = two
    making.index(path, good)
    tally.equal(names(path), ["a", "b", "c", "d"], "a good index")
    for weight_map, words in [
            ({**good, "e": two}, ['tensor "e"', f"expected in shard {two} by the index, found in none"]),
            ({**good, "c": one}, ['tensor "c"', f"expected in shard {one} by the index, found in {two}"]),
            ({**good, "e": "model-3.safetensors"}, [f"{directory}/model-3.safetensors: no such file"])]:
        making.index(path, weight_map)
        refuses(path, *words)
    del good["d"]
    making.index(path, good)
    making.file(f"{directory}/{two}", {"c": b"\3", "a": b"\4"})
    refuses(path, 'tensor "a"', f"expected in one shard, found in several: {one} and {two}")
    tally.check("found in several" in error_of(f"CREATE VIRTUAL TABLE temp.m USING safetensors('{path}')"),
                "a named table is not made of such a model")
    tally.equal([status for _, status in files(path)], ["ok", "ok"], "the files themselves are good")
    # Outside the weight_map: listed if in one shard, refused if in several.
    making.file(f"{directory}/{two}", {"c": b"\3", "x": b"\4", "y": b"\5"})
    tally.equal(names(path), ["a", "b", "c", "x", "y"], "a tensor that the index does not know")
    tally.equal(rows("SELECT tensor_json(?)", f"{path}#y"), [("[5]",)], "a ref to it")
    making.file(f"{directory}/{one}", {"a": b"\1", "b": b"\2", "w": b"\7", "y": b"\6"})
    refuses(path, 'tensor "y"', f"expected in one shard, found in several: {one} and {two}")
    tally.check("found in several" in error_of("SELECT tensor_json(?)", f"{path}#y"), "a ref to what is in several")
    tally.check("found in several" in error_of("SELECT 1 FROM safetensors_tensors(?) WHERE name = 'a'", path),
                "a lookup checks the model too")


def test_index_as_json():
    path = f"{ROOT}/json/model.safetensors.index.json"
    making.file(f"{ROOT}/json/x.safetensors", {"a": b"\1"})

    def write(text):
        with open(path, "wb") as out:
            out.write(text)

    a = b'"weight_map":{"a":"x.safetensors"}'
    for text in (b"{" + a + b"}", b" \r\n\t{" + a + b"} \n", b'{"future":18446744073709551616,' + a + b"}",
                 b'{"metadata":{"total_size":1,"x":99999999999999999999999},' + a + b"}",
                 b'{"metadata":{},' + a + b"}", b'{"weight_map":{"\\u0061":"x.safe\\u0074ensors"}}'):
        write(text)
        tally.equal(names(path), ["a"], f"index {text}")
    for text, words in [
            (b"", "an empty file"), (b"   ", "a JSON object"), (b"[]", "a JSON object"), (b"\xff{}", "something else"),
            (b"{\xff}", "in UTF-8, found byte 0xff at offset 1"),
            (b"{" + a, "expected ',' or '}' at offset 35, found the index's end"),
            (b"{" + a + b"}x", "expected the end of the JSON at offset 36, found 'x'"),
            (b"{" + a + b"," + a + b"}", 'duplicate key "weight_map" in the index'),
            (b"{}", "an object as weight_map in the index, found none"),
            (b'{"weight_map":{"a":"x","a":"x"}}', 'duplicate key "a" in weight_map'),
            (b'{"weight_map":{}}', "expected tensors in the index's weight_map, found none"),
            (b'{"weight_map":{"a":1}}', 'tensor "a": expected a shard\'s file name in weight_map, found a number'),
            (b'{"weight_map":[]}', "found an array"), (b'{"weight_map":{"a":"\xff"}}', "found byte 0xff at offset 20"),
            (b'{"metadata":{"total_size":1\0},' + a + b"}", "expected ',' or '}' at offset 27, found byte 0x00")]:
        write(text)
        refuses(path, path, words)
        tally.equal(files(path), [("json/model.safetensors.index.json", "invalid")], f"files of index {text}")


def test_directories():
    directory = f"{ROOT}/directory"
    for n in (10, 2, 1, 11, 9, 100):
        making.file(f"{directory}/model-{n}-of-x.safetensors", {f"t{n}": b"\1"})
    making.file(f"{directory}/.hidden.safetensors", {"hidden": b"\1"})
    making.file(f"{directory}/sub/deeper.safetensors", {"deeper": b"\1"})
    making.index(f"{directory}/config.json", {})
    tally.equal(names(directory), ["t1", "t2", "t9", "t10", "t11", "t100"], "a directory, in natural order")
    tally.equal(names(f"{directory}//"), ["t1", "t2", "t9", "t10", "t11", "t100"], "a directory with slashes")
    tally.equal(rows("SELECT tensor_json(?)", f"{directory}#t9"), [("[1]",)], "a ref into a directory")
    making.file(f"{directory}/model-5-of-x.safetensors", {"t9": b"\1"})
    tally.check("found in several" in error_of("SELECT tensor_json(?)", f"{directory}#t9"), "a ref to one of several")
    tally.equal(len(names(directory)), 7, "a directory's files are each on their own")

    shards = {f"model-{n:02}-of-12.safetensors": {f"t{n}": b"\1"} for n in range(1, 13)}
    making.model(f"{ROOT}/twelve", {**shards, "sub/model-3.safetensors": {"s": b"\1"}})
    making.file(f"{ROOT}/twelve/unindexed.safetensors", {"unindexed": b"\1"})
    tally.equal(names(f"{ROOT}/twelve"), [f"t{n}" for n in range(1, 13)] + ["s"], "an index is all of its directory")
    shards = {f"s{n}.safetensors": {f"t{n}": b"\1"} for n in (10, 9, 1, 2)}
    making.model(f"{ROOT}/natural", shards)
    tally.equal(names(f"{ROOT}/natural"), ["t1", "t2", "t9", "t10"], "shards in natural order")

    making.model(f"{ROOT}/twelve", shards, name="model.fp16")
    tally.equal(len(names(f"{ROOT}/twelve")), 13, "of several indexes model.safetensors.index.json is the directory's")
    making.model(f"{ROOT}/several", shards, name="a")
    making.model(f"{ROOT}/several", shards, name="b")
    refuses(f"{ROOT}/several", f"{ROOT}/several", "a.safetensors.index.json, b.safetensors.index.json",
            "found 2", "name the one you mean")
    tally.equal(files(f"{ROOT}/several"), [("several", "invalid")], "files of a directory with two indexes")
    tally.equal(len(names(f"{ROOT}/twelve/model.fp16.safetensors.index.json")), 4, "the one that is meant")
    os.rename(f"{ROOT}/twelve/model.fp16.safetensors.index.json", f"{ROOT}/twelve/model.safetensors.index.fp16.json")
    tally.equal(len(names(f"{ROOT}/twelve")), 13, "a variant's index as transformers names it is not the model's")
    tally.equal(len(names(f"{ROOT}/twelve/model.safetensors.index.fp16.json")), 4, "but may be named")

    os.makedirs(f"{ROOT}/empty")
    refuses(f"{ROOT}/empty", f"{ROOT}/empty: expected *.safetensors files in the directory, found none")
    tally.equal(files(f"{ROOT}/empty"), [("empty", "missing")], "files of an empty directory")
    os.chdir(directory)
    tally.equal(rows("SELECT file FROM safetensors_files('.') LIMIT 1"), [("./model-1-of-x.safetensors",)], "'.'")
    os.chdir("/")


def test_unreadable():
    making.file(f"{ROOT}/unreadable/x.safetensors", {"a": b"\1"})
    making.file(f"{ROOT}/readable/x.safetensors", {"b": b"\1"})
    making.file(f"{ROOT}/readable/locked.safetensors", {"b": b"\1"})
    os.chmod(f"{ROOT}/unreadable", 0)
    os.chmod(f"{ROOT}/readable/locked.safetensors", 0)
    other = os.geteuid() == 0
    if other:
        os.seteuid(65534)
    refuses(f"{ROOT}/unreadable", f"{ROOT}/unreadable: cannot list the directory: Permission denied")
    refuses(f"{ROOT}/unreadable/*.safetensors", "unreadable/: cannot list the directory: Permission denied")
    refuses(f"{ROOT}/unreadable/x.safetensors", "Permission denied")
    refuses(f"{ROOT}/readable/locked.safetensors", "cannot open the file: Permission denied")
    tally.equal(files(f"{ROOT}/readable"),
                [("readable/locked.safetensors", "invalid"), ("readable/x.safetensors", "ok")], "one locked file")
    tally.equal(names(f"{ROOT}/*readable/x.safetensors"), ["b"], "a pattern passes over what cannot be listed")
    tally.equal(names(f"{ROOT}/*readable/x*.safetensors"), ["b"], "a pattern passes over what cannot be listed")
    if other:
        os.seteuid(0)
    os.chmod(f"{ROOT}/unreadable", 0o755)


def test_patterns():
    directory = f"{ROOT}/patterns"
    for name in ("a1", "a2", "a10", "b1", ".a3", "é1", "a[1]", "x*y"):
        making.file(f"{directory}/{name}.safetensors", {name: b"\1"})
    making.file(f"{directory}/run [v1]/x.safetensors", {"v1": b"\1"})
    making.file(f"{directory}/run v/x.safetensors", {"v": b"\1"})
    for pattern, expected in [
            ("a*.safetensors", ["a1", "a2", "a10", "a[1]"]), ("?1.safetensors", ["a1", "b1", "é1"]),
            ("[ab]1.safetensors", ["a1", "b1"]), ("[!a]1.safetensors", ["b1", "é1"]), ("[^a]1.safetensors", ["b1", "é1"]),
            ("[a-b][12].safetensors", ["a1", "a2", "b1"]), (".a*.safetensors", [".a3"]), ("*3.safetensors", None),
            ("[]a]1.safetensors", ["a1"]), ("[é]1.safetensors", ["é1"]), ("a[1].safetensors", ["a[1]"]),
            ("a[[]1].safetensors", ["a[1]"]), ("x*y.safetensors", ["x*y"]), ("x[*]y.saf*", ["x*y"]),
            ("run [v1]/*.safetensors", ["v1"]), ("run [v]/*.safetensors", ["v"]), ("run*/x.safetensors", ["v1", "v"]),
            ("*/x.safetensors", ["v1", "v"]), ("*/*.safetensors", ["v1", "v"]), ("a1.safetensors", ["a1"]),
            ("a1.safetensors/*", None), ("a[1", None), ("*/nothing", None), ("nothing/*", None), ("[[[", None)]:
        if expected is None:
            refuses(f"{directory}/{pattern}", directory)
            tally.equal(rows("SELECT file, status FROM safetensors_files(?)", f"{directory}/{pattern}"),
                        [(f"{directory}/{pattern}", "missing")], f"files of pattern {pattern}")
        else:
            tally.equal(names(f"{directory}/{pattern}"), expected, f"pattern {pattern}")
    refuses(f"{directory}/no*", "expected a file of that name, or files that match, found none")
    refuses(f"{ROOT}/nothing here/*", f"{ROOT}/nothing here: no such directory")
    os.chdir(directory)
    tally.equal([file for file, in rows("SELECT file FROM safetensors_files('a*[0-9].safetensors')")],
                ["a1.safetensors", "a2.safetensors", "a10.safetensors"], "a relative pattern")
    tally.equal(rows("SELECT file FROM safetensors_files('./run*/x.safetensors')"),
                [("./run [v1]/x.safetensors",), ("./run v/x.safetensors",)], "a pattern from '.'")
    os.chdir("/")
    # Broken links match, and are missing.
    os.symlink("nowhere", f"{directory}/broken.safetensors")
    tally.equal(files(f"{directory}/br*"), [("patterns/broken.safetensors", "missing")], "a broken link")
    # Each match is a file on its own: one that is bad does not hide the others.
    with open(f"{directory}/bad.safetensors", "wb") as out:
        out.write(b"GGUF\3\0\0\0\0\0\0\0\0\0\0\0")
    tally.equal(rows("SELECT t.name FROM safetensors_files(?) f, safetensors_tensors(f.file) t WHERE f.status = 'ok'",
                     f"{directory}/b*"), [("b1",)], "the good files of a pattern")
    os.remove(f"{directory}/broken.safetensors")
    refuses(f"{directory}/b*", f"{directory}/bad.safetensors")


def test_odd_names():
    directory = f"{ROOT}/odd"
    odd = ["%", "?", "#", "%25", "%23x", "?slice=0", " ", "'", '"', "`", "\\", "[", "]", "[a]", "*", "~", "$x", ";",
           "&", "é", "日本語", "\U0001f600", "a\tb", "a\nb", "-", "--", "#?%", "x" * 200]
    for name in odd:
        path = making.file(f"{directory}/{name}.safetensors", {"a": b"\7", "": b"\1", "x#y?z%": b"\2"})
        tally.equal(rows("SELECT name, file FROM safetensors_tensors(?) ORDER BY name", path),
                    [("", path), ("a", path), ("x#y?z%", path)], f"tensors of {name!r}")
        tally.equal(rows("SELECT tensor_json(ref) FROM safetensors_tensors(?) ORDER BY name", path),
                    [("[1]",), ("[7]",), ("[2]",)], f"refs of {name!r}")
        tally.equal(rows("SELECT tensor_json(tensor_ref(?1, 'a')), tensor_json(tensor_ref(?1, 'x#y?z%')), "
                         "tensor_json(tensor_ref(?1, ''))", path), [("[7]", "[2]", "[1]")], f"tensor_ref of {name!r}")
        quoted = path.replace("'", "''")
        db.execute(f"CREATE VIRTUAL TABLE temp.odd USING safetensors('{quoted}')")
        tally.equal(rows("SELECT count(*) FROM odd"), [(3,)], f"named table of {name!r}")
        db.execute("DROP TABLE odd")
    # As the name of a directory, too, and of a model in it.
    for name in odd:
        making.model(f"{ROOT}/odd_directories/{name}", {"x.safetensors": {"a": b"\7"}})
        tally.equal(names(f"{ROOT}/odd_directories/{name}"), ["a"], f"directory {name!r}")
        tally.equal(rows("SELECT tensor_json(tensor_ref(?, 'a'))", f"{ROOT}/odd_directories/{name}"), [("[7]",)],
                    f"ref into directory {name!r}")
    latin = os.fsencode(f"{directory}/caf") + b"\xe9.safetensors"
    shutil.copy(f"{directory}/é.safetensors", latin)
    tally.equal(rows("SELECT count(*) FROM safetensors_tensors(CAST(? AS TEXT))", latin), [(3,)], "a name not in UTF-8")
    tally.equal(rows("SELECT file, status FROM safetensors_files(?)", f"{directory}/caf*"),
                [(f"{directory}/caf%E9.safetensors", "ok")], "a name not in UTF-8, by a pattern")


def test_strange_paths():
    refuses("", "expected a path, found an empty text")
    refuses("a\0b", "without NUL")
    refuses("x" * 5000, "File name too long")
    refuses("x/" * 500000, "File name too long")
    refuses("*" * 100000, "expected")
    refuses("hf://" + "x" * 100000 + "/y", "hf://x")
    refuses(f"hf://a/{'b' * 255}", f"{ROOT}/home/.cache/huggingface/hub/models--a--bbb")
    for path in ("x/" * 500000, "hf://" + "x" * 100000 + "/y"):
        message = error_of("SELECT * FROM safetensors_tensors(?)", path)
        tally.check(len(message) < 1000, "a very long path is clipped in the error", len(message))
    refuses(f"{ROOT}/none.safetensors", f"{ROOT}/none.safetensors: no such file")
    refuses(f"{ROOT}/none.safetensors.index.json", f"{ROOT}/none.safetensors.index.json: no such file")
    refuses(f"{ROOT}/none\x1b[31m", "none?[31m")
    tally.equal(rows("SELECT count(*) FROM safetensors_tensors(NULL)"), [(0,)], "NULL")
    for value in (1, 1.5):
        tally.check("found a number" in error_of("SELECT * FROM safetensors_tensors(?)", value), f"path {value}")
    os.mkfifo(f"{ROOT}/pipe.safetensors")
    refuses(f"{ROOT}/pipe.safetensors", "expected a regular file")
    making.index(f"{ROOT}/piped/model.safetensors.index.json", {"a": "pipe.safetensors"})
    os.mkfifo(f"{ROOT}/piped/pipe.safetensors")
    refuses(f"{ROOT}/piped", "expected a regular file")
    making.index(f"{ROOT}/shard_is_directory/model.safetensors.index.json", {"a": "x.safetensors"})
    os.makedirs(f"{ROOT}/shard_is_directory/x.safetensors")
    refuses(f"{ROOT}/shard_is_directory", "found a directory")


def test_files():
    directory = f"{ROOT}/files"
    good = {"a": b"\1"}
    making.model(directory, {"1.safetensors": good, "2.safetensors": {"b": b"\1"}, "3.safetensors": {"c": b"\1"},
                          "4.safetensors": {"d": b"\1"}})
    os.remove(f"{directory}/2.safetensors")
    with open(f"{directory}/3.safetensors", "wb") as out:
        out.write(b"PK\3\4\24\0\0\0\10\10archive/data.pkl")
    tally.equal(rows("SELECT replace(file, ?2, ''), size, tensors, numel, nbytes, status, replace(error, ?2, '') "
                     "FROM safetensors_files(?1)", directory, f"{directory}/"),
                [("1.safetensors", 65, 1, 1, 1, "ok", None),
                 ("2.safetensors", None, None, None, None, "missing", "safetensors: 2.safetensors: no such file"),
                 ("3.safetensors", 26, None, None, None, "invalid",
                  rows("SELECT replace(error, ?2, '') FROM safetensors_files(?1)", f"{directory}/3.safetensors",
                       f"{directory}/")[0][0]),
                 ("4.safetensors", 65, 1, 1, 1, "ok", None)], "a model with a missing and a bad shard")
    tally.equal(rows("SELECT t.name FROM safetensors_files(?) f, safetensors_tensors(f.file) t WHERE f.status = 'ok'",
                     directory), [("a",), ("d",)], "the tensors of its good shards")
    refuses(directory, "2.safetensors: no such file")


def test_hub():
    cache = f"{ROOT}/home/.cache/huggingface/hub"
    repository = f"{cache}/models--meta--tiny"
    hashes = {"main": "a" * 40, "v1": "b" * 40, "refs/pr/7": "c" * 40, "feature/x": "d" * 40}
    for n, (revision, commit) in enumerate(hashes.items()):
        making.file(f"{repository}/refs/{revision}", {})
        with open(f"{repository}/refs/{revision}", "w", encoding="utf-8") as out:
            out.write(commit + ("\n" if n == 1 else ""))
        snapshot = f"{repository}/snapshots/{commit}"
        os.makedirs(f"{snapshot}/sub")
        for shard, tensors in {"1": {f"a{n}": b"\1"}, "2": {f"b{n}": b"\2"}}.items():
            making.file(f"{repository}/blobs/blob{n}{shard}", tensors)
            os.symlink(f"../../blobs/blob{n}{shard}", f"{snapshot}/model-{shard}.safetensors")
        making.index(f"{repository}/blobs/index{n}", {f"a{n}": "model-1.safetensors", f"b{n}": "model-2.safetensors"})
        os.symlink(f"../../blobs/index{n}", f"{snapshot}/model.safetensors.index.json")
        os.symlink(f"../../../blobs/blob{n}1", f"{snapshot}/sub/adapter.safetensors")

    def check(where):
        tally.equal(names("hf://meta/tiny"), ["a0", "b0"], f"{where}: main")
        tally.equal(names("hf://meta/tiny@v1"), ["a1", "b1"], f"{where}: a revision")
        tally.equal(names("hf://meta/tiny@refs/pr/7"), ["a2", "b2"], f"{where}: a pull request")
        tally.equal(names("hf://meta/tiny@refs/pr/7/model-1.safetensors"), ["a2"], f"{where}: a pull request's file")
        tally.equal(names("hf://meta/tiny@feature%2Fx"), ["a3", "b3"], f"{where}: a revision with a slash")
        tally.equal(names(f"hf://meta/tiny@{'b' * 40}"), ["a1", "b1"], f"{where}: a commit")
        tally.equal(names("hf://meta/tiny/sub/adapter.safetensors"), ["a0"], f"{where}: a file in a directory")
        tally.equal(names("hf://meta/tiny/sub"), ["a0"], f"{where}: a directory")
        tally.equal(rows("SELECT tensor_json(?)", "hf://meta/tiny@v1#b1"), [("[2]",)], f"{where}: a ref")
        tally.equal(rows("SELECT tensor_json(?)", "hf://meta/tiny@v1?slice=0#b1"), [("2",)], f"{where}: a slice")

    check("HOME")
    # A snapshot's plain path is in the cache, too.
    tally.equal(names(f"{repository}/snapshots/{'a' * 40}"), ["a0", "b0"], "a snapshot by its path")
    moved = f"{ROOT}/elsewhere"
    os.makedirs(moved)
    os.rename(cache, f"{moved}/hub")
    refuses("hf://meta/tiny", repository)
    snapshot = f"{moved}/hub/models--meta--tiny/snapshots/{'a' * 40}"
    tally.equal(names(snapshot), ["a0", "b0"], "a snapshot by its path, of a cache that no variable names")
    os.environ["HF_HOME"] = moved
    check("HF_HOME")
    os.rename(f"{moved}/hub", f"{ROOT}/third")
    refuses("hf://meta/tiny", f"{moved}/hub/models--meta--tiny")
    os.environ["HF_HUB_CACHE"] = f"{ROOT}/third"
    check("HF_HUB_CACHE, before HF_HOME")
    os.environ["HF_HOME"] = "/nowhere"
    check("HF_HUB_CACHE, before HF_HOME")
    repository = f"{ROOT}/third/models--meta--tiny"
    refuses("hf://meta/none", f"{ROOT}/third/models--meta--none")
    refuses("hf://meta/tiny@v9", 'revision "v9"', f"{repository}/snapshots/v9")
    refuses("hf://meta/tiny/none.safetensors", f"{repository}/snapshots/{'a' * 40}/none.safetensors: no such file")
    os.rename(f"{repository}/snapshots/{'b' * 40}", f"{repository}/snapshots/gone")
    refuses("hf://meta/tiny@v1", 'revision "v1"', f"{repository}/snapshots/{'b' * 40}")
    with open(f"{repository}/refs/main", "w", encoding="utf-8") as out:
        out.write("../../elsewhere")
    refuses("hf://meta/tiny", f"{repository}/refs/main", "found something else")
    os.remove(f"{repository}/refs/main")
    refuses("hf://meta/tiny", 'revision "main"', repository)
    # With 'within' a link may stay in the cache, if not in the model's directory, but not leave the cache.
    snapshot = f"{repository}/snapshots/gone"
    os.remove(f"{snapshot}/model-1.safetensors")
    os.symlink(making.file(f"{ROOT}/outside/a1.safetensors", {"a1": b"\1"}), f"{snapshot}/model-1.safetensors")
    tally.equal(names("hf://meta/tiny@gone"), ["a1", "b1"], "a link that leaves the cache")
    rows("SELECT safetensors_config('links', 'within')")
    refuses("hf://meta/tiny@gone", "model-1.safetensors", "a link that leaves it")
    tally.equal(names(f"hf://meta/tiny@{'c' * 40}"), ["a2", "b2"], "links within the cache")
    rows("SELECT safetensors_config('links', 'follow')")
    for path in ("hf://", "hf://x", "hf://x/", "hf:///x", "hf://../x", "hf://x/..", "hf://x/y@", "hf://x/y@..",
                 "hf://x/y/../z", "hf://x/y@%2F", "hf://x/y@..%2F..", "hf://x/y//z", "hf://a\\b/c", "hf://x/y/."):
        refuses(path, "expected", path)
    for variable in ("HF_HUB_CACHE", "HF_HOME"):
        os.environ[variable] = ""
    refuses("hf://meta/tiny", f"{cache}/models--meta--tiny")
    del os.environ["HF_HUB_CACHE"], os.environ["HF_HOME"]
    home = os.environ.pop("HOME")
    refuses("hf://meta/tiny", "HF_HUB_CACHE, HF_HOME or HOME")
    os.environ["HOME"] = home


try:
    for name, test in list(globals().items()):
        if name.startswith("test_index_" if TRACED else "test_"):
            test()
finally:
    shutil.rmtree(ROOT)
tally.finish()
