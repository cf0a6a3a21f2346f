"""sql/lora.sql, on the adapters that PEFT, diffusers and kohya's tools wrote, against the scales that those tools
use; and on names of other kinds. Every scale that it shows is right, and what cannot be computed it says.

Covers little: of all lines, others reach nearly as many.
"""

import json
import math
import os
import struct
import subprocess
import tempfile

import making
import shell
from tally import BUILD, Tally

tally = Tally()
ROOT = tempfile.mkdtemp(prefix="lora.")
MODELS = os.environ.get("MODELS", "../shared/models")


def modules(path):
    """What is printed, and the modules by name: rank, alpha, scale, alpha_from, kind, computed, status."""
    with open("sql/lora.sql", encoding="utf-8") as file:
        text = file.read() + ("\n.mode list\n.headers off\n.print ===\nSELECT json_group_array(json_array(module, rank, alpha, scale, alpha_from, kind, "
                              "computed, status)) FROM adapter_modules;\n")
    done = subprocess.run(["sqlite3", "-batch", "-cmd", f".load {BUILD}/safetensors", "-cmd", shell.parameter("path", path)],
                          input=text, capture_output=True, text=True, check=False)
    tally.equal((done.returncode, done.stderr), (0, ""), f"sql/lora.sql of {path}")
    printed, _, rows = done.stdout.partition("===\n")
    return printed, {row[0]: row[1:] for row in json.loads(rows or "[]")}


def section(printed, title):
    _, found, rest = printed.partition(f"== {title}\n")
    return rest.split("\n\n")[0] if found else ""


SPELLED = {"LORA": ("LoRA", "DoRA"), "ADALORA": ("AdaLoRA",), "LOHA": ("LoHa",), "LOKR": ("LoKr",), "IA3": ("(IA)3",), "VERA": ("VeRA",), "OFT": ("OFT",),
           "VBLORA": ("VB-LoRA",), "TRAINABLE_TOKENS": ("trained tokens",), "PROMPT_TUNING": ("prompts",), "PREFIX_TUNING": ("prefixes",)}


def check_oracle(directory, oracle):
    """Scales are those that the tool uses. Returns how many there are."""
    printed, found = modules(directory)
    name = os.path.basename(directory)
    peft_type = oracle.get("peft_type") or "LORA"
    shown = section(printed, "Adapters")
    if peft_type in SPELLED and "loha" not in name:
        tally.check(any(f"  {kind} " in shown for kind in SPELLED[peft_type]), f"{name}: the kind is {peft_type}", printed)
    tally.check("unknown" not in shown, f"{name}: is an adapter", printed)
    right = 0
    wanted = {}
    for module, reported in oracle.get("modules", {}).items():
        if "scale" in reported:
            wanted[module] = reported
        else:  # by component
            wanted |= {f"{module}.{name}": row for name, row in reported.items()}
    for module, reported in wanted.items():
        names = (module, "lora_" + module.replace("text_encoder.", "te1.").replace(".", "_"))
        rows = [row for key, row in found.items() if key in names]
        tally.check(len(rows) == 1, f"{name}: {module} is there", list(found))
        for rank, _, scale, source, _, computed, status in rows:
            if scale is None:
                tally.check(not computed and status != "ok", f"{name}: {module} has no scale", source, status)
            else:
                right += 1
                tally.check(abs(scale - reported["scale"]) <= 1e-6 * abs(reported["scale"]) and rank == reported["r"], f"{name}: {module}", rank, scale, reported)
    return right


def test_models():
    if not os.path.isdir(MODELS):
        print(f"skipped: adapters of PEFT and diffusers (no directory {MODELS})")
        return
    right = 0
    for kind in ("peft", "diffusers"):
        for name in sorted(os.listdir(f"{MODELS}/{kind}")):
            directory = f"{MODELS}/{kind}/{name}"
            if os.path.exists(f"{directory}/ORACLE.json") and ("lora" in name or "loha" in name or os.path.exists(f"{directory}/adapter_config.json")):
                with open(f"{directory}/ORACLE.json", encoding="utf-8") as file:
                    right += check_oracle(directory, json.load(file))
    print(f"{right} scales are those of the tools")
    tally.check(right > 100, "scales are evaluated", right)
    for name, expected in (("lora-pissa", "pissa"), ("lora-dora", "the base is needed"), ("lora-modules-to-save", "6 modules: the base is needed"),
                           ("lora-trainable-token-indices", "the base is needed"), ("prompt-tuning", "changes no weight"), ("unilora", "PyTorch's generator")):
        printed, _ = modules(f"{MODELS}/peft/{name}")
        tally.check(expected in section(printed, "Notes").replace("\n  ", " "), f"{name}: {expected}", printed)
    printed, _ = modules(f"{MODELS}/peft/lora-qv")
    tally.check("== Notes\n" not in printed, "of a plain LoRA all is known", printed)
    # each file is an adapter of its own
    printed, found = modules(f"{MODELS}/diffusers/kohya-*/*.safetensors")
    tally.check(printed.startswith("2 adapters: 1 LoHa (kohya), 1 LoRA (kohya).\n"), "two adapters", printed)


