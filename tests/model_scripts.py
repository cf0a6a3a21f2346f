"""The scripts of sql/ about whole models, on models made here: what they print was worked out by hand."""

import functools
import json
import os
import shutil
import struct
import tempfile

import making
import shell
from tally import Tally

tally = Tally()
ROOT = tempfile.mkdtemp(prefix="scripts.")
shows = functools.partial(shell.shows, tally, ROOT)


def zeros(dtype, *shape):
    size = {"U8": 1, "I8": 1, "F8_E4M3": 1, "F16": 2, "BF16": 2, "F32": 4, "I32": 4, "U32": 4}[dtype]
    for dimension in shape:
        size *= dimension
    return dtype, list(shape), bytes(size)


def test_shards():
    folder = f"{ROOT}/shards"
    # 24, 16 and 8 bytes: 48, of which 50%, 33.3% and 16.7%; the mean is 16. Layer 1 is in both of the first.
    shards = {"model-00001-of-00003.safetensors": {"embed": zeros("U8", 8), "layers.0.w": zeros("F16", 4),
                                                   "layers.1.w": zeros("F32", 2)},
              "model-00002-of-00003.safetensors": {"layers.1.v": zeros("U8", 12), "layers.2.w": zeros("U8", 4)},
              "model-00003-of-00003.safetensors": {"norm": zeros("F32", 2)}}
    making.model(folder, shards)
    shows("shards", """
== Balance
files  tensors  bytes  smallest  largest  largest/mean
-----  -------  -----  --------  -------  ------------
3      6        48 B   8 B       24 B     1.50

== Files
file                  tensors     bytes   share  relative
--------------------  -------  --------  ------  ----------
model-00001-of-00003  3            24 B   50.0%  ##########
model-00002-of-00003  2            16 B   33.3%  ######
model-00003-of-00003  1             8 B   16.7%  ###

== Layers in more than one file
layer  tensors  files  names
-----  -------  -----  ------------------------------------------
1      2        2      model-00001-of-00003, model-00002-of-00003

== Index against files
They agree, or there is no index.
""", path=folder)
    os.remove(f"{folder}/model-00002-of-00003.safetensors")
    with open(f"{folder}/model-00003-of-00003.safetensors", "wb") as file:
        file.write(b"1234567")
    shows("shards", """
== Balance
files  tensors  bytes  smallest  largest  largest/mean
-----  -------  -----  --------  -------  ------------
1      3        24 B   24 B      24 B     1.00
1 of 3 files is missing.
1 of 3 files cannot be read.
safetensors: ROOT/shards/model-00003-of-00003.safetensors: expected at least 8 bytes, found 7: too small for a header

== Files
file                  tensors     bytes   share  relative
--------------------  -------  --------  ------  ----------
model-00001-of-00003  3            24 B  100.0%  ##########
model-00002-of-00003  missing
model-00003-of-00003  invalid

== Layers in more than one file
None.

== Index against files
code           finding
-------------  ----------------------------------------------------
missing-shard  expected shard model-00002-of-00003.safetensors,
               which the index says has 2 of the tensors, found no
               such file
""", path=folder)
    shows("shards", """
== Balance
The file is missing.
safetensors: ROOT/none: no such file

== Files
file  tensors     bytes   share  relative
----  -------  --------  ------  --------
none  missing

== Layers in more than one file
None.

== Index against files
There is no file to compare.
""", path=f"{ROOT}/none")
    making.file(f"{ROOT}/routes/1.safetensors", {"a": zeros("U8", 1), "b": zeros("U8", 1)})
    making.file(f"{ROOT}/routes/2.safetensors", {"c": zeros("U8", 1), "new": zeros("U8", 1)})
    making.index(f"{ROOT}/routes/model.safetensors.index.json",
                 {"a": "2.safetensors", "b": "1.safetensors", "c": "2.safetensors",
                  **{f"gone{n}": "1.safetensors" for n in range(5)}})
    shows("shards", """
== Balance
files  tensors  bytes  smallest  largest  largest/mean
-----  -------  -----  --------  -------  ------------
2      4        4 B    2 B       2 B      1.00

== Files
file  tensors     bytes   share  relative
----  -------  --------  ------  ----------
1     2             2 B   50.0%  ##########
2     2             2 B   50.0%  ##########

== Layers in more than one file
None.

== Index against files
code              finding
----------------  -----------------------------------------------------
misplaced-tensor  tensor a: expected in shard 2.safetensors by the
                  index, found in 1.safetensors

missing-tensor    tensor gone0: expected in shard 1.safetensors by the
                  index, found in none

missing-tensor    tensor gone1: expected in shard 1.safetensors by the
                  index, found in none

missing-tensor    tensor gone2: expected in shard 1.safetensors by the
                  index, found in none

unindexed-tensor  tensor new: expected the tensor in the index, found
                  none of that name
and 2 more of missing-tensor: check.sql lists them all
""", path=f"{ROOT}/routes")


