"""Names and shapes of the tensors of many families of models, small but for the widths that tell them apart, as the
modules of transformers, diffusers, timm, open_clip and of the original releases name their parameters.

Each is (architecture that sql/identify.sql answers, text). A line of the text is `NAME SHAPE`; {a,b} stands for several
names, and # for the layers 0 and 1."""

import itertools
import re

NORMS = "model.layers.#.{input_layernorm,post_attention_layernorm}.weight 8\n"
ENDS = "model.embed_tokens.weight 32,8\nmodel.norm.weight 8\nlm_head.weight 32,8\n"
ATTENTION = "model.layers.#.self_attn.{q,k,v,o}_proj.weight 8,8\n"
MLP = "model.layers.#.mlp.{gate,up}_proj.weight 16,8\nmodel.layers.#.mlp.down_proj.weight 8,16\n"
EXPERTS = "model.layers.#.mlp.experts.{0,1}.{gate,up}_proj.weight 4,8\nmodel.layers.#.mlp.experts.{0,1}.down_proj.weight 8,4\nmodel.layers.#.mlp.gate.weight 2,8\n"
LLAMA = NORMS + ENDS + ATTENTION + MLP
QK_NORM = "model.layers.#.self_attn.{q,k}_norm.weight 4\n"
QKV_BIAS = "model.layers.#.self_attn.{q,k,v}_proj.bias 8\n"
MLA = """model.layers.#.self_attn.kv_a_proj_with_mqa.weight 6,8
model.layers.#.self_attn.kv_a_layernorm.weight 4
model.layers.#.self_attn.kv_b_proj.weight 8,4
model.layers.#.self_attn.{q,o}_proj.weight 8,8
"""
GPT2 = """h.#.attn.c_attn.weight 8,24
h.#.attn.c_attn.bias 24
h.#.attn.c_proj.weight 8,8
h.#.mlp.c_fc.weight 8,32
h.#.mlp.c_proj.weight 32,8
h.#.{ln_1,ln_2}.{weight,bias} 8
wte.weight 32,8
wpe.weight 16,8
ln_f.{weight,bias} 8
"""
BERT = """embeddings.word_embeddings.weight 32,8
embeddings.position_embeddings.weight 16,8
embeddings.token_type_embeddings.weight 2,8
embeddings.LayerNorm.{weight,bias} 8
encoder.layer.#.attention.self.{query,key,value}.weight 8,8
encoder.layer.#.attention.self.{query,key,value}.bias 8
encoder.layer.#.attention.output.dense.weight 8,8
encoder.layer.#.attention.output.dense.bias 8
encoder.layer.#.attention.output.LayerNorm.{weight,bias} 8
encoder.layer.#.intermediate.dense.weight 16,8
encoder.layer.#.intermediate.dense.bias 16
encoder.layer.#.output.dense.weight 8,16
encoder.layer.#.output.dense.bias 8
encoder.layer.#.output.LayerNorm.{weight,bias} 8
pooler.dense.weight 8,8
pooler.dense.bias 8
"""
BART = """model.shared.weight 32,8
model.{encoder,decoder}.embed_positions.weight 18,8
model.{encoder,decoder}.layers.#.self_attn.{q,k,v,out}_proj.weight 8,8
model.decoder.layers.#.encoder_attn.{q,k,v,out}_proj.weight 8,8
model.{encoder,decoder}.layers.#.fc1.weight 16,8
model.{encoder,decoder}.layers.#.fc2.weight 8,16
final_logits_bias 1,32
"""
T5 = """shared.weight 32,{width}
encoder.block.#.layer.0.SelfAttention.{{q,k,v,o}}.weight 8,{width}
encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight 32,4
encoder.block.#.layer.1.DenseReluDense.{{wi_0,wi_1}}.weight 16,{width}
encoder.block.#.layer.1.DenseReluDense.wo.weight {width},16
encoder.final_layer_norm.weight {width}
"""
CLIP_TEXT = """text_model.embeddings.token_embedding.weight 49408,{width}
text_model.embeddings.position_embedding.weight 77,{width}
text_model.encoder.layers.#.self_attn.{{q,k,v,out}}_proj.weight {width},{width}
text_model.encoder.layers.#.mlp.fc1.weight 3072,{width}
text_model.final_layer_norm.weight {width}
"""
OPEN_CLIP_TEXT = """token_embedding.weight 49408,{width}
positional_embedding 77,{width}
transformer.resblocks.#.attn.in_proj_weight 3840,{width}
transformer.resblocks.#.mlp.c_fc.weight 5120,{width}
ln_final.weight {width}
text_projection {width},{width}
"""
CLIP_VISION = """vision_model.embeddings.class_embedding 8
vision_model.embeddings.patch_embedding.weight 8,3,4,4
vision_model.embeddings.position_embedding.weight 17,8
vision_model.encoder.layers.#.self_attn.{q,k,v,out}_proj.weight 8,8
vision_model.encoder.layers.#.mlp.fc1.weight 16,8
"""
LDM_UNET = """input_blocks.0.0.weight 320,{channels},3,3
input_blocks.1.0.in_layers.2.weight 320,320,3,3
input_blocks.1.0.emb_layers.1.weight 320,1280
input_blocks.1.1.transformer_blocks.0.attn1.{{to_q,to_k,to_v}}.weight 320,320
input_blocks.1.1.transformer_blocks.0.attn2.to_q.weight 320,320
input_blocks.1.1.transformer_blocks.0.attn2.{{to_k,to_v}}.weight 320,{context}
input_blocks.3.0.op.weight 320,320,3,3
middle_block.0.in_layers.2.weight 1280,1280,3,3
output_blocks.0.0.in_layers.2.weight 1280,2560,3,3
time_embed.0.weight 1280,320
out.2.weight 4,320,3,3
"""
UNET = """conv_in.weight 320,{channels},3,3
conv_in.bias 320
time_embedding.linear_1.weight 1280,320
down_blocks.0.resnets.0.conv1.weight 320,320,3,3
down_blocks.0.resnets.0.time_emb_proj.weight 320,1280
down_blocks.1.attentions.0.transformer_blocks.0.attn1.{{to_q,to_k,to_v}}.weight 640,640
down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_q.weight 640,640
down_blocks.1.attentions.0.transformer_blocks.0.attn2.{{to_k,to_v}}.weight 640,{context}
mid_block.resnets.0.conv1.weight 1280,1280,3,3
up_blocks.0.resnets.0.conv1.weight 1280,2560,3,3
conv_out.weight 4,320,3,3
"""
LDM_VAE = """encoder.conv_in.weight 128,3,3,3
encoder.down.#.block.0.conv1.weight 128,128,3,3
encoder.mid.attn_1.q.weight 512,512,1,1
decoder.conv_in.weight 512,{channels},3,3
decoder.mid.block_1.conv1.weight 512,512,3,3
decoder.up.#.block.0.conv1.weight 128,128,3,3
decoder.conv_out.weight 3,128,3,3
"""
VAE = """encoder.conv_in.weight 128,3,3,3
encoder.down_blocks.#.resnets.0.conv1.weight 128,128,3,3
encoder.mid_block.attentions.0.to_q.weight 512,512
decoder.conv_in.weight 512,{channels},3,3
decoder.up_blocks.#.resnets.0.conv1.weight 128,128,3,3
decoder.conv_out.weight 3,128,3,3
"""
FLUX = """img_in.weight 3072,{features}
txt_in.weight 3072,4096
time_in.in_layer.weight 3072,256
vector_in.in_layer.weight 3072,768
double_blocks.#.img_attn.{{qkv,proj}}.weight 32,32
double_blocks.#.img_attn.norm.key_norm.scale 128
double_blocks.#.{{img,txt}}_mlp.0.weight 32,32
double_blocks.#.{{img,txt}}_mod.lin.weight 32,32
single_blocks.#.linear1.weight 32,32
single_blocks.#.modulation.lin.weight 32,32
final_layer.linear.weight 64,3072
"""
FLUX_DIFFUSERS = """x_embedder.weight 3072,64
context_embedder.weight 3072,4096
time_text_embed.timestep_embedder.linear_1.weight 3072,256
time_text_embed.text_embedder.linear_1.weight 3072,768
transformer_blocks.#.attn.{to_q,to_k,to_v,add_q_proj,add_k_proj,add_v_proj}.weight 32,32
transformer_blocks.#.{ff,ff_context}.net.0.proj.weight 32,32
single_transformer_blocks.#.attn.{to_q,to_k,to_v}.weight 32,32
single_transformer_blocks.#.proj_mlp.weight 32,32
proj_out.weight 64,3072
"""
WAN = """patch_embedding.weight 32,{channels},1,2,2
text_embedding.0.weight 32,4096
time_embedding.0.weight 32,256
blocks.#.self_attn.{{q,k,v,o,norm_q}}.weight 32,32
blocks.#.cross_attn.{{q,k,v,o,norm_k}}.weight 32,32
blocks.#.ffn.0.weight 64,32
blocks.#.modulation 1,6,32
head.modulation 1,2,32
"""