def adapter(directory, config, ranks=(4, 4, 8)):
    path = f"{ROOT}/{directory}"
    making.file(f"{path}/adapter_model.safetensors", {
        f"base_model.model.model.layers.{layer}.self_attn.{name}_proj.lora_{part}.weight": ("F32", shape, bytes(64 * rank))
        for layer, rank in enumerate(ranks) for name in "qv" for part, shape in (("A", [rank, 16]), ("B", [16, rank]))})
    with open(f"{path}/adapter_config.json", "w", encoding="utf-8") as file:
        json.dump({"peft_type": "LORA", "r": 4, "lora_alpha": 8} | config, file)
    _, found = modules(path)
    return [found[f"model.layers.{layer}.self_attn.{name}_proj"][2:4] for layer in range(3) for name in "qv"]


def test_patterns():
    """Keys are regular expressions, and match as PEFT matches them: the first that matches the end of a name."""
    config = "adapter_config.json"
    reported = adapter("plain", {"alpha_pattern": {"layers.2.self_attn.v_proj": 32, "v_proj": 16, "proj": 1, "ayers.0.self_attn.q_proj": 1}})
    tally.equal(reported, [[2.0, config], [4.0, config], [2.0, config], [4.0, config], [1.0, config], [4.0, config]], "plain keys")
    reported = adapter("regular", {"alpha_pattern": {"q_proj": 16, r"layers\.1\..*": 64, "v_proj": 1}})
    tally.equal(reported, [[4.0, config], [0.25, config], [4.0, config], [16.0, config], [2.0, config], [0.125, config]], "a regular expression")
    reported = adapter("root", {"use_rslora": True}, (4, 4, 9))
    tally.equal(reported, [[4.0, config]] * 4 + [[2.66666666666667, config]] * 2, "the square root of the rank")
    reported = adapter("backward", {"alpha_pattern": {r"(q)_proj\1": 16}})
    tally.equal(reported, [[None, config]] * 6, "a pattern that is not understood leaves the scale open")
    printed, _ = modules(f"{ROOT}/backward")
    tally.check("4 modules: alpha_pattern: " in printed, "and is told", printed)
    adapter("other", {"peft_type": "NEWTUNE"})
    printed, _ = modules(f"{ROOT}/other")
    tally.check("NEWTUNE" in printed, "a kind that is not known is told by its name", printed)


def test_kinds():
    """By the names of tensors alone."""
    def half(*shape):
        return "F16", list(shape), bytes(2 * math.prod(shape))

    kinds = {
        "oft": ("OFT (kohya)", {"lora_unet_x.oft_blocks": half(4, 4, 4), "lora_unet_x.alpha": half()}),
        "ia3": ("(IA)3 (PEFT)", {"base_model.model.layers.0.k_proj.ia3_l": half(16, 1)}),
        "vera": ("VeRA (PEFT)", {"base_model.model.q.vera_lambda_b": half(16), "base_model.model.q.vera_lambda_d": half(4)}),
        "prompts": ("prompts", {"prompt_embeddings": half(8, 16)}),
        "named": ("LoRA", {f"blocks.37.to_k.lora_{part}.default_0.weight": half(4, 4) for part in "AB"}),
        "xlabs": ("LoRA (XLabs)", {f"double_blocks.0.processor.qkv_lora1.{part}.weight": half(4, 4) for part in ("down", "up")}),
        "inversion": ("textual inversion", {"<cat>": half(2, 16)}), "sdxl": ("textual inversion", {"clip_g": half(2, 16), "clip_l": half(2, 8)}),
        "unknown": ("unknown", {"model.norm.weight": half(8)})}
    for name, (kind, tensors) in kinds.items():
        making.file(f"{ROOT}/kinds/{name}.safetensors", tensors)
    printed, found = modules(f"{ROOT}/kinds/*.safetensors")
    shown = {line.split()[-1]: f"  {line}" for line in section(printed, "Adapters").splitlines()}
    for name, (kind, _) in kinds.items():
        if kind != "unknown":
            tally.check(f"  {kind} " in shown[f"{name}.safetensors"], f"{name}: {kind}", shown)
    tally.check("\n1 other file is no adapter: unknown.safetensors (model).\n" in printed,
                "what it does not know it says", printed)
    tally.equal(found["blocks.37.to_k"][:4], [4, None, 1.0, "nowhere: the rank"], "an adapter that has a name")
    tally.equal([found["lora_unet_x"][1:3]], [[None, None]], "what is no LoRA has no scale")


