"""sql/merge.sql, on models made here: each method against NumPy, what takes part and what does not, values that are not
finite, and the directory that comes out; against results of mergekit, if MERGES is a directory with them:

    MERGES=DIRECTORY tests/python tests/scripts/merging.py

It has models base, a, b and c, and merged-METHOD as mergekit 0.1.5 makes them in float32: linear (0.7 of a, 0.5 of b),
linear-not-normalised (the same), slerp (a to b, 0.35), task_arithmetic and ties (0.6, 0.8 and 0.3 of a, b and c, lambda
0.9, densities 0.4, 0.5 and 0.6).

Covers little: of all lines, others reach nearly as many.
"""

import json
import os
import subprocess
import tempfile

import making
import script_header
import shell
from tally import BUILD, Tally

try:
    import numpy as np
    from arrays import decoded, encoded, rounded
except ImportError:
    print("skipped: merges (python3-numpy is not installed)")
    Tally().finish()

tally = Tally()
ROOT = tempfile.mkdtemp(prefix="merging.")
OUT = f"{ROOT}/out.safetensors"
MERGES = os.environ.get("MERGES", "../shared/models/merge")
WEIGHTS, DENSITIES = (0.6, 0.8, 0.3), (0.4, 0.5, 0.6)
SHAPES = {"model.embed_tokens.weight": ("BF16", (9, 6)), "model.layers.0.w": ("F32", (7, 8)), "model.layers.1.w": ("F16", (5, 5)),
          "model.layers.2.w": ("F64", (4, 3)), "model.norm": ("F32", (6,)), "one": ("F32", ())}
chance = np.random.default_rng(19)


def make_models():
    """base, and three that changed some of its values."""
    base = {name: encoded(chance.standard_normal(shape), dtype) for name, (dtype, shape) in SHAPES.items()}
    models = [base]
    for _ in "abc":
        models.append({name: encoded(decoded(base[name]) + 0.3 * chance.standard_normal(shape) * (chance.random(shape) < 0.8), dtype)
                       for name, (dtype, shape) in SHAPES.items()})
    for name, model in zip(("base", "a", "b", "c"), models):
        making.file(f"{ROOT}/{name}/model.safetensors", model, {"format": "pt"})
    return models


def merge(models, out=OUT, **parameters):
    """Runs the script. Returns the exit code, both streams, and what is in the file."""
    if os.path.exists(out) and out == OUT:
        os.remove(out)
    code, printed, error = shell.script("merge", models=models if isinstance(models, str) else json.dumps(models), out=out, **parameters)
    tally.check(parameters.get("format") or all(map(shell.is_narrow, map(str.rstrip, printed.splitlines()))), "sql/merge.sql is narrow enough", printed)
    return code, printed, error, making.tensors_of(out) if out == OUT and os.path.exists(out) else None


def good(models, out=OUT, **parameters):
    code, printed, error, tensors = merge(models, out, **parameters)
    tally.equal((code, error), (0, ""), f"sql/merge.sql of {models} with {parameters}")
    return printed, tensors


def fails(message, models, out=OUT, **parameters):
    if os.path.exists(OUT):
        os.remove(OUT)
    before = {name: os.stat(f"{ROOT}/{name}").st_mtime_ns for name in os.listdir(ROOT)}
    code, _, error, _ = merge(models, out, **parameters)
    tally.check(code == 1 and message in error and error.count("\n") == 1, f"sql/merge.sql says {message}", code, error)
    tally.equal({name: os.stat(f"{ROOT}/{name}").st_mtime_ns for name in os.listdir(ROOT)}, before, f"it changes nothing: {message}")


def three(**more):
    return [{"model": f"{ROOT}/{name}", "weight": weight, **{key: values[i] for key, values in more.items()}}
            for i, (name, weight) in enumerate(zip("abc", WEIGHTS))]


def equal_tensors(got, expected, what):
    tally.equal(sorted(got or {}), sorted(expected), f"{what}: names")
    for name in expected:
        tally.check(got and got.get(name) == expected[name], f"{what}: {name}", got and decoded(got[name]), decoded(expected[name]))


