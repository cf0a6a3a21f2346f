"""sql/loras.sql: a folder of three hundred adapters as one table, with all that hobbyists have in such folders: the namings
of kohya, PEFT and diffusers, with and without metadata, broken downloads, copies under other names. What it says of each
is what the adapter was made with.

Covers little: of all lines, others reach nearly as many.
"""

import csv
import io
import json
import os
import re
import shutil
import struct
import tempfile

import making
import script_header
import shell
from tally import Tally

tally = Tally()
ROOT = tempfile.mkdtemp(prefix="loras.")
FOLDER = f"{ROOT}/loras"
MODELS = os.environ.get("MODELS", "../shared/models")
HEADER = script_header.read("loras")
MADE = {}  # by name below FOLDER: what loras.sql must say


def halves(number, *shape):
    """F16 of one pattern, whose first and last element depend on the number."""
    count = 1
    for dimension in shape:
        count *= dimension
    content = bytearray(struct.pack("<e", 0.01) * count)
    content[:2] = content[-2:] = struct.pack("<e", 0.5 + number / 512)
    return "F16", list(shape), bytes(content)


def pairs(names, parts, number, rank):
    """Modules as (name, outputs, inputs), in the naming of `parts`: those of down and up."""
    made = {}
    for name, outputs, inputs in names:
        made[f"{name}.{parts[0]}.weight"] = halves(number, rank, inputs)
        made[f"{name}.{parts[1]}.weight"] = halves(number + 1, outputs, rank)
    return made


KOHYA, PEFT, DIFFUSERS = ("lora_down", "lora_up"), ("lora_A", "lora_B"), ("lora.down", "lora.up")
BLOCK = "down_blocks_1_attentions_0_transformer_blocks_0_"
KINDS = {  # base: modules in the naming, what trainers note
    "SD 1.5": (KOHYA, [(f"lora_unet_{BLOCK}attn1_to_q", 640, 640), (f"lora_unet_{BLOCK}attn2_to_k", 640, 768),
                       ("lora_te_text_model_encoder_layers_0_mlp_fc1", 3072, 768)], "sd_v1", "stable-diffusion-v1/lora"),
    "SD 2": (KOHYA, [(f"lora_unet_{BLOCK}attn2_to_v", 640, 1024)], "sd_v2", "stable-diffusion-v2-768-v/lora"),
    "SDXL": (KOHYA, [(f"lora_unet_{BLOCK}attn2_to_k", 640, 2048), (f"lora_unet_{BLOCK}attn2_to_q", 640, 640)], "sdxl_base_v1-0",
             "stable-diffusion-xl-v1-base/lora"),
    "Flux.1": (KOHYA, [("lora_unet_double_blocks_0_img_attn_qkv", 9216, 3072)], "flux1", "flux-1-dev/lora"),
    "SD 3": (KOHYA, [("lora_unet_joint_blocks_0_x_block_attn_qkv", 4608, 1536)], "sd3_m", "stable-diffusion-3-medium/lora"),
    "Wan 14B": (PEFT, [("diffusion_model.blocks.0.cross_attn.k", 5120, 5120)], "wan2.1", "wan2.1/lora"),
    "Qwen-Image": (PEFT, [("transformer.transformer_blocks.0.img_mlp.net.2", 3072, 3072)], "qwen_image", "Qwen-Image/lora"),
    "HunyuanVideo": (KOHYA, [("lora_unet_double_blocks_0_img_mod_linear", 3072, 3072)], "hunyuan_video", "hunyuan-video/lora")}


