"""sql/identify.sql on models of which only the header is made, by the names and shapes of tests/lib/families.py, and on
models that the tools themselves wrote, whose config.json says what they are.

Covers little: of all lines, others reach nearly as many.
"""

import json
import math
import os
import re
import struct
import tempfile

import families
import making
import shell
from tally import Tally

MODELS = os.environ.get("MODELS", "../shared/models")
tally = Tally()
ROOT = tempfile.mkdtemp(prefix="identify.")
SIZES = {"F32": 4, "F16": 2, "BF16": 2, "I64": 8}


def sparse(path, shapes, dtype="BF16", metadata=None):
    """A file with these tensors, of zeros that take no space."""
    header, at = {}, 0
    if metadata:
        header["__metadata__"] = metadata
    for name, shape in shapes.items():
        size = SIZES[dtype] * math.prod(shape)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + at)
    return path


def model(name, text, config=None, layers=2, **more):
    """A directory with a model of a text as in families.py, and perhaps its config.json."""
    path = sparse(f"{ROOT}/{name}/model.safetensors", families.tensors(text, layers), **more)
    if config is not None:
        with open(f"{ROOT}/{name}/config.json", "w", encoding="utf-8") as file:
            json.dump(config, file)
    return os.path.dirname(path)


def facts(path, status=0):
    code, out, error = shell.script("identify", path=path, format="json")
    tally.check(code == status and error.count("\n") == status, f"identifies {path}", code, error)
    return json.loads(out)


def text(path):
    code, out, error = shell.script("identify", path=path)
    tally.equal((code, error), (0, ""), f"identifies {path} for people")
    return out.replace(ROOT, "ROOT")


def under(prefix, shapes):
    return {prefix + name: shape for name, shape in shapes.items()}


def test_families():
    """Each by names and shapes alone, in one folder, with the tensors that decided."""
    for name, (_, lines) in families.FAMILIES.items():
        sparse(f"{ROOT}/families/{name}.safetensors", families.tensors(lines))
    got = facts(f"{ROOT}/families")
    architectures = {os.path.basename(row["model"])[:-len(".safetensors")]: row["architecture"] for row in got["identified"]}
    tally.equal(architectures, {name: family[0] for name, family in families.FAMILIES.items()}, "architectures")
    with_evidence = {row["model"] for row in got["identified_evidence"]}
    tally.equal(sorted(row["model"] for row in got["identified"] if row["model"] not in with_evidence), [], "models without evidence")
    for row in got["identified_evidence"]:
        name = os.path.basename(row["model"])[:-len(".safetensors")]
        tally.check(families.tensors(families.FAMILIES[name][1]).get(row["tensor"]) == json.loads(row["shape"]), f"evidence of {name}", row)
    tally.equal([row for row in got["config_findings"] if row["rule"] not in ("missing",)], [], "what does not fit")
    tally.check(len({family[0] for family in families.FAMILIES.values()}) >= 100, "a hundred families", len(architectures))


def test_adapters():
    for name, (_, lines) in families.ADAPTERS.items():
        sparse(f"{ROOT}/adapters/{name}.safetensors", families.tensors(lines))
    got = facts(f"{ROOT}/adapters")["identified"]
    tally.equal({os.path.basename(row["model"])[:-len(".safetensors")]: (row["role"], row["kind"], row["base"]) for row in got},
                {name: ("adapter", "lora", base) for name, (base, _) in families.ADAPTERS.items()}, "what adapters were made for")
    out = text(f"{ROOT}/adapters")
    tally.equal(out.splitlines()[0], f"{len(got)} models in 1 folder: {len(got)} adapters.", "a folder of adapters in words")
    tally.check("LoRA for Stable Diffusion XL" in out and "...flux-kohya.safetensors" in out, "a row each", out)
    path = sparse(f"{ROOT}/said.safetensors", families.tensors(families.ADAPTERS["sdxl-kohya"][1]), metadata={"ss_base_model_version": "sd_v1"})
    got = facts(path)["config_findings"]
    tally.equal([(row["rule"], row["level"], row["message"]) for row in got],
                [("base", "warning", "the metadata say that it was made for sd_v1, names and shapes that it is LoRA for Stable Diffusion XL")],
                "metadata that say another base")
    tally.equal(facts(path)["identified"][0]["traits"], "rank 4; by its own word for sd_v1", "and are told")
    path = sparse(f"{ROOT}/embedding.safetensors", {"<toy>": [3, 768]}, "F32")
    got = facts(path)["identified"][0]
    tally.equal((got["role"], got["base"]), ("embedding", "SD 1.x"), "a textual inversion")


