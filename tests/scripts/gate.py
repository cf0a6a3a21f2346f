"""sql/gate.sql, on models made here: each rule kept and broken, as an option and in a file, and what is refused."""

import hashlib
import json
import math
import struct
import tempfile

import making
import shell
from tally import Tally

tally = Tally()
ROOT = tempfile.mkdtemp(prefix="gate.")


def f32(*values, shape=None):
    return "F32", shape or [len(values)], struct.pack(f"<{len(values)}f", *values)


MODEL = {"embed.weight": f32(1, 2, 3, 4, shape=[2, 2]), "layers.0.w": f32(1, 1), "layers.1.w": f32(3, 4), "norm": ("BF16", [1], b"\x80\x3f")}


def model(name, **changes):
    tensors = {**MODEL, **{key.replace("__", "."): value for key, value in changes.items()}}
    return making.file(f"{ROOT}/{name}.safetensors", {key: value for key, value in tensors.items() if value is not None})


BASE = model("base")


def gate(path, code, **parameters):
    """The rows of `gate` by rule, of one model, and the rows of its failures."""
    status, out, error = shell.script("gate", path=path, format="json", **parameters)
    tally.equal((status, error.count("\n")), (code, code), f"sql/gate.sql ends well with {parameters}: {error}")
    found = json.loads(out or "{}")
    return {row["rule"]: row["kept"] for row in found.get("gate", [])}, [(row["rule"], row["tensor"], row["message"]) for row in found.get("gate_failures", [])]


def refused(words, **parameters):
    for form in ("text", "json"):
        code, out, error = shell.script("gate", format=form, **parameters)
        tally.check(code == 1 and out == "" and words in error and error.count("\n") == 1, f"refused: {words}", code, out, error)


def test_rules():
    tally.equal(gate(BASE, 0), ({"whole": 1, "finite": 1}, []), "what holds without rules")
    bad = model("nan", layers__1__w=f32(math.nan, 4, math.inf))
    tally.equal(gate(bad, 1), ({"whole": 1, "finite": 0}, [("finite", "layers.1.w", "1 NaN, 1 infinite of 3")]), "not finite")
    tally.equal(gate(bad, 0, finite="no"), ({"whole": 1}, []), "which is not asked")
    tally.equal(gate(BASE, 0, dtypes="F32, BF16")[0]["dtypes"], 1, "dtypes that are allowed")
    tally.equal(gate(BASE, 1, dtypes="BF16")[1], [("dtypes", name, "F32") for name in list(MODEL)[:3]], "dtypes that are not")
    tuned = model("tuned", layers__1__w=f32(3, 4.5))  # by 0.5, and the norm was 5
    tally.equal(gate(tuned, 0, base=BASE, frozen="embed*,layers.0.*", max_change="0.1", architecture="1"),
                ({"whole": 1, "finite": 1, "frozen": 1, "architecture": 1, "max_change": 1}, []), "a fine-tune that keeps the rules")
    kept, failures = gate(tuned, 1, base=BASE, frozen="layers.*", max_change="0.09")
    tally.equal((kept["frozen"], kept["max_change"], failures), (0, 0, [("frozen", "layers.1.w", "other bytes"), ("max_change", "layers.1.w", "0.1")]), "and one that does not")
    other = model("other", embed__weight=f32(*range(6), shape=[3, 2]), norm=None, extra=f32(1), layers__0__w=("F16", [2], b"\0\x3c\0\x3c"))
    tally.equal(sorted(gate(other, 1, base=BASE, architecture="1")[1]),
                [("architecture", "embed.weight", "[2,2] > [3,2]"), ("architecture", "extra", "not in base"), ("architecture", "norm", "missing [1]")], "another architecture")
    tally.equal(sorted(gate(other, 1, base=BASE, frozen="*")[1]),
                [("frozen", "embed.weight", "[2,2] > [3,2]"), ("frozen", "extra", "not in base"), ("frozen", "layers.0.w", "F32 > F16"), ("frozen", "norm", "missing")],
                "what is frozen is there, and the same")
    code, out, _ = shell.script("gate", path=other, base=BASE, max_change="0")
    tally.check(code == 0 and "at most 0 in 2 weights; 2 have none of that name and shape in base." in out, "what was not compared is said", out)
    # a NaN on one side is no small change
    tally.equal([row[2] for row in gate(bad, 1, base=model("three", layers__1__w=f32(3, 4, 5)), max_change="9", finite="no")[1]], ["1 NaN on one side"], "a NaN is a change")
    tally.equal(gate(model("one_nan", layers__1__w=f32(math.nan, 4)), 1, base=BASE, max_change="9", finite="no")[1], [("max_change", "layers.1.w", "1 NaN on one side")],
                "even if the rest is the same")
    tally.equal(gate(making.file(f"{ROOT}/alone.safetensors", {"y": f32(1)}), 1, base=BASE, max_change="1")[1],
                [("max_change", None, "no weight has the name and shape of one of base")], "nothing to compare")


