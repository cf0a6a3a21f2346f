"""The scripts of sql/ keep within a terminal's width, whatever the checkpoints have in them: long names, many
dimensions, numbers with exponents, much metadata, and paths that are long themselves. Names, which are the last column,
may go beyond it.

Covers little: of all lines, others reach nearly as many.
"""

import os
import shutil
import struct
import tempfile

import making
import shell
from tally import Tally

tally = Tally()
ROOT = tempfile.mkdtemp(prefix="widths.")
LONG = "a_very_long_component_name." * 8


def f32(*values):
    return struct.pack(f"<{len(values)}f", *values)


def make():
    """Two checkpoints that differ in some tensors, an adapter, a quantized model, a directory of files."""
    wide = f32(-1.234e-05, -9.876e-35, -1e38, -5e-6, -7.77e-12, 1)
    tensors = {f"{LONG}layers.{i}.{'x' * 60}.weight": ("F32", [2, 3], wide) for i in range(25)}
    tensors.update({
        "many": ("F32", [1] * 18 + [2, 3], wide), "large dimensions": ("F32", [10**12, 0, 10**12 - 1], b""),
        f"4{LONG}": ("F8_E4M3FNUZ", [4], b"\x81\x82\x83\1"), f"5{LONG}": ("F8_E5M2FNUZ", [4], b"\x81\x82\x83\2"),
        f"i{LONG}": ("I64", [4], struct.pack("<4q", -2**63, 2**63 - 1, -1234567890123, 5)),
        f"c{LONG}": ("C64", [2, 2], f32(-1.23e-38, -4.56e-22, 1, 2, 3, 4, 5, 6)),
        f"d{LONG}": ("F64", [2, 2], struct.pack("<4d", -1.234e-308, -9.9e307, -1e-100, 5)),
        f"same{LONG}": ("F64", [1] * 18 + [2], struct.pack("<2d", -1.7e308, -1.7e308)),
        f"zero{LONG}": ("F8_E4M3FNUZ", [10**6, 1], bytes(10**6)),
        f"nan{LONG}": ("F32", [2], f32(float("nan"), float("inf")))})
    metadata = {"k" * 100: "v" * 1000, "ss_" + "q" * 100: "1", "modelspec." + "z" * 80: "2", "lines": "a\nb\nc"}
    names = list(tensors)
    other = {name: tensors[name] for name in names if name != "many"}
    other.update({name: ("F32", [2, 3], f32(*range(6))) for name in names[:12]})
    other[f"i{LONG}"] = other[f"d{LONG}"]
    other[f"d{LONG}"] = "F64", [4], other[f"d{LONG}"][2]
    other[f"new{LONG}"] = "F32", [1], f32(1)
    adapter = {f"base_model.model.{LONG}layers.{i}.{'y' * 50}_{module}.lora_{part}.weight": ("F32", shape, bytes(16 * (1 + i)))
               for i in range(30) for module in "qv" for part, shape in (("A", [1 + i, 4]), ("B", [4, 1 + i]))}
    adapter["z" * 90 + ".lora_down.weight"] = "F32", [1, 4], bytes(16)
    quantized = {}
    for i in range(30):
        quantized.update({f"{LONG}{i}.{'a' * i}.weight": ("U8", [4, 1], bytes(4)), f"{LONG}x{'c' * i}.weight": ("F8_E4M3", [2, 2], bytes(4)),
                          f"{LONG}{i}.{'b' * i}.weight_scale_inv": ("F32", [1], f32(1))})
    for name, content in (("wide", tensors), ("other", other), ("adapter", adapter), ("quantized", quantized)):
        making.file(f"{ROOT}/{name}.safetensors", content, metadata)
    for i in range(30):
        making.file(f"{ROOT}/{'directory' * 20}/{'f' * 120}-{i}.safetensors", {f"{LONG}w{i}": ("F32", [2, 2], f32(1, 2, 3, i % 2))})
    shutil.copy(f"{ROOT}/wide.safetensors", f"{ROOT}/{'edited' * 20}.safetensors")
    os.mkdir(f"{ROOT}/{'sharded' * 20}")


def narrow(script, **parameters):
    code, out, error = shell.script(script, **parameters)
    verdict = {"quantized": "in doubt", "health": "has NaN", "run": "has NaN"}.get(script)
    if code == 1 and verdict:  # that of no wrong parameter
        tally.check(verdict in error, f"sql/{script}.sql has a verdict", error)
    else:
        tally.equal((code, error), (0, ""), f"sql/{script}.sql runs")
    wide = [line for line in map(str.rstrip, out.splitlines()) if not shell.is_narrow(line)]
    tally.equal(wide, [], f"sql/{script}.sql of {parameters}: wide lines")


try:
    make()
    paths = [f"{ROOT}/{name}" for name in ("wide.safetensors", "adapter.safetensors", "quantized.safetensors", "directory" * 20)]
    for path in paths:
        for script in ("summary", "layers", "shards", "inventory", "quantized", "health", "run", "memory", "duplicates", "distribution"):
            narrow(script, path=path)
    for script in ("lora", "loras"):
        narrow(script, path=paths[1])
    for name in [f"{kind}{LONG}" for kind in "c45id"] + ["many", f"{LONG}layers.3.{'x' * 60}.weight"]:
        narrow("values", path=paths[0], name=name)
        narrow("distribution", path=paths[0], name=name)
    for path in paths:
        narrow("identify", path=path)
    narrow("neighbours", path=paths[0], name=f"d{LONG}", token="0")
    narrow("compare", a=paths[0], b=f"{ROOT}/other.safetensors", c=paths[1])
    out = f"{ROOT}/{'out' * 40}.safetensors"
    narrow("extract", path=paths[0], names="*", out=out)
    narrow("convert_dtype", path=paths[0], dtype="BF16", out=out)
    narrow("rename", path=paths[1], map="down-up", out=out)
    narrow("strip_prefix", path=paths[1], prefix="base_model.", out=out)
    narrow("reshard", path=paths[0], out=out)
    narrow("reshard", path=paths[0], out=f"{ROOT}/{'sharded' * 20}/{'model' * 20}.safetensors.index.json", limit="100")
    narrow("repair", path=paths[0], out=f"{ROOT}/{'repaired' * 20}.safetensors")
    narrow("index", path=f"{ROOT}/{'sharded' * 20}", shards=f"{'model' * 20}*", out=f"{ROOT}/{'sharded' * 20}/{'other' * 20}.safetensors.index.json")
    narrow("edit_metadata", path=f"{ROOT}/{'edited' * 20}.safetensors", patch='{"a":"b"}')
finally:
    shutil.rmtree(ROOT)
tally.finish()