def test_inventory():
    folder, history = f"{ROOT}/inventory", f"{ROOT}/history.db"
    old = 1e9  # 2001-09-09

    def file(name, tensors, metadata=None):
        os.utime(making.file(f"{folder}/{name}.safetensors", tensors, metadata), (old, old))

    def take(expected):
        code, out, error = shell.script("inventory", history, path=folder)
        tally.equal((code, error), (0, ""), "sql/inventory.sql runs")
        lines = [line.rstrip() for line in out.replace(ROOT, "ROOT").splitlines()]
        times = [line.split("  ")[0] for line in lines if line.startswith("20")]
        tally.equal([len(time) for time in times], [23], "one time")
        text = "\n".join(lines).replace(times[0], "TIME" + " " * 19).strip()
        for past in before:
            text = text.replace(past, "BEFORE")
        before.append(times[0])
        tally.equal(text, expected.strip(), "sql/inventory.sql")

    before = []
    file("a", {"x": zeros("F32", 2)})
    file("b", {"x": zeros("F16", 4), "y": zeros("U8", 1)}, {"epoch": "1"})
    file("c", {"x": zeros("U8", 1)})
    with open(f"{folder}/bad.safetensors", "wb") as out:
        out.write(b"1234567")
    # a: 8 + 56 + 8 = 72, b: 8 + 136 + 9 = 153, c: 8 + 56 + 1 = 65: with 7 they are 297.
    take("""
== Taken
time_utc                 files  ok  parameters  bytes
-----------------------  -----  --  ----------  -----
TIME                     4      3   8           297 B

== Largest files
file  tensors     bytes  dtypes
----  -------  --------  ------
b     2           153 B  F16,U8
a     1            72 B  F32
c     1            65 B  U8
bad   invalid       7 B

== Changes since the last time
This path was not taken before.
""")
    take("""
== Taken
time_utc                 files  ok  parameters  bytes
-----------------------  -----  --  ----------  -----
TIME                     4      3   8           297 B

== Largest files
file  tensors     bytes  dtypes
----  -------  --------  ------
b     2           153 B  F16,U8
a     1            72 B  F32
c     1            65 B  U8
bad   invalid       7 B

== Changes since the last time
None since BEFORE.
""")
    file("b", {"x": zeros("F16", 4), "y": zeros("U8", 1)}, {"epoch": "2"})
    file("bad", {"z": zeros("U8", 1)})
    os.utime(f"{folder}/a.safetensors", (old + 1, old + 1))
    os.rename(f"{folder}/c.safetensors", f"{folder}/d.safetensors")
    take("""
== Taken
time_utc                 files  ok  parameters  bytes
-----------------------  -----  --  ----------  -----
TIME                     4      4   9           355 B

== Largest files
file  tensors     bytes  dtypes
----  -------  --------  ------
b     2           153 B  F16,U8
a     1            72 B  F32
bad   1            65 B  U8
d     1            65 B  U8

== Changes since the last time
change   file  what
-------  ----  -----------------------------------
added    d
changed  a     modified
changed  b     metadata
changed  bad   status size names metadata modified
removed  c
""")
    # The table is an ordinary one: no extension is there to read it.
    import sqlite3
    rows = sqlite3.connect(history).execute(
        "SELECT status, size, tensors, parameters, dtypes, metadata, modified, error FROM inventory "
        "WHERE file LIKE '%/b.safetensors' ORDER BY taken").fetchall()
    tally.equal(rows, [("ok", 153, 2, 5, "F16,U8", f'{{"epoch":"{n}"}}', "2001-09-09 01:46:40", None) for n in "112"],
                "the history of a file")
    names = sqlite3.connect(history).execute("SELECT count(DISTINCT names), max(length(names)) FROM inventory").fetchone()
    tally.equal(names, (4, 64), "fingerprints of names: a, b, c and d, the second bad")
    shutil.rmtree(folder)
    os.mkdir(folder)
    code, out, error = shell.script("inventory", history, path=folder)
    tally.check("expected *.safetensors files in the folder" in out and out.count("\nremoved") == 4 and not error,
                "an empty folder", out, error)