def kohya(number, base, noted):
    parts, names, version, architecture = KINDS[base]
    rank, alpha = 1 + number % 3, (1 + number % 3) / 2
    tensors = pairs(names, parts, number, rank)
    tensors |= {f"{name}.alpha": ("F16", [], struct.pack("<e", alpha)) for name, _, _ in names}
    tags = {f"10_style{number}": {f"style {number}": 40, "1girl": 31, "solo": 28, "été": 40 - number % 5, " ": 99}}
    metadata = {"ss_base_model_version": version, "modelspec.architecture": architecture, "ss_sd_model_name": "model.safetensors",
                "ss_tag_frequency": json.dumps(tags), "modelspec.trigger_phrase": f"style{number}", "ss_unet_lr": "0.0001", "ss_learning_rate": "1",
                "ss_text_encoder_lr": "5e-05", "ss_epoch": "3", "ss_num_epochs": "10", "ss_steps": str(100 + number), "ss_resolution": "(512, 768)",
                "ss_training_finished_at": str(1700000000 + 86400 * number + 0.5), "ss_num_train_images": "40"}
    name = f"{('', 'style/', 'people/a/b/')[number % 3]}{base} {number}.safetensors"
    making.file(f"{FOLDER}/{name}", tensors, metadata if noted else None)
    MADE[name] = {"base": base, "base_from": "metadata" if noted else "names" if base in ("Qwen-Image", "HunyuanVideo", "SD 3") else "shapes", "kind": "lora",
                  "rank": rank, "alpha": alpha, "modules": len(names), "status": "ok", "nan": 0,
                  "triggers": f"style{number}" if noted else None, "learning_rate": 0.0001 if noted else None,
                  "resolution": "512x768" if noted else None, "epoch": 3 if noted else None, "epochs": 10 if noted else None,
                  "steps": 100 + number if noted else None, "text_encoder_lr": 5e-05 if noted else None, "images": 40 if noted else None,
                  "made_for": "model.safetensors" if noted else None}
    return f"{FOLDER}/{name}"


def peft(number):
    name = f"llm/run {number}/adapter_model.safetensors"
    rank = 2 + number % 2
    making.file(f"{FOLDER}/{name}", pairs([(f"base_model.model.model.layers.{layer}.self_attn.{part}_proj", outputs, 512)
                                           for layer in (0, 1) for part, outputs in (("q", 512), ("v", 64))], PEFT, number, rank))
    with open(f"{FOLDER}/llm/run {number}/adapter_config.json", "w", encoding="utf-8") as file:
        json.dump({"peft_type": "LORA", "r": rank, "lora_alpha": 8, "base_model_name_or_path": f"org/llama-{number}", "target_modules": ["q_proj"]}, file)
    MADE[name] = {"base": "LLM 512", "base_from": "shapes", "kind": "lora", "naming": "PEFT", "rank": rank, "alpha": 8, "modules": 4,
                  "made_for": f"org/llama-{number}", "status": "ok", "triggers": None}


def diffusers(number):
    name = f"diffusers/{number}.safetensors"
    making.file(f"{FOLDER}/{name}", pairs([("unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k", 640, 2048)], DIFFUSERS, number, 2))
    MADE[name] = {"base": "SDXL", "base_from": "shapes", "kind": "lora", "naming": "diffusers", "rank": 2, "modules": 1, "status": "ok", "made_for": None}


def broken(name, content, message):
    os.makedirs(os.path.dirname(f"{FOLDER}/{name}"), exist_ok=True)
    with open(f"{FOLDER}/{name}", "wb") as file:
        file.write(content)
    MADE[name] = {"status": "invalid", "error": message, "kind": None}


