"""safetensors_adapter: hand-made files in every naming and of every kind, patterns against Python's own `re`, what is
missing, of another shape or dtype, hostile configurations; and the adapters of MODELS, which PEFT, diffusers and kohya's
tools wrote, against the rank, alpha and scale that these tools use."""

import json
import os
import random
import re
import signal
import struct
import sys
import tempfile
import time

import making
from tally import Tally, connect, database_error

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else random.randrange(2**32)
MODELS = os.environ.get("MODELS", os.path.join("..", "shared", "models"))
ROOT = tempfile.mkdtemp(prefix="adapters.")
COLUMNS = "module, kind, rank, alpha, scale, shape, weight, status, ref, parts"
tally = Tally()
db = connect()
chance = random.Random(SEED)


def tensor(*shape, dtype="F32", size=4):
    numel = 1
    for dimension in shape:
        numel *= dimension
    return dtype, list(shape), bytes(numel * size)


def number(value, dtype="F32"):
    code = {"F32": "<f", "F16": "<e", "I64": "<q", "F64": "<d", "I32": "<i"}[dtype]
    return dtype, [], struct.pack(code, value)


def adapter(name, tensors, config=None, metadata=None):
    directory = os.path.join(ROOT, name)
    making.file(os.path.join(directory, "adapter_model.safetensors"), tensors, metadata)
    text = os.path.join(directory, "adapter_config.json")
    if os.path.exists(text):
        os.unlink(text)
    if config is not None:
        with open(text, "w", encoding="utf-8") as file:
            file.write(config if isinstance(config, str) else json.dumps(config))
    return directory


class Row:
    def __init__(self, values):
        self.module, self.kind, self.rank, self.alpha, self.scale, self.shape, self.weight, self.status, self.ref, self.parts = values
        self.expression = json.loads(self.ref) if self.ref else None

    @property
    def options(self):
        return self.expression.get("options", {}) if self.expression else None

    def __repr__(self):
        return repr(vars(self))


def rows(path, base=None):
    return [Row(row) for row in db.execute(f"SELECT {COLUMNS} FROM safetensors_adapter(?, ?)", (path, base))]


def one(path, base=None):
    found = rows(path, base)
    tally.equal(len(found), 1, f"one row for {path}: {found}")
    return found[0]


def lora(module, rank=2, out=6, into=4, a="lora_A.weight", b="lora_B.weight"):
    return {f"{module}.{a}": tensor(rank, into), f"{module}.{b}": tensor(out, rank)}


PEFT = {"peft_type": "LORA", "r": 2, "lora_alpha": 8}


# ---- Namings ----

def test_namings():
    cases = [
        # name: module, weight, tensors
        ("model.layers.3.q", "model.layers.3.q", lora("base_model.model.model.layers.3.q")),
        ("a name of the adapter", "model.q", lora("base_model.model.model.q", a="lora_A.default.weight", b="lora_B.default.weight")),
        ("diffusers", "unet.mid.to_q", lora("unet.mid.to_q")),
        ("lora.down", "unet.mid.to_q", lora("unet.mid.to_q", a="lora.down.weight", b="lora.up.weight")),
        ("lora_linear_layer", "text_encoder.q_proj", lora("text_encoder.q_proj", a="lora_linear_layer.down.weight", b="lora_linear_layer.up.weight")),
        ("processors", "unet.mid.attn1.to_q", lora("unet.mid.attn1.processor", a="to_q_lora.down.weight", b="to_q_lora.up.weight")),
        ("the output of processors", "mid.attn1.to_out.0", lora("mid.attn1.processor", a="to_out_lora.down.weight", b="to_out_lora.up.weight")),
        ("without processor", "mid.attn1.to_v", lora("mid.attn1", a="to_v_lora.down.weight", b="to_v_lora.up.weight")),
        ("kohya", "lora_unet_mid_to_q", lora("lora_unet_mid_to_q", a="lora_down.weight", b="lora_up.weight")),
        ("XLabs, image", "double_blocks.0.img_attn.qkv", lora("double_blocks.0.processor", a="qkv_lora1.down.weight", b="qkv_lora1.up.weight")),
        ("XLabs, text", "double_blocks.0.txt_attn.proj", lora("double_blocks.0.processor", a="proj_lora2.down.weight", b="proj_lora2.up.weight")),
        ("BFL", "double_blocks.0.img_attn.proj", lora("double_blocks.0.img_attn.proj")),
        ("ComfyUI", "diffusion_model.blocks.0.q", lora("diffusion_model.blocks.0.q", a="lora_down.weight", b="lora_up.weight")),
    ]
    for what, module, tensors in cases:
        row = one(adapter("naming", tensors))
        tally.equal((row.module, row.kind, row.rank, row.scale, row.alpha, row.shape, row.weight),
                    (module, "lora", 2, 1.0, None, "[6,4]", f"{module}.weight"), f"naming: {what}")
        tally.check("alpha is missing" in row.status, f"naming: {what}: nothing says alpha", row.status)
        tally.equal(set(json.loads(row.parts)), {"lora_A", "lora_B"}, f"naming: {what}: roles")
        tally.equal(row.expression["kind"], "lora", f"naming: {what}: expression")


def test_alphas_of_kohya():
    for dtype in ("F16", "F32", "I64", "F64", "I32"):
        tensors = lora("lora_unet_x", a="lora_down.weight", b="lora_up.weight") | {"lora_unet_x.alpha": number(5, dtype)}
        row = one(adapter("alpha", tensors, metadata={"ss_network_alpha": "1.0"}))
        tally.equal((row.alpha, row.scale, row.status), (5.0, 2.5, "ok"), f"alpha in {dtype}")
        tally.check("alpha" in json.loads(row.parts) and "alpha" not in row.expression["parts"], "alpha is a part, and not read", row)
    tensors = lora("lora_unet_x", a="lora_down.weight", b="lora_up.weight")
    row = one(adapter("alpha", tensors, metadata={"ss_network_alpha": "1.0"}))
    tally.equal((row.alpha, row.scale), (1.0, 0.5), "the alpha of the metadata is the default")
    tally.check("alpha is missing" in row.status, "a missing alpha is mentioned", row.status)
    for wrong in (tensor(2), ("BOOL", [], b"\1"), number(float("nan"))):
        row = one(adapter("alpha", tensors | {"lora_unet_x.alpha": wrong}))
        tally.check("alpha: expected" in row.status and row.ref is None, "an alpha that is no number", row)