def checkpoint(unet, vae=True, encoders=("cond_stage_model.transformer.", families.CLIP_TEXT.format(width=768))):
    """A single file as ComfyUI takes it."""
    tensors = under("model.diffusion_model.", families.tensors(unet))
    if vae:
        tensors.update(under("first_stage_model.", families.tensors(families.LDM_VAE.format(channels=4))))
    for prefix, lines in zip(encoders[::2], encoders[1::2]):
        tensors.update(under(prefix, families.tensors(lines)))
    return tensors


def test_checkpoints():
    """Single files with several parts: which, and whether inpainting, pruned, with an autoencoder."""
    sd1, parts = families.LDM_UNET.format(channels=4, context=768), "with an autoencoder (VAE baked in); with a text encoder"
    sdxl = families.LDM_UNET.format(channels=4, context=2048) + "label_emb.0.0.weight 1280,2816"
    both = ("conditioner.embedders.0.transformer.", families.CLIP_TEXT.format(width=768), "conditioner.embedders.1.model.", families.OPEN_CLIP_TEXT.format(width=1280))
    cases = {
        "pruned": (checkpoint(sd1), "SD 1.x", f"{parts}; pruned: without EMA weights"),
        "full": ({**checkpoint(sd1), "model_ema.diffusion_modelinput_blocks00weight": [320, 4, 3, 3]}, "SD 1.x", f"{parts}; with EMA weights, so not pruned"),
        "inpainting": (checkpoint(sd1.replace("320,4,3,3", "320,9,3,3", 1)), "SD 1.x", f"inpainting (9 input channels); {parts}; pruned: without EMA weights"),
        "no-vae": (checkpoint(sd1, vae=False), "SD 1.x", "without an autoencoder (no VAE); with a text encoder; pruned: without EMA weights"),
        "sd2": (checkpoint(families.LDM_UNET.format(channels=4, context=1024), encoders=("cond_stage_model.model.", families.OPEN_CLIP_TEXT.format(width=1024))), "SD 2", None),
        "sdxl": (checkpoint(sdxl, encoders=both), "SDXL", "with an autoencoder (VAE baked in); with 2 text encoders; pruned: without EMA weights"),
        "flux": (checkpoint(families.FLUX.format(features=64) + "guidance_in.in_layer.weight 3072,256", vae=False, encoders=(
            "vae.", families.LDM_VAE.format(channels=16), "text_encoders.t5xxl.transformer.", families.T5.format(width=4096),
            "text_encoders.clip_l.transformer.", families.CLIP_TEXT.format(width=768))), "Flux dev", None),
    }
    for name, (tensors, base, traits) in cases.items():
        got = facts(sparse(f"{ROOT}/checkpoints/{name}.safetensors", tensors, "F16"))
        row = got["identified"][0]
        tally.equal((row["what"], row["role"], row["base"], row["dtype"]), (f"checkpoint of {base}", "image model", base, "F16"), f"checkpoint {name}")
        tally.check(traits is None or row["traits"] == traits, f"what checkpoint {name} has", row["traits"])
    roles = {row["part"]: (row["role"], row["what"]) for row in got["identified_parts"]}
    tally.equal(roles, {"model.diffusion_model.": ("image model", "Flux transformer with a guidance input (dev)"),
                        "vae.": ("autoencoder", "autoencoder of Flux or Stable Diffusion 3 (16 channels)"),
                        "text_encoders.t5xxl.": ("text encoder", "T5-XXL encoder"), "text_encoders.clip_l.": ("text encoder", "CLIP-L text encoder")}, "parts")
    out = text(f"{ROOT}/checkpoints/inpainting.safetensors")
    tally.check(out.startswith("Checkpoint of SD 1.x (image model).\n") and "\nInpainting (9 input channels); with an autoencoder (VAE baked in); " in out, "in words", out)
    got = facts(sparse(f"{ROOT}/fill.safetensors", families.tensors(families.FAMILIES["flux-fill"][1])))["identified"][0]
    tally.equal(got["traits"], "fill (384 input features)", "Flux Fill")


