"""What a path may be: index files, folders, patterns, the Hugging Face cache; in every table and
function that takes one; and what is said of those that lead nowhere."""

import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile

import making
from tally import Tally, connect

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


def error_of(sql, *arguments):
    try:
        rows(sql, *arguments)
    except sqlite3.Error as problem:
        return str(problem)
    return "no error"


def refuses(path, *words):
    """safetensors_tensors stops with an error that has these words."""
    message = error_of("SELECT * FROM safetensors_tensors(?)", path)
    for word in ("safetensors: ", *words):
        tally.check(word in message, f"the error of {path[:200]!r} has {word!r}", message[:500])


def test_every_form():
    """A model of two shards under all names; a query of each table and function."""
    folder = f"{ROOT}/hub/models--org--name/snapshots/0123abcd"
    making.model(folder, {"model-00001-of-00002.safetensors": {"a": b"\1\2", "b": b"\3"},
                          "model-00002-of-00002.safetensors": {"c": b"\4\5\6\7"}})
    os.makedirs(f"{ROOT}/hub/models--org--name/refs")
    with open(f"{ROOT}/hub/models--org--name/refs/main", "w", encoding="utf-8") as out:
        out.write("0123abcd")
    os.environ["HF_HUB_CACHE"] = f"{ROOT}/hub"
    second = "model-00002-of-00002.safetensors"
    index = "model.safetensors.index.json"
    whole = [folder, f"{folder}/", f"{folder}/{index}", "hf://org/name", "hf://org/name@main",
             "hf://org/name@0123abcd", f"hf://org/name/{index}", f"hf://org/name@main/{index}"]
    parts = [f"{folder}/{second}", f"hf://org/name/{second}", f"hf://org/name@main/{second}"]
    patterns = [f"{folder}/model-0000[12]-*.safetensors", "hf://org/name/*.safetensors"]
    for path in whole + parts + patterns:
        expected = ["c"] if path in parts else ["a", "b", "c"]
        tally.equal(names(path), expected, f"tensors of {path}")
        tally.equal(rows("SELECT status, tensors FROM safetensors_files(?)", path),
                    [("ok", 1)] if path in parts else [("ok", 2), ("ok", 1)], f"files of {path}")
        tally.equal(rows("SELECT count(*) FROM safetensors_metadata(?)", path), [(0,)], f"metadata of {path}")
        tally.equal(rows("SELECT * FROM safetensors_check(?)", path), [], f"check of {path}")
        tally.equal(rows("SELECT name, status FROM safetensors_diff(?, ?) ORDER BY name", path, folder),
                    [(name, "same" if name in expected else "only_b") for name in "abc"], f"diff of {path}")
        tally.equal(rows("SELECT ref, tensor_nbytes(ref), data FROM safetensors_tensors(?) WHERE name = 'c'", path),
                    [(f"{folder}/{second}#c", 4, b"\4\5\6\7")], f"the ref of {path} names the shard")
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
        tally.check("found a glob" in error_of("SELECT tensor_dtype(tensor_ref(?, 'c'))", path), f"ref to {path}")
    del os.environ["HF_HUB_CACHE"]


def test_index_rules():
    """What a weight_map may not say. The second shard is missing: only if the names are judged before
    any is opened can the name be what the error is about."""
    folder = f"{ROOT}/rules"
    making.file(f"{ROOT}/outside/secret.safetensors", {"s": b"\1"})
    bad = {"/etc/x.safetensors": "an absolute path", f"{ROOT}/outside/secret.safetensors": "an absolute path",
           "../outside/secret.safetensors": "'..'", "sub/../../outside/secret.safetensors": "'..'", "..": "'..'",
           "sub/..": "'..'", ".": "'.'", "a\\b.safetensors": "a backslash", "..\\outside\\x": "a backslash",
           "\\\\server\\share\\x": "a backslash", "C:x.safetensors": "a colon", "C:/x.safetensors": "a colon",
           "file:///etc/x": "a colon", "https://example.com/x.safetensors": "a colon", "hf://org/name/x": "a colon",
           "a\nb.safetensors": "a control character", "a\x7fb": "a control character", "a\x1bb": "a control",
           "a\x85b": "a control character", "a\0b.safetensors": "a control character", "\0": "a control", "": "empty",
           "sub//x.safetensors": "empty", "sub/": "empty", "//x": "an absolute path"}
    for name, words in bad.items():
        path = making.index(f"{folder}/model.safetensors.index.json", {"a": "missing.safetensors", "s": name})
        refuses(path, path, 'tensor "s"', words)
        tally.equal(files(folder), [("rules/model.safetensors.index.json", "invalid")], f"files with {name!r}")
        tally.check(words in error_of("SELECT tensor_data(?)", f"{path}#s"), f"ref with {name!r}")
        tally.equal(rows("SELECT code, tensor FROM safetensors_check(?) WHERE code <> 'missing-shard'", folder),
                    [("bad-path", "s")], f"check with {name!r}")
    for name in ("sub/x.safetensors", "a b.safetensors", "ü%20#?.safetensors", "...", "x..y", "-", "~", "$HOME"):
        making.model(folder, {name: {"s": b"\1"}})
        tally.equal(names(folder), ["s"], f"a shard may be named {name!r}")
        tally.equal(rows("SELECT tensor_json(ref) FROM safetensors_tensors(?)", folder), [("[1]",)], f"ref to {name!r}")