def lora(module, rank, down, up, dtype="F16", inputs=4, outputs=6):
    return {f"{module}.{down}": zeros(dtype, rank, inputs), f"{module}.{up}": zeros(dtype, outputs, rank)}


def test_lora():
    peft = f"{ROOT}/peft"
    tensors = {}
    for layer in range(2):
        for projection in ("q_proj", "v_proj"):
            tensors |= lora(f"base_model.model.model.layers.{layer}.self_attn.{projection}", 8,
                            "lora_A.weight", "lora_B.weight")
    tensors["base_model.model.lm_head.lora_A.weight"] = zeros("F16", 4, 4)
    making.file(f"{peft}/adapter_model.safetensors", tensors, {"format": "pt"})
    with open(f"{peft}/adapter_config.json", "w", encoding="utf-8") as file:
        json.dump({"peft_type": "LORA", "r": 8, "lora_alpha": 16, "alpha_pattern": {"lm_head": 2}, "bias": "none",
                   "target_modules": ["q_proj", "v_proj"], "use_dora": False, "rank_pattern": {}}, file)
    # 4 modules of 8 * 4 + 6 * 8 = 80, and 16.
    shows("lora", """
== Adapters
file           kind         modules  parameters  dtypes
-------------  -----------  -------  ----------  ------
adapter_model  LoRA (PEFT)  5        336         F16

== Rank and alpha
file           rank  alpha  scale  alpha_from           modules
-------------  ----  -----  -----  -------------------  -------
adapter_model  8     16.0   2.0    adapter_config.json  4
adapter_model  4     2.0    0.5    adapter_config.json  1

== Target modules
component  target            modules  ranks
---------  ----------------  -------  -----
           lm_head           1        4
           self_attn.q_proj  2        8
           self_attn.v_proj  2        8

== Modules that lack a part
module                    lacks
------------------------  -----
base_model.model.lm_head  up

== Configuration of PEFT
key             value
--------------  -------------------
alpha_pattern   {"lm_head":2}
bias            none
lora_alpha      16
peft_type       LORA
r               8
target_modules  ["q_proj","v_proj"]

== Notes of the trainer (ss_*)
None.

== Model specification (modelspec.*)
None.
""", path=peft)
    kohya = f"{ROOT}/kohya"
    tensors = {}
    for module in ("lora_te1_text_model_encoder_layers_0_mlp_fc1",
                   "lora_unet_down_blocks_1_attentions_0_transformer_blocks_2_attn1_to_q",
                   "lora_unet_down_blocks_1_attentions_1_transformer_blocks_0_attn1_to_q"):
        tensors |= lora(module, 4, "lora_down.weight", "lora_up.weight")
        tensors[f"{module}.alpha"] = "F32", [], struct.pack("<f", 2)
    making.file(f"{kohya}/style.safetensors", tensors,
                {"ss_network_dim": "4", "ss_network_alpha": "1", "ss_tag_frequency": "x" * 50, "modelspec.title": "Style",
                 "modelspec.architecture": "stable-diffusion-xl-v1-base/lora", "format": "pt"})
    # Without alpha tensors the metadata say it; without those, nothing does.
    making.file(f"{kohya}/style-2.safetensors", lora("lora_unet_mid_block_resnets_0_conv1", 2, "lora_down.weight",
                                                     "lora_up.weight"), {"ss_network_alpha": "1"})
    making.file(f"{kohya}/style-10.safetensors", lora("unet.mid_block.resnets.0.conv1", 2, "lora.down.weight",
                                                      "lora.up.weight"))
    making.file(f"{kohya}/text.safetensors", {"embedding": zeros("F32", 2, 4)})
    # 3 modules of 4 * 4 + 6 * 4 = 40 and 1; one of 2 * 4 + 6 * 2 = 20.
    shows("lora", """
== Adapters
file      kind              modules  parameters  dtypes
--------  ----------------  -------  ----------  -------
style-2   LoRA (kohya)      1        20          F16
style-10  LoRA (diffusers)  1        20          F16
style     LoRA (kohya)      3        123         F16,F32
text      no adapter        0        8           F32

== Rank and alpha
file      rank  alpha  scale  alpha_from         modules
--------  ----  -----  -----  -----------------  -------
style-2   2     1.0    0.5    ss_network_alpha   1
style-10  2     2.0    1.0    nowhere: the rank  1
style     4     2.0    0.5    tensor .alpha      3

== Target modules
component  target      modules  ranks
---------  ----------  -------  -----
te1        mlp_fc1     1        4
unet       attn1_to_q  2        4
unet       conv1       2        2

== Modules that lack a part
None: every down has its up.

== Configuration of PEFT
None: no adapter_config.json beside the file, no lora_adapter_metadata in it.

== Notes of the trainer (ss_*)
key               value
----------------  --------------------------------------------
ss_network_alpha  1
ss_network_dim    4
ss_tag_frequency  xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...

== Model specification (modelspec.*)
key                     value
----------------------  --------------------------------
modelspec.architecture  stable-diffusion-xl-v1-base/lora
modelspec.title         Style
""", path=f"{kohya}/*.safetensors")
    # DoRA by PEFT within diffusers: alpha is in the file's metadata; LoHa and LoKr of LyCORIS.
    other = f"{ROOT}/other"
    tensors = lora("transformer.blocks.0.to_k", 4, "lora_A.weight", "lora_B.weight")
    tensors["transformer.blocks.0.to_k.lora_magnitude_vector"] = zeros("F32", 6)
    making.file(f"{other}/dora.safetensors", tensors,
                {"lora_adapter_metadata": json.dumps({"transformer.r": 4, "transformer.lora_alpha": 6,
                                                      "transformer.use_rslora": False})})
    making.file(f"{other}/loha.safetensors",
                {"lycoris_w.hada_w1_a": zeros("F32", 6, 3), "lycoris_w.hada_w1_b": zeros("F32", 3, 4),
                 "lycoris_w.hada_w2_a": zeros("F32", 6, 3), "lycoris_w.hada_w2_b": zeros("F32", 3, 4),
                 "lycoris_w.alpha": ("F32", [1], struct.pack("<f", 1.5))})
    making.file(f"{other}/lokr.safetensors",
                {"lycoris_v.lokr_w1": zeros("F32", 2, 2), "lycoris_v.lokr_w2": zeros("F32", 3, 2),
                 "lycoris_v.alpha": ("F32", [], struct.pack("<f", 1))})
    shows("lora", """
== Adapters
file  kind            modules  parameters  dtypes
----  --------------  -------  ----------  -------
dora  DoRA (PEFT)     1        46          F16,F32
loha  LoHa (LyCORIS)  1        61          F32
lokr  LoKr (LyCORIS)  1        11          F32

== Rank and alpha
file  rank   alpha  scale  alpha_from             modules
----  -----  -----  -----  ---------------------  -------
dora  4      6.0    1.5    lora_adapter_metadata  1
loha  3      1.5    0.5    tensor .alpha          1
lokr  whole  1.0    -      tensor .alpha          1

== Target modules
component    target     modules  ranks
-----------  ---------  -------  -----
             lycoris_v  1
             lycoris_w  1        3
transformer  to_k       1        4

== Modules that lack a part
None: every down has its up.

== Configuration of PEFT
key                     value
----------------------  -----
transformer.lora_alpha  6
transformer.r           4

== Notes of the trainer (ss_*)
None.

== Model specification (modelspec.*)
None.
""", path=other)