def test_several_adapters_in_a_file():
    tensors = lora("base_model.model.q", a="lora_A.x.weight", b="lora_B.x.weight") | lora("base_model.model.q", a="lora_A.y.weight", b="lora_B.y.weight")
    found = rows(adapter("several", tensors, PEFT))
    tally.equal([row.weight for row in found], ["q.weight", None], "one row has the weight")
    tally.check("another row changes q.weight" in found[1].status and found[1].ref is None, "the other says why", found[1])


# ---- Configurations ----

def test_scales():
    cases = [({"r": 2, "lora_alpha": 8}, 2, 8, 4), ({"r": 2, "lora_alpha": 3.5}, 2, 3.5, 1.75),
             ({"r": 2, "lora_alpha": 8, "use_rslora": True}, 2, 8, 8 / 2**.5),
             ({"r": 9, "rank_pattern": {"q": 2}, "lora_alpha": 8}, 2, 8, 4),
             ({"r": 2, "lora_alpha": 8, "alpha_pattern": {"layers.0.q": 6}}, 2, 6, 3),
             ({"r": 2, "lora_alpha": 8, "alpha_pattern": {"z": 5, r"layers\.\d\.(k|q)": 7, "q": 1}}, 2, 7, 3.5)]
    for config, rank, alpha, scale in cases:
        row = one(adapter("scale", lora("base_model.model.layers.0.q"), {"peft_type": "LORA"} | config))
        tally.equal((row.rank, row.alpha, row.scale, row.status), (rank, alpha, scale, "ok"), f"scale of {config}")
    row = one(adapter("scale", lora("base_model.model.q"), {"peft_type": "LORA", "r": 3, "lora_alpha": 8}))
    tally.check("lora_A: expected rank 3" in row.status, "another rank than configured", row.status)
    metadata = {"lora_adapter_metadata": json.dumps({"unet.r": 2, "unet.lora_alpha": 6, "unet.alpha_pattern": {"mid.q": 10},
                                                      "text_encoder.r": 2, "text_encoder.lora_alpha": 4, "text_encoder.use_rslora": True})}
    tensors = lora("unet.up.q") | lora("unet.mid.q") | lora("text_encoder.q")
    found = {row.module: row.scale for row in rows(adapter("metadata", tensors, metadata=metadata))}
    tally.equal(found, {"unet.up.q": 3, "unet.mid.q": 5, "text_encoder.q": 4 / 2**.5}, "configurations of components")


def test_what_keeps_a_change_from_being_computed():
    for config, words in [({"init_lora_weights": "pissa"}, "pissa"), ({"init_lora_weights": "pissa_niter_4"}, "pissa"), ({"init_lora_weights": "OLoRA"}, "olora"),
                          ({"init_lora_weights": "corda"}, "corda"), ({"init_lora_weights": "loftq"}, "loftq"), ({"init_lora_weights": "lora_ga"}, "lora_ga"),
                          ({"init_lora_weights": "surprise"}, "surprise"), ({"use_qalora": True}, "use_qalora"), ({"alora_invocation_tokens": [1, 2]}, "alora"),
                          ({"layer_replication": [[0, 2]]}, "layer_replication"), ({"alpha_pattern": {"(?=q)q": 3}}, "(?=q)q"),
                          ({"rank_pattern": {"q": "many"}}, "rank_pattern"), ({"r": -1}, "r: expected")]:
        row = one(adapter("kept", lora("base_model.model.q"), PEFT | config))
        tally.check(row.ref is None and words in row.status, f"no change for {config}", row)
    for config in ({"init_lora_weights": True}, {"init_lora_weights": False}, {"init_lora_weights": "gaussian"}, {"init_lora_weights": "eva"}, {"loftq_config": {}}):
        row = one(adapter("kept", lora("base_model.model.q"), PEFT | config))
        tally.check(row.ref is not None and row.status == "ok", f"a change for {config}", row)


def test_bad_configurations():
    for text in ("{", "[]", '{"r": 1, "r": 2}', '{"r": ' + "[" * 100 + "]" * 100 + "}", '{"r": "\xff"}', "nothing", '{"lora_alpha": NaN}'):
        row = one(adapter("bad", lora("base_model.model.q"), text))
        tally.check(row.ref is None and "expected" in row.status, f"configuration {text[:20]}", row)
    row = one(adapter("bad", lora("base_model.model.q"), json.dumps(PEFT) + " " * (16 << 20)))
    tally.check(row.ref is None and "16777216 bytes" in row.status, "a configuration of more than 16 MB", row.status)
    config = dict(PEFT, alpha_pattern={f"{i}{'(x|y)' * 20}": 1 for i in range(20000)})
    began = time.monotonic()
    row = one(adapter("bad", lora("base_model.model.q"), config))
    tally.check(time.monotonic() - began < 20, "thousands of patterns", time.monotonic() - began)


# ---- Patterns against Python's re ----