def test_index_links():
    outside, folder = f"{ROOT}/outside", f"{ROOT}/links"
    making.file(f"{outside}/secret.safetensors", {"s": b"\1"})
    making.file(f"{folder}/real.safetensors", {"s": b"\2"})
    os.symlink(outside, f"{folder}/way_out")
    os.symlink(f"{outside}/secret.safetensors", f"{folder}/link.safetensors")
    os.symlink("link.safetensors", f"{folder}/link_to_link.safetensors")
    os.symlink("nowhere", f"{folder}/dangling.safetensors")
    os.symlink("real.safetensors", f"{folder}/inner.safetensors")
    for name in ("link.safetensors", "link_to_link.safetensors", "way_out/secret.safetensors"):
        path = making.index(f"{folder}/model.safetensors.index.json", {"s": name})
        refuses(path, f"{folder}/{name}", "found a link that leaves it")
        tally.equal(files(path), [(f"links/{name}", "invalid")], f"files: {name} leaves the folder")
        tally.check("leaves it" in error_of("SELECT tensor_data(?)", f"{path}#s"), f"ref: {name} leaves the folder")
        tally.equal(rows("SELECT file, tensor FROM safetensors_check(?) WHERE code = 'bad-path'", path),
                    [(path, None)], f"check: {name} leaves the folder")
        if TRACED:
            continue
        # What the user names is the user's business.
        tally.equal(names(f"{folder}/{name}"), ["s"], f"{name} itself may be opened")
    making.index(f"{folder}/model.safetensors.index.json", {"s": "dangling.safetensors"})
    tally.equal(files(folder), [("links/dangling.safetensors", "missing")], "a link that leads nowhere")
    making.index(f"{folder}/model.safetensors.index.json", {"s": "inner.safetensors"})
    tally.equal(names(folder), ["s"], "a link within the folder")
    os.symlink(folder, f"{ROOT}/linked_folder")
    tally.equal(names(f"{ROOT}/linked_folder"), ["s"], "a link to the folder")
    os.chdir(folder)
    tally.equal(rows("SELECT name, file FROM safetensors_tensors('model.safetensors.index.json')"),
                [("s", "inner.safetensors")], "an index in the working folder")
    making.index("./model.safetensors.index.json", {"s": "link.safetensors"})
    refuses("model.safetensors.index.json", "leaves it")
    os.chdir("/")


def test_nothing_outside_is_opened():
    """Of the two tests above, what the kernel saw."""
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
    tally.check(any(path.endswith("/links/inner.safetensors") for path in opened), "the trace has what is opened")
    outside = [path for path in opened if re.search(r"outside/|way_out|link\.|link_to|/etc/x|/\.\.(/|$)|secret|C:", path)]
    tally.equal(outside, [], "what lies outside is not opened")


