"""sql/quantized.sql, on models made here: what it prints was worked out by hand."""

import functools
import json
import os
import tempfile

import making
import shell
from tally import Tally

tally = Tally()
ROOT = tempfile.mkdtemp(prefix="scripts.")
shows = functools.partial(shell.shows, tally, ROOT)
KNOWN = """
Known here: GPTQ, AWQ, bitsandbytes (4 and 8 bits), FP8, INT8, MXFP4, NVFP4,
MLX, compressed-tensors, HQQ, quanto, torchao. What follows is of these only.
"""


def test_quantized():
    layer = "model.layers.{}.self_attn.{}_proj."
    q, k = layer.format(0, "q"), layer.format(0, "k")
    # GPTQ packs 8 values of 4 bits along the input, AWQ along the output.
    making.file(f"{ROOT}/gptq.safetensors", {
        q + "qweight": making.zeros("I32", 4, 16), q + "qzeros": making.zeros("I32", 1, 2), q + "scales": making.zeros("F16", 1, 16),
        q + "g_idx": making.zeros("I32", 32),
        k + "qweight": making.zeros("I32", 4, 16), k + "qzeros": making.zeros("I32", 1, 2), k + "scales": making.zeros("F16", 1, 16),
        layer.format(1, "q") + "qweight": making.zeros("I32", 4, 16), layer.format(1, "k") + "scales": making.zeros("F16", 1, 16),
        "model.norm.weight": making.zeros("F16", 16)})
    shows("quantized", """
== Quantized weights
format       dtype  weights  without_scale     bytes
-----------  -----  -------  -------------  --------
GPTQ         I32    2        0                 512 B
GPTQ or AWQ  I32    1        1                 256 B

Known here: GPTQ, AWQ, bitsandbytes (4 and 8 bits), FP8, INT8, MXFP4, NVFP4,
MLX, compressed-tensors, HQQ, quanto, torchao. What follows is of these only.

== Packed weights without scales
format       weights  lacks  name
-----------  -------  -----  ------------------------------------
GPTQ or AWQ  1        scale  model.layers.1.self_at...roj.qweight

== Scales without packed weights
format                scales  name
--------------------  ------  ------------------------------------
GPTQ or AWQ or other  1       model.layers.1.self_at...proj.scales
""", path=f"{ROOT}/gptq.safetensors")


