"""What adapters change, against what PEFT and diffusers made of the same files: MODELS is a directory of models that these
tools wrote, with what merging gave beside each; without it nothing is tested.

The test reads adapter_config.json and the names of the tensors by itself. What is to be equal is base + delta and the
merged tensor, to the precision of the floats in which PEFT adds; where the base is not there, the norm of the change.

    tests/interop/delta.py [FOLDER]

Suite: interop
"""

import glob
import json
import math
import os
import re
import sys

from tally import Tally, connect

MODELS = os.environ.get("MODELS", "../shared/models")
PEFT = os.path.join(MODELS, "peft")
BASES = {"lora-bias-all": "base-gpt2"}
WITHOUT_BASE = {"lora-target-parameters-moe", "lora-t5", "lora-conv"}
TOLERANCE = 2e-6  # of the greatest change: PEFT adds in floats
NORM_TOLERANCE = 1e-6
HALF_TOLERANCE = 4e-4  # of norms that were computed in F16
tally = Tally()
db = connect()


def refs(path):
    return dict(db.execute("SELECT name, ref FROM safetensors_tensors(?)", (path,)))


def pattern_value(patterns, module, otherwise):
    """The value of the first pattern that matches the module, as PEFT's get_pattern_key() has it."""
    for pattern, value in (patterns or {}).items():
        if re.match(rf"^(.*\.)?({pattern})$", module):
            return value
    return otherwise


def lora_scale(config, module):
    rank = pattern_value(config.get("rank_pattern"), module, config["r"])
    alpha = pattern_value(config.get("alpha_pattern"), module, config.get("lora_alpha", config.get("alpha")))
    return alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)


# ---- The changes of a PEFT adapter ----

# The kind of each peft_type, the parameter by which a module is known, and the options out of the config.
KINDS = {
    "ADALORA": ("adalora", "lora_A", lambda c, m, shape: {"scale": c["lora_alpha"] / (shape("lora_A")[0] + 1e-5)}),
    "C3A": ("c3a", "c3a_kernel", lambda c, m, shape: {}),
    "DEFT": ("deft", "deft_P", lambda c, m, shape: {"decomposition_method": c["decomposition_method"]}),
    "DELORA": ("delora", "delora_A", lambda c, m, shape: {}),
    "GLORA": ("glora", "glora_A.Xd", lambda c, m, shape: {}),
    "HIRA": ("hira", "hira_A", lambda c, m, shape: {}),
    "HRA": ("hra", "hra_u", lambda c, m, shape: {"apply_GS": c["apply_GS"]}),
    "IA3": ("ia3", "ia3_l", lambda c, m, shape: {"feedforward": m.split(".")[-1] in c["feedforward_modules"]}),
    "LOHA": ("loha", "hada_w1_a", lambda c, m, shape: {"scale": lora_scale(c, m)}),
    "LOKR": ("lokr", "lokr_w1", lambda c, m, shape: {"scale": lora_scale(c, m)}),
    "OFT": ("oft", "oft_R", lambda c, m, shape: {
        "use_cayley_neumann": c["use_cayley_neumann"], "num_cayley_neumann_terms": c["num_cayley_neumann_terms"]}),
    "RANDLORA": ("randlora", "randlora_A", lambda c, m, shape: {"scale": c["randlora_alpha"] / c["r"]}),
    "ROAD": ("road", "road_theta", lambda c, m, shape: {"variant": c["variant"], "group_size": c["group_size"]}),
    "SUPERTUNING": ("supertuning", "supertuning_values", lambda c, m, shape: {"scale": c["lora_alpha"] / c["r"]}),
    "TRAINABLE_TOKENS": ("tokens", "trainable_tokens_delta", lambda c, m, shape: {"indices": c["token_indices"]}),
    "VBLORA": ("vblora", "vblora_logits_A", lambda c, m, shape: {"topk": c["topk"]}),
    "VERA": ("vera", "vera_lambda_b", lambda c, m, shape: {}),
}
SHARED = {"vera_A", "vera_B", "vblora_vector_bank"}
LORA = re.compile(r"\.(lora_(?:A|B|embedding_A|embedding_B|magnitude_vector))(?:\.weight)?$")


