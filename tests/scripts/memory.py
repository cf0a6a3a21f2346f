"""sql/memory.sql: configurations as published, with what their makers say that a token takes, or worked out by hand from
the formulas at the top of the script. The weights are a few numbers made here, for they do not matter.

Covers little: of all lines, others reach nearly as many.
"""

import json
import os
import tempfile

import making
import shell
from tally import Tally

MODELS = os.environ.get("MODELS", "../shared/models")
tally = Tally()
ROOT = tempfile.mkdtemp(prefix="scripts.")
KEYS = ("num_hidden_layers", "num_attention_heads", "num_key_value_heads", "hidden_size", "head_dim")


def model(name, config, tensors=None):
    making.file(f"{ROOT}/{name}/model.safetensors", tensors or {"model.embed_tokens.weight": making.zeros("BF16", 2, 2)})
    if config is not None:
        with open(f"{ROOT}/{name}/config.json", "w", encoding="utf-8") as file:
            json.dump(config, file)
    return f"{ROOT}/{name}"


def memory(path, **parameters):
    code, out, error = shell.script("memory", path=path, format="json", **parameters)
    tally.equal((code, error), (0, ""), f"sql/memory.sql of {path}")
    return json.loads(out)


def llama(*sizes, **more):
    return {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "bfloat16", **dict(zip(KEYS, sizes)), **more}


DEEPSEEK = {"architectures": ["DeepseekV3ForCausalLM"], "model_type": "deepseek_v3", "num_hidden_layers": 61, "num_attention_heads": 128,
            "num_key_value_heads": 128, "hidden_size": 7168, "kv_lora_rank": 512, "qk_rope_head_dim": 64, "qk_nope_head_dim": 128, "v_head_dim": 128,
            "torch_dtype": "bfloat16", "num_nextn_predict_layers": 1, "n_routed_experts": 256, "num_experts_per_tok": 8}


def test_published():
    """Table 1 of "Insights into DeepSeek-V3" (arXiv 2505.09343): kB for each token, in BF16."""
    for name, config, token in (("deepseek-v3", DEEPSEEK, 70_272), ("qwen2.5-72b", llama(80, 64, 8, 8192, model_type="qwen2", use_sliding_window=False,
                                                                                      sliding_window=131072, max_window_layers=70), 327_680),
                                ("llama-3.1-405b", llama(126, 128, 8, 16384), 516_096)):
        tally.equal(memory(model(name, config))["memory"][0]["token_nbytes"], token, name)


def linear(layers, interval):
    return ["full_attention" if (i + 1) % interval == 0 else "linear_attention" for i in range(layers)]