def test_routes():
    folder = f"{ROOT}/routes"
    one, two = "model-1.safetensors", "model-2.safetensors"
    making.file(f"{folder}/{one}", {"a": b"\1", "b": b"\2"})
    path = f"{folder}/model.safetensors.index.json"
    good = {"a": one, "b": one, "c": two}
    making.file(f"{folder}/{two}", {"c": b"\3", "d": b"\3"})
    good["d"] = two
    making.index(path, good)
    tally.equal(names(path), ["a", "b", "c", "d"], "a good index")
    for weight_map, words in [
            ({**good, "e": two}, ['tensor "e"', f"expected in shard {two} by the index, found in none"]),
            ({**good, "c": one}, ['tensor "c"', f"expected in shard {one} by the index, found in {two}"]),
            ({**good, "e": "model-3.safetensors"}, [f"{folder}/model-3.safetensors: no such file"])]:
        making.index(path, weight_map)
        refuses(path, *words)
    del good["d"]
    making.index(path, good)
    making.file(f"{folder}/{two}", {"c": b"\3", "a": b"\4"})
    refuses(path, 'tensor "a"', f"expected in one shard, found in several: {one} and {two}")
    tally.check("found in several" in error_of(f"CREATE VIRTUAL TABLE temp.m USING safetensors('{path}')"),
                "a named table is not made of such a model")
    tally.equal([status for _, status in files(path)], ["ok", "ok"], "the files themselves are good")
    # Outside the weight_map: listed if in one shard, refused if in several.
    making.file(f"{folder}/{two}", {"c": b"\3", "x": b"\4", "y": b"\5"})
    tally.equal(names(path), ["a", "b", "c", "x", "y"], "a tensor that the index does not know")
    tally.equal(rows("SELECT tensor_json(?)", f"{path}#y"), [("[5]",)], "a ref to it")
    making.file(f"{folder}/{one}", {"a": b"\1", "b": b"\2", "w": b"\7", "y": b"\6"})
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
            (b"", "found nothing"), (b"   ", "a JSON object"), (b"[]", "a JSON object"), (b"\xff{}", "JSON"),
            (b"{" + a, "expected JSON"), (b"{" + a + b"}x", "expected the end of the JSON, found more at offset 36"),
            (b"{" + a + b"," + a + b"}", "duplicate object key"), (b"{}", "an object as weight_map in the index, found none"),
            (b'{"weight_map":{"a":"x","a":"x"}}', "duplicate object key"),
            (b'{"weight_map":{}}', "expected tensors in the index's weight_map, found none"),
            (b'{"weight_map":{"a":1}}', 'tensor "a": expected a shard\'s file name in weight_map, found an integer'),
            (b'{"weight_map":[]}', "found an array"), (b'{"weight_map":{"a":"\xff"}}', "expected JSON in UTF-8"),
            (b'{"metadata":[],' + a + b"}", "an object as metadata"),
            (b'{"metadata":{"total_size":-1},' + a + b"}", "total_size"),
            (b'{"metadata":{"total_size":1.5},' + a + b"}", "total_size"),
            (b'{"metadata":{"total_size":1e0},' + a + b"}", "total_size"),
            (b'{"metadata":{"total_size":18446744073709551616},' + a + b"}", "total_size"),
            (b'{"metadata":{"total_size":1\0},' + a + b"}", "found a NUL byte at offset 27")]:
        write(text)
        refuses(path, path, words)
        tally.equal(files(path), [("json/model.safetensors.index.json", "invalid")], f"files of index {text}")