def parameter(name):
    """The module and the parameter of a tensor's name, without the prefix of PEFT."""
    name = re.sub(r"^base_model\.model\.", "", name)
    found = LORA.search(name)
    if found:
        return name[:found.start()], found[1]
    name = re.sub(r"\.weight$", "", name) if ".oft_R." in name or ".supertuning_lora" in name else name
    found = re.match(r"(.*?)\.((?:glora_[A-E]\.)?\w+)$", name)
    return (found[1], found[2]) if found else ("", name)


def delta(kind, parts, options, base):
    query = "SELECT tensor_delta(?, ?, ?, ?)"
    return db.execute(query, (kind, json.dumps(parts), json.dumps(options), base)).fetchone()[0]


def lora_changes(config, modules, base):
    for module, parts in modules.items():
        if "lora_A" not in parts and "lora_embedding_A" not in parts:
            continue
        if parts.keys() - {"lora_A", "lora_B", "lora_embedding_A", "lora_embedding_B", "lora_magnitude_vector"}:
            parts = {role: ref for role, ref in parts.items() if role.startswith("lora_")}
        options = {"scale": lora_scale(config, module)}
        if config.get("fan_in_fan_out"):
            options["fan_in_fan_out"] = True
        kind = "dora" if "lora_magnitude_vector" in parts else "lora"
        name = f"{module}.weight"
        if "experts" in module:
            experts = 4
            options |= {"experts": experts, "transposed": False}
            innermost = module.endswith(".base_layer")
            name = re.sub(r"\.base_layer$", "", module) + (".gate_up_proj" if innermost else ".down_proj")
        yield name, delta(kind, parts, options, base.get(name))


def saved_changes(config, stored, base):
    """Tensors that are saved whole, and rows that are replaced."""
    for name, ref in stored.items():
        name = re.sub(r"^base_model\.model\.", "", name)
        if name.endswith(".trainable_tokens_delta") and config["peft_type"] == "LORA":
            name = re.sub(r"\.(token_adapter\.)?trainable_tokens_delta$", ".weight", name)
            yield name, delta("tokens", {"trainable_tokens_delta": ref},
                              {"indices": config["trainable_token_indices"]}, base[name])
        elif name.endswith(".base_layer.bias") or name in base:
            name = name.replace(".base_layer.", ".")
            yield name, delta("full", {"saved": ref}, {}, base[name])


def other_changes(config, modules, base):
    kind, known_by, options = KINDS[config["peft_type"]]
    shared = {role: ref for parts in modules.values() for role, ref in parts.items() if role in SHARED}
    for module, parts in modules.items():
        if known_by not in parts:
            continue

        def shape(role, parts=parts):
            return json.loads(db.execute("SELECT tensor_shape(?)", (parts[role],)).fetchone()[0])

        if config["peft_type"] == "GLORA":
            parts = {role: ref for role, ref in parts.items() if role.startswith(("glora_A", "glora_B"))}
        name = f"{module}.weight"
        yield name, delta(kind, parts | shared, options(config, module, shape), base.get(name))


def changes(folder, base):
    with open(os.path.join(folder, "adapter_config.json"), encoding="utf-8") as file:
        config = json.load(file)
    stored = refs(os.path.join(folder, "adapter_model.safetensors"))
    modules = {}
    for name, ref in stored.items():
        module, role = parameter(name)
        modules.setdefault(module, {})[role] = ref
    if config["peft_type"] == "LORA":
        yield from lora_changes(config, modules, base)
        yield from saved_changes(config, stored, base)
    else:
        yield from other_changes(config, modules, base)


# ---- Comparing ----


def check_merged(folder, name, change, base, merged):
    """base + delta is the merged tensor, to the rounding of a float."""
    query = ("SELECT c.max_abs_diff, s.abs_max, b.abs_max FROM tensor_compare(tensor_add(?1, ?2), ?3) c, "
             "tensor_stats(?2) s, tensor_stats(?1) b")
    difference, greatest, weight = db.execute(query, (base, change, merged)).fetchone()
    bound = TOLERANCE * max(greatest, 1e-30) + weight * 2**-23
    tally.check(difference <= bound and greatest > 0, f"{folder}: {name} is {difference / max(greatest, 1e-30):.2g} off")
    query = "SELECT tensor_dtype(?1), tensor_shape(?1) = tensor_shape(?2)"
    tally.check(db.execute(query, (change, base)).fetchone() == ("F32", 1), f"{folder}: {name}: another dtype or shape")