FAMILIES = {
    "llama": ("llama", LLAMA), "mistral-module": ("llama", re.sub(r"^", "module.", LLAMA.strip(), flags=re.M)),
    "qwen2": ("qwen2", LLAMA + QKV_BIAS), "qwen3": ("qwen3", LLAMA + QK_NORM),
    "qwen2-moe": ("qwen2_moe", NORMS + ENDS + ATTENTION + QKV_BIAS + EXPERTS
                  + "model.layers.#.mlp.shared_expert.gate_proj.weight 4,8\nmodel.layers.#.mlp.shared_expert_gate.weight 1,8\n"),
    "qwen3-moe": ("qwen3_moe", NORMS + ENDS + ATTENTION + QK_NORM + EXPERTS),
    "olmoe": ("olmoe", NORMS + ENDS + ATTENTION + EXPERTS + "model.layers.#.self_attn.{q,k}_norm.weight 2048\n"),
    "qwen3-next": ("qwen3_next", NORMS + ENDS + EXPERTS + """model.layers.0.linear_attn.{in_proj_qkvz,in_proj_ba,out_proj}.weight 8,8
model.layers.0.linear_attn.{A_log,dt_bias} 2
model.layers.1.self_attn.{q,k,v,o}_proj.weight 8,8
model.layers.1.self_attn.{q,k}_norm.weight 4
model.layers.#.mlp.shared_expert_gate.weight 1,8"""),
    "mixtral": ("mixtral", NORMS + ENDS + ATTENTION + """model.layers.#.block_sparse_moe.gate.weight 2,8
model.layers.#.block_sparse_moe.experts.{0,1}.{w1,w3}.weight 16,8
model.layers.#.block_sparse_moe.experts.{0,1}.w2.weight 8,16"""),
    "gemma": ("gemma", NORMS + ATTENTION + MLP + "model.embed_tokens.weight 256000,8\nmodel.norm.weight 8"),
    "gemma2": ("gemma2", LLAMA + "model.layers.#.{pre,post}_feedforward_layernorm.weight 8"),
    "gemma3": ("gemma3", LLAMA + QK_NORM + "model.layers.#.{pre,post}_feedforward_layernorm.weight 8"),
    "gemma3n": ("gemma3n", re.sub("model\\.", "model.language_model.", LLAMA) + """model.language_model.layers.#.altup.correction_coefs.weight 4,4
model.language_model.layers.#.laurel.linear_left.weight 4,8
model.language_model.altup_projections.{0,1}.weight 8,8
model.audio_tower.conformer.0.norm.weight 8
model.vision_tower.timm_model.conv_stem.conv.weight 8,3,3,3"""),
    "phi": ("phi", """model.embed_tokens.weight 32,8
model.layers.#.self_attn.{q_proj,k_proj,v_proj,dense}.{weight} 8,8
model.layers.#.mlp.fc1.weight 16,8
model.layers.#.mlp.fc2.weight 8,16
model.layers.#.input_layernorm.{weight,bias} 8
model.final_layernorm.weight 8
lm_head.{weight} 32,8"""),
    "phi3": ("phi3", NORMS + ENDS + "model.layers.#.self_attn.qkv_proj.weight 24,8\nmodel.layers.#.self_attn.o_proj.weight 8,8\n"
             "model.layers.#.mlp.gate_up_proj.weight 32,8\nmodel.layers.#.mlp.down_proj.weight 8,16"),
    "gpt2": ("gpt2", GPT2), "gpt2-transformer": ("gpt2", re.sub(r"^", "transformer.", GPT2.strip(), flags=re.M)),
    "gpt-bigcode": ("gpt_bigcode", GPT2.replace("c_attn.weight 8,24", "c_attn.weight 12,8").replace("c_attn.bias 24", "c_attn.bias 12")),
    "gpt-neox": ("gpt_neox", """gpt_neox.embed_in.weight 32,8
gpt_neox.layers.#.attention.query_key_value.weight 24,8
gpt_neox.layers.#.attention.dense.weight 8,8
gpt_neox.layers.#.mlp.dense_h_to_4h.weight 32,8
gpt_neox.final_layer_norm.weight 8
embed_out.weight 32,8"""),
    "gptj": ("gptj", "transformer.h.#.attn.{q,k,v,out}_proj.weight 8,8\ntransformer.h.#.mlp.{fc_in,fc_out}.weight 8,8\ntransformer.wte.weight 32,8\nlm_head.weight 32,8"),
    "gpt-neo": ("gpt_neo", "transformer.h.#.attn.attention.{q,k,v,out}_proj.weight 8,8\ntransformer.h.#.mlp.{c_fc,c_proj}.weight 8,8\ntransformer.wte.weight 32,8"),
    "codegen": ("codegen", "transformer.h.#.attn.qkv_proj.weight 24,8\ntransformer.h.#.mlp.{fc_in,fc_out}.weight 8,8\ntransformer.wte.weight 32,8"),
    "bloom": ("bloom", "word_embeddings.weight 32,8\nword_embeddings_layernorm.weight 8\nh.#.self_attention.query_key_value.weight 24,8\nh.#.mlp.dense_h_to_4h.weight 32,8"),
    "falcon": ("falcon", "transformer.word_embeddings.weight 32,8\ntransformer.h.#.self_attention.{query_key_value,dense}.weight 8,8\ntransformer.h.#.mlp.dense_h_to_4h.weight 32,8"),
    "mpt": ("mpt", "transformer.wte.weight 32,8\ntransformer.blocks.#.attn.{Wqkv,out_proj}.weight 8,8\ntransformer.blocks.#.{norm_1,norm_2}.weight 8\n"
            "transformer.blocks.#.ffn.{up,down}_proj.weight 8,8"),
    "dbrx": ("dbrx", "transformer.wte.weight 32,8\ntransformer.blocks.#.norm_attn_norm.attn.{Wqkv,out_proj}.weight 8,8\ntransformer.blocks.#.ffn.experts.mlp.w1 16,8"),
    "opt": ("opt", "model.decoder.embed_tokens.weight 32,8\nmodel.decoder.embed_positions.weight 18,8\nmodel.decoder.layers.#.self_attn.{q,k,v,out}_proj.weight 8,8\n"
            "model.decoder.layers.#.{fc1,fc2}.weight 8,8"),
    "olmo": ("olmo", "model.embed_tokens.weight 32,8\nlm_head.weight 32,8\n" + ATTENTION + MLP),
    "olmo2": ("olmo2", ENDS + ATTENTION + MLP + QK_NORM + "model.layers.#.{post_attention_layernorm,post_feedforward_layernorm}.weight 8"),
    "stablelm": ("stablelm", LLAMA + "model.layers.#.{input_layernorm,post_attention_layernorm}.bias 8\nmodel.norm.bias 8"),
    "cohere": ("cohere", "model.embed_tokens.weight 32,8\nmodel.norm.weight 8\nmodel.layers.#.input_layernorm.weight 8\n" + ATTENTION + MLP),
    "deepseek-v2": ("deepseek_v2", NORMS + ENDS + MLA + EXPERTS),
    "deepseek-v3": ("deepseek_v3", NORMS + ENDS + MLA + EXPERTS + "model.layers.#.mlp.gate.e_score_correction_bias 2"),
    "gpt-oss": ("gpt_oss", NORMS + ENDS + ATTENTION + "model.layers.#.self_attn.sinks 2\nmodel.layers.#.mlp.router.weight 2,8\nmodel.layers.#.mlp.experts.gate_up_proj 2,8,32"),
    "granite-moe": ("granitemoe", NORMS + ENDS + ATTENTION + "model.layers.#.block_sparse_moe.{input_linear,output_linear}.weight 2,8,8\n"
                    "model.layers.#.block_sparse_moe.router.layer.weight 2,8"),
    "starcoder2": ("starcoder2", ENDS + NORMS + ATTENTION + "model.layers.#.mlp.{c_fc,c_proj}.weight 8,8"),
    "nemotron": ("nemotron", ENDS + NORMS + ATTENTION + "model.layers.#.mlp.{up,down}_proj.weight 8,8"),
    "llama4": ("llama4", ENDS + NORMS + ATTENTION + "model.layers.#.feed_forward.experts.{gate_up_proj,down_proj} 2,8,8\nmodel.layers.#.feed_forward.router.weight 2,8"),
    "jamba": ("jamba", "model.embed_tokens.weight 32,8\nmodel.layers.0.mamba.{in_proj,x_proj,dt_proj,out_proj}.weight 8,8\nmodel.layers.0.mamba.A_log 8,4\n"
              "model.layers.1.self_attn.{q,k,v,o}_proj.weight 8,8\nmodel.layers.#.feed_forward.{gate,up,down}_proj.weight 8,8"),
    "mamba": ("mamba", "backbone.embeddings.weight 32,8\nbackbone.layers.#.mixer.{in_proj,x_proj,dt_proj,out_proj}.weight 8,8\nbackbone.layers.#.mixer.{A_log,D} 8,4"),
    "mamba2": ("mamba2", "backbone.embeddings.weight 32,8\nbackbone.layers.#.mixer.{in_proj,out_proj}.weight 8,8\nbackbone.layers.#.mixer.{A_log,D,dt_bias} 4\nbackbone.layers.#.mixer.norm.weight 8"),
    "rwkv4": ("rwkv", "rwkv.embeddings.weight 32,8\nrwkv.blocks.#.attention.{time_decay,time_first} 8\nrwkv.blocks.#.attention.time_mix_key 1,1,8\nhead.weight 32,8"),
    "rwkv6": ("rwkv5", "rwkv.embeddings.weight 32,8\nrwkv.blocks.#.attention.{time_maa_k,time_faaaa} 8\nrwkv.blocks.#.attention.gate.weight 8,8\nhead.weight 32,8"),
    "internlm2": ("internlm2", "model.tok_embeddings.weight 32,8\nmodel.layers.#.attention.{wqkv,wo}.weight 8,8\nmodel.layers.#.feed_forward.{w1,w2,w3}.weight 8,8\noutput.weight 32,8"),
    "baichuan": ("baichuan", ENDS + NORMS + MLP + "model.layers.#.self_attn.{W_pack,o_proj}.weight 8,8"),
    "chatglm": ("chatglm", "transformer.embedding.word_embeddings.weight 32,8\ntransformer.encoder.layers.#.self_attention.{query_key_value,dense}.weight 8,8\n"
                "transformer.encoder.layers.#.mlp.dense_h_to_4h.weight 32,8"),
    "llama-meta": ("llama_meta", "tok_embeddings.weight 32,8\nlayers.#.attention.{wq,wk,wv,wo}.weight 8,8\nlayers.#.feed_forward.{w1,w2,w3}.weight 8,8\nnorm.weight 8\noutput.weight 32,8"),
    "glm4-moe": ("glm4_moe", NORMS + ENDS + ATTENTION + QKV_BIAS + EXPERTS + "model.layers.#.mlp.gate.e_score_correction_bias 2\nmodel.layers.#.mlp.shared_experts.gate_proj.weight 4,8"),
    "bart": ("bart", BART + "model.{encoder,decoder}.layernorm_embedding.weight 8"),
    "mbart": ("mbart", BART + "model.{encoder,decoder}.layernorm_embedding.weight 8\nmodel.{encoder,decoder}.layer_norm.weight 8"),
    "pegasus": ("m2m", BART + "model.{encoder,decoder}.layer_norm.weight 8"), "marian": ("marian", BART),
    "t5": ("t5", T5.format(width=64) + re.sub("encoder", "decoder", T5.format(width=64)) + "decoder.block.#.layer.1.EncDecAttention.{q,k,v,o}.weight 8,64"),
    "t5-xxl-encoder": ("t5_xxl", T5.format(width=4096)),
    "umt5-encoder": ("umt5_xxl", T5.format(width=4096) + "encoder.block.1.layer.0.SelfAttention.relative_attention_bias.weight 32,4"),
    "bert": ("bert", BERT), "bert-mlm": ("bert", re.sub(r"^", "bert.", BERT.strip(), flags=re.M) + "\ncls.predictions.transform.dense.weight 8,8\ncls.predictions.bias 32"),
    "roberta": ("roberta", BERT.replace("token_type_embeddings.weight 2,8", "token_type_embeddings.weight 1,8")),
    "distilbert": ("distilbert", "distilbert.embeddings.word_embeddings.weight 32,8\ndistilbert.transformer.layer.#.attention.{q,k,v,out}_lin.weight 8,8"),
    "deberta-v3": ("deberta_v2", BERT.replace("self.{query,key,value}", "self.{query_proj,key_proj,value_proj}").replace("embeddings.token_type_embeddings.weight 2,8\n", "")),
    "electra": ("electra", re.sub(r"^", "electra.", BERT.strip(), flags=re.M) + "\nelectra.embeddings_project.weight 8,4"),
    "albert": ("albert", "albert.embeddings.word_embeddings.weight 32,4\nalbert.encoder.albert_layer_groups.0.albert_layers.0.attention.{query,key,value,dense}.weight 8,8"),
    "modernbert": ("modernbert", "model.embeddings.tok_embeddings.weight 32,8\nmodel.layers.#.attn.{Wqkv,Wo}.weight 8,8\nmodel.layers.#.mlp.{Wi,Wo}.weight 8,8\nmodel.final_norm.weight 8"),
    "mpnet": ("mpnet", "embeddings.word_embeddings.weight 32,8\nencoder.layer.#.attention.attn.{q,k,v,o}.weight 8,8\nencoder.relative_attention_bias.weight 32,4"),
    "sd1-unet": ("sd1", UNET.format(channels=4, context=768)), "sd2-unet": ("sd2", UNET.format(channels=4, context=1024)),
    "sdxl-unet": ("sdxl", UNET.format(channels=4, context=2048) + "add_embedding.linear_1.weight 1280,2816"),
    "sdxl-refiner-unet": ("sdxl_refiner", UNET.format(channels=4, context=1280) + "add_embedding.linear_1.weight 1536,2560"),
    "kolors-unet": ("kolors", UNET.format(channels=4, context=2048) + "add_embedding.linear_1.weight 1280,5632\nencoder_hid_proj.weight 2048,4096"),
    "sd1-inpainting-unet": ("sd1", UNET.format(channels=9, context=768)),
    "svd-unet": ("svd", UNET.format(channels=8, context=1024) + "down_blocks.1.attentions.0.temporal_transformer_blocks.0.attn1.to_q.weight 640,640"),
    "sd3-ldm": ("sd3", "x_embedder.proj.weight 64,16,2,2\ny_embedder.mlp.0.weight 64,2048\ncontext_embedder.weight 64,4096\njoint_blocks.#.{context,x}_block.attn.{qkv,proj}.weight 64,64\npos_embed 1,36,64"),
    "sd3": ("sd3", "pos_embed.proj.weight 64,16,2,2\ncontext_embedder.weight 64,4096\ntransformer_blocks.#.attn.{to_q,to_k,to_v,add_q_proj,add_k_proj,add_v_proj}.weight 64,64\n"
            "transformer_blocks.#.norm1_context.linear.weight 64,64\ntime_text_embed.text_embedder.linear_1.weight 64,2048"),
    "flux-dev": ("flux_dev", FLUX.format(features=64) + "guidance_in.in_layer.weight 3072,256"), "flux-schnell": ("flux_schnell", FLUX.format(features=64)),
    "flux-fill": ("flux_dev", FLUX.format(features=384) + "guidance_in.in_layer.weight 3072,256"),
    "flux-dev-diffusers": ("flux_dev", FLUX_DIFFUSERS + "time_text_embed.guidance_embedder.linear_1.weight 3072,256"), "flux-schnell-diffusers": ("flux_schnell", FLUX_DIFFUSERS),
    "chroma": ("chroma", FLUX.format(features=64).replace("time_in.in_layer.weight 3072,256\n", "") + "distilled_guidance_layer.in_proj.weight 32,64\ndistilled_guidance_layer.norms.0.scale 32"),
    "hunyuan-video": ("hunyuan_video", "txt_in.individual_token_refiner.blocks.#.self_attn_qkv.weight 32,32\ndouble_blocks.#.{img,txt}_attn_qkv.weight 32,32\n"
                      "single_blocks.#.linear1.weight 32,32\nguidance_in.mlp.0.weight 32,256"),
    "qwen-image": ("qwen_image", "img_in.weight 64,64\ntxt_in.weight 64,3584\ntxt_norm.weight 3584\ntransformer_blocks.#.{img,txt}_mod.1.weight 32,32\n"
                   "transformer_blocks.#.attn.{to_q,to_k,add_q_proj,add_k_proj}.weight 32,32\ntransformer_blocks.#.img_mlp.net.0.proj.weight 32,32"),
    "auraflow": ("auraflow", "pos_embed.proj.weight 32,16\njoint_transformer_blocks.#.attn.{to_q,add_q_proj}.weight 32,32\nsingle_transformer_blocks.#.attn.to_q.weight 32,32"),
    "auraflow-original": ("auraflow", "double_layers.#.attn.{w1q,w2q}.weight 32,32\nsingle_layers.#.attn.w1q.weight 32,32\ncond_seq_linear.weight 32,64\npositional_encoding 1,4,32"),
    "pixart": ("pixart", "pos_embed.proj.weight 1152,4,2,2\nadaln_single.linear.weight 6912,1152\ncaption_projection.linear_1.weight 1152,4096\n"
               "transformer_blocks.#.{attn1,attn2}.{to_q,to_k,to_v}.weight 1152,1152"),
    "pixart-original": ("pixart", "x_embedder.proj.weight 1152,4,2,2\nt_block.1.weight 6912,1152\ny_embedder.y_proj.fc1.weight 1152,4096\nblocks.#.{attn.qkv,cross_attn.q_linear}.weight 32,1152"),
    "sana": ("sana", "patch_embed.proj.weight 32,32,1,1\ncaption_projection.linear_1.weight 32,2304\ntransformer_blocks.#.attn1.to_q.weight 32,32\ntransformer_blocks.#.ff.conv_inverted.weight 64,32,1,1"),
    "ltx-video": ("ltx_video", "patchify_proj.weight 2048,128\nadaln_single.linear.weight 64,2048\ncaption_projection.linear_1.weight 64,4096\n"
                  "transformer_blocks.#.{attn1,attn2}.{to_q,to_k,q_norm,k_norm}.weight 64,64"),
    "ltx-video-diffusers": ("ltx_video", "proj_in.weight 2048,128\ntime_embed.linear.weight 64,2048\ntransformer_blocks.#.{attn1,attn2}.{to_q,to_k,norm_q,norm_k}.weight 64,64"),
    "cogvideox": ("cogvideox", "patch_embed.proj.weight 32,16,2,2\npatch_embed.text_proj.weight 32,4096\ntransformer_blocks.#.attn1.{to_q,to_k,to_v}.weight 32,32\ntransformer_blocks.#.norm1.linear.weight 32,32"),
    "mochi": ("mochi", "t5_yproj.weight 32,4096\nblocks.#.attn.{qkv_x,qkv_y}.weight 32,32"),
    "wan-t2v": ("wan", WAN.format(channels=16)),
    "wan-i2v": ("wan", WAN.format(channels=36) + "img_emb.proj.1.weight 32,32\nblocks.#.cross_attn.{k_img,v_img}.weight 32,32"),
    "wan-diffusers": ("wan", "patch_embedding.weight 32,16,1,2,2\ncondition_embedder.text_embedder.linear_1.weight 32,4096\nblocks.#.{attn1,attn2}.{to_q,to_k,norm_k}.weight 32,32\nscale_shift_table 1,2,32"),
    "lumina2": ("lumina2", "x_embedder.weight 2304,64\ncap_embedder.1.weight 2304,2304\nnoise_refiner.#.attention.{qkv,out}.weight 64,64\nlayers.#.attention.qkv.weight 64,64"),
    "hunyuan-dit": ("hunyuan_dit", "mlp_t5.0.weight 64,2048\nx_embedder.proj.weight 64,4,2,2\nblocks.#.attn1.Wqkv.weight 64,64\nblocks.1.skip_linear.weight 64,128"),
    "hidream": ("hidream", "double_stream_blocks.#.block.ff_i.shared_experts.w1.weight 32,32\nsingle_stream_blocks.#.block.attn1.to_q.weight 32,32\nx_embedder.proj.weight 32,64"),
    "cascade-c": ("cascade_c", "clip_txt_mapper.weight 2048,1280\nclip_img_mapper.weight 8192,768\nclf.1.weight 16,2048,1,1\ndown_blocks.0.0.channelwise.0.weight 2048,2048\nembedding.1.weight 2048,16,1,1"),
    "cascade-b": ("cascade_b", "effnet_mapper.0.weight 1280,16,1,1\nclip_mapper.weight 2048,1280\nclf.1.weight 16,320,1,1\ndown_blocks.1.0.channelwise.0.weight 640,640"),
    "dit": ("dit", "x_embedder.proj.weight 32,4,2,2\ny_embedder.embedding_table.weight 1001,32\nblocks.#.attn.{qkv,proj}.weight 32,32\nblocks.#.adaLN_modulation.1.weight 192,32\nfinal_layer.linear.weight 32,32"),
    "controlnet-sd1": ("controlnet_sd1", UNET.format(channels=4, context=768) + "controlnet_cond_embedding.conv_in.weight 16,3,3,3\ncontrolnet_down_blocks.#.weight 320,320,1,1"),
    "controlnet-sdxl": ("controlnet_sdxl", UNET.format(channels=4, context=2048) + "controlnet_cond_embedding.conv_in.weight 16,3,3,3\nadd_embedding.linear_1.weight 1280,2816"),
    "controlnet-original": ("controlnet_sd1", re.sub(r"^", "control_model.", LDM_UNET.format(channels=4, context=768).strip(), flags=re.M)
                            + "\ncontrol_model.input_hint_block.0.weight 16,3,3,3\ncontrol_model.zero_convs.0.0.weight 320,320,1,1"),
    "controlnet-flux": ("controlnet_flux", FLUX_DIFFUSERS + "controlnet_x_embedder.weight 3072,64\ncontrolnet_blocks.#.weight 32,32"),
    "t2i-adapter": ("t2i_adapter", "adapter.conv_in.weight 320,64,3,3\nadapter.body.0.resnets.#.block1.weight 320,320,3,3"),
    "ip-adapter": ("ip_adapter", "image_proj.proj.weight 3072,1024\nimage_proj.norm.weight 768\nip_adapter.1.to_k_ip.weight 320,768\nip_adapter.1.to_v_ip.weight 320,768"),
    "motion-module": ("animatediff", "down_blocks.0.motion_modules.0.temporal_transformer.proj_in.weight 320,320\n"
                      "down_blocks.0.motion_modules.0.temporal_transformer.transformer_blocks.0.attention_blocks.0.to_q.weight 320,320"),
    "sd-vae": ("sd_vae", LDM_VAE.format(channels=4) + "quant_conv.weight 8,8,1,1\npost_quant_conv.weight 4,4,1,1"), "sd-vae-diffusers": ("sd_vae", VAE.format(channels=4)),
    "flux-vae": ("flux_vae", LDM_VAE.format(channels=16)), "flux-vae-diffusers": ("flux_vae", VAE.format(channels=16)),
    "wan-vae": ("wan_vae", "conv1.weight 32,32,1,1,1\nencoder.conv1.weight 96,3,3,3,3\ndecoder.conv1.weight 384,16,3,3,3\ndecoder.middle.0.residual.0.gamma 384,1,1,1\ndecoder.middle.0.residual.2.weight 384,384,3,3,3"),
    "hunyuan-video-vae": ("hunyuan_video_vae", "encoder.conv_in.conv.weight 128,3,3,3,3\ndecoder.conv_in.conv.weight 512,16,3,3,3\ndecoder.up_blocks.0.resnets.0.conv1.conv.weight 512,512,3,3,3\n"
                          "decoder.conv_out.conv.weight 3,128,3,3,3"),
    "ltx-vae": ("ltx_vae", "per_channel_statistics.mean-of-means 128\nper_channel_statistics.std-of-means 128\ndecoder.conv_in.conv.weight 512,128,3,3,3\ndecoder.conv_out.conv.weight 48,128,3,3,3"),
    "taesd": ("taesd", "encoder.layers.1.conv.0.weight 64,64,3,3\ndecoder.layers.3.conv.0.weight 64,64,3,3"),
    "clip-l-text": ("clip_l", CLIP_TEXT.format(width=768)), "open-clip-h-text": ("clip_h", OPEN_CLIP_TEXT.format(width=1024)), "open-clip-g-text": ("clip_g", OPEN_CLIP_TEXT.format(width=1280)),
    "clip-g-text-transformers": ("clip_g", CLIP_TEXT.format(width=1280) + "text_projection.weight 1280,1280"),
    "clip": ("clip", CLIP_TEXT.format(width=8) + CLIP_VISION + "visual_projection.weight 8,8\ntext_projection.weight 8,8\nlogit_scale "),
    "clip-vision": ("clip_vision", CLIP_VISION + "visual_projection.weight 8,8"),
    "siglip": ("siglip", CLIP_TEXT.format(width=8) + "text_model.head.weight 8,8\n" + CLIP_VISION.replace("vision_model.embeddings.class_embedding 8\n", "vision_model.head.probe 1,1,8\n") + "logit_bias 1"),
    "open-clip": ("open_clip", OPEN_CLIP_TEXT.format(width=512) + "visual.conv1.weight 8,3,4,4\nvisual.transformer.resblocks.#.attn.in_proj_weight 24,8"),
    "llava": ("llava", re.sub(r"^", "language_model.", LLAMA.strip(), flags=re.M) + "\n" + re.sub(r"^", "vision_tower.", CLIP_VISION.strip(), flags=re.M) + "\nmulti_modal_projector.linear_1.weight 8,8"),
    "qwen2-vl": ("qwen2_vl", LLAMA + QKV_BIAS + "visual.blocks.#.attn.{qkv,proj}.weight 8,8\nvisual.blocks.#.mlp.fc1.weight 16,8\nvisual.merger.mlp.{0,2}.weight 8,8\nvisual.patch_embed.proj.weight 8,3,2,2,2"),
    "qwen2.5-vl": ("qwen2_5_vl", LLAMA + QKV_BIAS + "visual.blocks.#.attn.{qkv,proj}.weight 8,8\nvisual.blocks.#.mlp.gate_proj.weight 16,8\nvisual.merger.mlp.{0,2}.weight 8,8"),
    "paligemma": ("paligemma", re.sub(r"^", "language_model.", LLAMA.strip(), flags=re.M) + "\nmulti_modal_projector.linear.weight 8,8\nvision_tower.vision_model.head.probe 1,1,8"),
    "vit": ("vit", "vit.embeddings.cls_token 1,1,8\nvit.embeddings.patch_embeddings.projection.weight 8,3,4,4\nvit.encoder.layer.#.attention.attention.{query,key,value}.weight 8,8\nclassifier.weight 5,8"),
    "vit-timm": ("vit_timm", "cls_token 1,1,8\npatch_embed.proj.weight 8,3,4,4\nblocks.#.attn.{qkv,proj}.weight 8,8\nblocks.#.mlp.fc1.weight 16,8\nhead.weight 5,8"),
    "dinov2": ("dinov2", "embeddings.cls_token 1,1,8\nembeddings.patch_embeddings.projection.weight 8,3,4,4\nencoder.layer.#.attention.attention.query.weight 8,8\nencoder.layer.#.layer_scale1.lambda1 8"),
    "dinov2-original": ("dinov2", "cls_token 1,1,8\npatch_embed.proj.weight 8,3,4,4\nblocks.#.attn.qkv.weight 24,8\nblocks.#.ls1.gamma 8"),
    "swin": ("swin", "swin.encoder.layers.0.blocks.#.attention.self.relative_position_bias_table 49,3\nswin.embeddings.patch_embeddings.projection.weight 8,3,4,4"),
    "convnext": ("convnext", "convnext.encoder.stages.0.layers.#.dwconv.weight 8,1,7,7\nconvnext.encoder.stages.0.layers.#.layer_scale_parameter 8"),
    "resnet": ("resnet", "conv1.weight 64,3,7,7\nlayer1.#.{conv1,conv2}.weight 64,64,3,3\nlayer1.#.bn1.running_mean 64\nfc.weight 1000,512"),
    "sam": ("sam", "vision_encoder.layers.#.attn.qkv.weight 8,8\nmask_decoder.iou_token.weight 1,8\nmask_decoder.iou_prediction_head.proj_in.weight 8,8\nprompt_encoder.no_mask_embed.weight 1,8"),
    "detr": ("detr", "model.query_position_embeddings.weight 100,8\nmodel.decoder.layers.#.self_attn.q_proj.weight 8,8\nbbox_predictor.layers.#.weight 8,8\nclass_labels_classifier.weight 92,8"),
    "segformer": ("segformer", "segformer.encoder.patch_embeddings.#.proj.weight 8,3,7,7\nsegformer.encoder.block.0.#.attention.self.query.weight 8,8"),
    "esrgan": ("esrgan", "conv_first.weight 64,3,3,3\nbody.#.rdb1.conv1.weight 32,64,3,3\nbody.#.rdb2.conv1.weight 32,64,3,3"),
    "whisper": ("whisper", BART.replace("model.shared.weight 32,8\n", "model.decoder.embed_tokens.weight 32,8\n") + "model.encoder.conv1.weight 8,80,3\nmodel.encoder.conv2.weight 8,8,3\nmodel.encoder.layer_norm.weight 8"),
    "wav2vec2": ("wav2vec2", "wav2vec2.feature_extractor.conv_layers.#.conv.weight 8,1,10\nwav2vec2.encoder.layers.#.attention.{q,k,v,out}_proj.weight 8,8\nlm_head.weight 32,8"),
    "encodec": ("encodec", "encoder.layers.0.conv.weight_g 8,1,1\nquantizer.layers.#.codebook.{embed,embed_avg} 16,8\ndecoder.layers.0.conv.weight_g 8,1,1"),
    "dac": ("dac", "encoder.conv1.weight 8,1,7\nquantizer.quantizers.#.codebook.weight 16,8\ndecoder.conv1.weight 8,8,7"),
    "bark": ("bark", "semantic.layers.#.attn.{att_proj,out_proj}.weight 8,8\ncoarse_acoustics.layers.#.attn.att_proj.weight 8,8\nfine_acoustics.layers.#.attn.att_proj.weight 8,8"),
    "musicgen": ("musicgen", "decoder.model.decoder.embed_tokens.#.weight 32,8\ndecoder.model.decoder.layers.#.encoder_attn.{q,k,v}_proj.weight 8,8\n"
                 "decoder.model.decoder.layers.#.self_attn.q_proj.weight 8,8\naudio_encoder.quantizer.layers.#.codebook.embed 16,8"),
    "st-dense": ("st_dense", "linear.weight 8,8\nlinear.bias 8"),
}

