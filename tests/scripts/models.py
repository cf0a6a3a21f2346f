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
    code, out, error = shell.script("tensors", path=directory)
    tally.check(code == 1 and error.endswith("not all models can be read (19)\n"), "sql/tensors.sql of a bad file among good ones", code, error)
    # 600 + 1 + 3 elements; in natural order of the files; the shape "[1,1,...]" has 41 characters
    tally.equal([line.rstrip() for line in out.replace(ROOT, "ROOT").splitlines()], [
        "3 tensors of 604 elements, 2.41 kB, in 3 models in 1 folder; 1 cannot be read.",
        "error: ROOT/tensors/x.safetensors: expected at least 8 bytes, found 7: too small for a header", "", "== ...2.safetensors",
        "dtype           bytes  shape                     name", "F32           2.40 kB  [300,2]                   " + "b" * 90,
        "U8                1 B  [1,1,1,1,1,1,1,1,1,1,...  a", "", "== ...10.safetensors",
        "dtype           bytes  shape                     name", "BF16              6 B  [3]                       layers.1.w"], "sql/tensors.sql")
    shows("tensors", """
1 tensor of 3 elements, 6 B.

dtype           bytes  shape                     name
BF16              6 B  [3]                       layers.1.w
""", path=f"{directory}/10.safetensors", names="layers.?.*")
    for path, names, why in ((f"{directory}/10.safetensors", "[a-k]*", "no tensor's name matches :names"),
                             (making.file(f"{directory}/none.safetensors", {}), "*", "there are no tensors")):
        code, out, error = shell.script("tensors", path=path, names=names)
        tally.check(code == 1 and out == "" and why in error and error.count("\n") == 1, "no tensor to list", code, out, error)


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
LoRA (PEFT) of 5 modules, ranks from 4 to 8, scales from 0.5 to 2, for a
  language model of hidden size 4 by its shapes.

== Notes
1 module: lora_B is missing; lora_A: expected rank 8 as it is configured,
  found 4, which is taken

== Adapters
base   kind         rank  modules  parameters  size      dtype  file
-----  -----------  ----  -------  ----------  --------  -----  -------------------------
LLM 4  LoRA (PEFT)  4..8        5         336   1.77 kB  F16    adapter_model.safetensors

== Rank and alpha
rank   alpha   scale    modules  alpha from           file
-----  ------  -------  -------  -------------------  -------------------------
    8      16      2.0        4  adapter_config.json  adapter_model.safetensors
    4       2      0.5        1  adapter_config.json  adapter_model.safetensors

== Target modules
modules  ranks  layers  component  target
-------  -----  ------  ---------  ----------------
      1  4      -       -          lm_head
      2  8      0..1    -          self_attn.q_proj
      2  8      0..1    -          self_attn.v_proj

== Configuration of PEFT
alpha_pattern               {"lm_head":2}
bias                        none
lora_alpha                  16
peft_type                   LORA
r                           8
target_modules              ["q_proj","v_proj"]

== Notes of the trainer
format                      pt
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
3 adapters: 2 LoRA (kohya), 1 LoRA (diffusers).
1 other file is no adapter: text.safetensors (unknown).

== Notes
style-2.safetensors
  1 module: alpha is missing: ss_network_alpha of the metadata, 1.0, is taken
style-10.safetensors
  1 module: alpha is missing: the rank is taken, which makes the scale 1

== Adapters
base     kind              rank  modules  parameters  size      dtype  file
-------  ----------------  ----  -------  ----------  --------  -----  --------------------
SDXL     LoRA (kohya)         4        3         120   1.66 kB  F16    style.safetensors
SD UNet  LoRA (kohya)         2        1          20     304 B  F16    style-2.safetensors
SD UNet  LoRA (diffusers)     2        1          20     256 B  F16    style-10.safetensors

== Rank and alpha
rank   alpha   scale    modules  alpha from         file
-----  ------  -------  -------  -----------------  --------------------
    4       2      0.5        3  tensor .alpha      style.safetensors
    2       1      0.5        1  ss_network_alpha   style-2.safetensors
    2       -      1.0        1  nowhere: the rank  style-10.safetensors

== Target modules
modules  ranks  layers  component  target
-------  -----  ------  ---------  -----------------------------
      1  2      0       unet       style-2.safetensors: conv1
      1  2      0       unet       style-10.safetensors: conv1
      1  4      0       te1        style.safetensors: mlp_fc1
      2  4      1       unet       style.safetensors: attn1_to_q

What trainers noted beside this is in the table adapter_metadata.
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
3 adapters: 1 DoRA (diffusers), 1 LoHa (LyCORIS), 1 LoKr (LyCORIS).

== Notes
dora.safetensors
  1 module: the base is needed: safetensors_adapter(path, base)

== Adapters
base  kind              rank  modules  parameters  size      dtype    file
----  ----------------  ----  -------  ----------  --------  -------  ----------------
-     LoHa (LyCORIS)       3        1          60     628 B  F32      loha.safetensors
-     DoRA (diffusers)     4        1          46     536 B  F16,F32  dora.safetensors
-     LoKr (LyCORIS)       -        1          10     268 B  F32      lokr.safetensors

== Rank and alpha
rank   alpha   scale    modules  alpha from             file
-----  ------  -------  -------  ---------------------  ----------------
    3     1.5      0.5        1  tensor .alpha          loha.safetensors
    4       6      1.5        1  lora_adapter_metadata  dora.safetensors
    -       1      1.0        1  tensor .alpha          lokr.safetensors

== Target modules
modules  ranks  layers  component    target
-------  -----  ------  -----------  ---------------------------
      1  4      0       transformer  dora.safetensors: to_k
      1  3      -       -            loha.safetensors: lycoris_w
      1  -      -       -            lokr.safetensors: lycoris_v

What trainers noted beside this is in the table adapter_metadata.
""", path=other)


def test_lora_with_broken_configuration():
    directory = f"{ROOT}/broken"
    making.file(f"{directory}/adapter_model.safetensors", lora("a", 2, "lora_A.weight", "lora_B.weight"))
    with open(f"{directory}/adapter_config.json", "w", encoding="utf-8") as file:
        file.write('{"lora_alpha": 16,')
    code, out, error = shell.script("lora", path=directory)
    tally.equal((code, error), (0, ""), "sql/lora.sql runs")
    tally.check("\n== Notes\n1 module: expected JSON, found " in out, "alpha is not in it, and why", out)
    tally.check("== Configuration of PEFT" not in out, "a broken configuration says nothing", out)


tally.run(globals(), ROOT)