def random_pattern(depth=0, repeated=False):
    """Repetition of what is repeated is left out, because Python would try all ways to divide a name."""
    pieces = []
    for _ in range(chance.randrange(1, 5)):
        kind = chance.randrange(12)
        if kind < 5:
            piece = chance.choice(["a", "b", "layers", "0", "1", "q_proj", "_", r"\."])
        elif kind < 7:
            piece = chance.choice([".", r"\d", r"\w", r"\D", r"\W", r"\s", r"\S"])
        elif kind < 9:
            piece = chance.choice(["[ab]", "[^a]", "[0-9]", "[a-z_]", r"[\d.]", r"[^\w]", "[]a]", "[a-]"])
        elif kind == 9 and depth < 3:
            times = "" if repeated else chance.choice(["", "*", "+", "?", "{2}", "{0,2}"])
            inner = "|".join(random_pattern(depth + 1, repeated or times in ("*", "+")) for _ in range(chance.randrange(1, 4)))
            pieces.append(chance.choice(["(", "(?:", "(?P<n%d>" % chance.randrange(10**6)]) + inner + ")" + times)
            continue
        elif kind == 10:
            piece = chance.choice(["^", "$"])
            pieces.append(piece)
            continue
        else:
            piece = "a"
        often = ["*", "+", "{1,}", "*?", "+?"] if not repeated else []
        pieces.append(piece + chance.choice(["", "", "", "?", "{2}", "{0,2}", "??", "{0}", *often]))
    return "".join(pieces)


def give_up(*_):
    raise TimeoutError


def matched_by_python(pattern, names):
    """The names that Python's re matches; None if it does not know the pattern, or tries ways to divide a name for so
    long that it is no oracle."""
    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(5)
    try:
        compiled = re.compile(rf"(.*\.)?({pattern})$")
        return {name for name in names if compiled.match(name)}
    except (re.error, TimeoutError):
        return None
    finally:
        signal.alarm(0)


def test_patterns():
    names = ["".join(chance.choice(["a", "b", "0", "1", ".", "_", "layers", "q_proj"]) for _ in range(chance.randrange(1, 9))).strip(".") or "a" for _ in range(40)]
    names = [name for name in dict.fromkeys(names) if ".." not in name]
    tensors = {}
    for name in names:
        tensors |= lora(f"base_model.model.{name}")
    for _ in range(int(os.environ.get("CASES", 150))):
        pattern = random_pattern()
        matched = matched_by_python(pattern, names)
        if matched is None:
            continue
        config = {"peft_type": "LORA", "r": 2, "lora_alpha": 8, "alpha_pattern": {pattern: 3}}
        found = {row.module: row.alpha for row in rows(adapter("patterns", tensors, config))}
        expected = {name: 3.0 if name in matched else 8.0 for name in names}
        wrong = [name for name in names if found.get(name) != expected[name]]
        tally.check(not wrong, f"pattern {pattern!r}, seed {SEED}", wrong[:3])
    for pattern in (r"(a)\1", "(?i)a", "a(?!b)", r"\bq", "a**", "a{3,1}", "(", ")", "[", "*a", "a{2000}", "(a{900}){900}", r"\k", "(" * 60 + ")" * 60):
        row = one(adapter("patterns", lora("base_model.model.a"), {"peft_type": "LORA", "r": 2, "lora_alpha": 8, "alpha_pattern": {pattern: 3}}))
        tally.check("alpha_pattern: expected" in row.status and row.ref is None, f"pattern {pattern!r} is outside the language", row)
    began = time.monotonic()
    for pattern in ("(a*)*b", "(a|a)*b", "(a|aa)+$b", "(.*)(.*)(.*)(.*)b", "(a?){900}a{900}", "((a{0,30}){0,30})*b"):
        one(adapter("patterns", lora("base_model.model." + "a" * 3000), {"peft_type": "LORA", "r": 2, "lora_alpha": 8, "alpha_pattern": {pattern: 3}}))
    tally.check(time.monotonic() - began < 20, "patterns that blow up elsewhere", time.monotonic() - began)


# ---- Kinds, and what is missing, of another shape or dtype ----