def test_folders():
    folder = f"{ROOT}/folder"
    for n in (10, 2, 1, 11, 9, 100):
        making.file(f"{folder}/model-{n}-of-x.safetensors", {f"t{n}": b"\1"})
    making.file(f"{folder}/.hidden.safetensors", {"hidden": b"\1"})
    making.file(f"{folder}/sub/deeper.safetensors", {"deeper": b"\1"})
    making.index(f"{folder}/config.json", {})
    tally.equal(names(folder), ["t1", "t2", "t9", "t10", "t11", "t100"], "a folder, in natural order")
    tally.equal(names(f"{folder}//"), ["t1", "t2", "t9", "t10", "t11", "t100"], "a folder with slashes")
    tally.equal(rows("SELECT tensor_json(?)", f"{folder}#t9"), [("[1]",)], "a ref into a folder")
    making.file(f"{folder}/model-5-of-x.safetensors", {"t9": b"\1"})
    tally.check("found in several" in error_of("SELECT tensor_json(?)", f"{folder}#t9"), "a ref to one of several")
    tally.equal(len(names(folder)), 7, "a folder's files are each on their own")

    shards = {f"model-{n:02}-of-12.safetensors": {f"t{n}": b"\1"} for n in range(1, 13)}
    making.model(f"{ROOT}/twelve", {**shards, "sub/model-3.safetensors": {"s": b"\1"}})
    making.file(f"{ROOT}/twelve/unindexed.safetensors", {"unindexed": b"\1"})
    tally.equal(names(f"{ROOT}/twelve"), [f"t{n}" for n in range(1, 13)] + ["s"], "an index is all of its folder")
    shards = {f"s{n}.safetensors": {f"t{n}": b"\1"} for n in (10, 9, 1, 2)}
    making.model(f"{ROOT}/natural", shards)
    tally.equal(names(f"{ROOT}/natural"), ["t1", "t2", "t9", "t10"], "shards in natural order")

    making.model(f"{ROOT}/twelve", shards, name="model.fp16")
    refuses(f"{ROOT}/twelve", f"{ROOT}/twelve", "model.fp16.safetensors.index.json, model.safetensors.index.json",
            "found 2", "name the one you mean")
    tally.equal(files(f"{ROOT}/twelve"), [("twelve", "invalid")], "files of a folder with two indexes")
    tally.equal(len(names(f"{ROOT}/twelve/model.fp16.safetensors.index.json")), 4, "the one that is meant")
    os.rename(f"{ROOT}/twelve/model.fp16.safetensors.index.json", f"{ROOT}/twelve/model.safetensors.index.fp16.json")
    tally.equal(len(names(f"{ROOT}/twelve")), 13, "a variant's index as transformers names it is not the model's")
    tally.equal(len(names(f"{ROOT}/twelve/model.safetensors.index.fp16.json")), 4, "but may be named")

    os.makedirs(f"{ROOT}/empty")
    refuses(f"{ROOT}/empty", f"{ROOT}/empty: expected *.safetensors files in the folder, found none")
    tally.equal(files(f"{ROOT}/empty"), [("empty", "missing")], "files of an empty folder")
    os.chdir(folder)
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
    refuses(f"{ROOT}/unreadable", f"{ROOT}/unreadable: cannot list the folder: Permission denied")
    refuses(f"{ROOT}/unreadable/*.safetensors", "unreadable/: cannot list the folder: Permission denied")
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
    folder = f"{ROOT}/patterns"
    for name in ("a1", "a2", "a10", "b1", ".a3", "é1", "a[1]", "x*y"):
        making.file(f"{folder}/{name}.safetensors", {name: b"\1"})
    making.file(f"{folder}/run [v1]/x.safetensors", {"v1": b"\1"})
    making.file(f"{folder}/run v/x.safetensors", {"v": b"\1"})
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
            refuses(f"{folder}/{pattern}", folder)
            tally.equal(rows("SELECT file, status FROM safetensors_files(?)", f"{folder}/{pattern}"),
                        [(f"{folder}/{pattern}", "missing")], f"files of pattern {pattern}")
        else:
            tally.equal(names(f"{folder}/{pattern}"), expected, f"pattern {pattern}")
    refuses(f"{folder}/no*", "expected a file of that name, or files that match, found none")
    refuses(f"{ROOT}/nothing here/*", f"{ROOT}/nothing here: no such folder")
    os.chdir(folder)
    tally.equal([file for file, in rows("SELECT file FROM safetensors_files('a*[0-9].safetensors')")],
                ["a1.safetensors", "a2.safetensors", "a10.safetensors"], "a relative pattern")
    tally.equal(rows("SELECT file FROM safetensors_files('./run*/x.safetensors')"),
                [("./run [v1]/x.safetensors",), ("./run v/x.safetensors",)], "a pattern from '.'")
    os.chdir("/")
    # Broken links match, and are missing.
    os.symlink("nowhere", f"{folder}/broken.safetensors")
    tally.equal(files(f"{folder}/br*"), [("patterns/broken.safetensors", "missing")], "a broken link")
    # Each match is a file on its own: one that is bad does not hide the others.
    with open(f"{folder}/bad.safetensors", "wb") as out:
        out.write(b"GGUF\3\0\0\0\0\0\0\0\0\0\0\0")
    tally.equal(rows("SELECT t.name FROM safetensors_files(?) f, safetensors_tensors(f.file) t WHERE f.status = 'ok'",
                     f"{folder}/b*"), [("b1",)], "the good files of a pattern")
    os.remove(f"{folder}/broken.safetensors")
    refuses(f"{folder}/b*", f"{folder}/bad.safetensors")