# The methods, in float64 from their papers.

def linear(values, weights, normalize=True):
    return sum(w * v for w, v in zip(weights, values)) / (sum(weights) if normalize else 1)


def slerp(a, b, t):
    cosine = np.dot(a.ravel() / np.linalg.norm(a), b.ravel() / np.linalg.norm(b))
    if abs(cosine) > 0.9995:
        return (1 - t) * a + t * b
    angle = np.arccos(np.clip(cosine, -1, 1))
    return (np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.sin(angle)


def trimmed(change, density):
    """The greatest magnitudes, with all that are equal to the last of them; magnitudes are those of F32 or F64."""
    magnitudes = np.abs(change)
    threshold = np.sort(magnitudes, axis=None)[-max(1, int(density * change.size))]
    return np.where(magnitudes >= threshold, change, 0)


def elected(base, changes, weights, factor, divide=True):
    weighted = [w * change for w, change in zip(weights, changes)]
    sign = np.where(sum(weighted) >= 0, 1, -1)
    total = sum(np.where(np.sign(change) == sign, change, 0) for change in weighted)
    count = sum(np.where(np.sign(change) == sign, w, 0) for change, w in zip(weighted, weights))
    return base + factor * (total / np.where(count == 0, 1, count) if divide else total)


def test_methods():
    base, *models = MODELS
    both = {f"{ROOT}/a": 0.7, f"{ROOT}/b": 0.5}
    for kind in ({}, {"sum": "1"}):
        expected = {name: rounded(linear([decoded(m[name]) for m in models[:2]], (0.7, 0.5), not kind), [base[name]], dtype)
                    for name, (dtype, _) in SHAPES.items()}
        printed, got = good(both, **kind)
        equal_tensors(got, expected, f"linear {kind}")
        tally.check(printed.startswith("6 of 6 tensors merged (linear), 0 copied.\n"), "the verdict", printed)
    got = good([f"{ROOT}/a", {"model": f"{ROOT}/b", "weight": 0.35}], method="slerp")[1]
    for name, (dtype, _) in SHAPES.items():
        expected = slerp(decoded(models[0][name]), decoded(models[1][name]), 0.35)
        tally.check(np.allclose(decoded(got[name]), decoded(rounded(expected, [base[name]], dtype)), rtol=2e-7 if dtype == "F32" else 1e-3),
                    f"slerp: {name}")
    changes = {name: [decoded(m[name]) - decoded(base[name]) for m in models] for name in SHAPES}
    expected = {name: rounded(decoded(base[name]) + sum(w * c for w, c in zip(WEIGHTS, changes[name])) * 0.9, [base[name]], dtype)
                for name, (dtype, _) in SHAPES.items()}
    equal_tensors(good(three(), method="task_arithmetic", base=f"{ROOT}/base", **{"lambda": "0.9"})[1], expected, "task_arithmetic")
    for kind in ({}, {"sum": "1"}):
        expected = {name: rounded(elected(decoded(base[name]), [trimmed(c, d) for c, d in zip(changes[name], DENSITIES)], WEIGHTS, 0.9,
                                          not kind), [base[name]], dtype) for name, (dtype, _) in SHAPES.items()}
        got = good(three(density=DENSITIES), method="ties", base=f"{ROOT}/base", **kind, **{"lambda": "0.9"})[1]
        equal_tensors(got, expected, f"ties {kind}")


def test_equal_magnitudes():
    """ties keeps all that are equal to the last that density keeps; a sum of 0 elects plus."""
    base = making.file(f"{ROOT}/zero.safetensors", {"w": encoded(np.zeros(6), "F32")})
    a = making.file(f"{ROOT}/x.safetensors", {"w": encoded(np.array([3, -2, 2, 1, 0, 4.0]), "F32")})
    b = making.file(f"{ROOT}/y.safetensors", {"w": encoded(np.array([-3, 5, 0.5, 0, 0, 4.0]), "F32")})
    got = good([a, b], method="ties", base=base, density="0.5")[1]["w"]
    # kept of a: 3, -2, 2, 4; of b: -3, 5, 4. The sums are 0, 3, 2, 0, 0, 8
    tally.equal(decoded(got).tolist(), [3, 5, 2, 0, 0, 4], "equal magnitudes")
    got = good([a], method="ties", base=base, density="0.01")[1]["w"]
    tally.equal(decoded(got).tolist(), [0, 0, 0, 0, 0, 4], "at least one is kept")


def test_weights_by_pattern():
    _, a, b, _ = MODELS
    models = [f"{ROOT}/a", {"model": f"{ROOT}/b", "weight": 3, "weights": {"*.layers.1.*": 0, "*.layers.*": 1, "*embed*": 0.25}}]
    weights = {"model.layers.1.w": 0, "model.layers.0.w": 1, "model.layers.2.w": 1, "model.embed_tokens.weight": 0.25}
    expected = {name: rounded(linear([decoded(a[name]), decoded(b[name])], (1, weights.get(name, 3))), [a[name]], dtype)
                for name, (dtype, _) in SHAPES.items()}
    equal_tensors(good(models)[1], expected, "weights by pattern")


def test_random_choice():
    """dare keeps a share of the differences, another one for each tensor and model, and the same one for a seed."""
    size, density = 40000, 0.3
    base = making.file(f"{ROOT}/zero.safetensors", {name: encoded(np.zeros((200, 200)), "F32") for name in "vw"})
    change = np.linspace(1, 2, size).reshape(200, 200)
    paths = [making.file(f"{ROOT}/{name}.safetensors", {tensor: encoded(change, "F32") for tensor in "vw"}) for name in "xy"]
    runs = {}
    for kind in ("dare_linear", "dare_ties"):
        for seed in ("0", "1"):
            got = good(paths[:1], method=kind, base=base, density=str(density), seed=seed)[1]
            runs[kind, seed] = {name: decoded(got[name]) for name in "vw"}
            for values in runs[kind, seed].values():
                kept = values != 0
                tally.check(abs(kept.mean() - density) < 5 * (density * (1 - density) / size) ** 0.5, f"{kind} keeps its share", kept.mean())
                tally.check(np.allclose(values[kept], (change / density)[kept], rtol=3e-7), f"{kind} divides by the density")
    masks = [runs["dare_linear", "0"]["v"] != 0, runs["dare_linear", "0"]["w"] != 0, runs["dare_linear", "1"]["v"] != 0]
    both = decoded(good(paths, method="dare_linear", base=base, density=str(density))[1]["v"])
    masks.append(np.abs(both - 2 * change / density) < 1e-4)  # where both are kept
    for i, mask in enumerate(masks[1:]):
        share = (mask & masks[0]).mean()
        wanted = density ** 2
        tally.check(abs(share - wanted) < 5 * (wanted * (1 - wanted) / size) ** 0.5, f"choice {i} is independent of the first", share)
    again = good(paths[:1], method="dare_linear", base=base, density=str(density))[1]
    tally.check(np.array_equal(decoded(again["v"]), runs["dare_linear", "0"]["v"]), "the same seed, the same choice")
    # opposite changes: where the sum is not 0 the one that is kept alone counts, and 0 elects plus
    opposite = making.file(f"{ROOT}/y.safetensors", {tensor: encoded(-change, "F32") for tensor in "vw"})
    values = decoded(good([paths[0], opposite], method="dare_ties", base=base, density=str(density))[1]["v"])
    tally.check(np.allclose(np.abs(values[values != 0]), (change / density)[values != 0], rtol=3e-7), "dare_ties adds up what agrees")
    tally.check(abs((values > 0).mean() - density) < 0.02 and abs((values < 0).mean() - density * (1 - density)) < 0.02, "its signs")
    tally.equal(good(paths[:1], method="dare_ties", base=base, density="1")[1]["v"], encoded(change, "F32"), "density 1 is all of it")


def test_layers():
    """passthrough stacks layers, and the configuration says how many."""
    _, a, b, _ = MODELS
    config = {"num_hidden_layers": 3, "layer_types": ["x", "y", "z"], "dtype": "float32", "eps": 1e-06}
    with open(f"{ROOT}/a/config.json", "w", encoding="utf-8") as file:
        json.dump(config, file)
    models = [{"model": f"{ROOT}/a", "layers": [0, 2]}, {"model": f"{ROOT}/b", "layers": [1, 3], "weight": 2, "weights": {"*.2.*": 1}}]
    printed, _ = good(models, f"{ROOT}/stack", method="passthrough")
    got = making.tensors_of(f"{ROOT}/stack/model.safetensors")
    expected = {"model.embed_tokens.weight": a["model.embed_tokens.weight"], "model.norm": a["model.norm"], "one": a["one"],
                "model.layers.0.w": a["model.layers.0.w"], "model.layers.1.w": a["model.layers.1.w"],
                "model.layers.2.w": encoded(2 * decoded(b["model.layers.1.w"]), "F16"), "model.layers.3.w": b["model.layers.2.w"]}
    equal_tensors(got, expected, "passthrough")
    tally.check("1 of 7 tensors merged (passthrough), 6 copied." in printed, "its verdict", printed)
    with open(f"{ROOT}/stack/config.json", encoding="utf-8") as file:
        tally.equal(json.load(file), {**config, "num_hidden_layers": 4, "layer_types": ["x", "y", "y", "z"]}, "its configuration")
    got = good([{"model": f"{ROOT}/a", "layers": [2, 3]}], method="passthrough", base=f"{ROOT}/c")[1]
    c = MODELS[3]
    equal_tensors(got, {"model.embed_tokens.weight": c["model.embed_tokens.weight"], "model.norm": c["model.norm"], "one": c["one"],
                        "model.layers.0.w": a["model.layers.2.w"]}, "what is outside the layers is the base's")
    equal_tensors(good([f"{ROOT}/a"], method="passthrough")[1], a, "one model as it is")
    os.remove(f"{ROOT}/a/config.json")


def test_dtype():
    base, a, b, _ = MODELS
    got = good([f"{ROOT}/a", f"{ROOT}/b"], dtype="BF16")[1]
    equal_tensors(got, {name: rounded(linear([decoded(a[name]), decoded(b[name])], (1, 1)), [base[name]], "BF16") for name in SHAPES}, "BF16")


def table(name, models, out=OUT, **parameters):
    """The rows of one of the script's tables, as text."""
    if os.path.exists(OUT):
        os.remove(OUT)
    columns = ", ".join(f"ifnull({column}, 'NULL')" for column in script_header.read("merge").tables[name].columns)
    lines = "".join(shell.parameter(key, value) + "\n" for key, value in {"models": json.dumps(models), "out": out, **parameters}.items())
    with open("sql/merge.sql", encoding="utf-8") as file:
        text = f".load {BUILD}/safetensors\n{lines}{file.read()}\n.print ===\n.mode list\n.headers off\nSELECT {columns} FROM {name} ORDER BY rowid;\n"
    done = subprocess.run(["sqlite3", "-batch", ":memory:"], input=text, capture_output=True, text=True, check=False)
    tally.equal((done.returncode, done.stderr), (0, ""), f"the table {name} of {models} with {parameters}")
    return [line.replace(ROOT, "ROOT").split("|") for line in done.stdout.partition("===\n")[2].splitlines()]


def small(name, **tensors):
    return making.file(f"{ROOT}/{name}.safetensors", {key.replace("__", "."): value for key, value in tensors.items()})


def test_what_takes_part():
    """Names and shapes are those of the first; what does not fit is said."""
    ones = lambda *shape: encoded(np.ones(shape), "F32")  # noqa: E731
    twos = lambda *shape: encoded(2 * np.ones(shape), "F32")  # noqa: E731
    threes = lambda *shape: encoded(3 * np.ones(shape), "F32")  # noqa: E731
    first = small("x", embed=ones(5, 2), head__bias=ones(5), norm=ones(3), layers__0__w=ones(4, 2), alone=ones(2), shape=ones(2, 2),
                  ids=("I64", [2], bytes(16)), count=("I64", [1], bytes(8)), none=("F32", [0, 2], b""))
    second = small("y", embed=threes(3, 2), head__bias=threes(3), norm=threes(4), layers__0__w=threes(3, 2), shape=threes(2, 3),
                   ids=("I64", [2], bytes(16)), count=("I64", [1], b"\1" + bytes(7)), none=("F32", [0, 2], b""), more=threes(2))
    third = small("z", embed=twos(6, 2), head__bias=twos(6), norm=twos(3), shape=twos(2, 2), more=ones(2))
    printed, got = good([first, second, third])
    expected = {"embed": np.array([[2.0, 2]] * 3 + [[1, 1]] * 2), "head.bias": np.array([2.0] * 3 + [1] * 2), "norm": np.full(3, 1.5),
                "layers.0.w": np.ones((4, 2)), "alone": np.ones(2), "shape": np.full((2, 2), 1.5)}
    equal_tensors({name: got[name] for name in expected}, {name: encoded(values, "F32") for name, values in expected.items()}, "what is merged")
    tally.equal(sorted(set(got) - set(expected)), ["count", "ids", "none"], "what else is in it")
    tally.check("4 of 9 tensors merged (linear), 5 copied.\nwarning: 14 tensors of the models took no part.\n3 of 5 rows merged: embed\n"
                "3 of 5 rows merged: head.bias\n" in printed, "the verdict", printed)
    rows = table("left_out", [first, second, third])
    second, third = "ROOT/y.safetensors", "ROOT/z.safetensors"
    tally.equal(sorted(rows), sorted([
        ["alone", second, "NULL", "it has no such tensor"], ["alone", third, "NULL", "it has no such tensor"],
        ["layers.0.w", second, "[3,2]", "another shape"], ["layers.0.w", third, "NULL", "it has no such tensor"],
        ["norm", second, "[4]", "another shape"], ["shape", second, "[2,3]", "another shape"],
        ["count", second, "[1]", "no floats, and not the same"], ["count", third, "NULL", "it has no such tensor"],
        ["ids", third, "NULL", "it has no such tensor"], ["none", third, "NULL", "it has no such tensor"],
        ["embed", third, "[6,2]", "rows 3 to 5, not in all"], ["head.bias", third, "[6]", "rows 3 to 5, not in all"],
        ["more", second, "[2]", "not in the result"], ["more", third, "[2]", "not in the result"]]), "left_out")
    got = good([first, f"{ROOT}/y.safetensors", f"{ROOT}/z.safetensors"], all="1")[1]
    tally.equal(got["more"], threes(2), "--all copies what only others have, from the first of them")
    # with a base, the names and shapes are its own; --sum and slerp need all models
    base = small("w", embed=ones(4, 2), only=ones(2))
    printed, got = good([first, f"{ROOT}/y.safetensors"], base=base)
    tally.equal(decoded(got["embed"]).tolist(), [[2, 2]] * 3 + [[1, 1]], "rows of base")
    tally.equal(sorted(got), ["embed", "only"], "names of base")
    for kind in ({"sum": "1"}, {"method": "slerp"}):
        got = good([first, f"{ROOT}/y.safetensors"], **kind)[1]
        tally.equal(decoded(got["alone"]).tolist(), [1, 1], f"what one lacks is copied {kind}")


def test_not_finite():
    nan, inf = float("nan"), float("inf")
    base = small("w", w=encoded(np.zeros(5), "F16"), v=encoded(np.zeros(2), "F16"))
    a = small("x", w=encoded(np.array([nan, inf, 60000, -60000, 1]), "F16"), v=encoded(np.array([1.0, 2]), "F16"))
    b = small("y", w=encoded(np.array([1, 1, 60000, -60000, 1.0]), "F16"), v=encoded(np.array([1.0, 2]), "F16"))
    printed, got = good([a, b], sum="1")
    values = decoded(got["w"])
    tally.check(np.isnan(values[0]) and values[1:].tolist() == [inf, inf, -inf, 2], "values that overflow", values)
    tally.check(printed.startswith("error: 2 values of 1 tensor overflowed in F16.\n"
                                   "error: 2 values are NaN or infinite, as in the models.\n"), "are told", printed)
    tally.equal(table("merged", [a, b], sum="1"), [["w", "merged", "F16", "[5]", "5", "2", "NULL", "2", "4"],
                                                   ["v", "merged", "F16", "[2]", "2", "2", "NULL", "0", "0"]], "merged")
    for method in ("task_arithmetic", "ties", "dare_linear", "dare_ties"):
        values = decoded(good([a, b], method=method, base=base, density="0.5")[1]["w"])
        tally.check(np.isnan(values[0]), f"{method} keeps a NaN", values)
    # a NaN is the least of the differences that ties ranks, an infinity the greatest
    zero = small("w", w=encoded(np.zeros(5), "F32"))
    values = decoded(good([small("x", w=encoded(np.array([nan, 0.5, 0.25, 0.1, inf]), "F32"))], method="ties", base=zero, density="0.6")[1]["w"])
    tally.check(np.isnan(values[0]) and values[1:].tolist() == [0.5, 0.25, 0, inf], "ranks of what is not finite", values)
    # what is only converted can overflow, too; rows that are merged and rows that are not
    big = encoded(np.array([[1e5, 1], [1, 1e5], [1e5, nan]]), "F32")
    a = small("x", embed=big, other=encoded(np.array([1e6]), "F32"))
    b = small("y", embed=encoded(np.array([[1e5, 1.0]]), "F32"))
    rows = table("merged", [a, b], dtype="F16")
    tally.equal(rows, [["embed", "merged", "F16", "[3,2]", "6", "2", "1", "3", "4"],
                       ["other", "copied", "F16", "[1]", "1", "0", "NULL", "1", "1"]], "of some rows, and of a copy")


def test_directory():
    """What a loader needs is copied, byte for byte; a dry run writes nothing; what is there stays."""
    sharded = f"{ROOT}/sharded"
    base = MODELS[0]
    making.model(sharded, {f"model-0000{i}-of-00002.safetensors": dict(list(base.items())[i - 1::2]) for i in (1, 2)})
    files = {"config.json": b'{"torch_dtype": "float32", "big": 12345678901234567890}', "tokenizer.model": bytes(range(256)) * 3 + b"\xff\0",
             "tokenizer.json": b"{}", "modeling_x.py": b"x = 1\r\n", "LICENSE": b"", "chat_template.jinja": "é".encode(), "merges.txt": b"a b",
             "vocab.txt": b"a", "NOTICE.md": b"n", "generation_config.json": b"[]"}
    others = {"README.md": b"r", "optimizer.pt": b"o", "trainer_state.json": b"{}", ".hidden/config.json": b"{}", "notes.txt": b"n"}
    for name, data in {**files, **others}.items():
        os.makedirs(os.path.dirname(f"{sharded}/{name}"), exist_ok=True)
        with open(f"{sharded}/{name}", "wb") as file:
            file.write(data)
    with open(f"{sharded}/optimizer.bin", "wb") as file:
        file.truncate(1 << 31)  # more than a value in SQLite holds: what is not copied is not read
    out = f"{ROOT}/new/merged [1]"
    printed, _ = good([f"{ROOT}/a", f"{ROOT}/b"], out, base=sharded, dtype="BF16", limit="200")
    written = {name: open(f"{out}/{name}", "rb").read() for name in os.listdir(out)}
    shards = [name for name in written if name.startswith("model-")]
    tally.check(len(shards) > 1 and "model.safetensors.index.json" in written, "shards", sorted(written))
    tally.equal(sorted(set(written) - set(shards) - {"model.safetensors.index.json"}), sorted(files), "the files beside them")
    tally.equal({name: written[name] for name in files if name != "config.json"},
                {name: data for name, data in files.items() if name != "config.json"}, "byte for byte")
    tally.equal(written["config.json"], b'{"torch_dtype":"bfloat16","big":12345678901234567890}', "the configuration has the dtype")
    tally.check("config.json" in printed and "copied, but for torch_dtype" in printed, "and that is said", printed)
    merged = {name: tensor for shard in shards for name, tensor in making.tensors_of(f"{out}/{shard}").items()}
    equal_tensors(merged, {name: rounded((decoded(MODELS[1][name]) + decoded(MODELS[2][name])) / 2, [base[name]], "BF16") for name in SHAPES},
                  "what is in the shards")
    # again: not without --replace, and files that are there stay
    fails(":out is not there, or :replace is set", [f"{ROOT}/a", f"{ROOT}/b"], out, base=sharded)
    fails(":out is a directory without other models", [f"{ROOT}/a", f"{ROOT}/b"], out, base=sharded, replace="1")
    good([f"{ROOT}/a", f"{ROOT}/b"], out, base=sharded, limit="200", replace="1")
    with open(f"{out}/config.json", "rb") as file:
        tally.equal(file.read(), files["config.json"], "--replace replaces the files, too")
    other = f"{ROOT}/other"
    os.mkdir(other)
    with open(f"{other}/config.json", "wb") as file:
        file.write(b"mine")
    printed, _ = good([f"{ROOT}/a", f"{ROOT}/b"], other, base=sharded)
    with open(f"{other}/config.json", "rb") as file:
        tally.equal(file.read(), b"mine", "a file that is there stays")
    tally.check("kept, as it was there" in printed, "and that is said", printed)
    fails(":out is not there, or :replace is set", [f"{ROOT}/a", f"{ROOT}/b"], f"{ROOT}/c")
    fails(":out is not there, or :replace is set", [f"{ROOT}/a", f"{ROOT}/b"], f"{ROOT}/c/model.safetensors")
    # an adapter keeps its file's name
    making.file(f"{ROOT}/adapter/adapter_model.safetensors", {"w": encoded(np.ones(2), "F32")})
    for directory in ("adapter", "sharded"):
        with open(f"{ROOT}/{directory}/adapter_config.json", "w", encoding="utf-8") as file:
            file.write("{}")
    good([f"{ROOT}/adapter", f"{ROOT}/adapter"], f"{ROOT}/adapters")
    tally.equal(sorted(os.listdir(f"{ROOT}/adapters")), ["adapter_config.json", "adapter_model.safetensors"], "an adapter")
    good([f"{ROOT}/a", f"{ROOT}/b"], f"{ROOT}/model", base=sharded)
    tally.equal([name for name in os.listdir(f"{ROOT}/model") if "adapter" in name], [], "a model takes no adapter along")


def test_long_names():
    """Tables stay narrow, and say what they do not show."""
    long = "model.layers.{}." + "long_" * 20 + "name.weight"
    first, second = (making.file(f"{ROOT}/{name * 60}.safetensors", {
        **{long.format(i): encoded(np.full((4, i + 1 + wider * (i > 30)), 60000.0), "F16") for i in range(60)}, "embed" + "x" * 90: encoded(np.ones((3 + wider, 2)), "F16")})
        for name, wider in (("x", 0), ("y", 1)))
    printed, _ = good([first, second], sum="1")
    tally.check("and 11 more" in printed and "warning: 30 tensors of the models took no part." in printed, "cut tables", printed)


def test_wrong_parameters():
    a, b, base = f"{ROOT}/a", f"{ROOT}/b", f"{ROOT}/base"
    for message, models, parameters in (
            (":models is a JSON array of models, or an object of their weights", "a", {}), (":models is a JSON array", '"a"', {}),
            (":models has a model", [], {}), (":models has a model", {}, {}), (":models has a path for each model", [1], {}),
            (":models has a path for each model", [{"weight": 1}], {}), (":models has a path for each model", [None], {}),
            (":models has no other keys than", [{"model": a, "wieght": 1}], {}), (":models has numbers as weights", {a: "x"}, {}),
            (":models has numbers as weights", [{"model": a, "weight": [1]}], {}), (":models has numbers as weights", {a: None}, {}),
            (':models has objects of numbers as "weights"', [{"model": a, "weights": 1}], {}),
            (':models has numbers as "weights"', [{"model": a, "weights": {"*": "x"}}], {}),
            (":models has weights that do not add up to 0", {a: 1, b: -1}, {}), (":models has weights that do not add up to 0", {a: 0, b: 0}, {}),
            (":models has weights that do not add up to 0", [a, {"model": b, "weights": {"*norm": -1}}], {}),
            (":models has two models for slerp", [a], {"method": "slerp"}),
            (":models has for slerp a weight of the second model alone", {a: 0.3, b: 0.7}, {"method": "slerp"}),
            (":base is set for a method that takes differences", [a, b], {"method": "ties"}),
            (":density is greater than 0, and at most 1", [a], {"method": "ties", "base": base, "density": "0"}),
            (':models has numbers greater than 0, and at most 1, as "density"', [{"model": a, "density": 2}], {"method": "ties", "base": base}),
            (':models has "layers" only for passthrough', [{"model": a, "layers": [0, 1]}], {}),
            (':models has pairs [FIRST, END] as "layers"', [{"model": a, "layers": [1, 1]}], {"method": "passthrough"}),
            (':models has "layers" of each model for passthrough', [a, b], {"method": "passthrough"}),
            (':models has "layers" that the model has', [{"model": a, "layers": [0, 4]}], {"method": "passthrough"}),
            (":dtype is F64, F32, F16 or BF16", [a, b], {"dtype": "I8"}), ("no such file", [a, f"{ROOT}/nowhere"], {}),
            (":limit is not set if :out is one file", [a, b], {"limit": "100"})):
        fails(message, models, **parameters)
    fails(":limit is set if :out is an index", [a, b], f"{ROOT}/m.safetensors.index.json")


def test_verdicts():
    packed = small("x", m__weight=("U8", [2, 2], bytes(4)), m__weight_scale=encoded(np.ones(2), "F32"), v=encoded(np.ones(2), "F32"))
    fails("a model has packed weights: merge what they were made of", [packed, packed])
    cast = small("y", m__weight=("F8_E4M3", [1, 2], b"\x38\x40"), v=encoded(np.ones(2), "F32"))
    got = good([cast, cast])[1]
    tally.equal(got["m.weight"], ("F8_E4M3", [1, 2], b"\x38\x40"), "floats of 8 bits without a scale are numbers")
    fails("no tensor can be merged", [f"{ROOT}/a", cast])
    making.file(f"{ROOT}/twice/1.safetensors", {"w": encoded(np.ones(2), "F32")})
    making.file(f"{ROOT}/twice/2.safetensors", {"w": encoded(np.ones(2), "F32")})
    for several in (f"{ROOT}/twice/*.safetensors", f"{ROOT}/twice"):
        fails(f"each of :models is one model, found 2 in {several}: {ROOT}/twice/1.safetensors, {ROOT}/twice/2.safetensors", [several, f"{ROOT}/twice/1.safetensors"])


def test_mergekit():
    if not os.path.exists(f"{MERGES}/merged-ties/model.safetensors"):
        print(f"skipped: results of mergekit ({MERGES or 'MERGES'} is not there)")
        return
    paths = [f"{MERGES}/{name}" for name in "abc"]
    of_three = [{"model": path, "weight": w, "density": d} for path, w, d in zip(paths, WEIGHTS, DENSITIES)]
    both = {paths[0]: 0.7, paths[1]: 0.5}
    for name, models, parameters in (
            ("linear", both, {}), ("linear-not-normalised", both, {"sum": "1"}),
            ("slerp", [paths[0], {"model": paths[1], "weight": 0.35}], {"method": "slerp"}),
            ("task_arithmetic", of_three, {"method": "task_arithmetic", "base": f"{MERGES}/base", "lambda": "0.9"}),
            ("ties", of_three, {"method": "ties", "base": f"{MERGES}/base", "lambda": "0.9"})):
        theirs, ours = making.tensors_of(f"{MERGES}/merged-{name}/model.safetensors"), good(models, **parameters)[1]
        tally.equal(sorted(ours), sorted(theirs), f"names of mergekit's {name}")
        error = max(float(np.max(np.abs(decoded(ours[t]) - decoded(theirs[t]))) / np.max(np.abs(decoded(theirs[t])))) for t in theirs)
        tally.check(error < 2e-7, f"mergekit's {name}", error)  # it rounds each operation to F32


MODELS = make_models()
tally.run(globals(), ROOT)