KINDS = [
    ("lora", "[6,4]", {"lora_A.weight": (2, 4), "lora_B.weight": (6, 2)}, PEFT),
    ("lora", "[6,4,3,3]", {"lora_A.weight": (2, 4, 3, 3), "lora_B.weight": (6, 2, 1, 1)}, PEFT),
    ("lora", "[6,4,3]", {"lora_A.weight": (2, 4, 3), "lora_B.weight": (6, 2, 1)}, PEFT),
    ("lora", "[6,4,3,3]", {"lora_down.weight": (2, 4, 1, 1), "lora_up.weight": (6, 2, 1, 1), "lora_mid.weight": (2, 2, 3, 3)}, PEFT),
    ("lora", "[9,6]", {"lora_embedding_A": (2, 9), "lora_embedding_B": (6, 2)}, PEFT),
    ("dora", "[6,4]", {"lora_A.weight": (2, 4), "lora_B.weight": (6, 2), "lora_magnitude_vector": (6,)}, PEFT | {"use_dora": True}),
    ("dora", "[6,4,3,3]", {"lora_A.weight": (2, 4, 3, 3), "lora_B.weight": (6, 2, 1, 1), "lora_magnitude_vector": (1, 6, 1, 1)}, PEFT | {"use_dora": True}),
    ("adalora", "[6,4]", {"lora_A": (2, 4), "lora_B": (6, 2), "lora_E": (2, 1)}, {"peft_type": "ADALORA", "r": 8, "lora_alpha": 6}),
    ("loha", "[6,4]", {"hada_w1_a": (6, 2), "hada_w1_b": (2, 4), "hada_w2_a": (6, 2), "hada_w2_b": (2, 4)}, {"peft_type": "LOHA", "r": 2, "alpha": 4}),
    ("loha", "[6,4,3,3]", {"hada_w1_a": (2, 6), "hada_w1_b": (2, 4), "hada_w2_a": (2, 6), "hada_w2_b": (2, 4), "hada_t1": (2, 2, 3, 3), "hada_t2": (2, 2, 3, 3)},
     {"peft_type": "LOHA", "r": 2, "alpha": 4}),
    ("lokr", "[6,4]", {"lokr_w1": (2, 2), "lokr_w2": (3, 2)}, {"peft_type": "LOKR", "r": 2, "alpha": 4}),
    ("lokr", "[6,4]", {"lokr_w1": (2, 2), "lokr_w2_a": (3, 2), "lokr_w2_b": (2, 2)}, {"peft_type": "LOKR", "r": 2, "alpha": 4}),
    ("lokr", "[6,4]", {"lokr_w1_a": (2, 2), "lokr_w1_b": (2, 2), "lokr_w2_a": (3, 2), "lokr_w2_b": (2, 2)}, {"peft_type": "LOKR", "r": 2, "alpha": 4}),
    ("oft", "[6,4]", {"oft_R.weight": (2, 1)}, {"peft_type": "OFT", "oft_block_size": 2, "use_cayley_neumann": True, "num_cayley_neumann_terms": 5}),
    ("boft", "[6,4]", {"boft_R": (1, 2, 2, 2), "boft_s": (6, 1)}, {"peft_type": "BOFT"}),
    ("ia3", "[6,4]", {"ia3_l": (6, 1)}, {"peft_type": "IA3"}),
    ("ia3", "[6,4]", {"ia3_l": (1, 4)}, {"peft_type": "IA3"}),
    ("vblora", "[6,4]", {"vblora_logits_A": (2, 2, 5), "vblora_logits_B": (3, 2, 5), "/vblora_vector_bank": (5, 2)}, {"peft_type": "VBLORA", "topk": 2}),
    ("vera", "[6,4]", {"vera_lambda_b": (6,), "vera_lambda_d": (2,), "/vera_A": (2, 8), "/vera_B": (8, 2)}, {"peft_type": "VERA", "r": 2}),
    ("randlora", "[6,4]", {"randlora_lambda": (2, 3), "randlora_gamma": (3, 4), "/randlora_A": (2, 1, 8), "/randlora_B": (8, 3, 2)}, {"peft_type": "RANDLORA", "r": 2, "randlora_alpha": 4}),
    ("fourierft", "[6,4]", {"fourierft_spectrum": (7,)}, {"peft_type": "FOURIERFT", "scaling": 150, "random_loc_seed": 777}),
    ("hra", "[6,4]", {"hra_u": (4, 2)}, {"peft_type": "HRA", "r": 2, "apply_GS": False}),
    ("miss", "[6,4]", {"miss_block": (2, 6)}, {"peft_type": "MISS", "r": 2}),
    ("bone", "[6,4]", {"bone_block": (2, 6)}, {"peft_type": "BONE", "r": 2}),
    ("c3a", "[6,4]", {"c3a_kernel": (3, 2, 2)}, {"peft_type": "C3A", "block_size": 2}),
    ("hira", "[6,4]", {"hira_A": (2, 4), "hira_B": (6, 2)}, {"peft_type": "HIRA", "r": 2}),
    ("deft", "[6,4]", {"deft_P": (6, 2), "deft_R": (2, 4)}, {"peft_type": "DEFT", "r": 2, "decomposition_method": "relu"}),
    ("delora", "[6,4]", {"delora_A": (2, 4), "delora_B": (6, 2), "delora_lambda": (1,), "delora_w_norm": (4,)}, {"peft_type": "DELORA", "r": 2}),
    ("glora", "[6,4]", {"glora_A.Xd": (6, 2), "glora_A.Xu": (2, 4), "glora_B.Xd": (6, 2), "glora_B.Xu": (2, 4)}, {"peft_type": "GLORA", "r": 2}),
    ("gralora", "[6,4]", {"gralora_A": (2, 2, 2), "gralora_B": (2, 2, 3)}, {"peft_type": "GRALORA", "r": 2, "alpha": 4, "gralora_k": 2}),
    ("road", "[6,4]", {"road_theta": (3,), "road_alpha": (3,)}, {"peft_type": "ROAD", "variant": "road_1", "group_size": 2}),
    ("supertuning", "[6,4]", {"supertuning_values": (3,), "supertuning_indices": (3,), "supertuning_lora_A.weight": (2, 4), "supertuning_lora_B.weight": (6, 2)},
     {"peft_type": "SUPERTUNING", "r": 2, "lora_alpha": 4}),
    ("shira", "[6,4]", {"shira_weight": (5,), "shira_indices": (2, 5)}, {"peft_type": "SHIRA", "r": 2}),
    ("tokens", "[6,4]", {"trainable_tokens_delta": (2, 4)}, {"peft_type": "TRAINABLE_TOKENS", "token_indices": [1, 3]}),
]
FREE = {  # parts of which another shape cannot be told from the right one
    ("ia3", "ia3_l"), ("fourierft", "fourierft_spectrum"), ("c3a", "c3a_kernel"), ("oft", "oft_R"), ("road", "road_theta"),
    ("vera", "vera_A"), ("vera", "vera_B"), ("randlora", "randlora_A"), ("randlora", "randlora_B"), ("gralora", "gralora_A"), ("gralora", "gralora_B"), ("hra", "hra_u")}


def full_name(name):
    return f"base_model{name.replace('/', '.')}" if name[0] == "/" else f"base_model.model.layers.0.q.{name}"


def role_of(name):
    return {"lora_down": "lora_A", "lora_up": "lora_B"}.get(name.removesuffix(".weight").strip("/"), name.removesuffix(".weight").strip("/"))


def base_of(shape, name="base"):
    return making.file(os.path.join(ROOT, name, "model.safetensors"), {"layers.0.q.weight": tensor(*shape), "layers.1.q.weight": tensor(*shape)})