def test_kinds():
    """By hand: (configuration, tokens) and what a token and a sequence take."""
    gemma3 = {"architectures": ["Gemma3ForConditionalGeneration"], "text_config": {
        "model_type": "gemma3_text", "num_hidden_layers": 6, "num_attention_heads": 8, "num_key_value_heads": 4, "hidden_size": 2560, "head_dim": 256,
        "sliding_window": 1024, "max_position_embeddings": 131072}, "torch_dtype": "bfloat16"}
    for name, config, context, token, sequence in (
            # every head of its own: 2 layers * 4 heads * (8 + 8) * 2 bytes
            ("multi-head", {"architectures": ["GPT2LMHeadModel"], "n_layer": 2, "n_head": 4, "n_embd": 32, "dtype": "float16", "n_positions": 64}, None, 256, 256 * 64),
            # one for all: 3 * 1 * (16 + 16) * 2
            ("multi-query", {"architectures": ["FalconForCausalLM"], "model_type": "falcon", "num_hidden_layers": 3, "num_attention_heads": 4, "hidden_size": 64,
                             "multi_query": True, "new_decoder_architecture": False}, 10, 192, 1920),
            ("multi-query, though heads are said", {"architectures": ["FalconForCausalLM"], "model_type": "falcon", "num_hidden_layers": 3, "num_attention_heads": 4,
                                                    "num_kv_heads": 4, "hidden_size": 64, "multi_query": True, "new_decoder_architecture": False}, 10, 192, 1920),
            ("groups of falcon", {"architectures": ["FalconForCausalLM"], "model_type": "falcon", "num_hidden_layers": 3, "num_attention_heads": 4,
                                  "num_kv_heads": 2, "hidden_size": 64, "multi_query": True, "new_decoder_architecture": True}, 10, 384, 3840),
            # two layers have one cache: 2 of 4
            ("shared by two", llama(4, 4, 2, 16, 8, use_cla=True, cla_share_factor=2), 10, 128, 1280),
            # MLA and an index of 128 + 4 bytes
            ("indexed", {**DEEPSEEK, "index_head_dim": 128}, 10, 70_272 + 61 * 132, 10 * (70_272 + 61 * 132)),
            # MiniMax: of 2 layers one is linear: 4 * 4 * 8 * 8
            ("lightning", llama(2, 4, 2, 16, 8, model_type="minimax_m1", attn_type_list=[0, 1]), 10, 64, 640 + 1024),
            ("old conv", llama(2, 4, 2, 16, 8, model_type="lfm2", full_attn_idxs=[1], conv_L_cache=3), 10, 64, 640 + 3 * 16 * 2),
            # all layers: 2 * 2 * (4 + 4) * 2 = 64 for the last 100 tokens
            ("sliding", llama(2, 4, 2, 16, sliding_window=100, model_type="mistral"), 1000, 64, 6400),
            # 5 of 6 have a window of 1024: a layer takes 4 * (256 + 256) * 2 = 4096
            ("gemma3", gemma3, 8192, 6 * 4096, 4096 * (8192 + 5 * 1024)),
            ("gemma2", {**llama(4, 4, 2, 16, 8, model_type="gemma2", sliding_window=10)}, 100, 4 * 64, 64 * (2 * 100 + 2 * 10)),
            ("listed", llama(3, 4, 2, 16, 8, layer_types=["full_attention", "sliding_attention", "sliding_attention"], sliding_window=10), 100, 3 * 64, 64 * (100 + 20)),
            ("not used", llama(2, 4, 2, 16, 8, model_type="qwen2", sliding_window=10, use_sliding_window=False), 100, 128, 12800),
            ("upper layers", llama(4, 4, 2, 16, 8, model_type="qwen2", sliding_window=10, use_sliding_window=True, max_window_layers=3), 100, 256, 64 * 310),
            ("shared", llama(4, 4, 2, 16, 8, num_kv_shared_layers=3), 100, 64, 6400),
            # Qwen3-Next-80B: 12 of 48 layers are full: 12 * 2 * (256 + 256) * 2; the others keep 32 * 128 * 128 of 4 bytes and 4 * (2 * 16 * 128 + 32 * 128) of 2
            ("linear", llama(48, 16, 2, 2048, 256, model_type="qwen3_next", layer_types=linear(48, 4), linear_num_value_heads=32, linear_num_key_heads=16,
                             linear_key_head_dim=128, linear_value_head_dim=128, linear_conv_kernel_dim=4), 1, 24576, 24576 + 36 * (2_097_152 + 65_536)),
            ("interval", llama(4, 16, 2, 2048, 256, model_type="qwen3_next", full_attention_interval=4, linear_num_value_heads=2, linear_num_key_heads=1,
                               linear_key_head_dim=8, linear_value_head_dim=8, linear_conv_kernel_dim=4), 1, 2048, 2048 + 3 * (4 * 2 * 64 + 2 * 4 * (16 + 16))),
            # Jamba: of 8 layers number 4 is attention: 8 * (128 + 128) * 2; the others keep 8192 * (16 + 4) of 2 bytes
            ("jamba", llama(8, 32, 8, 4096, model_type="jamba", attn_layer_period=8, attn_layer_offset=4, mamba_d_state=16, mamba_d_conv=4, mamba_expand=2),
             10, 4096, 40960 + 7 * 8192 * 20 * 2),
            ("mamba", {"architectures": ["MambaForCausalLM"], "model_type": "mamba", "num_hidden_layers": 2, "hidden_size": 8, "expand": 2, "state_size": 4,
                       "conv_kernel": 3, "dtype": "float32"}, 5, 0, 2 * 16 * 7 * 4),
            # 4 heads of 8: 32 * 16, and 4 * (32 + 2 * 1 * 16)
            ("mamba2", {"architectures": ["Mamba2ForCausalLM"], "model_type": "mamba2", "num_hidden_layers": 1, "hidden_size": 16, "num_heads": 4, "head_dim": 8,
                        "state_size": 16, "conv_kernel": 4, "n_groups": 1, "dtype": "bfloat16"}, 5, 0, 2 * (512 + 256)),
            ("pattern", llama(4, 4, 2, 16, 8, model_type="nemotron_h", hybrid_override_pattern="M-*-", mamba_num_heads=2, mamba_head_dim=4, ssm_state_size=8,
                              n_groups=1, conv_kernel=4), 10, 64, 640 + 2 * (64 + 4 * (8 + 16))),
            ("conv", llama(2, 4, 2, 16, 8, model_type="lfm2", layer_types=["conv", "full_attention"], conv_L_cache=3), 10, 64, 640 + 3 * 16 * 2),
            # T5: 2 layers * 4 * (8 + 8) * 4, of its own tokens and of as many of the encoder's
            ("cross", {"architectures": ["T5ForConditionalGeneration"], "model_type": "t5", "num_layers": 5, "num_decoder_layers": 2, "num_heads": 4, "d_kv": 8,
                       "d_model": 32, "dtype": "float32"}, 10, 512, 10240),
            ("whisper", {"architectures": ["WhisperForConditionalGeneration"], "model_type": "whisper", "is_encoder_decoder": True, "decoder_layers": 2,
                         "decoder_attention_heads": 4, "d_model": 32, "max_source_positions": 1500, "dtype": "float16"}, 10, 256, 256 * 1510),
            ("8 bits", llama(1, 4, 2, 16, 8, quantization_config={"kv_cache_scheme": {"num_bits": 8, "type": "float"}}), 10, 32, 320),
            ("values", llama(1, 4, 2, 16, 8, v_head_dim=4), 10, 2 * 12 * 2, 480)):
        parameters = {} if context is None else {"context": str(context)}
        found = memory(model(name, config), **parameters)["memory"][0]
        tally.equal((found["token_nbytes"], found["sequence_nbytes"], found["note"]), (token, sequence, None), name)