def test_quantized_formats():
    """A model of two files with each format: its first module is whole, its second has no scale, its third no weight."""
    modules = ["layers.0.up", "layers.1.up", "layers.2.up"]
    content, rest = {}, {}

    def add(prefix, weights, scales, others=()):
        """Each a list of (ending, tensor); the first module's scales are in another file."""
        for module, has_weights, has_scales, where in zip(modules, (1, 1, 0), (1, 0, 1), (rest, content, content)):
            for ending, tensor in [*(weights if has_weights else ()), *others]:
                content[f"{prefix}.{module}{ending}"] = tensor
            for ending, tensor in scales if has_scales else ():
                where[f"{prefix}.{module}{ending}"] = tensor

    add("awq", [(".qweight", making.zeros("I32", 32, 2))], [(".scales", making.zeros("F16", 1, 16))],
        [(".qzeros", making.zeros("I32", 1, 2))])
    add("nf4", [(".weight", making.zeros("U8", 64, 1))],
        [(".weight.absmax", making.zeros("U8", 2)), (".weight.quant_map", making.zeros("F32", 16)),
         (".weight.nested_absmax", making.zeros("F32", 1)), (".weight.nested_quant_map", making.zeros("F32", 256)),
         (".weight.quant_state.bitsandbytes__nf4", making.zeros("U8", 90))])
    add("int8", [(".weight", making.zeros("I8", 8, 8))], [(".SCB", making.zeros("F32", 8))], [(".weight_format", making.zeros("U8"))])
    add("block", [(".weight", making.zeros("F8_E4M3", 8, 8))], [(".weight_scale_inv", making.zeros("F32", 1, 1))])
    add("comfy", [(".weight", making.zeros("F8_E4M3", 8, 8))], [(".scale_weight", making.zeros("F32"))])
    add("mxfp4", [("_blocks", making.zeros("U8", 2, 4, 1, 16))], [("_scales", making.zeros("U8", 2, 4, 1))],
        [("_bias", making.zeros("BF16", 2, 4))])
    add("mlx", [(".weight", making.zeros("U32", 8, 4))], [(".scales", making.zeros("F16", 8, 1)), (".biases", making.zeros("F16", 8, 1))])
    add("packed", [(".weight_packed", making.zeros("I32", 8, 1))], [(".weight_scale", making.zeros("BF16", 8, 1))],
        [(".weight_shape", making.zeros("I32", 2))])
    # What looks alike and is nothing of the kind.
    content |= {"norm.weight": making.zeros("F16", 8), "norm.scale": making.zeros("F16", 8), "attn.k_scale": making.zeros("F32"),
                "attn.input_scale": making.zeros("F32"), "mask": making.zeros("U8", 8, 8), "token.weight": making.zeros("U8", 8, 8),
                "w_scales": making.zeros("F16", 8), "norm.f8.weight": making.zeros("F8_E4M3", 8)}
    making.file(f"{ROOT}/formats/a.safetensors", content)
    making.file(f"{ROOT}/formats/b.safetensors", rest)
    # 2 weights each. Bytes: AWQ 2 * 32 * 2 * 4, 4-bit, 8-bit 2 * 64, FP8 4 * 64, MXFP4 2 * 128, MLX 2 * 128, packed 2 * 32.
    shows("quantized", """
== Quantized weights
format              dtype    weights  without_scale     bytes
------------------  -------  -------  -------------  --------
AWQ                 I32      1        0                 256 B
FP8                 F8_E4M3  4        2                 256 B
GPTQ or AWQ         I32      1        1                 256 B
MLX                 U32      2        1                 256 B
MXFP4               U8       2        1                 256 B
bitsandbytes 4-bit  U8       2        1                 128 B
bitsandbytes 8-bit  I8       2        1                 128 B
packed integers     I32      2        1                  64 B

Known here: GPTQ, AWQ, bitsandbytes (4 and 8 bits), FP8, INT8, MXFP4, NVFP4,
MLX, compressed-tensors, HQQ, quanto, torchao. What follows is of these only.

== Packed weights without scales
format              weights  lacks  name
------------------  -------  -----  --------------------------------
FP8                 1        scale  block.layers.1.up.weight
FP8                 1        scale  comfy.layers.1.up.weight
GPTQ or AWQ         1        scale  awq.layers.1.up.qweight
MLX                 1        scale  mlx.layers.1.up.weight
MXFP4               1        scale  mxfp4.layers.1.up_blocks
bitsandbytes 4-bit  1        scale  nf4.layers.1.up.weight
bitsandbytes 8-bit  1        scale  int8.layers.1.up.weight
packed integers     1        scale  packed.layers.1.up.weight_packed

== Scales without packed weights
format                scales  name
--------------------  ------  ----------------------------------
FP8                   1       block.layers.2.up.weight_scale_inv
FP8                   1       comfy.layers.2.up.scale_weight
FP8 or other          1       packed.layers.2.up.weight_scale
GPTQ or AWQ or other  1       awq.layers.2.up.scales
GPTQ or AWQ or other  1       mlx.layers.2.up.scales
MXFP4                 1       mxfp4.layers.2.up_scales
bitsandbytes 4-bit    1       nf4.layers.2.up.weight.absmax
bitsandbytes 8-bit    1       int8.layers.2.up.SCB
""", path=f"{ROOT}/formats")
    # Many of a pattern are one line; FP8 without any scale was cast.
    making.file(f"{ROOT}/cast.safetensors", {f"blocks.{n}.mlp.weight": making.zeros("F8_E4M3", 2, 2) for n in range(12)})
    shows("quantized", """
== Quantized weights
format  dtype    weights  without_scale     bytes
------  -------  -------  -------------  --------
FP8     F8_E4M3  12       12                 48 B

Known here: GPTQ, AWQ, bitsandbytes (4 and 8 bits), FP8, INT8, MXFP4, NVFP4,
MLX, compressed-tensors, HQQ, quanto, torchao. What follows is of these only.

== Packed weights without scales
format  weights  lacks  name
------  -------  -----  -------------------
FP8     12       scale  blocks.#.mlp.weight
No FP8 weight has a scale: these were cast, it seems, which needs none.

== Scales without packed weights
None: there are no scales of these kinds.
""", path=f"{ROOT}/cast.safetensors")
    making.file(f"{ROOT}/plain.safetensors", {"w": making.zeros("F32", 2, 2)})
    shows("quantized", """
== Quantized weights
None of the kinds that are known here.

Known here: GPTQ, AWQ, bitsandbytes (4 and 8 bits), FP8, INT8, MXFP4, NVFP4,
MLX, compressed-tensors, HQQ, quanto, torchao. What follows is of these only.

== Packed weights without scales
None: there are no packed weights of these kinds.

== Scales without packed weights
None: there are no scales of these kinds.
""", path=f"{ROOT}/plain.safetensors")