def test_kinds():
    for kind, shape, parts, config in KINDS:
        what = f"{kind} {shape}"
        base = base_of(json.loads(shape))
        tensors = {full_name(name): tensor(*sizes) for name, sizes in parts.items()}
        row = one(adapter("kind", tensors, config), base)
        tally.equal((row.module, row.kind, row.shape, row.weight, row.status), ("layers.0.q", kind, shape, "layers.0.q.weight", "ok"), what)
        tally.check(row.ref is not None and row.expression["op"] == "delta", f"{what}: an expression", row)
        roles = {role_of(name) for name in parts}
        tally.equal(set(json.loads(row.parts)), roles, f"{what}: roles")
        tally.check(row.ref is not None and set(row.expression["parts"]) - {"base"} == roles, f"{what}: the parts of the expression", row.ref)
        for name, sizes in parts.items():
            role = role_of(name)
            removed = {key: value for key, value in tensors.items() if key != full_name(name)}
            if removed and len(parts) > 1:
                found = rows(adapter("damaged", removed, config), base)
                told = [row for row in found if role in row.status or (role == "lora_mid" and "does not fit" in row.status)]
                tally.check(len(found) >= 1 and told and all(row.ref is None for row in told), f"{what} without {role}", found)
            other = list(sizes)
            other[-1] += 1
            found = rows(adapter("damaged", tensors | {full_name(name): tensor(*other)}, config), base)
            if (kind, role) not in FREE:
                tally.check(any(row.ref is None and (role in row.status or "does not fit" in row.status) for row in found), f"{what}: another shape of {role}", found)
            found = rows(adapter("damaged", tensors | {full_name(name): tensor(*sizes, 2)}, config), base)
            tally.check(any(row.ref is None and row.status != "ok" for row in found), f"{what}: another rank of {role}", found)
            found = rows(adapter("damaged", tensors | {full_name(name): tensor(*sizes, dtype="BOOL", size=1)}, config), base)
            tally.check(any(row.ref is None and f"{role}: expected" in row.status for row in found), f"{what}: another dtype of {role}", found)
        wrong = [size + 1 for size in json.loads(shape)]
        row = one(adapter("kind", tensors, config), base_of(wrong, "wrong"))
        tally.check(kind in ("fourierft", "shira", "ia3") or ("does not fit" in row.status and row.ref is None) or kind == "road", f"{what} on another shape", row)
        row = one(adapter("kind", tensors, config))
        tally.check((row.ref is None) == (row.status != "ok"), f"{what} without a base", row)


def test_kinds_without_a_change():
    for kind, name, config in [("prompt_tuning", "prompt_embeddings", {"peft_type": "PROMPT_TUNING"}), ("prefix_tuning", "prompt_embeddings", {"peft_type": "PREFIX_TUNING"}),
                               ("p_tuning", "prompt_embeddings", {"peft_type": "P_TUNING"}), ("cpt", "prompt_embeddings", {"peft_type": "CPT"}),
                               ("adaption_prompt", "base_model.model.l.self_attn.adaption_gate", {"peft_type": "ADAPTION_PROMPT"}),
                               ("xlora", "base_model.internal_xlora_classifier.layers.3.bias", {"peft_type": "XLORA"}),
                               ("unilora", "base_model.unilora_theta_d", {"peft_type": "UNILORA"}), ("psoft", "base_model.model.q.psoft_R.weight", {"peft_type": "PSOFT", "r": 2}),
                               ("waveft", "base_model.model.q.waveft_spectrum", {"peft_type": "WAVEFT"}), ("osf", "base_model.model.q.osf_svd_params.U_high", {"peft_type": "OSF"}),
                               ("poly", "base_model.model.q.poly_lora_A.weight", {"peft_type": "POLY"}), ("textual_inversion", "<cat>", None), ("textual_inversion", "emb_params", None),
                               ("control", "lora_controlnet", None), ("control", "lllite_unet_x.down.0.weight", None), ("unknown", "base_model.model.q.weight", {"peft_type": "NEWEST"}),
                               ("unknown", "model.layers.0.q.weight", None)]:
        row = one(adapter("plain", {name: tensor(2, 2)}, config))
        tally.check((row.kind, row.ref) == (kind, None) and row.status != "ok", f"{kind}: no change", row)
        if kind == "unknown":
            tally.check("lora, dora" in row.status, "known kinds are named", row.status)


def test_whole_tensors():
    tensors = {"base_model.model.head.weight": tensor(6, 4), "base_model.model.q.base_layer.bias": tensor(6), "base_model.model.score.modules_to_save.default.weight": tensor(6, 4),
               "base_model.model.norm.ln_tuning_layers.weight": tensor(4), "base_model.model.experts.gate": tensor(3, 2)} | lora("base_model.model.q")
    path = adapter("whole", tensors, PEFT)
    found = {row.weight: row for row in rows(path)}
    tally.equal({weight: row.kind for weight, row in found.items()}, {"head.weight": "full", "q.bias": "full", "score.weight": "full", "norm.weight": "ln_tuning", "experts.gate": "full", "q.weight": "lora"},
                "tensors that were saved whole")
    tally.check(all((row.ref is None) == (row.kind != "lora") and (row.status == "ok") == (row.kind == "lora") for row in found.values()), "they need the base", found)
    base = making.file(os.path.join(ROOT, "whole_base", "model.safetensors"), {"head.weight": tensor(6, 4), "q.bias": tensor(6), "q.weight": tensor(6, 4), "score.weight": tensor(6, 4), "norm.weight": tensor(4),
                                                                               "experts.gate": tensor(3, 2)})
    for row in rows(path, base):
        tally.check(row.status == "ok" and row.ref is not None, f"{row.weight} with the base", row)
        if row.kind != "lora":
            tally.equal((row.expression["kind"], set(row.expression["parts"])), ("full", {"saved", "base"}), f"{row.weight}: saved - base")
    tensors = lora("base_model.model.q") | {"base_model.model.q.lora_B.bias": tensor(6), "base_model.model.q.base_layer.weight": tensor(6, 4)}
    found = rows(adapter("whole", tensors, PEFT))
    tally.equal([(row.weight, row.kind, row.expression["kind"], row.options) for row in found], [("q.weight", "lora", "lora", {"scale": 4.0}), ("q.bias", "lora", "diff", {"scale": 4.0})], "the bias of lora_B")
    tally.check("base_layer" in json.loads(found[0].parts) and "base_layer" not in found[0].expression["parts"], "base_layer belongs to the row, and is not read", found[0])
    tensors |= {"base_model.model.q.lora_magnitude_vector": tensor(6)}
    row = rows(adapter("whole", tensors, PEFT | {"use_dora": True}))[0]
    tally.check(row.status == "ok" and row.expression["parts"]["base"].endswith("q.base_layer.weight"), "base_layer is the base where none is given", row)
    tensors = {"lora_unet_x.diff": tensor(6, 4), "lora_unet_x.diff_b": tensor(6), "lora_unet_n.w_norm": tensor(4), "lora_unet_n.b_norm": tensor(4)}
    found = {row.weight: (row.kind, row.expression["kind"], row.status) for row in rows(adapter("whole", tensors))}
    tally.equal(found, {name: ("diff", "diff", "ok") for name in ("lora_unet_x.weight", "lora_unet_x.bias", "lora_unet_n.weight", "lora_unet_n.bias")}, "changes that were saved as they are")