def check_norm(folder, name, change, expected, tolerance):
    found = db.execute("SELECT l2 FROM tensor_stats(?)", (change,)).fetchone()[0]
    tally.check(abs(found - expected) <= tolerance * expected, f"{folder}: {name} has norm {found}, not {expected}")


def check_adapter(folder):
    name = os.path.basename(folder)
    with open(os.path.join(folder, "ORACLE.json"), encoding="utf-8") as file:
        norms = json.load(file).get("merged_delta_norm", {})
    merged = refs(os.path.join(folder, "oracle", "oracle.safetensors"))
    base = {} if name in WITHOUT_BASE else refs(os.path.join(PEFT, BASES.get(name, "base-llama"), "model.safetensors"))
    seen = set()
    for weight, change in changes(folder, base):
        seen.add(weight)
        if weight in base and weight in merged:
            check_merged(name, weight, change, base[weight], merged[weight])
        if weight in norms:
            check_norm(name, weight, change, norms[weight], NORM_TOLERANCE)
    tally.check(set(merged) <= seen, f"{name}: no change of {sorted(set(merged) - seen)[:3]}")


# ---- diffusers and kohya ----


def check_kohya(folder, kind, roles):
    path = glob.glob(os.path.join(folder, "*.safetensors"))[0]
    with open(os.path.join(folder, "ORACLE.json"), encoding="utf-8") as file:
        oracle = json.load(file)["modules"]
    stored, name = refs(path), os.path.basename(folder)
    for module, expected in oracle.items():
        if "delta_norm" not in expected:
            continue
        parts = {role: stored[f"{module}.{suffix}"] for role, suffix in roles.items() if f"{module}.{suffix}" in stored}
        change = delta(kind, parts, {"scale": expected["scale"]}, None)
        check_norm(name, module, change, expected["delta_norm"], HALF_TOLERANCE)


def check_diffusers(folder):
    path = glob.glob(os.path.join(folder, "*.safetensors"))[0]
    with open(os.path.join(folder, "ORACLE.json"), encoding="utf-8") as file:
        oracle = json.load(file)["modules"]
    stored, name = refs(path), os.path.basename(folder)
    for component, modules in oracle.items():
        for module, expected in modules.items():
            parts = {role: stored[f"{component}.{module}.{role}.weight"] for role in ("lora_A", "lora_B")}
            change = delta("lora", parts, {"scale": expected["scale"]}, None)
            check_norm(name, f"{component}.{module}", change, expected["delta_norm"], NORM_TOLERANCE)


LORA_ROLES = {"lora_A": "lora_down.weight", "lora_B": "lora_up.weight", "lora_mid": "lora_mid.weight"}
LOHA_ROLES = {role: role for role in ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2")}
# No change of a weight; or one that cannot be computed from the adapter.
NOT_COMPUTED = {"adaption-prompt", "beft", "lora-pissa", "prefix-tuning", "prompt-tuning", "psoft", "unilora", "xlora"}

if not os.path.isdir(PEFT):
    print(f"skipped: adapters as PEFT merges them ({PEFT} is not there)")
    tally.finish()
wanted = sys.argv[1:] or sorted(os.listdir(PEFT))
for entry in wanted:
    if os.path.exists(os.path.join(PEFT, entry, "adapter_config.json")) and entry not in NOT_COMPUTED:
        check_adapter(os.path.join(PEFT, entry))
if len(sys.argv) == 1:
    check_kohya(os.path.join(MODELS, "diffusers", "kohya-lora-alphas"), "lora", LORA_ROLES)
    check_kohya(os.path.join(MODELS, "diffusers", "kohya-loha"), "loha", LOHA_ROLES)
    check_diffusers(os.path.join(MODELS, "diffusers", "lora-flux-metadata"))
tally.finish()
