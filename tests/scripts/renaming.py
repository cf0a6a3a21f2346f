"""sql/rename.sql: maps of names as data, on models made here. What names become was worked out by hand, and for the maps
that come with it by walking through the models as both sides build them.

Covers little: of all lines, others reach nearly as many.
"""

import json
import os
import tempfile

import making
import shell
from tally import Tally

tally = Tally()
ROOT = tempfile.mkdtemp(prefix="renaming.")
OUT = f"{ROOT}/out.safetensors"


def model(names, path=f"{ROOT}/model.safetensors", metadata=None):
    return making.file(path, {name: bytes([i % 251, i // 251]) for i, name in enumerate(names)}, metadata)


def write(name, content):
    path = f"{ROOT}/{name}"
    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write(content if isinstance(content, str) else json.dumps(content))
    return path


def renamed(names, map, **more):
    """What the names become, in the order of the file; the values must go with them."""
    if os.path.exists(OUT):
        os.remove(OUT)
    code, out, error = shell.script("rename", path=model(names), out=OUT, map=map, format="json", **more)
    tally.equal((code, error), (0, ""), f"renames by {map}")
    rows = json.loads(out)["name_changes"]
    tensors = making.tensors_of(OUT) if os.path.exists(OUT) else {}
    wanted = {row["new_name"]: bytes([names.index(row["name"]) % 251, names.index(row["name"]) // 251]) for row in rows if row["new_name"]}
    tally.equal({name: value[2] for name, value in tensors.items()}, wanted, f"values by {map}")
    return {row["name"]: row["new_name"] for row in rows}


def fails(words, **parameters):
    before = making.tensors_of(OUT) if os.path.exists(OUT) else None
    code, out, error = shell.script("rename", **{"out": OUT, **parameters})
    tally.check(code == 1 and words in error and error.count("\n") == 1, f"fails with {words}", code, out, error)
    tally.equal(making.tensors_of(OUT) if os.path.exists(OUT) else None, before, f"what is written after {words}")
    return out


NAMES = ["layers.0.attn.wq.weight", "layers.10.attn.wq.weight", "layers.x.attn.wq.weight", "layers.0.mlp.w1.bias", "norm.weight", "a.b.c.weight.weight"]


def test_forms():
    """CSV with a header or without, quotes and line ends of Windows; JSON as an object, arrays, objects."""
    expected = {NAMES[0]: "blocks.0.q.weight", NAMES[1]: "blocks.10.q.weight", NAMES[2]: NAMES[2], NAMES[3]: "blocks.0.ff.bias", NAMES[4]: "final.weight", NAMES[5]: NAMES[5]}
    pairs = [["layers.#.attn.wq.*", "blocks.#.q.*"], ["layers.#.mlp.w1.bias", "blocks.#.ff.bias"], ["norm.weight", "final.weight"]]
    lines = [",".join(pair) for pair in pairs]
    for name, content in (("a.csv", "from,to\n" + "\n".join(lines) + "\n"), ("b.csv", "\r\n".join(lines)), ("c.csv", "\ufeff" + "\n\n".join(f'"{a}","{b}"' for a, b in pairs)),
                          ("d.csv", "from,to,pass\n" + "".join(line + ",2\n" for line in lines)), ("a.json", dict(pairs)), ("b.json", pairs),
                          ("c.json", [{"from": a, "to": b} for a, b in pairs])):
        tally.equal(renamed(NAMES, write(name, content)), expected, f"a map as {name}")


def test_wildcards():
    """* is any text, # a whole number; the first rule that matches all of a name counts."""
    tally.equal(renamed(NAMES, write("w.json", {"*.weight": "w.*"})), {**{name: name for name in NAMES}, NAMES[0]: "w.layers.0.attn.wq", NAMES[1]: "w.layers.10.attn.wq",
                NAMES[2]: "w.layers.x.attn.wq", NAMES[4]: "w.norm", NAMES[5]: "w.a.b.c.weight"}, "the end of a name")
    tally.equal(renamed(["x.1.y.2.z", "x.1.y.z"], write("w.json", {"x.#.*.#.z": "#/#/*"})), {"x.1.y.2.z": "1/2/y", "x.1.y.z": "x.1.y.z"}, "wildcards in another order")
    tally.equal(renamed(["[a]?.1", "b"], write("w.json", {"[a]?.#": "c.#"})), {"[a]?.1": "c.1", "b": "b"}, "what is a pattern elsewhere")
    tally.equal(renamed(["a.b", "a.c"], write("w.json", [["a.b", "x"], ["a.*", "y.*"]])), {"a.b": "x", "a.c": "y.c"}, "the first rule")
    tally.equal(renamed(["a.b", "b.a"], write("w.json", [["a.*", "b.*"], ["b.*", "c.*"]])), {"a.b": "b.b", "b.a": "c.a"}, "one rule a pass")
    tally.equal(renamed(["a.b", "z"], write("w.json", [["a.*", "b.*"], ["b.*", "c.*", 2]])), {"a.b": "c.b", "z": "z"}, "passes")
    tally.equal(renamed(["a", "b"], write("w.json", {"a": "b", "b": "a"})), {"a": "b", "b": "a"}, "names that change places")
    tally.equal(renamed(["c.b", "z"], write("w.json", [["a.*", "b.*"], ["b.*", "c.*", 2]]), reverse="1"), {"c.b": "a.b", "z": "z"}, "passes in reverse")


def test_failures():
    """Nothing is written when names collide or nothing matches, or the map is none."""
    path = model(["a.1", "b.1", "c"], metadata={"k": "v"})
    out = fails("two tensors would have one name", path=path, map=write("f.json", {"a.#": "b.#", "b.#": "b.#"}))
    tally.equal(out.splitlines(), ["error: 2 tensors would have the name of another.", "", "== Names that several tensors would have", "b.1", "  from a.1", "  from b.1", "",
                "== No rule matches", "tensors  first_name", "-------  ----------", "      1  c         "], "what collides")
    fails("two tensors would have one name", path=path, map=write("f.json", {"a.1": "c"}))  # with one that stays
    fails("no rule of :map matches a name", path=path, map=write("f.json", {"z": "y"}))
    fails("no rule of :map matches some names", path=path, map=write("f.json", {"a.1": "x"}), unmatched="refuse")
    for content in ({"a*": "b"}, {"a#": "b*"}, {"a": ""}, [["a"]], {"a*#": "b*#"}):
        fails(":map has a rule from ", path=path, map=write("f.json", content))
    fails(":map is a CSV or JSON file", path=path, map=f"{ROOT}/none.csv")
    fails(":map is a CSV or JSON file", path=path, map=write("f.json", "{not json"))
    fails(":map has a rule", path=path, map=write("f.csv", "from,to\n"))
    making.file(f"{ROOT}/two/a/x.safetensors", {"a.1": b"1"})
    making.file(f"{ROOT}/two/b/x.safetensors", {"a.1": b"1"})
    fails(":path is one model, found 2: ", path=f"{ROOT}/two", map=write("f.json", {"a.1": "x"}))


def test_unmatched():
    names = ["a.1", "a.2", "c.1", "c.2", "d"]
    path, map = model(names, metadata={"k": "v"}), write("u.json", {"a.#": "b.#"})
    code, out, error = shell.script("rename", path=path, out=OUT, map=map)
    tally.equal((code, error), (0, ""), "keeps what no rule matches")
    tally.check(out.startswith("2 of 5 names change; no rule matches 3, which stay.\n") and "      2  c.1" in out and f"Written to {OUT}." in out, "says so", out)
    tally.equal(list(making.tensors_of(OUT)), ["b.1", "b.2", "c.1", "c.2", "d"], "and writes it")
    with open(OUT, "rb") as file:
        tally.check(b'"__metadata__":{"k":"v"}' in file.read(), "metadata stay")
    tally.equal(renamed(names, map, unmatched="drop"), {"a.1": "b.1", "a.2": "b.2", "c.1": None, "c.2": None, "d": None}, "drops them")
    index = making.model(f"{ROOT}/sharded", {"m-1.safetensors": {"a.1": b"1"}, "m-2.safetensors": {"a.2": b"2"}})
    os.mkdir(f"{ROOT}/out")
    code, _, error = shell.script("rename", path=index, out=f"{ROOT}/out/m.safetensors.index.json", map=map, limit="1")
    tally.equal((code, error), (0, ""), "a sharded model")
    with open(f"{ROOT}/out/m.safetensors.index.json", encoding="utf-8") as file:
        tally.equal(sorted(json.load(file)["weight_map"]), ["b.1", "b.2"], "its index")


RESNET = [("in_layers.0", "norm1"), ("in_layers.2", "conv1"), ("emb_layers.1", "time_emb_proj"), ("out_layers.0", "norm2"), ("out_layers.3", "conv2")]


def unet(attention, class_embedding):
    """Names of a UNet as OpenAI's module builds it, and as diffusers does, for levels with attention or without."""
    pairs = {}

    def add(a, b):
        for part in ("weight", "bias"):
            pairs[f"model.diffusion_model.{a}.{part}"] = f"{b}.{part}"

    def resnet(a, b, shortcut):
        for x, y in RESNET + [("skip_connection", "conv_shortcut")] * shortcut:
            add(f"{a}.{x}", f"{b}.{y}")

    def transformer(a, b):
        for inner in ("norm", "proj_in", "transformer_blocks.0.attn1.to_q", "transformer_blocks.0.attn2.to_out.0", "transformer_blocks.0.ff.net.0.proj", "proj_out"):
            add(f"{a}.{inner}", f"{b}.{inner}")

    add("input_blocks.0.0", "conv_in")
    number = 1
    for level, has in enumerate(attention):
        for i in range(2):
            resnet(f"input_blocks.{number}.0", f"down_blocks.{level}.resnets.{i}", level > 0 and i == 0)
            if has:
                transformer(f"input_blocks.{number}.1", f"down_blocks.{level}.attentions.{i}")
            number += 1
        if level < len(attention) - 1:
            add(f"input_blocks.{number}.0.op", f"down_blocks.{level}.downsamplers.0.conv")
            number += 1
    resnet("middle_block.0", "mid_block.resnets.0", False)
    transformer("middle_block.1", "mid_block.attentions.0")
    resnet("middle_block.2", "mid_block.resnets.1", False)
    number = 0
    for level, has in enumerate(reversed(attention)):
        for i in range(3):
            resnet(f"output_blocks.{number}.0", f"up_blocks.{level}.resnets.{i}", True)
            if has:
                transformer(f"output_blocks.{number}.1", f"up_blocks.{level}.attentions.{i}")
            if i == 2 and level < len(attention) - 1:
                add(f"output_blocks.{number}.{2 if has else 1}.conv", f"up_blocks.{level}.upsamplers.0.conv")
            number += 1
    for a, b in [("time_embed.0", "time_embedding.linear_1"), ("time_embed.2", "time_embedding.linear_2"), ("out.0", "conv_norm_out"), ("out.2", "conv_out")] + [
            ("label_emb.0.0", "add_embedding.linear_1"), ("label_emb.0.2", "add_embedding.linear_2")] * class_embedding:
        add(a, b)
    return pairs


def both_ways(map, pairs):
    tally.equal(renamed(list(pairs), map, unmatched="refuse"), pairs, f"the map {map}")
    tally.equal(renamed(list(pairs.values()), map, unmatched="refuse", reverse="1"), {b: a for a, b in pairs.items()}, f"the map {map}, reversed")


def test_maps():
    """The maps that come with it, both ways, for all names of the models."""
    both_ways("sd-unet", unet([True, True, True, False], False))
    both_ways("sdxl-unet", unet([False, True, True], True))
    wan = {"patch_embedding.weight": "patch_embedding.weight", "head.head.weight": "proj_out.weight", "head.modulation": "scale_shift_table",
           "time_projection.1.bias": "condition_embedder.time_proj.bias", "text_embedding.2.weight": "condition_embedder.text_embedder.linear_2.weight",
           "img_emb.proj.1.weight": "condition_embedder.image_embedder.ff.net.0.proj.weight"}
    for a, b in (("self_attn.q.weight", "attn1.to_q.weight"), ("self_attn.o.bias", "attn1.to_out.0.bias"), ("cross_attn.norm_k.weight", "attn2.norm_k.weight"),
                 ("cross_attn.k_img.weight", "attn2.add_k_proj.weight"), ("cross_attn.norm_k_img.weight", "attn2.norm_added_k.weight"), ("ffn.0.weight", "ffn.net.0.proj.weight"),
                 ("ffn.2.bias", "ffn.net.2.bias"), ("norm3.weight", "norm2.weight"), ("modulation", "scale_shift_table")):
        wan.update({f"blocks.{i}.{a}": f"blocks.{i}.{b}" for i in (0, 11)})
    both_ways("wan", wan)
    whisper = {"encoder.conv1.weight": "model.encoder.conv1.weight", "encoder.positional_embedding": "model.encoder.embed_positions.weight", "encoder.ln_post.bias": "model.encoder.layer_norm.bias",
               "decoder.positional_embedding": "model.decoder.embed_positions.weight", "decoder.token_embedding.weight": "model.decoder.embed_tokens.weight", "decoder.ln.weight": "model.decoder.layer_norm.weight"}
    for a, b in (("attn.query.weight", "self_attn.q_proj.weight"), ("attn.out.bias", "self_attn.out_proj.bias"), ("cross_attn.value.bias", "encoder_attn.v_proj.bias"), ("mlp.0.weight", "fc1.weight"),
                 ("mlp.2.weight", "fc2.weight"), ("attn_ln.weight", "self_attn_layer_norm.weight"), ("cross_attn_ln.bias", "encoder_attn_layer_norm.bias"), ("mlp_ln.weight", "final_layer_norm.weight")):
        whisper[f"decoder.blocks.3.{a}"] = f"model.decoder.layers.3.{b}"
    both_ways("whisper", whisper)
    kohya, peft = {}, {}
    for a, b in (("lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q", "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"),
                 ("lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_out_0", "unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_out.0"),
                 ("lora_unet_up_blocks_3_attentions_2_transformer_blocks_0_ff_net_0_proj", "unet.up_blocks.3.attentions.2.transformer_blocks.0.ff.net.0.proj"),
                 ("lora_unet_up_blocks_3_attentions_2_proj_in", "unet.up_blocks.3.attentions.2.proj_in"),
                 ("lora_unet_down_blocks_0_downsamplers_0_conv", "unet.down_blocks.0.downsamplers.0.conv"),
                 ("lora_te_text_model_encoder_layers_11_self_attn_q_proj", "text_encoder.text_model.encoder.layers.11.self_attn.q_proj"),
                 ("lora_te_text_model_encoder_layers_11_mlp_fc1", "text_encoder.text_model.encoder.layers.11.mlp.fc1"),
                 ("lora_te2_text_model_encoder_layers_0_self_attn_out_proj", "text_encoder_2.text_model.encoder.layers.0.self_attn.out_proj")):
        for x, y in (("lora_down.weight", "lora_A.weight"), ("lora_up.weight", "lora_B.weight"), ("alpha", "alpha")):
            kohya[f"{a}.{x}"] = f"{b}.{y}"
            if b.startswith("unet."):
                peft[f"{a}.{x}"] = f"base_model.model.{b[5:]}.{y}"
    both_ways("kohya-diffusers", kohya)
    both_ways("kohya-peft", peft)
    both_ways("diffusers-peft", {"unet.a.lora_A.weight": "base_model.model.a.lora_A.weight"})
    both_ways("down-up", {"a.lora_down.weight": "a.lora_A.weight", "a.lora_up.weight": "a.lora_B.weight"})
    both_ways("mlx-vlm", {"language_model.model.layers.0.x.weight": "model.language_model.layers.0.x.weight", "vision_tower.x": "model.vision_tower.x", "language_model.lm_head.weight": "lm_head.weight"})
    both_ways("ltx-video", {"model.diffusion_model.patchify_proj.weight": "proj_in.weight", "model.diffusion_model.adaln_single.linear.bias": "time_embed.linear.bias",
                            "model.diffusion_model.transformer_blocks.2.attn1.q_norm.weight": "transformer_blocks.2.attn1.norm_q.weight",
                            "model.diffusion_model.transformer_blocks.2.attn1.to_q.weight": "transformer_blocks.2.attn1.to_q.weight"})


tally.run(globals(), ROOT)