LLAMA = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "num_hidden_layers": 2, "hidden_size": 8, "vocab_size": 32, "tie_word_embeddings": False,
         "torch_dtype": "bfloat16"}


def findings(name, lines, config, status=1, **more):
    got = facts(model(name, lines, config, **more), status)["config_findings"]
    return [(row["level"], row["rule"], row["message"]) for row in got]


def test_config():
    """What a config.json says otherwise."""
    tally.equal(findings("fits", families.LLAMA, LLAMA, 0), [], "a config.json that fits")
    cases = {
        "layers": ({"num_hidden_layers": 3}, [("error", "layers", "config.json says 3 layers, the tensors have 2")]),
        "vocabulary": ({"vocab_size": 33000}, [("error", "vocabulary", "config.json says a vocabulary of 33,000, the embedding has 32 rows")]),
        "hidden size": ({"hidden_size": 16}, [("error", "hidden size", "config.json says a hidden size of 16, the embedding has 8 columns")]),
        "architecture": ({"model_type": "qwen3"}, [("error", "architecture", "config.json says qwen3, but the tensors are those of Llama, Mistral or alike")]),
        "head": ({"tie_word_embeddings": True}, [("warning", "head", "config.json says that the head is tied to the embedding, and there is one of its own")]),
        "dtype": ({"torch_dtype": "float32"}, [("warning", "dtype", "config.json says F32, most bytes are BF16")]),
    }
    for name, (change, expected) in cases.items():
        got = findings(name, families.LLAMA, {**LLAMA, **change}, int(expected[0][0] == "error"))
        tally.equal([row for row in got if row[1] == name], expected, f"another {name}")
        tally.check(name == "layers" or len(got) == 1, f"only that of {name}", got)
    tally.equal(findings("headless", families.LLAMA.replace("lm_head.weight 32,8\n", ""), LLAMA),
                [("error", "head", "config.json says that the head is not tied to the embedding, and there is no head")], "a head that is not there")
    tally.equal(findings("nested", re.sub("^", "language_model.", families.LLAMA.strip(), flags=re.M) + "\nmulti_modal_projector.linear_1.weight 8,8",
                         {"model_type": "llava", "text_config": {**LLAMA, "vocab_size": 64}}),
                [("error", "vocabulary", "config.json says a vocabulary of 64, the embedding has 32 rows")], "the config of a language model in another")