def test_quantized_other_qweight():
    """What is called qweight and is not GPTQ's or AWQ's 32-bit integers (EETQ, SVDQuant), and what AQLM calls scales."""
    making.file(f"{ROOT}/qweight/model.safetensors", {
        "a.qweight": making.zeros("I8", 16, 16), "a.weight_scales": making.zeros("F16", 16),
        "b.qweight": making.zeros("I8", 16, 8), "b.wscales": making.zeros("BF16", 1, 16),
        "c.qweight": making.zeros("I32", 16, 8), "c.wscales": making.zeros("BF16", 1, 16),
        "d.codes": making.zeros("I16", 16, 2, 1), "d.codebooks": making.zeros("F16", 1, 256, 1, 8), "d.scales": making.zeros("F16", 16, 1, 1, 1),
        "e.qweight": making.zeros("I32", 2, 16), "e.qzeros": making.zeros("I32", 1, 2), "e.g_idx": making.zeros("I32", 16)})
    code, out, error = shell.script("quantized", path=f"{ROOT}/qweight")
    tally.equal((code, error), (0, ""), "sql/quantized.sql runs")
    unscaled, _, unknown = out.partition("== Packed, of a kind unknown here")
    tally.check("GPTQ    1        scale  e.qweight" in unscaled and "a.qweight" not in unscaled and "b.qweight" not in unscaled
                and "c.qweight" not in unscaled and "d.scales" not in unscaled, "only GPTQ lacks its scale", out)
    tally.check(all(f"\n{name} " in unknown for name in ("a.qweight", "b.qweight", "c.qweight", "d.codes")), "others are unknown", out)


def test_quantized_unknown():
    """What looks packed and is of no known kind is reported as that, and nothing is said of its scales."""
    m = "model.layers.{}.mlp.up."
    making.file(f"{ROOT}/unknown/model.safetensors", {
        **{m.format(i) + "weight": making.zeros("I8", 8, 4) for i in range(3)}, **{m.format(i) + "scale": making.zeros("U8", 8, 1) for i in range(3)},
        m.format(3) + "codes": making.zeros("U8", 8, 4), m.format(3) + "codebook": making.zeros("F16", 256, 8),
        m.format(4) + "packed_weight": making.zeros("I32", 8, 4), m.format(4) + "qzeros": making.zeros("I32", 8, 1),
        m.format(5) + "weight": making.zeros("BF16", 4, 4), "position_ids": making.zeros("I32", 1, 77), "mask": making.zeros("U8", 2, 2),
        m.format(6) + "weight": making.zeros("F8_E4M3", 4, 4), m.format(6) + "input_scale": making.zeros("F32"),
        m.format(7) + "weight": making.zeros("F8_E4M3", 4, 4), m.format(7) + "new_scale": making.zeros("F32")})
    shows("quantized", f"""
== Quantized weights
format  dtype    weights  without_scale     bytes
------  -------  -------  -------------  --------
FP8     F8_E4M3  1        1                  16 B
6 tensors look packed, and of no kind that is known here: see below.
{KNOWN}
== Packed weights without scales
format  weights  lacks  name
------  -------  -----  ----------------------------
FP8     1        scale  model.layers.6.mlp.up.weight
No FP8 weight has a scale: these were cast, it seems, which needs none.

== Scales without packed weights
None: there are no scales of these kinds.

== Packed, of a kind unknown here
name                                 tensors  dtype    beside
-----------------------------------  -------  -------  ---------
model.layers.#.mlp.up.weight         3        I8       scale
model.layers.3.mlp.up.codes          1        U8       codebook
model.layers.4.mlp.up.packed_weight  1        I32      qzeros
model.layers.7.mlp.up.weight         1        F8_E4M3  new_scale
""", path=f"{ROOT}/unknown")
    # a configuration that announces it, without a scale beside
    making.file(f"{ROOT}/announced/model.safetensors", {"a.b.weight": making.zeros("U8", 8, 4), "norm.weight": making.zeros("F16", 4)})
    with open(f"{ROOT}/announced/config.json", "w", encoding="utf-8") as file:
        json.dump({"quantization_config": {"quant_method": "newpack"}}, file)
    code, out, error = shell.script("quantized", path=f"{ROOT}/announced")
    tally.check("config.json announces a quantization: newpack." in out and "a.b.weight" in out.split("unknown here")[-1],
                "a configuration that announces a quantization", out, error)
    # scales of scales
    content = {}
    for i in range(3):
        content |= {m.format(i) + "weight": making.zeros("U8", 8, 4), m.format(i) + "weight_scale": making.zeros("F8_E4M3", 8, 1)}
        if i != 1:
            content[m.format(i) + "weight_scale_2"] = making.zeros("F32")
    making.file(f"{ROOT}/nvfp4.safetensors", content)
    code, out, error = shell.script("quantized", path=f"{ROOT}/nvfp4.safetensors")
    tally.check("NVFP4   1        second scale  model.layers.1.mlp.up.weight" in out and "every packed weight" not in out, "a second scale", out, error)


tally.run(globals(), ROOT)