def test_odd_names():
    folder = f"{ROOT}/odd"
    odd = ["%", "?", "#", "%25", "%23x", "?slice=0", " ", "'", '"', "`", "\\", "[", "]", "[a]", "*", "~", "$x", ";",
           "&", "é", "日本語", "\U0001f600", "a\tb", "a\nb", "-", "--", "#?%", "x" * 200]
    for name in odd:
        path = making.file(f"{folder}/{name}.safetensors", {"a": b"\7", "": b"\1", "x#y?z%": b"\2"})
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
    # As the name of a folder, too, and of a model in it.
    for name in odd:
        making.model(f"{ROOT}/odd_folders/{name}", {"x.safetensors": {"a": b"\7"}})
        tally.equal(names(f"{ROOT}/odd_folders/{name}"), ["a"], f"folder {name!r}")
        tally.equal(rows("SELECT tensor_json(tensor_ref(?, 'a'))", f"{ROOT}/odd_folders/{name}"), [("[7]",)],
                    f"ref into folder {name!r}")
    latin = os.fsencode(f"{folder}/caf") + b"\xe9.safetensors"
    shutil.copy(f"{folder}/é.safetensors", latin)
    tally.equal(rows("SELECT count(*) FROM safetensors_tensors(CAST(? AS TEXT))", latin), [(3,)], "a name not in UTF-8")
    tally.equal(rows("SELECT hex(file) FROM safetensors_files(?)", f"{folder}/caf*"), [(latin.hex().upper(),)],
                "a name not in UTF-8, by a pattern")


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
    making.index(f"{ROOT}/shard_is_folder/model.safetensors.index.json", {"a": "x.safetensors"})
    os.makedirs(f"{ROOT}/shard_is_folder/x.safetensors")
    refuses(f"{ROOT}/shard_is_folder", "found a directory")


def test_files():
    folder = f"{ROOT}/files"
    good = {"a": b"\1"}
    making.model(folder, {"1.safetensors": good, "2.safetensors": {"b": b"\1"}, "3.safetensors": {"c": b"\1"},
                          "4.safetensors": {"d": b"\1"}})
    os.remove(f"{folder}/2.safetensors")
    with open(f"{folder}/3.safetensors", "wb") as out:
        out.write(b"PK\3\4\24\0\0\0\10\10archive/data.pkl")
    tally.equal(rows("SELECT replace(file, ?2, ''), size, tensors, numel, nbytes, status, replace(error, ?2, '') "
                     "FROM safetensors_files(?1)", folder, f"{folder}/"),
                [("1.safetensors", 65, 1, 1, 1, "ok", None),
                 ("2.safetensors", None, None, None, None, "missing", "safetensors: 2.safetensors: no such file"),
                 ("3.safetensors", 26, None, None, None, "invalid",
                  rows("SELECT replace(error, ?2, '') FROM safetensors_files(?1)", f"{folder}/3.safetensors",
                       f"{folder}/")[0][0]),
                 ("4.safetensors", 65, 1, 1, 1, "ok", None)], "a model with a missing and a bad shard")
    tally.equal(rows("SELECT t.name FROM safetensors_files(?) f, safetensors_tensors(f.file) t WHERE f.status = 'ok'",
                     folder), [("a",), ("d",)], "the tensors of its good shards")
    refuses(folder, "2.safetensors: no such file")


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
        tally.equal(names("hf://meta/tiny/sub/adapter.safetensors"), ["a0"], f"{where}: a file in a folder")
        tally.equal(names("hf://meta/tiny/sub"), ["a0"], f"{where}: a folder")
        tally.equal(rows("SELECT tensor_json(?)", "hf://meta/tiny@v1#b1"), [("[2]",)], f"{where}: a ref")
        tally.equal(rows("SELECT tensor_json(?)", "hf://meta/tiny@v1?slice=0#b1"), [("2",)], f"{where}: a slice")

    check("HOME")
    # A snapshot's plain path is in the cache, too.
    tally.equal(names(f"{repository}/snapshots/{'a' * 40}"), ["a0", "b0"], "a snapshot by its path")
    moved = f"{ROOT}/elsewhere"
    os.makedirs(moved)
    os.rename(cache, f"{moved}/hub")
    refuses("hf://meta/tiny", repository)
    refuses(f"{moved}/hub/models--meta--tiny/snapshots/{'a' * 40}", "a link that leaves it")
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
    refuses("hf://meta/tiny", f"{repository}/refs/main", '".."')
    os.remove(f"{repository}/refs/main")
    refuses("hf://meta/tiny", 'revision "main"', repository)
    # A link within the cache, in another model's folder, may be followed; one that leaves it may not.
    snapshot = f"{repository}/snapshots/gone"
    os.remove(f"{snapshot}/model-1.safetensors")
    os.symlink(making.file(f"{ROOT}/outside/a1.safetensors", {"a1": b"\1"}), f"{snapshot}/model-1.safetensors")
    refuses("hf://meta/tiny@gone", "a link that leaves it")
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