def test_names():
    """Tensors that are missing, or that the architecture has not."""
    lines = families.LLAMA.replace("model.layers.#.self_attn.{q,k,v,o}_proj.weight 8,8", "model.layers.#.self_attn.{q,k,v}_proj.weight 8,8\nmodel.layers.0.self_attn.o_proj.weight 8,8")
    tally.equal(findings("hole", lines, LLAMA), [("error", "missing", "1 of 2 layers has no self_attn.o_proj.weight: layer 1")], "a tensor that is missing")
    tally.equal(findings("hole-without-config", lines, None, 0), [("warning", "missing", "1 of 2 layers has no self_attn.o_proj.weight: layer 1")], "the same without config.json")
    tally.equal(findings("no-norm", families.LLAMA.replace("model.norm.weight 8\n", ""), LLAMA), [("error", "missing", "there is no norm.weight")], "a norm that is missing")
    tally.equal(findings("more", families.LLAMA + "model.layers.#.self_attn.gate.weight 8\nadded.weight 3", LLAMA, 0),
                [("warning", "unexpected", "1 tensor that Llama, Mistral or alike has not"), ("warning", "unexpected", "2 tensors that Llama, Mistral or alike has not")],
                "tensors that are not expected")
    tally.equal(findings("layer", families.LLAMA.replace("#", "{0,1,3}"), {**LLAMA, "num_hidden_layers": 4}, 1)[1:],
                [("error", "missing", "1 of 4 layers is missing: layer 2")], "a layer that is missing")
    tally.equal(findings("two", families.LLAMA.replace("model.layers.#.mlp.{gate,up}_proj.weight 16,8\n", ""), LLAMA),
                [("error", "missing", "2 of 2 layers have no mlp.gate_proj.weight and 1 more: layer 0, 1")], "two that are missing everywhere")
    bloom = families.FAMILIES["bloom"][1]
    tally.equal(findings("bloom", bloom.replace("h.#.mlp.dense_h_to_4h.weight", "h.0.mlp.dense_h_to_4h.weight"), {"model_type": "bloom", "n_layer": 2}),
                [("error", "missing", "1 of 2 is missing: h.#.mlp.dense_h_to_4h.weight")], "a layer that is not like the other")
    moe = families.FAMILIES["qwen3-moe"][1].replace("experts.{0,1}.down_proj.weight 8,4", "experts.0.down_proj.weight 8,4")
    tally.equal(findings("moe", moe, {"model_type": "qwen3_moe"}), [("error", "missing", "2 of 4 are missing: model.layers.#.mlp.experts.#.down_proj.weight")], "an expert that is missing")
    mixed = families.FAMILIES["qwen3-moe"][1].replace("layers.#.mlp", "layers.1.mlp") + families.MLP.replace("#", "0")
    tally.equal(findings("mixed", mixed, {"model_type": "qwen3_moe"}, 0), [], "layers with and without experts")
    dense = families.FAMILIES["deepseek-v3"][1]
    tally.equal(findings("dense", dense.replace("#.mlp.gate.weight", "{1,2,3,4,5,6,7,8,9,10,11}.mlp.gate.weight"), None, 0, layers=12), [], "a first layer without experts")
    tally.equal(findings("gap", dense.replace("#.mlp.gate.weight", "{1,2,3,4,6,7,8,9,10,11,12,13,14,15}.mlp.gate.weight"), None, 0, layers=16),
                [("warning", "missing", "1 of 15 is missing: model.layers.#.mlp.gate.weight")], "a gap in layers with experts")
    tally.equal(findings("mtp", families.LLAMA + "model.mtp_layers.0.{a,b,c}.weight 8", LLAMA, 0),
                [("warning", "unexpected", "3 tensors that Llama, Mistral or alike has not")], "a part more is one finding")
    row = facts(model("other", families.LLAMA, {"model_type": "brand_new"}))["identified"][0]
    tally.equal(row["what"], "Llama, Mistral or alike (config.json: brand_new)", "a model type that is not known")
    lines = families.LLAMA.replace("lm_head.weight 32,8", "score.weight 2,8")
    row = facts(model("classifier", lines, {**LLAMA, "architectures": ["LlamaForSequenceClassification"]}))["identified"][0]
    tally.equal(row["traits"], "for sequence classification", "a head of another kind")
    row = facts(model("vision", families.LLAMA + "vision_model.encoder.blocks.{0,1,2,3,4}.wqkv.weight 24,8"))["identified"][0]
    tally.equal((row["role"], row["layers"]), ("multimodal model", 2), "vision beside a language model")
    tally.equal(findings("gpt2", families.GPT2 + "h.#.attn.c_proj.bias 8\nh.#.mlp.c_fc.bias 32\nh.#.mlp.c_proj.bias 8", {"model_type": "gpt2", "n_layer": 2, "n_embd": 8}, 0), [],
                "a GPT-2 whose names have no prefix")


