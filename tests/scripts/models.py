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


def test_tensors():
    directory = f"{ROOT}/tensors"
    making.file(f"{directory}/2.safetensors", {"b" * 90: making.zeros("F32", 300, 2), "a": making.zeros("U8", *[1] * 20)})
    making.file(f"{directory}/10.safetensors", {"layers.1.w": making.zeros("BF16", 3)})
    with open(f"{directory}/x.safetensors", "wb") as file:
        file.write(b"1234567")
    # in natural order of the files; the shape "[1,1,...]" has 41 characters
    code, out, error = shell.script("tensors", path=directory)
    tally.equal((code, error), (0, ""), "sql/tensors.sql runs")
    tally.equal([line.rstrip() for line in out.replace(ROOT, "ROOT").splitlines()], [
        "warning: 1 of 3 files cannot be read, and is left out:",
        "safetensors: ROOT/tensors/x.safetensors: expected at least 8 bytes, found 7: too small for a header", "",
        "dtype     bytes  shape                     name", "-----  --------  ------------------------  " + "-" * 90,
        "F32     2.40 kB  [300,2]                   " + "b" * 90, "U8          1 B  [1,1,1,1,1,1,1,1,1,1,...  a",
        "BF16        6 B  [3]                       layers.1.w"], "sql/tensors.sql")
    shows("tensors", """
dtype     bytes  shape  name
-----  --------  -----  ----------
BF16        6 B  [3]    layers.1.w
""", path=f"{directory}/10.safetensors", names="layers.?.*")
    code, out, error = shell.script("tensors", path=f"{directory}/10.safetensors", names="[a-k]*")
    tally.check(code == 1 and out == "None.\n" and "no tensor's name matches :names" in error, "no tensor to list", code, out, error)
    shows("tensors", "None.", path=making.file(f"{directory}/none.safetensors", {}), names="[a-k]*")


def lora(module, rank, down, up, dtype="F16", inputs=4, outputs=6):
    return {f"{module}.{down}": making.zeros(dtype, rank, inputs), f"{module}.{up}": making.zeros(dtype, outputs, rank)}