def make():
    bases = list(KINDS)
    for number in range(200):
        kohya(number, bases[number % len(bases)], number % 5 > 0)
    for number in range(60):
        peft(number)
    for number in range(25):
        diffusers(number)
    # copies: of the bytes; with other metadata; in another order. And one whose last element differs.
    one, other, third, fourth = (f"SD 1.5 {number}.safetensors" for number in (0, 48, 96, 144))
    for name, of, metadata, turned in (("copy of one.safetensors", one, None, False), ("other, again.safetensors", other, {"x": "y"}, False),
                                       ("third, turned round.safetensors", third, None, True)):
        tensors = making.tensors_of(f"{FOLDER}/{of}")
        making.file(f"{FOLDER}/people/{name}", dict(reversed(tensors.items())) if turned else tensors, metadata)
        MADE[f"people/{name}"] = {"copy_of": f"{FOLDER}/{of}", "status": "ok", "base": "SD 1.5"}
    tensors = making.tensors_of(f"{FOLDER}/{fourth}")
    last = [name for name in tensors if name.endswith("lora_up.weight")][0]
    tensors[last] = (*tensors[last][:2], tensors[last][2][:-2] + b"\0\0")
    making.file(f"{FOLDER}/nearly.safetensors", tensors)
    MADE["nearly.safetensors"] = {"copy_of": None, "status": "ok"}
    os.symlink(os.path.basename(fourth), f"{FOLDER}/link.safetensors")
    MADE["link.safetensors"] = {"copy_of": f"{FOLDER}/{fourth}", "status": "ok", "note": "a link, which takes no space"}
    # broken
    with open(f"{FOLDER}/{one}", "rb") as file:
        whole = file.read()
    broken("half.safetensors", whole[:len(whole) // 2], "truncated")
    broken("a/login.safetensors", b"<!DOCTYPE html><html><body>Sign in</body></html>", "HTML page")
    broken("lfs.safetensors", b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12\n", "Git LFS pointer")
    broken("pickle.safetensors", b"\x80\x02}q\x00(X\x05\x00\x00\x00helloq\x01K\x01u.", "pickle")
    broken("empty.safetensors", b"", "empty")
    # NaN, a note that is wrong, notes beside the file, a name that plays tricks, and what is no adapter
    for name, value in (("nan", "nan"), ("inf", "inf")):
        making.file(f"{FOLDER}/{name}.safetensors", {"lora_unet_mid_block_attentions_0_proj_in.lora_down.weight": ("F32", [1, 2], struct.pack("<2f", 1, float(value))),
                                                     "lora_unet_mid_block_attentions_0_proj_in.lora_up.weight": ("F32", [2, 1], bytes(8))})
        MADE[f"{name}.safetensors"] = {"status": "nan", "nan": int(name == "nan"), "inf": int(name == "inf"), "base": "SD UNet"}
    making.file(f"{FOLDER}/wrong.safetensors", pairs([(f"lora_unet_{BLOCK}attn2_to_k", 640, 768)], KOHYA, 7, 1), {"ss_base_model_version": "sdxl_base_v1-0"})
    MADE["wrong.safetensors"] = {"base": "SDXL", "status": "ok", "note": "its shapes are those of SD 1.5, not of SDXL"}
    making.file(f"{FOLDER}/beside.safetensors", pairs([("lora_unet_mid_block_attentions_0_proj_in", 2, 2)], KOHYA, 8, 1))
    with open(f"{FOLDER}/beside.civitai.info", "w", encoding="utf-8") as file:
        json.dump({"trainedWords": ["a cat", "sitting"], "baseModel": "SDXL 1.0"}, file)
    MADE["beside.safetensors"] = {"base": "SDXL", "base_from": "metadata", "triggers": "a cat, sitting", "status": "ok"}
    making.file(f"{FOLDER}/downloading.safetensors", pairs([("text_model.encoder.layers.0.mlp.fc1", 3072, 768)], PEFT, 11, 1))
    with open(f"{FOLDER}/downloading.safetensors.aria2", "wb") as file:
        file.write(b"\0\1")
    MADE["downloading.safetensors"] = {"status": "ok", "base": "SD 1.5", "note": "an .aria2 file is beside it: its download has not ended"}
    for part, outputs, inputs in (("mlp.down_proj", 640, 1728), ("self_attn.o_proj", 640, 512)):
        making.file(f"{FOLDER}/llm {part}.safetensors", pairs([(f"model.layers.0.{part}", outputs, inputs)], PEFT, 12, 1))
        MADE[f"llm {part}.safetensors"] = {"status": "ok", "base": "LLM 640", "base_from": "shapes"}
    for base, name, width in (("Flux.1", "transformer.transformer_blocks.3.attn.to_q", 3072), ("Qwen-Image", "transformer.transformer_blocks.40.attn.to_q", 3072),
                              ("SD 3.5", "transformer.transformer_blocks.3.attn.to_q", 2432), ("LTX-Video", "transformer.transformer_blocks.3.attn1.to_q", 2048),
                              ("PixArt", "transformer.transformer_blocks.3.attn1.to_q", 1152), ("Z-Image", "diffusion_model.layers.3.attention.to_q", 3840),
                              ("SDXL", "lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q", 640), ("SD 2", "lora_te_text_model_encoder_layers_0_self_attn_q_proj", 1024)):
        making.file(f"{FOLDER}/by shape/{base}.safetensors", pairs([(name, width, width)], PEFT, 13, 1))
        MADE[f"by shape/{base}.safetensors"] = {"status": "ok", "base": base}
    trick = "a\x1b[31m\nb\u202e.safetensors"
    making.file(f"{FOLDER}/{trick}", pairs([("lora_unet_mid_block_attentions_0_proj_in", 2, 2)], KOHYA, 9, 1), {"modelspec.trigger_phrase": "x\x1b[2Jy\nz"})
    MADE[trick] = {"triggers": "x\x1b[2Jy\nz", "status": "ok"}
    making.file(f"{FOLDER}/clip.safetensors", {"clip_g": halves(1, 2, 1280), "clip_l": halves(1, 2, 768)})
    MADE["clip.safetensors"] = {"base": "SDXL", "kind": "textual_inversion", "rank": None, "status": "ok"}
    making.file(f"{FOLDER}/checkpoint.safetensors", {"model.diffusion_model.input_blocks.0.0.weight": halves(1, 4, 4), "first_stage_model.x.weight": halves(1, 4, 4)})


def rows(**parameters):
    """The table, by the name below FOLDER, and the exit code and the error."""
    code, out, error = shell.script("loras", path=FOLDER, format="json", **parameters)
    found = json.loads(out)
    tally.equal(sorted(found), ["loras", "loras_others"], "tables in JSON")
    return {row["file"].removeprefix(f"{FOLDER}/"): row for row in found["loras"]}, found["loras_others"], code, error


def test_table():
    make()
    found, others, code, error = rows()
    tally.check(code == 1 and error.endswith("an adapter cannot be read (19)\n") and error.count("\n") == 1, "broken files are a verdict", code, error)
    names = {name: name.removesuffix("/adapter_model.safetensors") for name in MADE}
    found = {next((name for name, folder in names.items() if key in (name, folder)), key): row for key, row in found.items()}
    tally.equal(sorted(found), sorted(MADE), "each adapter is a row")
    for name, facts in MADE.items():
        row = found.get(name, {})
        for fact, expected in facts.items():
            good = expected in (row.get(fact) or "") if fact == "error" else row.get(fact) == expected
            tally.check(good, f"{name}: {fact}", f"expected {expected!r}", f"got      {row.get(fact)!r}")
        tally.equal(row.get("size"), os.path.getsize(f"{FOLDER}/{name}"), f"{name}: size")
    tally.equal([row["date"] for name, row in found.items() if name in ("SD 2 1.safetensors", "style/SD 2 1.safetensors")], ["2023-11-15"], "a date")
    tally.equal(found["style/SD 2 1.safetensors"]["tags"], "style 1, été, 1girl, solo", "the most frequent tags")
    tally.equal([(row["file"], row["kind"]) for row in others], [(f"{FOLDER}/checkpoint.safetensors", others[0]["kind"])], "a model is none")
    order = [row["status"] for row in found.values()]
    tally.equal(order, ["invalid"] * 5 + ["nan"] * 2 + ["ok"] * (len(MADE) - 7), "the worst is first")
    tally.check(all(row["copy_of"] for row in list(found.values())[7:11]), "then copies")
    sizes = [row["size"] for row in list(found.values())[11:]]
    tally.equal(sizes, sorted(sizes, reverse=True), "then the largest")


def test_formats():
    code, out, error = shell.script("loras", path=FOLDER, format="csv")
    read = list(csv.DictReader(io.StringIO(out, newline="")))
    tally.equal((code, len(read)), (1, len(MADE)), "CSV has each adapter")
    tally.equal(list(read[0]), HEADER.tables["loras"].columns, "columns of the header")
    code, out, error = shell.script("loras", path=FOLDER)
    lines = out.replace(" \n  ", " ").splitlines()
    bases = [facts.get("base") for facts in MADE.values()]
    tally.check(lines[0].startswith(f"{len(MADE)} adapters in ") and f" {bases.count('Flux.1')} Flux.1" in lines[0], "the first line counts", lines[0])
    tally.equal(lines[1].split(", which")[0], "5 are broken, 2 have NaN or infinities, 4 are copies of others", "the second says what is wrong")
    spare = sum(os.path.getsize(f"{FOLDER}/{name}") for name, facts in MADE.items() if facts.get("copy_of") and name != "link.safetensors")
    tally.check(lines[1].endswith(f", which take {spare / 1000:.3g} kB."), "what the copies take, without the link", lines[1], spare)
    tally.equal(lines[3:6:2], ["", "half.safetensors"], "what is broken comes first")
    tally.check(not re.search("[\x00-\x09\x0b-\x1f\x7f\u202e]", out), "no control characters reach the terminal")
    for name, facts in MADE.items():
        if (facts.get("triggers") or "").isalnum():
            tally.check(f"{name}\n  trigger: {facts['triggers']}\n" in out, f"{name}: its trigger word is shown")


def test_quick():
    """No value is read, but for copies; NaN is not found, and that is said."""
    found, _, _, _ = rows(quick="1")
    tally.equal({row["status"] for row in found.values()}, {"ok", "invalid"}, "quick: no NaN")
    tally.equal({row["nan"] for row in found.values()}, {None}, "quick: nothing is counted")
    tally.equal(found["people/copy of one.safetensors"]["copy_of"], f"{FOLDER}/SD 1.5 0.safetensors", "quick: copies are found")
    tally.check("Values were not read, so NaN is not found." in shell.script("loras", path=FOLDER, quick="1")[1].replace(" \n  ", " "), "quick says so")


def fails(message, **parameters):
    code, out, error = shell.script("loras", **parameters)
    tally.check((code, out) == (1, "") and error.count("\n") == 1 and message in error, f"sql/loras.sql of {parameters} says {message}", code, out, error)


def test_wrong():
    os.mkdir(f"{ROOT}/nothing")
    fails(":path is set")
    fails("no such file", path=f"{ROOT}/nowhere")
    fails(":path has an adapter in it", path=f"{ROOT}/nothing")
    fails(":format is text, json or csv", path=FOLDER, format="xml")
    good = f"{ROOT}/good"
    shutil.copytree(f"{FOLDER}/diffusers", good)
    code, out, error = shell.script("loras", path=good)
    tally.equal((code, error, out.splitlines()[1]), (0, "", "None is broken, or a copy of another, or has NaN or infinities."), "all is well")


def test_same_rules():
    """lora.sql and loras.sql find bases and notes by the same rules."""
    texts = []
    for name in ("lora", "loras"):
        with open(f"sql/{name}.sql", encoding="utf-8") as file:
            text = file.read()
        begin, end = text.index(f"DROP TABLE IF EXISTS temp.{name}_found"), re.search(r"UPDATE (adapter_files|loras) SET note.*\n", text).end()
        texts.append(re.sub(r"\bloras_", "lora_", re.sub(r"\bloras\b(?!\.sql)", "adapter_files", text[begin:end])))
    tally.equal(texts[1], texts[0], "the part that both have")


def test_models():
    if not os.path.isdir(MODELS):
        print(f"skipped: adapters of PEFT and diffusers (no directory {MODELS})")
        return
    kinds = {"adalora": "adalora", "loha": "loha", "lokr": "lokr", "ia3": "ia3", "oft": "oft", "vera": "vera", "lora-dora": "dora", "prompt-tuning": "prompt_tuning"}
    code, out, error = shell.script("loras", path=f"{MODELS}/peft", format="json")
    tally.equal((code, error), (0, ""), "adapters of PEFT")
    found = {row["file"].split("/peft/")[1].split("/")[0]: row for row in json.loads(out)["loras"]}
    for name in os.listdir(f"{MODELS}/peft"):
        if os.path.exists(f"{MODELS}/peft/{name}/adapter_config.json"):
            tally.check(name in found, f"{name} is an adapter", sorted(found))
            if name in kinds:
                tally.equal(found[name]["kind"], kinds[name], f"{name}: kind")
    tally.check(not any(name.startswith("base-") for name in found), "models are no adapters", sorted(found))
    tally.equal(found["lora-qv"]["base"], "LLM 32", "the hidden size")
    code, out, error = shell.script("loras", path=f"{MODELS}/diffusers", format="json")
    found = {row["file"].split("/diffusers/")[1].split("/")[0]: (row["kind"], row["base"]) for row in json.loads(out)["loras"]}
    for name, expected in (("kohya-loha", ("loha", "SD 1.5")), ("kohya-lora-alphas", ("lora", "SD 1.5")), ("lora-flux-metadata", ("lora", "Flux.1")),
                           ("lora-sdxl-rslora-metadata", ("lora", "SDXL")), ("textual-inversion", ("textual_inversion", None))):
        tally.equal(found.get(name), expected, name)


tally.run(globals(), ROOT)