def test_sizes():
    """Layers and widths of published models."""
    for name, size, lines, layers in (
            ("llama-3", "Llama 3 or 3.1 8B", families.LLAMA.replace("32,8\n", "128256,4096\n").replace("16,8\n", "14336,4096\n").replace(" 8,16\n", " 4096,14336\n"), 32),
            ("qwen-0.5b", "Qwen2 or Qwen2.5 0.5B", (families.LLAMA + families.QKV_BIAS).replace("32,8\n", "151936,896\n").replace("16,8\n", "4864,896\n"), 24),
            ("gpt2-medium", "GPT-2 medium", families.GPT2.replace("32,8\n", "50257,1024\n").replace("wpe.weight 16,8", "wpe.weight 1024,1024"), 24)):
        row = facts(model(name, lines, layers=layers))["identified"][0]
        tally.equal(row["size"], size, f"the size of {name}")
        tally.equal(row["layers"], layers, f"layers of {name}")


def test_many():
    """A bad file among good ones is a line; an unknown model is said to be one."""
    sparse(f"{ROOT}/many/a/x.safetensors", families.tensors(families.LLAMA))
    sparse(f"{ROOT}/many/b/strange.safetensors", {"first": [2, 3], "second": [4]})
    with open(f"{ROOT}/many/broken.safetensors", "wb") as file:
        file.write(b"\7\0\0\0\0\0\0\0{broken")
    code, out, error = shell.script("identify", path=f"{ROOT}/many")
    tally.check(code == 1 and "there are models that cannot be read" in error, "one bad file", code, error)
    tally.equal(out.splitlines()[0], "3 models in 3 folders: 1 cannot be read, 1 language model, 1 not recognised.", "how many models of what kind")
    tally.check(out.index("broken.safetensors") < out.index("not recognised  "), "the worst is first", out)
    rows = {os.path.basename(row["model"]): (row["role"], row["status"]) for row in facts(f"{ROOT}/many", 1)["identified"]}
    tally.equal(rows, {"x.safetensors": ("language model", "ok"), "strange.safetensors": ("unknown", "ok"), "broken.safetensors": (None, "invalid")}, "rows")
    out = text(f"{ROOT}/many/b")
    tally.check(out.startswith("Not recognised: none of ") and "BF16   [2,3]  first" in out, "an unknown model", out)


def test_of_tools():
    """Models that the tools wrote: their config.json says the architecture, and everything fits."""
    if not os.path.isdir(f"{MODELS}/transformers"):
        print("skipped: the models of tools (MODELS is not a directory with them)")
        return
    got = facts(f"{MODELS}/transformers")
    for row in got["identified"]:
        folder = row["model"] if os.path.isdir(row["model"]) else os.path.dirname(row["model"])
        with open(f"{folder}/config.json", encoding="utf-8") as file:
            said = json.load(file)["model_type"]
        tally.equal(row["architecture"], said, row["model"])
    tally.equal(got["config_findings"], [], "findings in models of transformers")
    for row in facts(f"{MODELS}/quant")["identified"]:
        if "/oracle/" not in row["model"]:
            expected = "gpt_oss" if "gpt-oss" in row["model"] else "qwen3_moe" if "moe" in row["model"] else "llama"
            tally.equal(row["architecture"], expected, row["model"])
    bases = {row["model"].split("/diffusers/")[1].split("/")[0]: row["base"] for row in facts(f"{MODELS}/diffusers")["identified"] if row["role"] == "adapter"}
    expected = {"lora-flux-metadata": "Flux", "lora-sdxl-rslora-metadata": "SDXL", "lora-sd15-metadata": "SD 1.x or 2", "kohya-loha": "SD 1.x or 2"}
    tally.equal({name: bases[name] for name in expected}, expected, "what adapters of diffusers were made for")
    got = {row["model"].split("/peft/")[1].split("/")[0]: row["role"] for row in facts(f"{MODELS}/peft")["identified"] if "/oracle/" not in row["model"]}
    tally.equal({name for name, role in got.items() if role != "adapter"}, {"base-gpt2", "base-llama"}, "what of PEFT is no adapter")


tally.run(globals(), ROOT)