def test_quantized():
    layer = "model.layers.{}.self_attn.{}_proj."
    q, k = layer.format(0, "q"), layer.format(0, "k")
    # GPTQ packs 8 values of 4 bits along the input, AWQ along the output.
    making.file(f"{ROOT}/gptq.safetensors", {
        q + "qweight": zeros("I32", 4, 16), q + "qzeros": zeros("I32", 1, 2), q + "scales": zeros("F16", 1, 16),
        q + "g_idx": zeros("I32", 32),
        k + "qweight": zeros("I32", 4, 16), k + "qzeros": zeros("I32", 1, 2), k + "scales": zeros("F16", 1, 16),
        layer.format(1, "q") + "qweight": zeros("I32", 4, 16), layer.format(1, "k") + "scales": zeros("F16", 1, 16),
        "model.norm.weight": zeros("F16", 16)})
    shows("quantized", """
== Quantized weights
format       dtype  weights  without_scale     bytes
-----------  -----  -------  -------------  --------
GPTQ         I32    2        0                 512 B
GPTQ or AWQ  I32    1        1                 256 B

== Packed weights without scales
format       weights  name
-----------  -------  ---------------------------------------
GPTQ or AWQ  1        model.layers.1.self_attn.q_proj.qweight

== Scales without packed weights
format                scales  name
--------------------  ------  --------------------------------------
GPTQ or AWQ or other  1       model.layers.1.self_attn.k_proj.scales
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

    add("awq", [(".qweight", zeros("I32", 32, 2))], [(".scales", zeros("F16", 1, 16))],
        [(".qzeros", zeros("I32", 1, 2))])
    add("nf4", [(".weight", zeros("U8", 64, 1))],
        [(".weight.absmax", zeros("U8", 2)), (".weight.quant_map", zeros("F32", 16)),
         (".weight.nested_absmax", zeros("F32", 1)), (".weight.nested_quant_map", zeros("F32", 256)),
         (".weight.quant_state.bitsandbytes__nf4", zeros("U8", 90))])
    add("int8", [(".weight", zeros("I8", 8, 8))], [(".SCB", zeros("F32", 8))], [(".weight_format", zeros("U8"))])
    add("block", [(".weight", zeros("F8_E4M3", 8, 8))], [(".weight_scale_inv", zeros("F32", 1, 1))])
    add("comfy", [(".weight", zeros("F8_E4M3", 8, 8))], [(".scale_weight", zeros("F32"))])
    add("mxfp4", [("_blocks", zeros("U8", 2, 4, 1, 16))], [("_scales", zeros("U8", 2, 4, 1))],
        [("_bias", zeros("BF16", 2, 4))])
    add("mlx", [(".weight", zeros("U32", 8, 4))], [(".scales", zeros("F16", 8, 1)), (".biases", zeros("F16", 8, 1))])
    add("packed", [(".weight_packed", zeros("I32", 8, 1))], [(".weight_scale", zeros("BF16", 8, 1))],
        [(".weight_shape", zeros("I32", 2))])
    # What looks alike and is nothing of the kind.
    content |= {"norm.weight": zeros("F16", 8), "norm.scale": zeros("F16", 8), "attn.k_scale": zeros("F32"),
                "attn.input_scale": zeros("F32"), "mask": zeros("U8", 8, 8), "token.weight": zeros("U8", 8, 8),
                "w_scales": zeros("F16", 8), "norm.f8.weight": zeros("F8_E4M3", 8)}
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

== Packed weights without scales
format              weights  name
------------------  -------  --------------------------------
FP8                 1        block.layers.1.up.weight
FP8                 1        comfy.layers.1.up.weight
GPTQ or AWQ         1        awq.layers.1.up.qweight
MLX                 1        mlx.layers.1.up.weight
MXFP4               1        mxfp4.layers.1.up_blocks
bitsandbytes 4-bit  1        nf4.layers.1.up.weight
bitsandbytes 8-bit  1        int8.layers.1.up.weight
packed integers     1        packed.layers.1.up.weight_packed

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
    making.file(f"{ROOT}/cast.safetensors", {f"blocks.{n}.mlp.weight": zeros("F8_E4M3", 2, 2) for n in range(12)})
    shows("quantized", """
== Quantized weights
format  dtype    weights  without_scale     bytes
------  -------  -------  -------------  --------
FP8     F8_E4M3  12       12                 48 B

== Packed weights without scales
format  weights  name
------  -------  -------------------
FP8     12       blocks.#.mlp.weight
No FP8 weight has a scale: these were cast, it seems, which needs none.

== Scales without packed weights
None: there are no scales.
""", path=f"{ROOT}/cast.safetensors")
    making.file(f"{ROOT}/plain.safetensors", {"w": zeros("F32", 2, 2)})
    shows("quantized", """
== Quantized weights
None.

== Packed weights without scales
None: there are no packed weights.

== Scales without packed weights
None: there are no scales.
""", path=f"{ROOT}/plain.safetensors")


def test_lora_with_broken_configuration():
    folder = f"{ROOT}/broken"
    making.file(f"{folder}/adapter_model.safetensors", lora("a", 2, "lora_A.weight", "lora_B.weight"))
    with open(f"{folder}/adapter_config.json", "w", encoding="utf-8") as file:
        file.write('{"lora_alpha": 16,')
    code, out, error = shell.script("lora", path=folder)
    tally.equal((code, error), (0, ""), "sql/lora.sql runs")
    tally.check("adapter_model  2     2.0    1.0    adapter_config.json is not JSON  1" in out, "alpha is unknown, and why", out)
    tally.check("\n== Configuration of PEFT\nNone: adapter_config.json is not JSON.\n" in out, "a broken configuration", out)


try:
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            test()
finally:
    shutil.rmtree(ROOT)
tally.finish()