def test_experts():
    tensors = lora("base_model.model.l.0.experts", 8, 6, 4) | lora("base_model.model.l.0.experts.base_layer", 8, 10, 6)
    config = PEFT | {"target_parameters": ["experts.gate_up_proj", "experts.down_proj"]}
    path = adapter("experts", tensors, config)
    found = {row.module: row for row in rows(path)}
    tally.equal({module: (row.weight, row.rank, row.scale, row.shape, row.options["experts"]) for module, row in found.items()},
                {"l.0.experts": ("l.0.experts.down_proj", 2, 4, "[4,6,4]", 4), "l.0.experts.base_layer": ("l.0.experts.gate_up_proj", 2, 4, "[4,10,6]", 4)}, "parameters of experts")
    tally.check(all("assumed" in row.status for row in found.values()), "the layout is assumed", found)
    for turned in (False, True):
        base = making.file(os.path.join(ROOT, "experts_base", "model.safetensors"), {"l.0.experts.down_proj": tensor(4, 4, 6) if turned else tensor(4, 6, 4),
                                                                                     "l.0.experts.gate_up_proj": tensor(4, 6, 10) if turned else tensor(4, 10, 6)})
        for row in rows(path, base):
            tally.equal((row.status, row.options.get("transposed", False)), ("ok", turned), f"experts with a base, {turned}")
    base = making.file(os.path.join(ROOT, "experts_base", "model.safetensors"), {"l.0.experts.down_proj": tensor(5, 6, 4)})
    found = {row.module: row for row in rows(path, base)}
    tally.check("does not fit" in found["l.0.experts"].status and found["l.0.experts"].ref is None, "another number of experts", found)


# ---- The base ----

def test_base():
    def weights(*names):
        return making.file(os.path.join(ROOT, "names", "model.safetensors"), {name: tensor(6, 4) for name in names})

    peft, kohya = lora("base_model.model.model.layers.0.q_proj"), lora("lora_te1_text_model_encoder_layers_0_q_proj", a="lora_down.weight", b="lora_up.weight")
    for tensors, names, expected in [
            (peft, ["model.layers.0.q_proj.weight", "model.layers.1.q_proj.weight"], "model.layers.0.q_proj.weight"),
            (peft, ["model.layers.0.q_proj.weight", "x.model.layers.0.q_proj.weight"], "model.layers.0.q_proj.weight"),
            (peft, ["x.model.layers.0.q_proj.weight"], "x.model.layers.0.q_proj.weight"),
            (peft, ["model.language_model.layers.0.q_proj.weight"], "model.language_model.layers.0.q_proj.weight"),
            (peft, ["layers.0.q_proj.weight"], "layers.0.q_proj.weight"),
            (peft, ["model.language_model.layers.0.q_proj.weight", "model.vision.layers.0.q_proj.weight"], "ambiguous"),
            (peft, ["model.layers.1.q_proj.weight"], "no weight"),
            (peft, ["q_proj.weight"], "no weight"),
            (lora("base_model.model.q_proj"), ["layers.0.q_proj.weight"], "no weight"),
            (lora("base_model.model.decoder.layers.0.q_proj"), ["encoder.layers.0.q_proj.weight"], "no weight"),
            (kohya, ["text_model.encoder.layers.0.q_proj.weight"], "text_model.encoder.layers.0.q_proj.weight"),
            (kohya, ["encoder.layers.0.q_proj.weight"], "encoder.layers.0.q_proj.weight"),
            (kohya, ["text.model_encoder.layers.0.q_proj.weight", "text_model.encoder_layers.0.q_proj.weight"], "ambiguous"),
            (lora("unet.down_blocks.0.to_q"), ["down_blocks.0.to_q.weight"], "down_blocks.0.to_q.weight"),
            (lora("diffusion_model.blocks.0.q"), ["blocks.0.q.weight"], "blocks.0.q.weight")]:
        row = one(adapter("based", tensors, PEFT if "base_model" in str(tensors) else None), weights(*names))
        if expected.endswith(".weight"):
            tally.equal(row.weight, expected, f"the weight among {names}")
        else:
            tally.check(row.weight is None and expected in row.status, f"no weight among {names}: {expected}", row)
    row = one(adapter("based", lora("base_model.model.q", 2, 6, 4), PEFT | {"fan_in_fan_out": True}), making.file(os.path.join(ROOT, "names", "model.safetensors"), {"q.weight": tensor(4, 6)}))
    tally.equal((row.status, row.shape, row.options), ("ok", "[4,6]", {"scale": 4.0, "fan_in_fan_out": True}), "a weight that is stored transposed")
    row = one(adapter("based", lora("base_model.model.q", 2, 6, 4), PEFT | {"fan_in_fan_out": True}), making.file(os.path.join(ROOT, "names", "model.safetensors"), {"q.weight": tensor(6, 4)}))
    tally.equal((row.status, row.shape, row.options), ("ok", "[6,4]", {"scale": 4.0}), "a weight that is not, in such a model")
    row = one(adapter("based", lora("base_model.model.q", 2, 6, 4), PEFT), making.file(os.path.join(ROOT, "names", "model.safetensors"), {"q.weight": tensor(6, 4, 1, 1)}))
    tally.equal((row.status, row.shape, row.options["shape"]), ("ok", "[6,4,1,1]", [6, 4, 1, 1]), "a matrix that is stored as a convolution")


