"""safetensors_check and safetensors_files against the independent reader, on valid files with something
done to them: mutations.py [COUNT [SEED]]

Each file is written in one of the ways that JSON allows and then has one thing wrong, or several: an
offset, a dtype, a shape, a duplicate, an escape, whitespace, the length, its end, any byte. reader.py, which
implements the reference's rules and the strictnesses of ext/docs/reference.md, says whether it is valid; so must
both tables.
Where one thing was done, the code must be one that goes with it."""

import collections
import sys

import mutants
import reader
from tally import Tally, connect

COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 6000
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else 20240229
mutants.chance.seed(SEED)
tally = Tally()
db = connect()


def verdict(data):
    try:
        reader.read(data)
        return "valid", ""
    except reader.Invalid as problem:
        return "invalid", str(problem)
    except reader.Stricter as problem:
        return "stricter", str(problem)


def judge(data, allowed, what):
    """`allowed`: the codes of which one must be found, if there is an error; None for any."""
    expected, why = verdict(data)
    counts[expected] += 1
    found = db.execute("SELECT severity, code, offset FROM safetensors_check(?)", [data]).fetchall()
    errors = {code for severity, code, _ in found if severity == "error"}
    codes.update(errors)
    status, message = db.execute("SELECT status, error FROM safetensors_files(?)", [data]).fetchone()
    good = (expected == "valid") == (not errors) == (status == "ok")
    good = good and (not errors or allowed is None or bool(errors & allowed))
    good = good and all(offset is None or 0 <= offset <= len(data) for _, _, offset in found)
    tally.check(good, f"{what}: {data!r}", f"{expected}: {why}", f"found {found}", f"status {status}: {message}")


counts, codes = collections.Counter(), collections.Counter()
for _ in range(COUNT):
    content, what, allow = mutants.damaged()
    judge(content, allow, what)
    if tally.failed > 10:
        break

# Two that refuse everything would agree.
print(dict(counts), dict(codes), f"seed {SEED}")
if COUNT >= 5000:
    tally.check(counts["valid"] > COUNT // 8, "enough valid files", counts)
    tally.check(counts["invalid"] > COUNT // 4, "enough invalid files", counts)
    tally.check(counts["stricter"] > COUNT // 100, "enough that only the extension refuses", counts)
    for expected_code in (
            "empty", "header-too-small", "header-too-large", "not-utf8", "not-json", "not-an-object", "duplicate-key",
            "nul-in-key", "bad-number", "bad-entry", "bad-dtype", "bad-shape", "bad-offsets", "bad-metadata", "hole",
            "overlap", "size-mismatch", "overflow", "sub-byte-remainder", "truncated", "trailing-bytes"):
        tally.check(codes[expected_code] > 0, f"some {expected_code}", codes)
tally.finish()