def test_one():
    """What one adapter is, in words; NaN is first, whatever else it says."""
    def made(name, value, metadata):
        parts = {f"lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k.{part}": tensor for part, tensor in (
            ("lora_down.weight", ("F16", [2, 768], struct.pack("<e", value) + bytes(2 * 2 * 768 - 2))), ("lora_up.weight", ("F16", [640, 2], bytes(2560))),
            ("alpha", ("F16", [], struct.pack("<e", 1))))}
        return making.file(f"{ROOT}/one/{name}.safetensors", parts, metadata)

    notes = {"modelspec.trigger_phrase": "sks", "ss_tag_frequency": json.dumps({"1_x": {"a cat": 2, "dog": 3}}), "ss_epoch": "4", "ss_unet_lr": "0.0002", "ss_resolution": "512",
             "ss_training_started_at": "1700000000", "ss_sd_model_name": "v1-5.safetensors", "ss_base_model_version": "sd_v1"}
    code, out, error = shell.script("lora", path=made("good", 1, notes))
    tally.equal((code, error, out.split("\n\n")[0].replace(" \n  ", " ")), (0, "", "LoRA (kohya) of 1 module, rank 2, scale 0.5, for SD 1.5, made on v1-5.safetensors.\nTrigger words: sks\n"
                "Most frequent tags: dog, a cat\nTrained: 2023-11-14, 4 epochs, resolution 512x512, learning rate 0.0002."), "one adapter")
    base = making.file(f"{ROOT}/base/x.safetensors", {"down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight": ("F16", [640, 768], bytes(2 * 640 * 768)),
                                                     "time.weight": ("F16", [8, 1024], bytes(2 * 8192))})
    code, out, error = shell.script("lora", path=f"{ROOT}/one/good.safetensors", base=base)
    share = "It has 2.82 k parameters, 0.564% of the 500 k of the base, and changes 1 of its 2 weights."  # 2816 / 499712
    tally.check((code, error) == (0, "") and share in out.replace(" \n  ", " "), "which share of the base it has", out, error)
    making.file(f"{ROOT}/base/y.safetensors", {"w": ("F16", [1], bytes(2))})
    code, out, error = shell.script("lora", path=f"{ROOT}/one/good.safetensors", base=f"{ROOT}/base")
    tally.check((code, out) == (1, "") and ":base is one model, found 2: " in error, "several models are no base", out, error)
    code, out, error = shell.script("lora", path=made("bad", math.nan, None))
    tally.check(code == 1 and error.endswith(": an adapter has NaN or infinities (19)\n") and error.count("\n") == 1, "NaN is a verdict", code, error)
    tally.equal(out.replace(" \n  ", " ").splitlines()[0], "1 NaN and 0 infinities in it. LoRA (kohya) of 1 module, rank 2, scale 0.5, for SD 1.5 by its shapes.", "NaN is first")
    tally.check("      1        0  lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight" in out, "and where", out)
    code, out, error = shell.script("lora", path=f"{ROOT}/one", format="json")
    found = json.loads(out)
    tally.equal([(row["status"], row["base"], row["base_from"], row["nan"]) for row in found["adapter_files"]],
                [("nan", "SD 1.5", "shapes", 1), ("ok", "SD 1.5", "metadata", 0)], "facts in JSON")
    tally.equal([row["scale"] for row in found["adapter_modules"]], [0.5, 0.5], "modules in JSON")
    with open(f"{ROOT}/one/half.safetensors", "wb") as file:
        file.write(b"\1")
    code, out, error = shell.script("lora", path=f"{ROOT}/one")
    tally.check(code == 1 and ": an adapter cannot be read" in error and out.startswith("3 adapters: 1 broken, 2 LoRA (kohya). 1 has NaN or infinities.\n"), "one is broken", out, error)
    code, out, error = shell.script("lora", path=f"{ROOT}/one/half.safetensors")
    tally.check((code, out, error.count("\n")) == (1, "", 1) and "half.safetensors" in error, "it is the only one", out, error)
    for tensors, message in (({}, "found a file without tensors"), ({"model.norm.weight": ("F16", [1], bytes(2))}, ":path has an adapter in it")):
        code, out, error = shell.script("lora", path=making.file(f"{ROOT}/none/x.safetensors", tensors))
        tally.check((code, out, error.count("\n")) == (1, "", 1) and message in error, message, out, error)


tally.run(globals(), ROOT)