def test_parameters():
    """Bytes of keys and values, of batches, and of the most tokens that the configuration allows."""
    path = model("parameters", llama(2, 4, 2, 16, 8, max_position_embeddings=100))
    for parameters, wanted in (({}, (100, 12800, 12800)), ({"context": "10"}, (10, 1280, 1280)), ({"context": "10", "batch": "3"}, (10, 1280, 3840)),
                               ({"kv_dtype": "F8_E4M3"}, (100, 6400, 6400)), ({"kv_dtype": "F32"}, (100, 25600, 25600))):
        found = memory(path, **parameters)["memory"][0]
        tally.equal((found["context"], found["sequence_nbytes"], found["cache_nbytes"]), wanted, f"{parameters}")
        tally.equal(found["nbytes"], 8 + wanted[2], "with 8 bytes of weights")


def test_unknown():
    """What cannot be told is said, and is no number."""
    for name, config, part in (("no configuration", None, "no config.json"), ("no sizes", {"architectures": ["XForCausalLM"], "num_hidden_layers": 2}, "lacks sizes"),
                               ("an encoder", {"architectures": ["BertForMaskedLM"], "num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 8}, "generates no text"),
                               ("an embedding", {**llama(2, 4, 2, 16, 8), "architectures": ["Qwen2Model"]}, "Qwen2Model generates no text"),
                               ("no architecture", {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 8}, "names no architecture"),
                               ("a new kind", llama(2, 4, 2, 16, 8, layer_types=["full_attention", "retention"]), "1 layers (retention)"),
                               ("too many", llama(10**15, 4, 2, 16, 8), "no number of layers"), ("a list", [], "no config.json"),
                               ("sizes without bounds", llama(2, 2**62, 2**62, 4, 2**62), "lacks sizes"), ("less than nothing", llama(2, -4, -2, 16, 8), "lacks sizes"),
                               ("no object", {**llama("x", 4, 2, 16, 8), "text_config": "x"}, "no number of layers"),
                               ("words", llama("two", "four", "x", "y", "z"), "no number of layers")):
        found = memory(model(name, config))["memory"][0]
        tally.check(found["cache_nbytes"] is None and part in (found["note"] or "") and found["nbytes"] == 8, name, found)


def test_images():
    """Layers that look at images keep those, which is said, and nothing of the text."""
    found = memory(model("images", {"architectures": ["MllamaForConditionalGeneration"], "text_config": llama(4, 4, 2, 16, 8, cross_attention_layers=[1, 3])}), context="10")
    tally.equal((found["memory"][0]["token_nbytes"], found["memory"][0]["note"]), (128, "what the layers that look at images keep is not counted"), "images")


def test_experts():
    """Of 3 experts of 4 parameters in two layers 2 are used: 16 of 24, and 10 others, of which one layer predicts further."""
    tensors = {f"model.layers.{layer}.mlp.experts.{i}.w": making.zeros("BF16", 2, 2) for layer in (0, 1, 2) for i in range(3)}
    tensors |= {"model.layers.0.mlp.shared_experts.w": making.zeros("BF16", 2, 2), "model.embed_tokens.weight": making.zeros("BF16", 3, 2)}
    path = model("experts", llama(2, 4, 2, 16, 8, n_routed_experts=3, num_experts_per_tok=2, num_nextn_predict_layers=1), tensors)
    found = memory(path)
    tally.equal([(row["numel"], row["active_numel"], row["draft_numel"]) for row in found["memory"]], [(46, 26, 12)], "active parameters")
    tally.equal([(row["experts"], row["active"], row["numel"]) for row in found["memory_experts"]], [(3, 2, 24)], "experts")
    stacked = model("stacked", llama(1, 4, 2, 16, 8, num_local_experts=4, num_experts_per_tok=1, model_type="gpt_oss"),
                    {"model.layers.0.mlp.experts.gate_up_proj": making.zeros("BF16", 4, 2, 2), "model.layers.0.mlp.router.weight": making.zeros("BF16", 4, 2)})
    tally.equal(memory(stacked)["memory"][0]["active_numel"], 4 + 8, "stacked experts")


def test_models():
    """Models of transformers: a row each, with the bytes of their weights."""
    if not os.path.isdir(f"{MODELS}/transformers"):
        print(f"skipped: models of the tools ({MODELS}/transformers is not there)")
        return
    # 2 layers of 2 * (8 + 8) elements in BF16; 3 of 8 + 8
    for name, token in (("mixtral-bf16-sharded", 128), ("gpt-oss-bf16", 128), ("deepseek-v3-bf16-sharded", 96)):
        with open(f"{MODELS}/transformers/{name}/ORACLE.json", encoding="utf-8") as file:
            oracle = json.load(file)
        found = memory(f"{MODELS}/transformers/{name}")["memory"][0]
        tally.equal((found["token_nbytes"], found["weights_nbytes"]), (token, oracle["stored_bytes"]), name)


def test_words():
    code, out, error = shell.script("memory", path=model("words in short", llama(2, 4, 2, 16, 8)), context="1000", batch="2")
    tally.equal((code, error, out.splitlines()[:2]), (0, "", ["It takes 256 kB: 8 B of weights, 256 kB for 2 sequences of 1,000 tokens.",
                                                              "A token takes 128 B in BF16."]), "in words")
    for parameter, value in (("context", "0"), ("batch", "0"), ("kv_dtype", "F64"), ("context", "x")):
        code, out, error = shell.script("memory", path=f"{ROOT}/words in short", **{parameter: value})
        tally.check((code, out, error.count("\n")) == (1, "", 1) and f":{parameter} is" in error, f"{parameter} of {value}", code, out, error)


def test_packed_without_a_dtype():
    """Scales in F32 say nothing of keys and values where the other weights are BF16."""
    config = {key: value for key, value in llama(1, 4, 2, 16, 8).items() if key != "torch_dtype"}
    path = model("packed", {**config, "quantization_config": {"quant_method": "fp8", "weight_block_size": [8, 8]}}, {
        "model.norm.weight": making.zeros("BF16", 16), "model.layers.0.self_attn.o_proj.weight": making.zeros("F8_E4M3", 16, 32),
        "model.layers.0.self_attn.o_proj.weight_scale_inv": making.zeros("F32", 2, 4)})
    tally.equal([row["kv_dtype"] for row in memory(path)["memory"]], ["BF16"], "the dtype of what is kept")


tally.run(globals(), ROOT)