KOHYA_SD = """lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn{{1,2}}_to_q.lora_down.weight 4,640
lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight 4,{context}
lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k.lora_up.weight 640,4
lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k.alpha 
"""
PEFT_UNET = """unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.lora_A.weight 4,{context}
unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.lora_B.weight 640,4
"""
# Adapters: (base that sql/identify.sql answers, names and shapes)
ADAPTERS = {
    "sd1-kohya": ("SD 1.x", KOHYA_SD.format(context=768)), "sd2-kohya": ("SD 2", KOHYA_SD.format(context=1024)), "sdxl-kohya": ("SDXL", KOHYA_SD.format(context=2048)),
    "sd1-diffusers": ("SD 1.x", PEFT_UNET.format(context=768)), "sdxl-diffusers": ("SDXL", PEFT_UNET.format(context=2048)),
    "sdxl-self-attention": ("SDXL", "".join(f"lora_unet_input_blocks_7_1_transformer_blocks_{i}_attn1_to_q.lora_{part}.weight {shape}\n"
                                            for i in range(3) for part, shape in (("down", "4,1280"), ("up", "1280,4")))),
    "flux-kohya": ("Flux", "lora_unet_double_blocks_{0,1}_img_attn_qkv.lora_down.weight 4,3072\nlora_unet_double_blocks_{0,1}_img_attn_qkv.lora_up.weight 9216,4\n"
                   "lora_unet_single_blocks_{0,1}_linear1.lora_down.weight 4,3072\nlora_unet_single_blocks_{0,1}_linear1.lora_up.weight 64,4"),
    "flux-diffusers": ("Flux", "transformer.single_transformer_blocks.{0,1}.attn.to_q.lora_A.weight 4,3072\ntransformer.single_transformer_blocks.{0,1}.attn.to_q.lora_B.weight 3072,4"),
    "sd3-diffusers": ("Stable Diffusion 3", "transformer.transformer_blocks.{0,1}.attn.add_k_proj.lora_A.weight 4,1536\ntransformer.transformer_blocks.{0,1}.attn.add_k_proj.lora_B.weight 1536,4"),
    "qwen-image": ("Qwen-Image", "transformer.transformer_blocks.{0,1}.img_mlp.net.2.lora_A.weight 4,3072\ntransformer.transformer_blocks.{0,1}.img_mlp.net.2.lora_B.weight 3072,4"),
    "wan": ("Wan", "diffusion_model.blocks.{0,1}.cross_attn.k.lora_A.weight 4,5120\ndiffusion_model.blocks.{0,1}.cross_attn.k.lora_B.weight 5120,4"),
    "hunyuan-video": ("HunyuanVideo", "diffusion_model.double_blocks.{0,1}.img_mlp.fc1.lora_A.weight 4,3072\ndiffusion_model.double_blocks.{0,1}.img_mlp.fc1.lora_B.weight 64,4"),
    "sdxl-processors": ("SDXL", "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.processor.to_k_lora.down.weight 4,2048\n"
                        "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.processor.to_k_lora.up.weight 640,4"),
    "flux-double-blocks": ("Flux", "transformer.transformer_blocks.{0,1}.attn.to_q.lora_A.weight 4,3072\ntransformer.transformer_blocks.{0,1}.attn.to_q.lora_B.weight 3072,4"),
    "sd3-attention": ("Stable Diffusion 3", "transformer.transformer_blocks.{0,1}.attn.to_q.lora_A.weight 4,1536\ntransformer.transformer_blocks.{0,1}.attn.to_q.lora_B.weight 1536,4"),
    "ltx-video": ("LTX-Video", "transformer.transformer_blocks.{0,1}.attn1.to_q.lora_A.weight 4,2048\ntransformer.transformer_blocks.{0,1}.attn1.to_q.lora_B.weight 2048,4"),
    "pixart": ("PixArt", "transformer.transformer_blocks.{0,1}.attn1.to_q.lora_A.weight 4,1152\ntransformer.transformer_blocks.{0,1}.attn1.to_q.lora_B.weight 1152,4"),
    "wan-diffusers": ("Wan", "transformer.blocks.{0,1}.attn1.to_q.lora_A.weight 4,5120\ntransformer.blocks.{0,1}.attn1.to_q.lora_B.weight 5120,4"),
    "z-image": ("Z-Image", "diffusion_model.layers.{0,1}.attention.to_q.lora_A.weight 4,3840\ndiffusion_model.layers.{0,1}.attention.to_q.lora_B.weight 3840,4"),
    "sdxl-conv": ("SDXL", "lora_unet_down_blocks_1_attentions_0_transformer_blocks_1_ff_net_0_proj.lora_down.weight 4,640\n"
                  "lora_unet_down_blocks_1_attentions_0_transformer_blocks_1_ff_net_0_proj.lora_up.weight 5120,4"),
    "text-encoder": ("SD 1.x or 2", "lora_te_text_model_encoder_layers_0_mlp_fc1.lora_down.weight 4,768\nlora_te_text_model_encoder_layers_0_mlp_fc1.lora_up.weight 3072,4"),
    "phi3": ("Phi-3", "base_model.model.model.layers.{0,1}.self_attn.qkv_proj.lora_A.weight 4,64\nbase_model.model.model.layers.{0,1}.self_attn.qkv_proj.lora_B.weight 192,4"),
    "llama-mlx": ("language model", "model.layers.{0,1}.self_attn.q_proj.lora_a 64,4\nmodel.layers.{0,1}.self_attn.q_proj.lora_b 4,64"),
    "llama": ("language model", "base_model.model.model.layers.{0,1}.self_attn.q_proj.lora_A.weight 4,64\nbase_model.model.model.layers.{0,1}.self_attn.q_proj.lora_B.weight 64,4"),
    "gpt2": ("GPT-2", "base_model.model.transformer.h.{0,1}.attn.c_attn.lora_A.weight 4,64\nbase_model.model.transformer.h.{0,1}.attn.c_attn.lora_B.weight 192,4"),
    "t5": ("T5", "base_model.model.encoder.block.{0,1}.layer.0.SelfAttention.q.lora_A.weight 4,64\nbase_model.model.encoder.block.{0,1}.layer.0.SelfAttention.q.lora_B.weight 64,4"),
    "deepseek": ("DeepSeek V2 or V3", "base_model.model.model.layers.{0,1}.self_attn.kv_b_proj.lora_A.weight 4,64\nbase_model.model.model.layers.{0,1}.self_attn.kv_b_proj.lora_B.weight 64,4"),
}


def tensors(text, layers=2):
    """Names and shapes of a text as above, as a mapping of names to shapes."""
    found = {}
    for line in text.strip().split("\n"):
        name, _, shape = line.partition(" ")
        choices = [part.split(",") for part in re.findall(r"\{(.*?)\}", name)]
        for choice in itertools.product(*choices):
            rest = iter(choice)
            full = re.sub(r"\{.*?\}", lambda _, rest=rest: next(rest), name)
            for layer in range(layers if "#" in full else 1):
                found[full.replace("#", str(layer))] = [int(length) for length in shape.split(",") if length.strip()]
    return found