def test_packed():
    """A packed model is looked at by what it stands for: a NaN in a scale is one, and the architecture is that of the base."""
    plain = making.file(f"{ROOT}/packed/plain.safetensors", {"a.weight": f32(1, 2, 2, 4, shape=[2, 2])})
    for scale, code, failures in ((1, 0, []), (math.nan, 1, [("finite", "a.weight", "4 NaN of 4"), ("max_change", "a.weight", "4 NaN on one side")])):
        packed = making.file(f"{ROOT}/packed/{code}.safetensors", {"a.weight": ("F8_E4M3", [2, 2], b"\x38\x40\x40\x48"), "a.weight_scale": f32(scale)})
        tally.equal(gate(packed, code, base=plain, architecture="1", max_change="0")[1], failures, f"a scale of {scale}")
    broken = making.file(f"{ROOT}/packed/broken.safetensors", {"a.weight": ("F8_E4M3", [2, 2], bytes(4)), "a.weight_scale_inv": f32(*[1] * 9, shape=[3, 3])})
    kept, failures = gate(broken, 1)
    tally.check(kept["finite"] == 0 and failures[0][2].startswith("not looked at: fp8"), "what cannot be unpacked is not called finite", failures)


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def test_digests():
    path = model("claimed/model")
    tally.equal(gate(path, 1, digests="1")[1], [("digests", None, "nothing that can be checked is claimed about it")], "nothing is claimed")
    for digest, code in (("0" * 64, 1), (sha256(path), 0)):
        with open(f"{path}.sha256", "w", encoding="utf-8") as file:
            file.write(digest)
        tally.equal(gate(path, code, digests="1")[0]["digests"], 1 - code, "a claim")


def test_file():
    """The same rules in a file, or as JSON; an option counts for more."""
    rules = {"finite": False, "dtypes": ["BF16"], "frozen": "embed*", "architecture": True, "max_change": 0.5}
    with open(f"{ROOT}/rules.json", "w", encoding="utf-8") as file:
        json.dump(rules, file)
    for given in (f"{ROOT}/rules.json", json.dumps(rules)):
        tally.equal(gate(BASE, 1, rules=given, base=BASE)[0], {"whole": 1, "dtypes": 0, "frozen": 1, "architecture": 1, "max_change": 1}, "rules in a file")
    tally.equal(gate(BASE, 0, rules=f"{ROOT}/rules.json", base=BASE, dtypes="F32,BF16", finite="yes")[0]["dtypes"], 1, "an option counts for more")
    for given, words in (('{"finit": true}', "there is no rule finit; the rules are whole, finite, dtypes"), ('{"finite": 1}', "the rule finite is true or false, found integer"),
                         ('{"dtypes": [1]}', "the rule dtypes is an array of texts"), ('{"dtypes": 1}', "a text or an array of texts"), ('{"dtypes": []}', "the rule dtypes is empty"),
                         ('{"a"', "no JSON object"), (f"{ROOT}/none.json", "there is no file"), ('{"whole": false, "finite": false}', "no rule is set"),
                         ('{"whole": true, "whole": false}', "the rule whole is there twice")):
        refused(words, path=BASE, rules=given)


def test_refused():
    refused(":path is set", base=BASE)
    refused("no such file", path=f"{ROOT}/none")
    refused("there is no parameter :dtype", path=BASE, dtype="F32")
    refused("compares with :base, which is not set", path=BASE, frozen="embed*")
    refused("a name that is frozen: embet*", path=BASE, base=BASE, frozen="embet*")
    model("two/a"), model("two/b")
    refused(":base is 2 models", path=BASE, base=f"{ROOT}/two", architecture="1")
    refused("a number of at least 0", path=BASE, base=BASE, max_change="much")
    refused(":finite is yes or no", path=BASE, finite="1")
    refused("has a tensor", path=making.file(f"{ROOT}/hollow.safetensors", {}))


def test_several():
    """Each model of a folder keeps the rules, and one that cannot be read keeps none, but ends nothing."""
    model("several/a"), model("several/b", norm=f32(math.nan))
    with open(f"{ROOT}/several/c.safetensors", "wb") as file:
        file.write(b"\x10\0\0\0\0\0\0\0{not a header   }")
    code, out, error = shell.script("gate", path=f"{ROOT}/several", dtypes="F32,BF16")
    lines = out.splitlines()
    tally.equal((code, lines[0], [line.split()[:2] for line in lines if line[:3] in ("yes", "no ", "-  ")]),
                (1, "No: 2 of 3 models break a rule.", [["no", "finite"], ["yes", "whole"], ["yes", "dtypes"], ["no", "whole"], ["-", "finite"], ["-", "dtypes"]]), "the lines")
    tally.check("...b.safetensors:" in lines and "...c.safetensors:" in lines and "...a.safetensors:" not in lines, "those that break none have no lines", out)
    code, out, error = shell.script("gate", path=f"{ROOT}/several/a.safetensors")
    tally.equal((code, out), (0, "Yes: all 2 rules are kept.\nyes  whole         no error.\nyes  finite        no NaN and no infinity.\n"), "one line a rule")
    for form, words in (("junit", ("<testsuite", "<failure")), ("sarif", ('"ruleId"', '"error"'))):
        code, out, error = shell.script("gate", path=f"{ROOT}/several", format=form)
        tally.check(code == 1 and all(word in out for word in words), form, out)
    evil = making.file(f"{ROOT}/evil/model.safetensors", {"a\x1b[31m\u202e": f32(math.nan)})
    tally.check(not {"\x1b", "\u202e"} & set(shell.script("gate", path=evil)[1]), "no control characters")


tally.run(globals(), ROOT)