def test_lora():
    peft = f"{ROOT}/peft"
    tensors = {}
    for layer in range(2):
        for projection in ("q_proj", "v_proj"):
            tensors |= lora(f"base_model.model.model.layers.{layer}.self_attn.{projection}", 8,
                            "lora_A.weight", "lora_B.weight")
    tensors["base_model.model.lm_head.lora_A.weight"] = making.zeros("F16", 4, 4)
    making.file(f"{peft}/adapter_model.safetensors", tensors, {"format": "pt"})
    with open(f"{peft}/adapter_config.json", "w", encoding="utf-8") as file:
        json.dump({"peft_type": "LORA", "r": 8, "lora_alpha": 16, "alpha_pattern": {"lm_head": 2}, "bias": "none",
                   "target_modules": ["q_proj", "v_proj"], "use_dora": False, "rank_pattern": {}}, file)
    # 4 modules of 8 * 4 + 6 * 8 = 80, and 16.
    shows("lora", """
== Verdict
LoRA (PEFT) of 5 modules, ranks from 4 to 8, scales from 0.5 to 2.

== Adapters
file           kind         modules  parameters  dtypes
-------------  -----------  -------  ----------  ------
adapter_model  LoRA (PEFT)  5        336         F16

== Notes
1 module: lora_B is missing; lora_A: expected rank 8 as it is configured,
  found 4, which is taken

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
    making.file(f"{kohya}/text.safetensors", {"embedding": making.zeros("F32", 2, 4)})
    # 3 modules of 4 * 4 + 6 * 4 = 40; one of 2 * 4 + 6 * 2 = 20.
    shows("lora", """
== Verdict
4 files: 2 LoRA (kohya), 1 LoRA (diffusers), 1 unknown.

== Adapters
file      kind              modules  parameters  dtypes
--------  ----------------  -------  ----------  -------
style-2   LoRA (kohya)      1        20          F16
style-10  LoRA (diffusers)  1        20          F16
style     LoRA (kohya)      3        120         F16,F32
text      unknown           0        8           F32

== Notes
1 module: alpha is missing: ss_network_alpha of the metadata, 1.0, is taken
  (style-2)
1 module: alpha is missing: the rank is taken, which makes the scale 1
  (style-10)
no adapter, by the names of its tensors; known are lora, dora, adalora, loha,
  lokr, oft, boft, ia3, vera, pvera, vblora, fourierft, hra, miss, bone,
  randlora, shira, c3a, hira, deft, delora, glora, gralora, road, supertuning,
  tokens, full, diff, psoft, unilora, tinylora, waveft, frod, lily, peanut,
  adamss, osf, poly, shadow, beft, ln_tuning, prompt_tuning, prefix_tuning,
  p_tuning, multitask_prompt_tuning, cpt, cartridge, adaption_prompt, xlora,
  textual_inversion, control, ip_adapter (text)

== Rank and alpha
file      rank  alpha  scale  alpha_from         modules
--------  ----  -----  -----  -----------------  -------
style-2   2     1.0    0.5    ss_network_alpha   1
style-10  2     -      1.0    nowhere: the rank  1
style     4     2.0    0.5    tensor .alpha      3

== Target modules
component  target      modules  ranks
---------  ----------  -------  -----
te1        mlp_fc1     1        4
unet       attn1_to_q  2        4
unet       conv1       2        2

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
    tensors["transformer.blocks.0.to_k.lora_magnitude_vector"] = making.zeros("F32", 6)
    making.file(f"{other}/dora.safetensors", tensors,
                {"lora_adapter_metadata": json.dumps({"transformer.r": 4, "transformer.lora_alpha": 6,
                                                      "transformer.use_rslora": False})})
    making.file(f"{other}/loha.safetensors",
                {"lycoris_w.hada_w1_a": making.zeros("F32", 6, 3), "lycoris_w.hada_w1_b": making.zeros("F32", 3, 4),
                 "lycoris_w.hada_w2_a": making.zeros("F32", 6, 3), "lycoris_w.hada_w2_b": making.zeros("F32", 3, 4),
                 "lycoris_w.alpha": ("F32", [1], struct.pack("<f", 1.5))})
    making.file(f"{other}/lokr.safetensors",
                {"lycoris_v.lokr_w1": making.zeros("F32", 2, 2), "lycoris_v.lokr_w2": making.zeros("F32", 3, 2),
                 "lycoris_v.alpha": ("F32", [], struct.pack("<f", 1))})
    shows("lora", """
== Verdict
3 files: 1 DoRA (diffusers), 1 LoHa (LyCORIS), 1 LoKr (LyCORIS).

== Adapters
file  kind              modules  parameters  dtypes
----  ----------------  -------  ----------  -------
dora  DoRA (diffusers)  1        46          F16,F32
loha  LoHa (LyCORIS)    1        60          F32
lokr  LoKr (LyCORIS)    1        10          F32

== Notes
1 module: the base is needed: safetensors_adapter(path, base) (dora)

== Rank and alpha
file  rank  alpha  scale  alpha_from             modules
----  ----  -----  -----  ---------------------  -------
dora  4     6.0    1.5    lora_adapter_metadata  1
loha  3     1.5    0.5    tensor .alpha          1
lokr  -     1.0    1.0    tensor .alpha          1

== Target modules
component    target     modules  ranks
-----------  ---------  -------  -----
             lycoris_v  1
             lycoris_w  1        3
transformer  to_k       1        4

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


def test_lora_with_broken_configuration():
    directory = f"{ROOT}/broken"
    making.file(f"{directory}/adapter_model.safetensors", lora("a", 2, "lora_A.weight", "lora_B.weight"))
    with open(f"{directory}/adapter_config.json", "w", encoding="utf-8") as file:
        file.write('{"lora_alpha": 16,')
    code, out, error = shell.script("lora", path=directory)
    tally.equal((code, error), (0, ""), "sql/lora.sql runs")
    tally.check("\n== Notes\n1 module: expected JSON, found " in out and "\nadapter_config.json is not JSON\n" in out, "alpha is not in it, and why", out)
    tally.check("\n== Configuration of PEFT\nNone: adapter_config.json is not JSON.\n" in out, "a broken configuration", out)


tally.run(globals(), ROOT)