def test_files():
    """Files of a directory are adapters by themselves, shards are one; what is kept is forgotten when files change."""
    directory = os.path.join(ROOT, "two")
    for name in "ab":
        making.file(os.path.join(directory, f"{name}.safetensors"), lora("base_model.model.q"))
    found = rows(directory)
    tally.equal([(row.module, row.weight) for row in found], [("q", "q.weight"), ("q", None)], "two adapters in a directory")
    making.model(os.path.join(ROOT, "sharded"), {"s-1.safetensors": {"base_model.model.q.lora_A.weight": tensor(2, 4)}, "s-2.safetensors": {"base_model.model.q.lora_B.weight": tensor(6, 2)}})
    row = one(os.path.join(ROOT, "sharded"))
    tally.equal((row.module, row.rank, row.shape), ("q", 2, "[6,4]"), "an adapter in shards")
    tally.check("s-1" in row.expression["parts"]["lora_A"] and "s-2" in row.expression["parts"]["lora_B"], "refs to shards", row.ref)
    path = adapter("changing", lora("base_model.model.q"), PEFT)
    for alpha in (8, 6, 4):
        adapter("changing", lora("base_model.model.q"), PEFT | {"lora_alpha": alpha})
        tally.equal(one(path).scale, alpha / 2, "a changed configuration")
    adapter("changing", lora("base_model.model.q"))
    tally.equal(one(path).scale, 1.0, "a removed configuration")
    with open(os.path.join(path, "adapter_model.safetensors"), "rb") as file:
        blob = file.read()
    row = one(blob)
    tally.check(row.ref is None and "BLOB" in row.status and row.shape == "[6,4]", "a BLOB", row)


def test_links():
    """A configuration that is a link out of its directory is read only where links may leave it."""
    path = adapter("linked", lora("base_model.model.q"))
    with open(os.path.join(ROOT, "outside.json"), "w", encoding="utf-8") as file:
        json.dump(PEFT, file)
    os.symlink(os.path.join(ROOT, "outside.json"), os.path.join(path, "adapter_config.json"))
    for setting, scale in (("follow", 4.0), ("within", None), ("follow", 4.0)):
        db.execute("SELECT safetensors_config('links', ?)", (setting,)).fetchall()
        row = one(path)
        tally.check((row.scale if row.ref else None) == scale, f"links: {setting}", row)


def test_scale_of_files():
    """Time in proportion to the tensors: of names, of modules, of a base."""
    tensors, names = {}, {}
    for i in range(4000):
        tensors |= lora(f"base_model.model.model.layers.{i}.q_proj", 1, 1, 1)
        names[f"model.layers.{i}.q_proj.weight"] = tensor(1, 1)
    tensors["base_model.model." + "a." * 20000 + "lora_A.weight"] = tensor(1, 1)
    path = adapter("long", tensors, PEFT | {"r": 1, "alpha_pattern": {f"layers.{i}.q_proj": i + 1 for i in range(1000)}})
    base = making.file(os.path.join(ROOT, "long_base", "model.safetensors"), names)
    began = time.monotonic()
    count, right = db.execute("SELECT count(*), sum(b.name IS NOT NULL) FROM safetensors_adapter(?, ?) a LEFT JOIN safetensors_weights(?) b ON b.name = a.weight", (path, base, base)).fetchone()
    tally.equal((count, right), (4001, 4000), "a long adapter")
    joined = db.execute("SELECT count(*) FROM safetensors_weights(?) b JOIN safetensors_adapter(?, ?) a ON a.weight = b.name", (base, path, base)).fetchone()[0]
    tally.equal(joined, 4000, "joined by weight")
    tally.check(time.monotonic() - began < 20, "time of a long adapter", time.monotonic() - began)


# ---- The adapters of real tools ----

NO_CHANGE = {"ADAPTION_PROMPT", "PROMPT_TUNING", "PREFIX_TUNING", "PSOFT", "UNILORA", "XLORA"}


def expected_of(oracle):
    for module, values in oracle.get("modules", {}).items():
        if "scale" in values:
            yield module, values
        else:
            for name, row in values.items():
                yield f"{module}.{name}", row


def kohya_name(module):
    component, _, rest = module.partition(".")
    return {"unet": "lora_unet_", "text_encoder": "lora_te1_"}.get(component, component + "_") + rest.replace(".", "_")


def check_model(path):
    name = os.path.basename(path)
    with open(os.path.join(path, "ORACLE.json"), encoding="utf-8") as file:
        oracle = json.load(file)
    with_base = os.path.join(MODELS, "peft", "base-gpt2" if name == "lora-bias-all" else "base-llama")
    has_base = os.path.basename(os.path.dirname(path)) == "peft" and name not in ("lora-t5", "lora-conv", "lora-target-parameters-moe")
    found = rows(path, with_base if has_base else None)
    by_module = {row.module: row for row in found if row.kind not in ("full", "tokens")}
    for module, values in expected_of(oracle):
        row = by_module.get(module) or by_module.get(kohya_name(module))
        alpha = None if values["alpha"] == "nan" else float(values["alpha"])
        tally.check(row is not None and (row.rank, row.scale) == (values["r"], values["scale"]) and alpha in (None, row.alpha), f"{name}: {module}", values, row)
    changed = set(oracle.get("merged_delta_norm", {}))
    if oracle.get("peft_type") in NO_CHANGE or name == "lora-pissa":
        tally.check(found and all(row.ref is None and row.status != "ok" for row in found), f"{name}: no change is computed", found)
    elif changed:
        tally.equal({row.weight for row in found if row.ref}, changed, f"{name}: the weights that change")
        tally.check(all(row.status == "ok" or "assumed" in row.status for row in found), f"{name}: status", [row.status for row in found])
    else:
        tally.check(found and all(row.status != "" for row in found), f"{name}: listed", found)
    weights = [row.weight for row in found if row.weight]
    tally.equal(len(weights), len(set(weights)), f"{name}: one row per weight")


def test_models():
    folders = [os.path.join(MODELS, kind, name) for kind in ("peft", "diffusers") if os.path.isdir(os.path.join(MODELS, kind)) for name in sorted(os.listdir(os.path.join(MODELS, kind)))]
    folders = [path for path in folders if os.path.exists(os.path.join(path, "adapter_config.json")) or "lora" in os.path.basename(path) or "loha" in path or "inversion" in path]
    if not folders:
        print("skipped: adapters as the tools wrote them (there are no models at MODELS)")
    for path in folders:
        check_model(path)


def test_damaged_models():
    """Each tensor of an adapter removed, or of another shape or dtype: its row says so, and the others stay."""
    names = ("lora-dora", "lora-embeddings", "adalora", "loha", "lokr", "vera", "oft", "delora", "glora", "vblora") if os.path.isdir(os.path.join(MODELS, "peft")) else ()
    base = os.path.join(MODELS, "peft", "base-llama")
    for name in names:
        directory = os.path.join(MODELS, "peft", name)
        tensors = making.tensors_of(os.path.join(directory, "adapter_model.safetensors"))
        with open(os.path.join(directory, "adapter_config.json"), encoding="utf-8") as file:
            config = file.read()
        whole = {row.weight: row.status for row in rows(directory, base)}
        for target, (dtype, shape, content) in tensors.items():
            for what, damaged in [("removed", None), ("cut", (dtype, [shape[0] - 1, *shape[1:]], content[: len(content) // shape[0] * (shape[0] - 1)])),
                                  ("retyped", ("I32", shape, content))]:
                changed = {key: value for key, value in tensors.items() if key != target} | ({target: damaged} if damaged else {})
                found = rows(adapter("model", changed, config), base)
                shared = target.count(".") == 1
                others = {row.weight: row.status for row in found if row.status != "ok"}
                parts = sum(key.rpartition(".lora_")[0].rpartition(".")[0] == target.rpartition(".lora_")[0].rpartition(".")[0] for key in tensors)
                gone = what == "removed" and (".base_layer." in target or len([key for key in tensors if key.split(".")[:7] == target.split(".")[:7]]) == 1)
                free = name in ("lora-embeddings",) and "base_layer" in target
                told = gone or free or (others and (shared or len(others) <= 1 or parts))
                if name == "glora" and "zeros" in target or (name in ("vera",) and shared and what == "cut"):
                    continue
                if name == "glora" and what == "removed":
                    continue  # either path may be absent as a whole, which a half shows as missing
                tally.check(told, f"{name}: {target} {what}", others)
                tally.check(all(status != "ok" or weight in others or what == "removed" or weight in {row.weight for row in found} for weight, status in whole.items()), f"{name}: the other rows", found)


def test_arguments():
    path = adapter("arguments", lora("base_model.model.q") | lora("base_model.model.k"), PEFT)
    tally.equal(db.execute("SELECT count(*) FROM safetensors_adapter(NULL)").fetchone()[0], 0, "NULL has no rows")
    tally.check("found more" in database_error(db, "SELECT * FROM safetensors_adapter(?, NULL, 1)", path), "three arguments")
    tally.check("expected a path" in database_error(db, "SELECT * FROM safetensors_adapter"), "no argument")
    tally.check("no such file" in database_error(db, "SELECT * FROM safetensors_adapter('nowhere')"), "no file")
    tally.check("no such file" in database_error(db, "SELECT * FROM safetensors_adapter(?, 'nowhere')", path), "no base")
    tally.equal(db.execute("SELECT count(*) FROM safetensors_adapter(?) WHERE module = 'q'", (path,)).fetchone()[0], 1, "a module")
    tally.equal(db.execute("SELECT module FROM safetensors_adapter(?) WHERE weight = 'k.weight'", (path,)).fetchone()[0], "k", "a weight")
    tally.equal(db.execute("SELECT count(*) FROM safetensors_adapter(?) WHERE weight = 'K.WEIGHT' COLLATE NOCASE", (path,)).fetchone()[0], 1, "a weight, in any case")
    tally.equal(db.execute("SELECT count(*) FROM safetensors_adapter(?) WHERE module IN ('q', 'k', 'z')", (path,)).fetchone()[0], 2, "modules")
    plans = [row[3] for row in db.execute("EXPLAIN QUERY PLAN SELECT * FROM safetensors_adapter('x') WHERE weight = 'y'")]
    tally.check(any("INDEX" in plan for plan in plans), "a plan", plans)
    ids = db.execute("SELECT rowid FROM safetensors_adapter(?1) UNION ALL SELECT rowid FROM safetensors_adapter(?1, ?1)", (path,)).fetchall()
    tally.equal(len(set(ids)), 4, "rowids of other arguments are others")
    tally.equal({row[0] for row in db.execute("SELECT rowid FROM safetensors_adapter(?) WHERE module = 'q'", (path,))} <= {row[0] for row in ids}, True, "the rowid of a lookup")
    tally.equal(db.execute("SELECT checkpoint, base FROM safetensors_adapter(?1, ?1)", (path,)).fetchone(), (path, path), "the arguments as columns")


if __name__ == "__main__":
    tally.run(globals(), ROOT)
