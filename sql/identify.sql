-- What is this model?
--
-- Architecture and role from the names and shapes of the tensors alone, with the tensors that decided: language
-- models, image and video models and their parts, single-file checkpoints, text encoders, autoencoders, vision, audio
-- and embedding models, ControlNets, and adapters by what they were made for. A folder or pattern may hold any number
-- of models, such as a pipeline or 300 adapters: each is a row. Packed weights count with the shapes that they unpack
-- to.
--
-- Some families write the same names: then the answer is all of them, and a config.json or the shapes of a known size
-- say which. Where there is a config.json, it is compared with the tensors: architecture, layers, vocabulary, hidden
-- size, tied head, dtype, and for common language models the whole list of names. The script reads only headers.
--
-- @alias what
-- @param path path required   a model, or a folder or pattern of any number of them
-- @param format enum text|json|csv  how to print the tables
-- @table identified(model, what, role, architecture, base, kind, parameters, nbytes, dtype, scheme, layers, hidden,
--    vocabulary, size, traits, status, error)   one row per model; base: what it is made for; size:
--    published models with these layers and widths; scheme: how it is packed
-- @table identified_parts(model, part, what, role, parameters, nbytes, dtype)   one row per part of a model that has
--    several, such as a single-file checkpoint; part is what its names begin with
-- @table identified_evidence(model, part, decided, tensor, dtype, shape)   the tensors that decided, with the
--    condition that each meets
-- @table config_findings(model, level, rule, message, tensor)   what config.json or the metadata say otherwise
-- @status 1                   when a file cannot be read, or a config.json and its tensors do not fit
-- @example safetensors-sql identify model.safetensors
-- @example safetensors-sql identify loras --format csv

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL),
  format TEXT CONSTRAINT ":format is text, json or csv" CHECK (format IN ('text', 'json', 'csv'))
);
INSERT INTO parameters SELECT :path, ifnull(:format, 'text') WHERE safetensors_parameters(':path', ':format');

-- The signatures, the most special first: of those that fit, the first counts. `needs` are names as in the column
-- pattern, which stand at the end of a name after a whole component (^ the whole name, * a pattern of its own); | is or,
-- ! is not. @0=768 and @1=4-9 are lengths of dimensions, @1/0=3 their ratio, @r the rank, @n the number of layers, and
-- @d=1 says that a block has more than one transformer. `types` are the model types of config.json that this can be.
-- A trait is said of models with that role.
DROP TABLE IF EXISTS temp.identify_signatures;
CREATE TEMP TABLE identify_signatures(id INTEGER PRIMARY KEY, role, architecture, what, base, types, needs);
INSERT INTO identify_signatures(role, architecture, what, base, types, needs) VALUES
  -- adapters, by what they change
  ('adapter','hunyuan_video','HunyuanVideo','HunyuanVideo',NULL,'*double_blocks?#?img_mlp?fc1*|*double_blocks?#?img_mod?linear*|*token_refiner*'),
  ('adapter','chroma','Chroma','Chroma',NULL,'*distilled_guidance_layer*'), ('adapter','hidream','HiDream','HiDream',NULL,'*double_stream_blocks?#*'),
  ('adapter','auraflow','AuraFlow','AuraFlow',NULL,'*joint_transformer_blocks?#*'),
  ('adapter','flux','Flux','Flux',NULL,'*double_blocks?#?img_*|*double_blocks?#?txt_*|*double_blocks?#?processor*|*single_blocks?#?linear*|*single_transformer_blocks?#*'),
  ('adapter','qwen_image','Qwen-Image','Qwen-Image',NULL,'*transformer_blocks?#?img_m*|*transformer_blocks?#?txt_m*|.transformer_blocks.#.attn.add_?_proj.lora_A*@1=3072'),
  ('adapter','sd3','Stable Diffusion 3','Stable Diffusion 3',NULL,'*joint_blocks?#*|*transformer_blocks?#?attn?add_*|*transformer_blocks?#?ff_context*'),
  ('adapter','sd3','Stable Diffusion 3','Stable Diffusion 3',NULL,'*lora_te3_*'), ('adapter','cascade','Stable Cascade','Stable Cascade',NULL,'*lora_prior_unet_*'),
  ('adapter','wan','Wan','Wan',NULL,'*blocks?#?cross_attn?*'),
  ('adapter','wan','Wan','Wan',NULL,'.diffusion_model.blocks.#.self_attn.*|*lora_unet_blocks_#_self_attn_*|^blocks.#.self_attn.*|.transformer.blocks.#.attn1.*'),
  ('adapter','z_image','Z-Image','Z-Image',NULL,'*layers?#?attention?*a*@1=3840 !*down_blocks*'),
  ('adapter','lumina2','Lumina 2','Lumina 2',NULL,'.diffusion_model.layers.#.attention.*|*lora_unet_layers_#_attention_*|.transformer.layers.#.attn.*'),
  ('adapter','sdxl_refiner','Stable Diffusion XL refiner','SDXL refiner',NULL,'*attn2?to_k*down*@1=1280|*attn2?to_k*lora_A*@1=1280|*attn2?processor?to_k*down*@1=1280'),
  ('adapter','sdxl','Stable Diffusion XL','SDXL',NULL,'*attn2?to_?*down*@1=2048|*attn2?processor?to_?*down*@1=2048|*attn2?to_?*lora_A*@1=2048|*attn2?to_?*hada_w1_b@1=2048 *down_blocks*|*up_blocks*|*mid_block*|*put_blocks*|*middle_block*'),
  ('adapter','sd2','Stable Diffusion 2','SD 2',NULL,'*attn2?to_?*down*@1=1024|*attn2?processor?to_?*down*@1=1024|*attn2?to_?*lora_A*@1=1024|*attn2?to_?*hada_w1_b@1=1024 *down_blocks*|*up_blocks*|*mid_block*|*put_blocks*|*middle_block*'),
  ('adapter','sd1','Stable Diffusion 1.x','SD 1.x',NULL,'*attn2?to_?*down*@1=768|*attn2?processor?to_?*down*@1=768|*attn2?to_?*lora_A*@1=768|*attn2?to_?*hada_w1_b@1=768 *down_blocks*|*up_blocks*|*mid_block*|*put_blocks*|*middle_block*'),
  ('adapter','sdxl','Stable Diffusion XL','SDXL',NULL,'*down_blocks*@d=1|*up_blocks*@d=1|*mid_block*@d=1|*put_blocks*@d=1|*middle_block*@d=1'),
  ('adapter','sdxl','Stable Diffusion XL','SDXL',NULL,'*lora_te2_*|.text_encoder_#.*'),
  ('adapter','unet','a Stable Diffusion UNet','SD 1.x or 2',NULL,'*down_blocks?#*|*up_blocks?#*|*mid_block?*|*input_blocks?#*|*output_blocks?#*|*middle_block?#*'),
  ('adapter','pixart','PixArt','PixArt',NULL,'*transformer_blocks?#?attn1?*@1=1152'), ('adapter','sana','Sana','Sana',NULL,'*transformer_blocks?#?attn1?*@1=2240'),
  ('adapter','cogvideox','CogVideoX','CogVideoX',NULL,'*transformer_blocks?#?attn1?*@1=1920|*transformer_blocks?#?attn1?*@1=3072'),
  ('adapter','ltx_video','LTX-Video','LTX-Video',NULL,'*transformer_blocks?#?attn[12]?*'),
  ('adapter','flux','Flux','Flux',NULL,'*transformer_blocks?#?attn?to_*@1=3072|*transformer_blocks?#?ff?net*@1=3072'),
  ('adapter','sd3','Stable Diffusion 3','Stable Diffusion 3',NULL,'*transformer_blocks?#?attn?to_*'),
  ('adapter','text_encoder','a CLIP text encoder','SD 1.x or 2',NULL,'*lora_te_*|*text_model?encoder?layers?#*|.text_encoder.*'),
  ('adapter','deepseek','DeepSeek','DeepSeek V2 or V3',NULL,'*self_attn.kv_a_proj_with_mqa.*|*self_attn.kv_b_proj.*'), ('adapter','qwen3_next','Qwen3-Next','Qwen3-Next',NULL,'*.linear_attn.*'),
  ('adapter','t5','T5','T5',NULL,'*.SelfAttention.*|*.EncDecAttention.*|*.DenseReluDense.*'), ('adapter','gpt2','GPT-2','GPT-2',NULL,'.h.#.attn.c_attn.*|.h.#.mlp.c_*'),
  ('adapter','gpt_neox','GPT-NeoX or Pythia','GPT-NeoX',NULL,'.layers.#.attention.query_key_value.*'), ('adapter','bloom','BLOOM or Falcon','BLOOM or Falcon',NULL,'.h.#.self_attention.*'),
  ('adapter','gptj','GPT-J','GPT-J',NULL,'.h.#.attn.?_proj.*'), ('adapter','mpt','MPT','MPT',NULL,'.blocks.#.attn.Wqkv.*'), ('adapter','phi3','Phi-3','Phi-3',NULL,'.layers.#.self_attn.qkv_proj.*'),
  ('adapter','mixtral','Mixtral','Mixtral',NULL,'*.block_sparse_moe.*'), ('adapter','mamba','Mamba','Mamba',NULL,'.layers.#.mixer.*'),
  ('adapter','llava','a vision-language model','vision-language model',NULL,'*multi_modal_projector*|*vision_tower*|*.visual.*'),
  ('adapter','whisper','Whisper, BART or another encoder-decoder','Whisper or BART',NULL,'*.decoder.layers.#.encoder_attn.*'),
  ('adapter','bert','BERT or RoBERTa','BERT or RoBERTa',NULL,'*.attention.self.*'), ('adapter','vit','ViT','ViT',NULL,'*.attention.attention.*'),
  ('adapter','moe','a mixture of experts of the Llama kind','language model',NULL,'.layers.#.mlp.experts.*'),
  ('adapter','llama','a language model of the Llama kind','language model',NULL,'.layers.#.self_attn.*|.layers.#.mlp.*|.layers.#.*layernorm*|.embed_tokens.*|.lm_head.*'),
  ('adapter','prompt','a language model','language model',NULL,'^prompt_embeddings|*prompt_task*'),
  -- parts and add-ons of image models
  ('ControlNet','controlnet_xs','ControlNet-XS',NULL,NULL,'.ctrl_to_base.#.weight|.input_hint_block.#.weight .base_to_ctrl.#.weight'),
  ('ControlNet','controlnet_sdxl','ControlNet for Stable Diffusion XL','SDXL','ControlNetModel','.controlnet_cond_embedding.conv_in.weight|.input_hint_block.#.weight .add_embedding.linear_#.weight|.label_emb.#.#.weight'),
  ('ControlNet','controlnet_sd2','ControlNet for Stable Diffusion 2','SD 2','ControlNetModel','.controlnet_cond_embedding.conv_in.weight|.input_hint_block.#.weight .attn2.to_k.weight@1=1024'),
  ('ControlNet','controlnet_sd1','ControlNet for Stable Diffusion 1.x','SD 1.x','ControlNetModel','.controlnet_cond_embedding.conv_in.weight|.input_hint_block.#.weight .attn2.to_k.weight@1=768'),
  ('ControlNet','controlnet','ControlNet of a Stable Diffusion UNet','SD 1.x or 2','ControlNetModel','.controlnet_cond_embedding.conv_in.weight|.input_hint_block.#.weight|*input_hint_block*'),
  ('ControlNet','controlnet_flux','ControlNet for Flux','Flux','FluxControlNetModel','.controlnet_x_embedder.weight .controlnet_blocks.#.weight|.controlnet_single_blocks.#.weight'),
  ('ControlNet','controlnet_sd3','ControlNet for Stable Diffusion 3','Stable Diffusion 3','SD3ControlNetModel','.controlnet_blocks.#.weight'),
  ('T2I-Adapter','t2i_adapter','T2I-Adapter',NULL,'T2IAdapter','.body.#.block1.weight|.body.#.resnets.#.block1.weight .conv_in.weight|.body.#.in_conv.weight'),
  ('IP-Adapter','ip_adapter','IP-Adapter',NULL,NULL,'^image_proj.*|*image_proj.* *to_k_ip.weight'),
  ('motion module','animatediff','AnimateDiff motion module','SD 1.x','MotionAdapter','*.motion_modules.#.* !.time_embed.#.weight !.time_embedding.linear_#.weight'),
  -- image and video models
  ('video model','svd','Stable Video Diffusion',NULL,'UNetSpatioTemporalConditionModel','*.time_stack.#.*|*.temporal_transformer_blocks.#.*'),
  ('image model','cascade_c','Stable Cascade stage C','Stable Cascade','StableCascadeUNet','.clip_txt_mapper.weight|.clip_txt_pooled_mapper.weight .clf.#.weight !.effnet_mapper.#.weight'),
  ('image model','cascade_b','Stable Cascade stage B','Stable Cascade','StableCascadeUNet','.effnet_mapper.#.weight'),
  ('image model','kolors','Kolors UNet','Kolors','UNet2DConditionModel','.encoder_hid_proj.weight .attn2.to_k.weight'),
  ('image model','sdxl_refiner','Stable Diffusion XL refiner UNet','SDXL refiner','UNet2DConditionModel','.label_emb.#.#.weight|.add_embedding.linear_#.weight .attn2.to_k.weight@1=1280'),
  ('image model','sdxl','Stable Diffusion XL UNet','SDXL','UNet2DConditionModel','.add_embedding.linear_#.weight .down_blocks.#.resnets.#.conv1.weight'),
  ('image model','sdxl','Stable Diffusion XL UNet','SDXL','UNet2DConditionModel','.label_emb.#.#.weight .input_blocks.#.#.in_layers.#.weight !.attn2.to_k.weight@1=1024'),
  ('image model','sd_upscaler','Stable Diffusion x4 upscaler UNet','SD x4 upscaler','UNet2DConditionModel','.input_blocks.#.#.weight@1=7|.conv_in.weight@1=7 .attn2.to_k.weight'),
  ('image model','unclip','Stable unCLIP UNet','SD 2','UNet2DConditionModel','.label_emb.#.#.weight|.class_embedding.linear_#.weight .attn2.to_k.weight@1=1024'),
  ('image model','sd2','Stable Diffusion 2 UNet','SD 2','UNet2DConditionModel','.attn2.to_k.weight@1=1024 .input_blocks.#.#.in_layers.#.weight|.down_blocks.#.resnets.#.conv1.weight'),
  ('image model','sd1','Stable Diffusion 1.x UNet','SD 1.x','UNet2DConditionModel','.attn2.to_k.weight@1=768 .input_blocks.#.#.in_layers.#.weight|.down_blocks.#.resnets.#.conv1.weight'),
  ('image model','unet','Stable Diffusion UNet of unusual or unknown width','SD 1.x or 2','UNet2DConditionModel','.input_blocks.#.#.in_layers.#.weight|.attn2.to_k.weight !.decoder.conv_in.weight .input_blocks.#.#.in_layers.#.weight|.down_blocks.#.resnets.#.conv1.weight|.down_blocks.#.attentions.#.transformer_blocks.#.attn1.to_q.weight'),
  ('image model','ddpm','diffusion UNet without text','DDPM','UNet2DModel','.time_embedding.linear_#.weight .conv_in.weight .down_blocks.#.resnets.#.time_emb_proj.weight'),
  ('image model','hidream','HiDream transformer','HiDream','HiDreamImageTransformer2DModel','.double_stream_blocks.#.block.ff_i.shared_experts.w1.weight'),
  ('image model','chroma','Chroma transformer','Chroma','ChromaTransformer2DModel','*distilled_guidance_layer.*'),
  ('video model','hunyuan_video','HunyuanVideo transformer','HunyuanVideo','HunyuanVideoTransformer3DModel','.txt_in.individual_token_refiner.blocks.#.*|.context_embedder.token_refiner.*'),
  ('image model','flux2','Flux 2 transformer','Flux 2','Flux2Transformer2DModel','.double_stream_modulation_img.*|.double_stream_modulation_img.linear.weight'),
  ('image model','auraflow','AuraFlow transformer','AuraFlow','AuraFlowTransformer2DModel','.joint_transformer_blocks.#.attn.to_q.weight|.double_layers.#.attn.w1q.weight'),
  ('image model','flux_dev','Flux transformer with a guidance input (dev)','Flux dev','FluxTransformer2DModel','.guidance_in.in_layer.weight|.time_text_embed.guidance_embedder.linear_#.weight .double_blocks.#.img_attn.qkv.weight|.single_transformer_blocks.#.proj_mlp.weight'),
  ('image model','flux_schnell','Flux transformer without a guidance input (schnell)','Flux schnell','FluxTransformer2DModel','.double_blocks.#.img_attn.qkv.weight|.single_transformer_blocks.#.proj_mlp.weight'),
  ('image model','qwen_image','Qwen-Image transformer','Qwen-Image','QwenImageTransformer2DModel','.transformer_blocks.#.img_mod.#.weight .transformer_blocks.#.attn.add_q_proj.weight'),
  ('image model','sd3','Stable Diffusion 3 transformer','Stable Diffusion 3','SD3Transformer2DModel','.joint_blocks.#.context_block.attn.qkv.weight|.transformer_blocks.#.attn.add_k_proj.weight'),
  ('image model','hunyuan_dit','Hunyuan-DiT transformer','Hunyuan-DiT','HunyuanDiT2DModel','.mlp_t5.#.weight|.text_embedder.linear_#.weight .blocks.#.skip_linear.weight|.blocks.#.skip_norm.weight'),
  ('video model','mochi','Mochi transformer','Mochi','MochiTransformer3DModel','.t5_yproj.weight|.time_embed.pooler.to_kv.weight'),
  ('video model','cogvideox','CogVideoX transformer','CogVideoX','CogVideoXTransformer3DModel','.patch_embed.text_proj.weight .transformer_blocks.#.attn1.to_q.weight'),
  ('image model','sana','Sana transformer','Sana','SanaTransformer2DModel','.transformer_blocks.#.ff.conv_inverted.weight|.blocks.#.mlp.inverted_conv.conv.weight'),
  ('video model','wan','Wan transformer','Wan','WanTransformer3DModel','.blocks.#.cross_attn.norm_k.weight|.blocks.#.attn2.norm_k.weight .patch_embedding.weight|.blocks.#.modulation|.head.modulation|.scale_shift_table'),
  ('video model','cosmos','Cosmos transformer','Cosmos','CosmosTransformer3DModel','.blocks.*.blocks.#.block.attn.to_q.#.weight|.blocks.#.adaln_modulation_self_attn.#.weight'),
  ('video model','ltx_video','LTX-Video transformer','LTX-Video','LTXVideoTransformer3DModel','.adaln_single.linear.weight|.time_embed.linear.weight .transformer_blocks.#.attn1.k_norm.weight|.transformer_blocks.#.attn1.norm_k.weight'),
  ('image model','pixart','PixArt transformer','PixArt','PixArtTransformer2DModel Transformer2DModel','.adaln_single.linear.weight|.t_block.#.weight .caption_projection.linear_#.weight|.y_embedder.y_proj.fc1.weight'),
  ('image model','dit','DiT transformer','DiT','DiTTransformer2DModel Transformer2DModel','.adaLN_modulation.#.weight .x_embedder.proj.weight .blocks.#.attn.qkv.weight'),
  ('image model','z_image','Z-Image transformer','Z-Image','ZImageTransformer2DModel','.cap_embedder.#.weight|.cap_pad_token .noise_refiner.#.attention.to_q.weight|.x_pad_token'),
  ('image model','lumina2','Lumina 2 transformer','Lumina 2','Lumina2Transformer2DModel','.noise_refiner.#.attention.qkv.weight|.noise_refiner.#.attn.to_q.weight|.time_caption_embed.caption_embedder.#.weight'),
  ('audio model','stable_audio','Stable Audio transformer','Stable Audio','StableAudioDiTModel','.transformer.rotary_pos_emb.inv_freq'),
  ('audio model','ace_step','ACE-Step transformer','ACE-Step','ACEStepTransformer2DModel','.genre_embedder.weight'),
  -- autoencoders
  ('autoencoder','taesd','tiny autoencoder (TAESD)',NULL,'AutoencoderTiny','.decoder.layers.#.conv.#.weight|^taesd_decoder.#.weight .encoder.layers.#.conv.#.weight|^taesd_decoder.#.weight'),
  ('autoencoder','cascade_a','Stable Cascade stage A','Stable Cascade','PaellaVQModel','.vquantizer.codebook.weight|.vquantizer.codebook .up_blocks.#.*'),
  ('autoencoder','ltx_vae','LTX-Video autoencoder','LTX-Video','AutoencoderKLLTXVideo','.per_channel_statistics.mean-of-means|.per_channel_statistics.*|.latents_mean .decoder.conv_in.conv.weight'),
  ('autoencoder','wan_vae','Wan or Qwen-Image autoencoder (video, 16 channels)','Wan','AutoencoderKLWan AutoencoderKLQwenImage','.decoder.middle.#.residual.#.gamma|.decoder.mid_block.resnets.#.norm1.gamma'),
  ('autoencoder','cogvideox_vae','CogVideoX autoencoder','CogVideoX','AutoencoderKLCogVideoX','.decoder.mid_block.resnets.#.norm1.conv_y.conv.weight'),
  ('autoencoder','hunyuan_video_vae','HunyuanVideo autoencoder','HunyuanVideo','AutoencoderKLHunyuanVideo','.decoder.conv_in.conv.weight .decoder.conv_out.conv.weight'),
  ('autoencoder','dc_ae','deep compression autoencoder (DC-AE)','Sana','AutoencoderDC','*.attn.to_qkv_multiscale.#.*|*.context_module.*'),
  ('autoencoder','svd_vae','Stable Video Diffusion autoencoder','SVD','AutoencoderKLTemporalDecoder','.decoder.time_conv_out.weight|.decoder.conv_out.time_mix_conv.weight'),
  ('autoencoder','flux2_vae','Flux 2 autoencoder (32 channels)','Flux 2','AutoencoderKLFlux2','.decoder.conv_in.weight@1=32'),
  ('autoencoder','flux_vae','autoencoder of Flux or Stable Diffusion 3 (16 channels)','Flux or Stable Diffusion 3','AutoencoderKL','.decoder.conv_in.weight@1=16 .decoder.up.#.block.#.conv1.weight|.decoder.up_blocks.#.resnets.#.conv1.weight'),
  ('autoencoder','vqgan','VQ autoencoder',NULL,'VQModel','.quantize.embedding.weight .decoder.conv_in.weight'),
  ('autoencoder','sd_vae','autoencoder of Stable Diffusion 1.x, 2 or XL (4 channels)','SD 1.x, 2 or SDXL','AutoencoderKL','.decoder.conv_in.weight@1=4 .decoder.up.#.block.#.conv1.weight|.decoder.up_blocks.#.resnets.#.conv1.weight'),
  ('autoencoder','vae','autoencoder (KL)',NULL,'AutoencoderKL','.decoder.up.#.block.#.conv1.weight|.decoder.up_blocks.#.resnets.#.conv1.weight'),
  -- multimodal models
  ('multimodal model','gemma3n','Gemma 3n',NULL,'gemma3n','*audio_tower.* *.altup_projections.#.weight|.layers.#.altup.*'),
  ('multimodal model','gemma3','Gemma 3 with vision',NULL,'gemma3','.multi_modal_projector.mm_input_projection_weight'),
  ('multimodal model','qwen3_vl','Qwen3-VL',NULL,'qwen3_vl qwen3_vl_moe','*visual.deepstack_merger_list.#.*'),
  ('multimodal model','qwen2_5_vl','Qwen2.5-VL',NULL,'qwen2_5_vl','*visual.blocks.#.mlp.gate_proj.weight'),
  ('multimodal model','qwen2_vl','Qwen2-VL',NULL,'qwen2_vl','*visual.blocks.#.attn.qkv.weight *visual.merger.mlp.#.weight'),
  ('multimodal model','mllama','Llama 3.2 Vision',NULL,'mllama','*cross_attn.q_proj.weight *vision_model.global_transformer.*'),
  ('multimodal model','llama4','Llama 4 with vision',NULL,'llama4','*.feed_forward.experts.gate_up_proj *vision_model.*'),
  ('multimodal model','paligemma','PaliGemma',NULL,'paligemma','.multi_modal_projector.linear.weight'),
  ('multimodal model','llava','LLaVA or alike',NULL,'llava llava_next llava_onevision vipllava mistral3 video_llava','.multi_modal_projector.linear_#.weight|.mm_projector.#.weight'),
  ('multimodal model','idefics','Idefics 2 or 3, or SmolVLM',NULL,'idefics2 idefics3 smolvlm','*connector.modality_projection.*'),
  ('multimodal model','internvl','InternVL',NULL,'internvl_chat internvl','.mlp1.#.weight *vision_model.encoder.layers.#.attn.qkv.weight'),
  ('multimodal model','blip2','BLIP-2 or InstructBLIP',NULL,'blip-2 instructblip','.qformer.encoder.layer.#.attention.attention.query.weight|.query_tokens .qformer.*'),
  ('multimodal model','blip','BLIP',NULL,'blip','.text_decoder.bert.encoder.layer.#.attention.self.query.weight|.text_encoder.encoder.layer.#.crossattention.self.query.weight .vision_model.embeddings.patch_embedding.weight'),
  ('multimodal model','florence2','Florence-2',NULL,'florence2','*vision_tower.convs.#.proj.weight'),
  ('multimodal model','minicpmv','MiniCPM-V or MiniCPM-o',NULL,'minicpmv minicpmo','.vpm.encoder.layers.#.self_attn.q_proj.weight *resampler.*'),
  ('multimodal model','deepseek_vl','DeepSeek-VL or DeepSeek-OCR',NULL,'deepseek_vl_v2 deepseek_vl deepseek_ocr multi_modality','*sam_model.*|.vision.blocks.#.attn.qkv.weight .layers.#.mlp.experts.#.gate_proj.weight|.layers.#.mlp.gate_proj.weight'),
  ('multimodal model','molmo','Molmo',NULL,'molmo','.vision_backbone.image_vit.transformer.resblocks.#.attention.wq.weight|*vision_backbone.* .blocks.#.att_proj.weight'),
  ('multimodal model','clap','CLAP (audio and text)',NULL,'clap','*audio_model.audio_encoder.*'),
  ('multimodal model','vlm','vision-language model of another kind',NULL,NULL,'*vision_model.*|*vision_tower.*|*visual.*|*vision_encoder.*|*vision_backbone.*|*vision_embed_tokens.*|.vpm.* .embed_tokens.weight|.tok_embeddings.weight|.wte.weight|.wte.embedding'),
  ('multimodal model','siglip','SigLIP',NULL,'siglip siglip2','.text_model.head.weight|.logit_bias .vision_model.head.probe'),
  ('multimodal model','clip','CLIP (image and text)',NULL,'clip','.visual_projection.weight .text_projection.weight'),
  ('multimodal model','open_clip','OpenCLIP (image and text)',NULL,NULL,'*visual.conv1.weight|*visual.trunk.* .transformer.resblocks.#.attn.in_proj_weight|.text.transformer.*'),
  -- audio
  ('audio model','whisper','Whisper (speech to text)',NULL,'whisper','.encoder.conv1.weight .decoder.layers.#.encoder_attn.q_proj.weight'),
  ('audio model','whisper','Whisper (speech to text), names of OpenAI',NULL,'whisper','.encoder.conv1.weight .decoder.blocks.#.cross_attn.query.weight'),
  ('audio model','wavlm','WavLM (speech)',NULL,'wavlm','.encoder.layers.#.attention.gru_rel_pos_const'),
  ('audio model','hubert','HuBERT (speech)',NULL,'hubert','.feature_extractor.conv_layers.#.conv.weight ^hubert.encoder.layer_norm.weight'),
  ('audio model','wav2vec2','Wav2Vec2 or HuBERT (speech)',NULL,'wav2vec2 hubert wav2vec2-bert','.feature_extractor.conv_layers.#.conv.weight .encoder.layers.#.attention.q_proj.weight'),
  ('audio model','bark','Bark (text to speech)',NULL,'bark','*semantic.*|*coarse_acoustics.*|*fine_acoustics.* *layers.#.attn.att_proj.weight'),
  ('audio model','musicgen','MusicGen',NULL,'musicgen','*decoder.model.decoder.embed_tokens.#.weight|*audio_encoder.quantizer.* *.encoder_attn.q_proj.weight'),
  ('audio model','mimi','Mimi (audio codec)',NULL,'mimi','*encoder_transformer.layers.#.* *quantizer.*codebook.*'),
  ('audio model','encodec','EnCodec (audio codec)',NULL,'encodec','.quantizer.layers.#.codebook.embed'), ('audio model','dac','DAC (audio codec)',NULL,'dac','.quantizer.quantizers.#.codebook.weight'),
  ('audio model','speecht5','SpeechT5',NULL,'speecht5','*speecht5.*|*speech_decoder_postnet.*'), ('audio model','vits','VITS (text to speech)',NULL,'vits','*duration_predictor.* *flow.flows.#.*'),
  ('audio model','ast','Audio Spectrogram Transformer',NULL,'audio-spectrogram-transformer','*audio_spectrogram_transformer.*'),
  ('audio model','hifigan','HiFi-GAN vocoder',NULL,NULL,'.resblocks.#.convs1.#.* .upsampler.#.*|.ups.#.*'),
  -- language models
  ('language model','deepseek_v32','DeepSeek V3.2',NULL,'deepseek_v32','.self_attn.indexer.wq_b.weight'),
  ('language model','deepseek_v3','DeepSeek V3 or R1, or Kimi K2',NULL,'deepseek_v3 kimi_k2 glm4_moe_lite','.self_attn.kv_a_proj_with_mqa.weight .mlp.gate.e_score_correction_bias'),
  ('language model','deepseek_v2','DeepSeek V2, or MiniCPM3',NULL,'deepseek_v2 minicpm3','.self_attn.kv_a_proj_with_mqa.weight'),
  ('language model','gpt_oss','gpt-oss',NULL,'gpt_oss','.self_attn.sinks'), ('language model','qwen3_next','Qwen3-Next',NULL,'qwen3_next','.linear_attn.in_proj_qkvz.weight'),
  ('language model','qwen3_5','Qwen3.5',NULL,'qwen3_5 qwen3_5_text qwen3_5_moe qwen3_5_moe_text','.linear_attn.in_proj_qkv.weight'),
  ('language model','llama4','Llama 4',NULL,'llama4_text llama4','.feed_forward.experts.gate_up_proj|.feed_forward.router.weight'),
  ('language model','jamba','Jamba',NULL,'jamba','.mamba.x_proj.weight .self_attn.q_proj.weight'),
  ('language model','bamba','Bamba, Granite 4 or Zamba (Mamba 2 and attention)',NULL,'bamba granitemoehybrid falcon_h1 zamba2','.mamba.A_log .mamba.in_proj.weight'),
  ('language model','nemotron_h','Nemotron-H',NULL,'nemotron_h','.mixer.A_log .mixer.q_proj.weight'), ('language model','mamba','Mamba',NULL,'mamba falcon_mamba','.mixer.A_log .mixer.x_proj.weight'),
  ('language model','mamba2','Mamba 2',NULL,'mamba2','.mixer.A_log .mixer.in_proj.weight'), ('language model','rwkv7','RWKV 7',NULL,'rwkv7','.att.x_r|.att.w0|.attn.r_k|.attn.x_x|.attn.x_r'),
  ('language model','rwkv5','RWKV 5 or 6',NULL,'rwkv5 rwkv6','.attention.time_faaaa|.att.time_faaaa|.attention.time_maa_k|.att.time_maa_k|.attention.gate.weight'),
  ('language model','rwkv','RWKV 4',NULL,'rwkv','.attention.time_mix_key|.att.time_mix_k'),
  ('language model','minimax_m2','MiniMax M2',NULL,'minimax_m2','.block_sparse_moe.experts.#.w1.weight .self_attn.q_norm.weight'),
  ('language model','phimoe','Phi-3.5 MoE',NULL,'phimoe','.block_sparse_moe.experts.#.w1.weight .layers.#.input_layernorm.bias'),
  ('language model','mixtral','Mixtral',NULL,'mixtral','.block_sparse_moe.experts.#.w1.weight'),
  ('language model','granitemoe','Granite MoE',NULL,'granitemoe granitemoeshared','.block_sparse_moe.input_linear.weight'),
  ('language model','dbrx','DBRX',NULL,'dbrx','.blocks.#.norm_attn_norm.attn.Wqkv.weight'),
  ('language model','ernie4_5_moe','ERNIE 4.5 MoE',NULL,'ernie4_5_moe','.mlp.moe_statics.e_score_correction_bias'),
  ('language model','glm4_moe','GLM 4.5 or 4.6',NULL,'glm4_moe','.mlp.gate.e_score_correction_bias .mlp.experts.#.gate_proj.weight .self_attn.k_proj.weight'),
  ('language model','qwen2_moe','Qwen2 MoE or Qwen1.5 MoE',NULL,'qwen2_moe','.mlp.shared_expert_gate.weight'),
  ('language model','olmoe','OLMoE',NULL,'olmoe','.mlp.experts.#.gate_proj.weight .self_attn.q_norm.weight@0=512-99999'),
  ('language model','qwen3_moe','Qwen3 MoE',NULL,'qwen3_moe olmoe','.mlp.experts.#.gate_proj.weight|.mlp.experts.gate_up_proj .self_attn.q_norm.weight'),
  ('language model','llama_moe','mixture of experts of the Llama kind',NULL,NULL,'.mlp.experts.#.gate_proj.weight|.mlp.experts.gate_up_proj .self_attn.q_proj.weight'),
  ('language model','gemma3n','Gemma 3n',NULL,'gemma3n_text gemma3n','*.altup_projections.#.weight|.layers.#.altup.*|.layers.#.laurel.*'),
  ('language model','gemma3','Gemma 3',NULL,'gemma3_text gemma3','.layers.#.pre_feedforward_layernorm.weight .self_attn.q_norm.weight'),
  ('language model','gemma2','Gemma 2',NULL,'gemma2','.layers.#.pre_feedforward_layernorm.weight'),
  ('language model','olmo2','OLMo 2 or 3',NULL,'olmo2 olmo3','.layers.#.post_feedforward_layernorm.weight .self_attn.q_norm.weight'),
  ('language model','glm4','GLM 4',NULL,'glm4','.layers.#.post_self_attn_layernorm.weight'),
  ('language model','stablelm','StableLM',NULL,'stablelm','.layers.#.self_attn.q_proj.weight .layers.#.mlp.gate_proj.weight .layers.#.input_layernorm.bias'),
  ('language model','nemotron','Nemotron',NULL,'nemotron','.layers.#.self_attn.q_proj.weight .layers.#.mlp.up_proj.weight !.layers.#.mlp.gate_proj.weight'),
  ('language model','cohere','Cohere Command R or Aya',NULL,'cohere cohere2','.layers.#.self_attn.q_proj.weight .layers.#.mlp.gate_proj.weight .layers.#.input_layernorm.weight !.layers.#.post_attention_layernorm.weight'),
  ('language model','olmo','OLMo',NULL,'olmo','^model.embed_tokens.weight .layers.#.self_attn.q_proj.weight .layers.#.mlp.gate_proj.weight !.layers.#.input_layernorm.weight !.layers.#.post_attention_layernorm.weight !.norm.weight'),
  ('language model','qwen3','Qwen3',NULL,'qwen3','.layers.#.self_attn.q_proj.weight .layers.#.mlp.gate_proj.weight .self_attn.q_norm.weight'),
  ('language model','qwen2','Qwen2, Qwen2.5 or Qwen1.5',NULL,'qwen2','.layers.#.self_attn.q_proj.bias .layers.#.mlp.gate_proj.weight !.layers.#.self_attn.o_proj.bias'),
  ('language model','starcoder2','StarCoder 2',NULL,'starcoder2','.layers.#.mlp.c_fc.weight .layers.#.self_attn.q_proj.weight'),
  ('language model','phi3','Phi-3 or Phi-4',NULL,'phi3 phi4 phi3_v','.layers.#.self_attn.qkv_proj.weight .layers.#.mlp.gate_up_proj.weight'),
  ('language model','phi','Phi-1, 1.5 or 2',NULL,'phi','.layers.#.self_attn.dense.weight .layers.#.mlp.fc1.weight .layers.#.self_attn.q_proj.weight'),
  ('language model','persimmon','Persimmon or Fuyu',NULL,'persimmon fuyu','.layers.#.self_attn.query_key_value.weight .layers.#.self_attn.dense.weight'),
  ('language model','baichuan','Baichuan',NULL,'baichuan','.layers.#.self_attn.W_pack.weight'),
  ('language model','gemma','Gemma',NULL,'gemma','.layers.#.self_attn.q_proj.weight .layers.#.mlp.gate_proj.weight .embed_tokens.weight@0=256000 !.lm_head.weight'),
  ('language model','llama','Llama, Mistral or alike',NULL,'llama mistral gemma granite ministral smollm3 ernie4_5 helium seed_oss yi internlm minicpm exaone4 arcee','.layers.#.self_attn.q_proj.weight .layers.#.mlp.gate_proj.weight|.layers.#.mlp.down_proj.weight'),
  ('language model','llama_meta','Llama or Mistral, names of the original release',NULL,'llama mistral','.layers.#.attention.wq.weight .layers.#.feed_forward.w1.weight'),
  ('language model','internlm2','InternLM 2',NULL,'internlm2','.attention.wqkv.weight .feed_forward.w1.weight'),
  ('language model','gpt_neox','GPT-NeoX or Pythia',NULL,'gpt_neox gpt_neox_japanese','.layers.#.attention.query_key_value.weight'),
  ('language model','bloom','BLOOM',NULL,'bloom','.h.#.self_attention.query_key_value.weight .word_embeddings_layernorm.weight'),
  ('language model','falcon','Falcon',NULL,'falcon RefinedWebModel RefinedWeb','.h.#.self_attention.query_key_value.weight'),
  ('language model','chatglm','ChatGLM or GLM 4 (first release)',NULL,'chatglm','.layers.#.self_attention.query_key_value.weight'),
  ('language model','olmo_original','OLMo, names of the original release',NULL,'hf_olmo olmo','.blocks.#.att_proj.weight .blocks.#.ff_proj.weight'),
  ('language model','mpt','MPT',NULL,'mpt','.blocks.#.attn.Wqkv.weight .blocks.#.norm_#.weight'),
  ('language model','qwen','Qwen (first release)',NULL,'qwen','.h.#.attn.c_attn.weight .h.#.mlp.w1.weight'),
  ('language model','gpt_bigcode','StarCoder or SantaCoder (GPT BigCode)',NULL,'gpt_bigcode','.h.#.attn.c_attn.weight@1/0=0-1 .h.#.mlp.c_fc.weight'),
  ('language model','gpt2','GPT-2',NULL,'gpt2','.h.#.attn.c_attn.weight .wpe.weight|.h.#.mlp.c_fc.weight'),
  ('language model','gpt_neo','GPT-Neo',NULL,'gpt_neo','.h.#.attn.attention.q_proj.weight .h.#.mlp.c_fc.weight'),
  ('language model','exaone','EXAONE',NULL,'exaone','.h.#.attn.attention.q_proj.weight .h.#.mlp.c_fc_#.weight'),
  ('language model','codegen','CodeGen',NULL,'codegen','.h.#.attn.qkv_proj.weight .h.#.mlp.fc_in.weight'), ('language model','gptj','GPT-J',NULL,'gptj','.h.#.attn.q_proj.weight .h.#.mlp.fc_in.weight'),
  ('language model','opt','OPT',NULL,'opt','.decoder.layers.#.self_attn.q_proj.weight .decoder.embed_positions.weight !.decoder.layers.#.encoder_attn.q_proj.weight'),
  ('text-to-text model','bart','BART',NULL,'bart','.decoder.layers.#.encoder_attn.q_proj.weight .encoder.layernorm_embedding.weight !.encoder.layer_norm.weight'),
  ('text-to-text model','mbart','mBART',NULL,'mbart','.decoder.layers.#.encoder_attn.q_proj.weight .encoder.layernorm_embedding.weight'),
  ('text-to-text model','m2m','Pegasus, M2M-100 or NLLB',NULL,'pegasus m2m_100 nllb-moe blenderbot','.decoder.layers.#.encoder_attn.q_proj.weight .encoder.layer_norm.weight'),
  ('text-to-text model','marian','Marian (translation)',NULL,'marian','.decoder.layers.#.encoder_attn.q_proj.weight'),
  ('text-to-text model','t5','T5',NULL,'t5 mt5 umt5 longt5 switch_transformers','.DenseReluDense.wi_#.weight|.DenseReluDense.wi.weight|.SelfAttention.q.weight .decoder.block.#.layer.#.EncDecAttention.q.weight|.decoder.block.#.layer.#.SelfAttention.q.weight'),
  -- text encoders
  ('text encoder','umt5_xxl','UMT5-XXL encoder','Wan','umt5','.block.#.layer.#.SelfAttention.relative_attention_bias.weight@n=2-99|.blocks.#.pos_embedding.embedding.weight'),
  ('text encoder','t5_xxl','T5-XXL encoder','Flux, Stable Diffusion 3 or PixArt','t5','.block.#.layer.#.SelfAttention.q.weight@1=4096'),
  ('text encoder','t5_encoder','T5 encoder',NULL,'t5 umt5','.block.#.layer.#.SelfAttention.q.weight'),
  ('text encoder','clip_l','CLIP-L text encoder','SD 1.x, SDXL, Stable Diffusion 3 or Flux','clip_text_model','.encoder.layers.#.self_attn.q_proj.weight@1=768|.encoder.layers.#.mlp.fc1.weight@1=768 !*vision* .token_embedding.weight|.encoder.layers.#.mlp.fc1.weight !.embeddings.patch_embedding.weight !.conv_layers.#.conv.weight'),
  ('text encoder','clip_h','OpenCLIP ViT-H text encoder','SD 2','clip_text_model','.transformer.resblocks.#.attn.in_proj_weight@1=1024|.encoder.layers.#.self_attn.q_proj.weight@1=1024 .token_embedding.weight !*visual*'),
  ('text encoder','clip_g','OpenCLIP bigG text encoder','SDXL or Stable Diffusion 3','clip_text_model','.transformer.resblocks.#.attn.in_proj_weight@1=1280|.encoder.layers.#.self_attn.q_proj.weight@1=1280 .token_embedding.weight|.text_projection|.text_projection.weight !*visual*'),
  ('text encoder','clip_text','CLIP text encoder',NULL,'clip_text_model','.token_embedding.weight .encoder.layers.#.self_attn.q_proj.weight|.transformer.resblocks.#.attn.in_proj_weight !.embeddings.patch_embedding.weight'),
  ('text encoder','deberta_v2','DeBERTa v2 or v3',NULL,'deberta-v2','.attention.self.query_proj.weight'), ('text encoder','deberta','DeBERTa',NULL,'deberta','.attention.self.in_proj.weight'),
  ('text encoder','albert','ALBERT',NULL,'albert','*.albert_layer_groups.#.albert_layers.#.*'),
  ('text encoder','modernbert','ModernBERT',NULL,'modernbert','.layers.#.attn.Wqkv.weight .layers.#.mlp.Wi.weight'),
  ('text encoder','nomic_bert','Nomic BERT',NULL,'nomic_bert','.layers.#.attn.Wqkv.weight .layers.#.mlp.fc11.weight'),
  ('text encoder','distilbert','DistilBERT',NULL,'distilbert','.transformer.layer.#.attention.q_lin.weight|.layer.#.attention.q_lin.weight'),
  ('text encoder','xlnet','XLNet',NULL,'xlnet','.layer.#.rel_attn.q'), ('text encoder','mpnet','MPNet',NULL,'mpnet','.layer.#.attention.attn.q.weight'),
  ('text encoder','longformer','Longformer',NULL,'longformer','.attention.self.query_global.weight'),
  ('text encoder','electra','ELECTRA',NULL,'electra','.attention.self.query.weight *electra.*|.embeddings_project.weight|*discriminator_predictions.*'),
  ('text encoder','esm','ESM (proteins)',NULL,'esm','.attention.self.query.weight *contact_head.*|.encoder.emb_layer_norm_after.weight'),
  ('text encoder','layoutlm','LayoutLM',NULL,'layoutlm layoutlmv3','.attention.self.query.weight .embeddings.x_position_embeddings.weight'),
  ('text encoder','roberta','RoBERTa or XLM-RoBERTa',NULL,'roberta xlm-roberta camembert','.attention.self.query.weight .embeddings.word_embeddings.weight .embeddings.token_type_embeddings.weight@0=1'),
  ('text encoder','bert','BERT',NULL,'bert','.attention.self.query.weight .embeddings.word_embeddings.weight'),
  -- vision
  ('vision model','sam2','SAM 2',NULL,'sam2 sam2_video','*memory_encoder.* *memory_attention.*'),
  ('vision model','sam','SAM (segmentation)',NULL,'sam','*mask_decoder.iou_prediction_head.* *mask_decoder.*'),
  ('vision model','dinov3','DINOv3',NULL,'dinov3_vit','.embeddings.register_tokens .layer.#.attention.q_proj.weight'),
  ('vision model','dinov2','DINOv2',NULL,'dinov2 dinov2_with_registers','.layer.#.layer_scale1.lambda1|.blocks.#.ls1.gamma .embeddings.patch_embeddings.projection.weight|.patch_embed.proj.weight'),
  ('vision model','depth_anything','Depth Anything or DPT',NULL,'depth_anything dpt','.neck.fusion_stage.layers.#.*'),
  ('vision model','deit','DeiT',NULL,'deit','.embeddings.distillation_token|.dist_token'),
  ('vision model','beit','BEiT',NULL,'beit','.attention.attention.relative_position_bias.relative_position_bias_table|.embeddings.mask_token .layer.#.lambda_#'),
  ('vision model','swin','Swin Transformer',NULL,'swin swinv2','.layers.#.blocks.#.attn.relative_position_bias_table|.layers.#.blocks.#.attention.self.relative_position_bias_table|.layers.#.blocks.#.attn.logit_scale'),
  ('vision model','segformer','SegFormer',NULL,'segformer','.encoder.patch_embeddings.#.proj.weight'),
  ('vision model','convnext','ConvNeXt',NULL,'convnext convnextv2','.stages.#.layers.#.dwconv.weight|.stages.#.blocks.#.conv_dw.weight'),
  ('vision model','detr','DETR or alike',NULL,'detr conditional_detr deformable_detr rt_detr table-transformer yolos','.bbox_predictor.layers.#.weight|.bbox_embed.#.layers.#.weight|.bbox_embed.layers.#.weight'),
  ('vision model','vit','ViT',NULL,'vit vit_mae','.layer.#.attention.attention.query.weight .embeddings.patch_embeddings.projection.weight'),
  ('vision model','vit_timm','ViT, names of timm',NULL,NULL,'.blocks.#.attn.qkv.weight .patch_embed.proj.weight'),
  ('vision model','siglip_vision','SigLIP vision encoder',NULL,'siglip_vision_model','.head.probe .embeddings.patch_embedding.weight'),
  ('vision model','clip_vision','CLIP vision encoder',NULL,'clip_vision_model','.embeddings.class_embedding .embeddings.patch_embedding.weight'),
  ('vision model','open_clip_vision','OpenCLIP vision encoder',NULL,NULL,'*visual.conv1.weight'), ('vision model','redux','image encoder of Flux Redux','Flux',NULL,'^redux_up.weight'),
  ('vision model','resnet','ResNet',NULL,'resnet','.layer1.#.conv1.weight|.encoder.stages.#.layers.#.layer.#.convolution.weight'),
  ('vision model','efficientnet','EfficientNet or MobileNet',NULL,'efficientnet mobilenet_v2','.blocks.#.#.conv_dw.weight|.encoder.blocks.#.depthwise_conv.depthwise_conv.weight'),
  ('vision model','yolo','YOLO',NULL,NULL,'*dfl.conv.weight|*model.#.cv2.conv.weight'), ('upscaler','esrgan','ESRGAN upscaler',NULL,NULL,'*.RDB1.conv1.*|.body.#.rdb1.conv1.weight'),
  -- small things
  ('embedding','sdxl_embedding','textual inversion for Stable Diffusion XL','SDXL',NULL,'^clip_g@r=1-2 ^clip_l@r=1-2'),
  ('embedding','sd1_embedding','textual inversion for Stable Diffusion 1.x','SD 1.x',NULL,'^emb_params@1=768|^clip_l'),
  ('embedding','sd2_embedding','textual inversion for Stable Diffusion 2','SD 2',NULL,'^emb_params@1=1024'),
  ('head','st_dense','dense layer of a Sentence Transformers model',NULL,NULL,'^linear.weight'), ('optimizer','optimizer','state of an optimizer',NULL,NULL,'*exp_avg*|*momentum_buffer*'),
  -- traits, said of whatever has that role
  ('trait','image model','inpainting (9 input channels)',NULL,NULL,'.input_blocks.#.#.weight@1=9|^conv_in.weight@1=9'),
  ('trait','image model','edits by instruction (8 input channels)',NULL,NULL,'.input_blocks.#.#.weight@1=8|^conv_in.weight@1=8'),
  ('trait','image model','depth to image (5 input channels)',NULL,NULL,'.input_blocks.#.#.weight@1=5|^conv_in.weight@1=5'),
  ('trait','image model','fill (384 input features)',NULL,NULL,'^img_in.weight@1=384|^x_embedder.weight@1=384'),
  ('trait','image model','control or image conditioning (128 input features)',NULL,NULL,'^img_in.weight@1=128 .double_blocks.#.img_attn.qkv.weight'),
  ('trait','video model','image to video',NULL,NULL,'.img_emb.proj.#.weight|.condition_embedder.image_embedder.ff.net.#.proj.weight|^patch_embedding.weight@1=36'),
  ('trait','image model','latent consistency (guidance embedded)',NULL,NULL,'.time_embedding.cond_proj.weight|.time_embed.cond_proj.weight'),
  ('trait','image model','with motion modules',NULL,NULL,'*.motion_modules.#.*'),
  ('trait','language model','for sequence classification',NULL,NULL,'.score.weight|.classifier.weight|.classifier.dense.weight|.v_head.weight'),
  ('trait','text encoder','for classification of texts or tokens',NULL,NULL,'^classifier.weight|^classifier.out_proj.weight'),
  ('trait','text encoder','for questions and answers',NULL,NULL,'^qa_outputs.weight'),
  ('trait','text encoder','with a head for masked words',NULL,NULL,'^cls.predictions.transform.dense.weight|^lm_head.dense.weight|^vocab_transform.weight|^predictions.dense.weight|^lm_predictions.*'),
  ('trait','vision model','for classification of images',NULL,NULL,'^classifier.weight|^head.weight|^fc.weight|^head.fc.weight|^classifier.#.weight'),
  ('trait','audio model','with a head for speech recognition (CTC)',NULL,NULL,'^lm_head.weight .feature_extractor.conv_layers.#.conv.weight');

-- Published models by architecture, layers, hidden size, inner size of the MLP, and vocabulary.
DROP TABLE IF EXISTS temp.identify_sizes;
CREATE TEMP TABLE identify_sizes(architecture, layers, hidden, inner, vocabulary, size);
INSERT INTO identify_sizes VALUES
  ('llama',32,4096,11008,32000,'Llama 1 or 2 7B'), ('llama',40,5120,13824,32000,'Llama 1 or 2 13B'), ('llama',60,6656,17920,32000,'Llama 1 30B'), ('llama',80,8192,22016,32000,'Llama 1 65B'),
  ('llama',80,8192,28672,32000,'Llama 2 70B'), ('llama',32,4096,14336,128256,'Llama 3 or 3.1 8B'), ('llama',80,8192,28672,128256,'Llama 3, 3.1 or 3.3 70B'),
  ('llama',126,16384,53248,128256,'Llama 3.1 405B'), ('llama',16,2048,8192,128256,'Llama 3.2 1B'), ('llama',28,3072,8192,128256,'Llama 3.2 3B'), ('llama',22,2048,5632,32000,'TinyLlama 1.1B'),
  ('llama',32,4096,14336,32000,'Mistral 7B'), ('llama',32,4096,14336,32768,'Mistral 7B v0.3'), ('llama',40,5120,14336,131072,'Mistral Nemo 12B'), ('llama',40,5120,32768,131072,'Mistral Small 3 24B'),
  ('llama',88,12288,28672,32768,'Mistral Large 2'), ('llama',30,576,1536,49152,'SmolLM or SmolLM2 135M'), ('llama',32,960,2560,49152,'SmolLM or SmolLM2 360M'),
  ('llama',24,2048,8192,49152,'SmolLM or SmolLM2 1.7B'), ('llama',36,2048,11008,128256,'SmolLM3 3B'), ('llama',32,4096,11008,64000,'Yi 6B'), ('llama',60,7168,20480,64000,'Yi 34B'),
  ('mixtral',32,4096,14336,32000,'Mixtral 8x7B'), ('mixtral',56,6144,16384,32768,'Mixtral 8x22B'), ('qwen2',24,896,4864,151936,'Qwen2 or Qwen2.5 0.5B'),
  ('qwen2',28,1536,8960,151936,'Qwen2 or Qwen2.5 1.5B'), ('qwen2',36,2048,11008,151936,'Qwen2.5 3B'), ('qwen2',28,3584,18944,152064,'Qwen2 or Qwen2.5 7B'), ('qwen2',48,5120,13824,152064,'Qwen2.5 14B'),
  ('qwen2',64,5120,27648,152064,'Qwen2.5 32B'), ('qwen2',80,8192,29568,152064,'Qwen2 or Qwen2.5 72B'), ('qwen3',28,1024,3072,151936,'Qwen3 0.6B'), ('qwen3',28,2048,6144,151936,'Qwen3 1.7B'),
  ('qwen3',36,2560,9728,151936,'Qwen3 4B'), ('qwen3',36,4096,12288,151936,'Qwen3 8B'), ('qwen3',40,5120,17408,151936,'Qwen3 14B'), ('qwen3',64,5120,25600,151936,'Qwen3 32B'),
  ('qwen3_moe',48,2048,768,151936,'Qwen3 30B-A3B'), ('qwen3_moe',94,4096,1536,151936,'Qwen3 235B-A22B'), ('gemma',18,2048,16384,256000,'Gemma 2B'), ('gemma',28,3072,24576,256000,'Gemma 7B'),
  ('gemma2',26,2304,9216,256000,'Gemma 2 2B'), ('gemma2',42,3584,14336,256000,'Gemma 2 9B'), ('gemma2',46,4608,36864,256000,'Gemma 2 27B'), ('gemma3',26,1152,6912,262144,'Gemma 3 1B'),
  ('gemma3',34,2560,10240,262208,'Gemma 3 4B'), ('gemma3',48,3840,15360,262208,'Gemma 3 12B'), ('gemma3',62,5376,21504,262208,'Gemma 3 27B'), ('gemma3',18,640,2048,262144,'Gemma 3 270M'),
  ('phi3',32,3072,NULL,32064,'Phi-3 or 3.5 mini'), ('phi3',40,5120,NULL,100352,'Phi-4 14B'), ('phi3',40,5120,NULL,32064,'Phi-3 medium'), ('phi3',32,3072,NULL,200064,'Phi-4 mini'),
  ('phi',32,2560,10240,51200,'Phi-2'), ('phi',24,2048,8192,51200,'Phi-1 or 1.5'), ('gpt2',12,768,NULL,50257,'GPT-2 small'), ('gpt2',24,1024,NULL,50257,'GPT-2 medium'),
  ('gpt2',36,1280,NULL,50257,'GPT-2 large'), ('gpt2',48,1600,NULL,50257,'GPT-2 XL'), ('gptj',28,4096,NULL,50400,'GPT-J 6B'), ('gpt_neox',44,6144,NULL,50432,'GPT-NeoX 20B'),
  ('bloom',30,4096,NULL,250880,'BLOOM 7B'), ('gpt_oss',24,2880,NULL,201088,'gpt-oss 20B'), ('gpt_oss',36,2880,NULL,201088,'gpt-oss 120B'), ('falcon',32,4544,NULL,65024,'Falcon 7B'),
  ('deepseek_v3',61,7168,NULL,129280,'DeepSeek V3 or R1 671B'), ('deepseek_v2',27,2048,NULL,102400,'DeepSeek V2 Lite'), ('deepseek_v2',60,5120,NULL,102400,'DeepSeek V2'),
  ('bert',12,768,NULL,30522,'BERT base, uncased'), ('bert',12,768,NULL,28996,'BERT base, cased'), ('bert',24,1024,NULL,30522,'BERT large, uncased'), ('bert',6,384,NULL,30522,'MiniLM L6'),
  ('bert',12,384,NULL,30522,'MiniLM L12 or BGE small'), ('distilbert',6,768,NULL,30522,'DistilBERT base, uncased'), ('roberta',12,768,NULL,50265,'RoBERTa base'),
  ('roberta',24,1024,NULL,50265,'RoBERTa large'), ('roberta',12,768,NULL,250002,'XLM-RoBERTa base'), ('roberta',24,1024,NULL,250002,'XLM-RoBERTa large'), ('whisper',4,384,NULL,51865,'Whisper tiny'),
  ('whisper',6,512,NULL,51865,'Whisper base'), ('whisper',12,768,NULL,51865,'Whisper small'), ('whisper',24,1024,NULL,51865,'Whisper medium'), ('whisper',32,1280,NULL,NULL,'Whisper large');

-- The conditions of the signatures, and their alternatives.
DROP TABLE IF EXISTS temp.identify_conditions;
CREATE TEMP TABLE identify_conditions AS
  SELECT s.id AS signature, s.role = 'adapter' AS adapter, substr(n.value, 1, 1) = '!' AS negated, ltrim(n.value, '!') AS text
  FROM identify_signatures AS s, json_each('["' || replace(s.needs, ' ', '","') || '"]') AS n;
DROP TABLE IF EXISTS temp.identify_globs;
CREATE TEMP TABLE identify_globs AS
  SELECT condition, adapter, test, CAST(range AS INTEGER) AS low, CAST(substr(range, instr(range, '-') + 1) AS INTEGER) AS high,
         CASE substr(name, 1, 1) WHEN '.' THEN '*' || name WHEN '^' THEN '.' || substr(name, 2) ELSE name END AS glob
  FROM (SELECT condition, adapter, substr(text, 1, at - 1) AS name, substr(text, at + 1, equals - at - 1) AS test,
               substr(text, equals + 1) AS range
        FROM (SELECT c.rowid AS condition, c.adapter, a.value AS text, instr(a.value || '@', '@') AS at,
                     instr(a.value || '@=', '=') AS equals
              FROM identify_conditions AS c, json_each('["' || replace(c.text, '|', '","') || '"]') AS a));

-- The models. Their tensors are grouped by pattern, for each part of a file with several models in it.
DROP TABLE IF EXISTS temp.identify_models;
CREATE TEMP TABLE identify_models(id INTEGER PRIMARY KEY, model, folder_kind, files, tensors, numel, nbytes, status, error, config,
                                  adapter DEFAULT 0, kind, rank, alpha);
INSERT INTO identify_models(model, folder_kind, files, tensors, numel, nbytes, status, error, config)
  SELECT m.model, m.kind, m.files, m.tensors, m.numel, m.nbytes, m.status, m.error, iif(json_valid(m.config), m.config, NULL)
  FROM parameters AS p, safetensors_models(p.path) AS m;
-- A single path that cannot be read raises its error here; so does one without any tensor.
DROP TABLE IF EXISTS temp.needs;
CREATE TEMP TABLE needs(tensors CONSTRAINT ":path has a tensor" CHECK (tensors > 0));
INSERT INTO needs
  SELECT m.tensors + iif(m.bad AND m.models > 1, 1, (SELECT count(*) FROM safetensors_tensors(iif(m.tensors > 0, NULL, :path))))
  FROM (SELECT count(*) AS models, total(status NOT IN ('ok', 'empty')) AS bad, total(iif(status = 'ok', tensors, 0)) AS tensors FROM identify_models) AS m;
UPDATE identify_models SET (kind, rank, adapter) = (
  SELECT a.kind, max(a.rank), a.kind NOT IN ('unknown', 'textual_inversion', 'control', 'ip_adapter')
  FROM (SELECT kind, rank, count(*) OVER (PARTITION BY kind) AS n FROM safetensors_adapter(identify_models.model)) AS a
  WHERE a.kind NOT IN ('unknown', 'full', 'diff') ORDER BY n DESC LIMIT 1)
WHERE status = 'ok' AND tensors > 0;
UPDATE identify_models SET adapter = 1, kind = 'lora', rank = (
  SELECT t.shape ->> '$[1]' FROM safetensors_tensors(identify_models.model) AS t WHERE t.name GLOB '*.lora_a' LIMIT 1) -- those of MLX are transposed
WHERE kind IS NULL AND status = 'ok' AND EXISTS (SELECT 1 FROM safetensors_tensors(identify_models.model) AS t WHERE t.name GLOB '*.lora_a');
UPDATE identify_models SET adapter = ifnull(adapter, 0);

DROP TABLE IF EXISTS temp.identify_groups;
CREATE TEMP TABLE identify_groups AS
  SELECT id, adapter, part, '.' || substr(pattern, length(part) + 1) AS pattern, name, dtype, scheme, shape, n, layers, span, deep, numel, nbytes
  FROM (SELECT m.id, m.adapter,
               CASE WHEN m.adapter THEN ''
                    WHEN w.name GLOB 'model.diffusion_model.*' THEN 'model.diffusion_model.'
                    WHEN w.name GLOB 'first_stage_model.*' THEN 'first_stage_model.'
                    WHEN w.name GLOB 'cond_stage_model.*' THEN 'cond_stage_model.'
                    WHEN w.name GLOB 'conditioner.embedders.[0-9].*' THEN substr(w.name, 1, 24)
                    WHEN w.name GLOB 'text_encoders.*.*' THEN substr(w.name, 1, 14 + instr(substr(w.name, 15), '.'))
                    WHEN w.name GLOB 'model_ema.*' THEN 'model_ema.'
                    WHEN w.name GLOB 'vae.*coder.*' THEN 'vae.' ELSE '' END AS part,
               w.pattern, min(w.rowid), w.name, iif(w.scheme IN ('none', 'unknown'), w.dtype, w.scheme) AS dtype, max(w.scheme) AS scheme, w.shape, count(*) AS n, count(DISTINCT w.layer) AS layers,
               max(w.layer) - min(w.layer) + 1 AS span,
               max(w.name GLOB '*transformer_blocks[._][1-9]*') AS deep, sum(w.numel) AS numel, sum(w.nbytes) AS nbytes
        FROM identify_models AS m, safetensors_weights(m.model) AS w
        WHERE m.status = 'ok' AND w.role IN ('weight', 'buffer') GROUP BY m.id, part, iif(w.scheme IN ('none', 'unknown'), w.dtype, w.scheme), w.pattern);
DROP TABLE IF EXISTS temp.identify_patterns;
CREATE TEMP TABLE identify_patterns AS SELECT DISTINCT pattern, adapter FROM identify_groups;
DROP TABLE IF EXISTS temp.identify_hits;
CREATE TEMP TABLE identify_hits AS
  SELECT p.pattern, p.adapter, g.condition, g.test, g.low, g.high
  FROM identify_patterns AS p JOIN identify_globs AS g ON g.adapter = p.adapter AND p.pattern GLOB g.glob;
CREATE INDEX temp.identify_hits_by_pattern ON identify_hits(pattern, adapter);

DROP TABLE IF EXISTS temp.identify_met;
CREATE TEMP TABLE identify_met AS
  SELECT g.id, g.part, h.condition, min(g.rowid) AS "group"
  FROM identify_groups AS g JOIN identify_hits AS h ON h.pattern = g.pattern AND h.adapter = g.adapter
  WHERE h.test = '' OR h.low <= ifnull(CASE h.test WHEN 'n' THEN g.layers WHEN 'r' THEN json_array_length(g.shape) WHEN 'd' THEN g.deep
      WHEN '1/0' THEN (g.shape ->> '$[1]') / nullif(g.shape ->> '$[0]', 0) ELSE g.shape ->> ('$[' || h.test || ']') END, -1)
    AND h.high >= CASE h.test WHEN 'n' THEN g.layers WHEN 'r' THEN json_array_length(g.shape) WHEN 'd' THEN g.deep
      WHEN '1/0' THEN (g.shape ->> '$[1]') / nullif(g.shape ->> '$[0]', 0) ELSE g.shape ->> ('$[' || h.test || ']') END
  GROUP BY g.id, g.part, h.condition;
DROP TABLE IF EXISTS temp.identify_fits;
CREATE TEMP TABLE identify_fits AS
  SELECT m.id, m.part, c.signature, s.role
  FROM identify_met AS m JOIN identify_conditions AS c ON c.rowid = m.condition JOIN identify_signatures AS s ON s.id = c.signature
  GROUP BY m.id, m.part, c.signature
  HAVING total(c.negated) = 0 AND count(*) = (SELECT count(*) FROM identify_conditions AS o WHERE o.signature = c.signature AND NOT o.negated);

DROP TABLE IF EXISTS temp.identify_things;
CREATE TEMP TABLE identify_things AS
  SELECT g.id, g.part, (SELECT min(f.signature) FROM identify_fits AS f WHERE f.id = g.id AND f.part = g.part AND f.role <> 'trait') AS signature,
         sum(g.numel) AS numel, sum(g.nbytes) AS nbytes
  FROM identify_groups AS g GROUP BY g.id, g.part;

CREATE INDEX temp.identify_things_by_id ON identify_things(id);
CREATE INDEX temp.identify_fits_by_part ON identify_fits(id, part);
CREATE INDEX temp.identify_met_by_part ON identify_met(id, part, condition);

-- What each model is: the part that makes it what it is, and what it has beside that.
DROP TABLE IF EXISTS temp.identify_main;
CREATE TEMP TABLE identify_main AS
  SELECT t.id, t.part, t.signature, t.role, t.architecture, t.what, t.base, t.types, min(t.place) AS place, sum(t.numel) AS numel,
         sum(t.part <> 'model_ema.' AND t.signature IS NOT NULL) AS parts
  FROM (SELECT t.*, s.role, s.architecture, s.what, s.base, s.types,
               row_number() OVER (PARTITION BY t.id ORDER BY t.signature IS NULL, t.part = 'model_ema.',
                                  s.role NOT IN ('image model', 'video model', 'ControlNet'), t.numel DESC) AS place
        FROM identify_things AS t LEFT JOIN identify_signatures AS s ON s.id = t.signature) AS t GROUP BY t.id;
CREATE INDEX temp.identify_groups_by_id ON identify_groups(id, part);

DROP TABLE IF EXISTS temp.identify_facts;
CREATE TEMP TABLE identify_facts AS
  SELECT m.id,
         (SELECT g.shape FROM identify_groups AS g
          WHERE g.id = m.id AND g.part = m.part AND json_array_length(g.shape) = 2 AND (
            g.pattern GLOB '*.embed_tokens.weight' OR g.pattern GLOB '*.wte.weight' OR g.pattern GLOB '*.word_embeddings.weight'
            OR g.pattern GLOB '*.tok_embeddings.weight' OR g.pattern GLOB '*.embed_in.weight' OR g.pattern GLOB '*.token_embedding.weight'
            OR g.pattern GLOB '*.shared.weight' OR g.pattern IN ('.backbone.embeddings.weight', '.rwkv.embeddings.weight', '.embedding.weight'))
          ORDER BY g.pattern GLOB '*decoder*' DESC, g.numel DESC LIMIT 1) AS embedding,
         (SELECT max(g.layers) FROM identify_groups AS g
          WHERE g.id = m.id AND g.part = m.part AND CASE WHEN m.role = 'multimodal model'
            THEN g.pattern GLOB (SELECT replace(e.pattern, 'embed_tokens.weight', 'layers.#.*') FROM identify_groups AS e
                                 WHERE e.id = m.id AND e.pattern GLOB '*.embed_tokens.weight' ORDER BY e.numel DESC, e.rowid LIMIT 1)
            ELSE substr(g.pattern, 1, instr(g.pattern, '#')) = d.stem END) AS layers,
         (SELECT g.shape ->> '$[0]' FROM identify_groups AS g
          WHERE g.id = m.id AND g.part = m.part AND (g.pattern GLOB '*.mlp.gate_proj.weight' OR g.pattern GLOB '*.experts.#.gate_proj.weight'
            OR g.pattern GLOB '*.experts.#.w1.weight' OR g.pattern GLOB '*.mlp.fc1.weight' OR g.pattern GLOB '*.feed_forward.w1.weight')
          ORDER BY g.pattern GLOB '*experts*' DESC LIMIT 1) AS inner,
         (SELECT g.name FROM identify_groups AS g
          WHERE g.id = m.id AND g.part = m.part AND (g.pattern GLOB '*.lm_head.weight' OR g.pattern IN ('.embed_out.weight', '.head.weight',
            '.output.weight', '.output_layer.weight', '.transformer.output_layer.weight'))) AS head,
         (SELECT g.shape ->> '$[1]' FROM identify_groups AS g
          WHERE g.id = m.id AND (g.pattern GLOB '*q_proj.lora_A*' OR g.pattern GLOB '*qkv*.lora_A*' OR g.pattern GLOB '*query*.lora_A*'
            OR g.pattern GLOB '*gate*proj.lora_A*' OR g.pattern GLOB '*up_proj.lora_A*' OR g.pattern GLOB '*[kv]_proj.lora_A*')
            AND m.role = 'adapter' LIMIT 1) AS adapted
  FROM identify_main AS m LEFT JOIN (
    SELECT e.id, e.part, c.signature, substr(g.pattern, 1, instr(g.pattern, '#')) AS stem, min(e."group")
    FROM identify_met AS e JOIN identify_conditions AS c ON c.rowid = e.condition JOIN identify_groups AS g ON g.rowid = e."group"
    WHERE instr(g.pattern, '#') AND NOT c.negated GROUP BY e.id, e.part, c.signature) AS d ON d.id = m.id AND d.part = m.part AND d.signature = m.signature
  WHERE m.role NOT IN ('image model', 'video model', 'autoencoder', 'ControlNet') OR m.role IS NULL;
CREATE UNIQUE INDEX temp.identify_facts_by_id ON identify_facts(id);

DROP TABLE IF EXISTS temp.identify_dtypes;
CREATE TEMP TABLE identify_dtypes AS
  SELECT id, part, dtype, sum(nbytes) AS nbytes, sum(sum(nbytes)) OVER (PARTITION BY id, part) AS of
  FROM identify_groups WHERE numel > 0 GROUP BY id, part, dtype ORDER BY id, part, sum(nbytes) DESC;

CREATE INDEX temp.identify_dtypes_by_part ON identify_dtypes(id, part);
CREATE UNIQUE INDEX temp.identify_main_by_id ON identify_main(id);

DROP TABLE IF EXISTS temp.identified_parts;
CREATE TEMP TABLE identified_parts AS
  SELECT o.model, t.part, CASE WHEN t.part = 'model_ema.' THEN 'average of the weights while training (EMA)' ELSE ifnull(s.what, 'other tensors') END AS what,
         CASE WHEN t.part = 'model_ema.' THEN 'EMA' ELSE s.role END AS role, t.numel AS parameters, t.nbytes,
         (SELECT group_concat(d.dtype, ', ') FROM identify_dtypes AS d WHERE d.id = t.id AND d.part = t.part AND d.nbytes * 100 >= d.of) AS dtype
  FROM identify_things AS t JOIN identify_main AS m ON m.id = t.id JOIN identify_models AS o ON o.id = t.id
  LEFT JOIN identify_signatures AS s ON s.id = t.signature
  WHERE (SELECT count(*) FROM identify_things AS c WHERE c.id = t.id) > 1 ORDER BY t.id, t.numel DESC;

DROP TABLE IF EXISTS temp.identify_result;
CREATE TEMP TABLE identify_result AS
  SELECT o.model,
         CASE WHEN o.status = 'empty' THEN 'no tensors' WHEN o.status <> 'ok' THEN NULL
              WHEN o.kind = 'textual_inversion' THEN ifnull(iif(m.role = 'embedding', m.what, NULL), 'textual inversion')
              WHEN o.adapter THEN printf('%s for %s', CASE WHEN o.kind IN ('prompt_tuning', 'prefix_tuning', 'p_tuning') THEN replace(o.kind, '_', ' ')
                   ELSE ifnull((SELECT k.value FROM json_each('{"lora":"LoRA","dora":"DoRA","loha":"LoHa","lokr":"LoKr","oft":"OFT","boft":"BOFT",
                     "ia3":"(IA)3","vera":"VeRA","adalora":"AdaLoRA","xlora":"X-LoRA","vblora":"VB-LoRA"}') AS k WHERE k.key = o.kind), o.kind) END,
                   ifnull(m.what, 'a model that is not recognised'))
              WHEN m.signature IS NULL THEN 'not recognised'
              WHEN m.parts > 1 AND m.role IN ('image model', 'video model') THEN printf('checkpoint of %s', ifnull(CASE WHEN m.architecture = 'unet' THEN e.base END, m.base))
              ELSE m.what || ifnull(': ' || CASE WHEN m.types LIKE '% %' AND instr(' ' || m.types || ' ', ' ' || (o.config ->> '$.model_type') || ' ')
                   THEN o.config ->> '$.model_type' END, '')
                || ifnull(' (config.json: ' || substr(CASE WHEN NOT EXISTS (SELECT 1 FROM identify_signatures AS k
                     WHERE instr(' ' || k.types || ' ', ' ' || (o.config ->> '$.model_type') || ' ')) THEN o.config ->> '$.model_type' END, 1, 24) || ')', '') END AS what,
         CASE WHEN o.status <> 'ok' THEN NULL WHEN o.kind = 'textual_inversion' THEN 'embedding' WHEN o.adapter THEN 'adapter'
              ELSE ifnull(m.role, 'unknown') END AS role,
         CASE WHEN o.adapter THEN m.architecture WHEN m.signature IS NULL THEN NULL
              WHEN instr(' ' || m.types || ' ', ' ' || (o.config ->> '$.model_type') || ' ') THEN o.config ->> '$.model_type' ELSE m.architecture END AS architecture,
         CASE WHEN o.kind = 'textual_inversion' THEN ifnull(m.base, CASE (SELECT g.shape ->> ('$[#-1]') FROM identify_groups AS g WHERE g.id = o.id)
                WHEN 768 THEN 'SD 1.x' WHEN 1024 THEN 'SD 2' WHEN 1280 THEN 'SDXL' END)
              ELSE ifnull(CASE WHEN m.architecture = 'unet' THEN e.base END, m.base) END AS base,
         iif(o.adapter OR o.kind = 'textual_inversion', o.kind, NULL) AS kind, o.rank,
         iif(o.status = 'ok', ifnull(m.numel, 0), NULL) AS parameters, o.nbytes,
         (SELECT group_concat(dtype, ', ') FROM (SELECT d.dtype FROM identify_dtypes AS d WHERE d.id = o.id GROUP BY d.dtype
            HAVING sum(d.nbytes) * 100 >= (SELECT sum(c.nbytes) FROM identify_dtypes AS c WHERE c.id = o.id) ORDER BY sum(d.nbytes) DESC)) AS dtype,
         (SELECT group_concat(DISTINCT g.scheme) FROM identify_groups AS g WHERE g.id = o.id AND g.scheme <> 'none') AS scheme,
         f.layers, ifnull(CASE WHEN o.adapter THEN f.adapted END, f.embedding ->> '$[1]') AS hidden, f.embedding ->> '$[0]' AS vocabulary,
         CAST(NULL AS TEXT) AS size, CAST(NULL AS TEXT) AS traits, o.status, o.error, o.id
  FROM identify_models AS o LEFT JOIN identify_main AS m ON m.id = o.id LEFT JOIN identify_facts AS f ON f.id = o.id
  LEFT JOIN (SELECT t.id, max(CASE WHEN t.part LIKE 'conditioner.%' THEN 'SDXL' WHEN s.architecture = 'clip_h' THEN 'SD 2'
                                   WHEN s.architecture = 'clip_l' AND t.part = 'cond_stage_model.' THEN 'SD 1.x' END) AS base
             FROM identify_things AS t JOIN identify_signatures AS s ON s.id = t.signature GROUP BY t.id) AS e ON e.id = o.id;
UPDATE identify_result SET size = (
  SELECT group_concat(size, ', ') FROM (
    SELECT s.size FROM identify_sizes AS s JOIN identify_facts AS f ON f.id = identify_result.id JOIN identify_main AS m ON m.id = identify_result.id
    WHERE s.layers = f.layers AND s.hidden = identify_result.hidden AND iif(identify_result.role = 'adapter',
        m.architecture IN (s.architecture, 'llama'), s.architecture = m.architecture
        AND (s.inner IS NULL OR s.inner = f.inner) AND (s.vocabulary IS NULL OR s.vocabulary = identify_result.vocabulary))));
UPDATE identify_result SET traits = (
  SELECT group_concat(says, '; ') FROM (
    SELECT s.what AS says FROM identify_main AS m JOIN identify_fits AS f ON f.id = m.id AND f.part = m.part JOIN identify_signatures AS s ON s.id = f.signature
    WHERE m.id = identify_result.id AND s.role = 'trait' AND s.architecture = identify_result.role
    UNION ALL SELECT iif(f.head IS NULL, 'without a head of its own: tied to the embedding', 'with a head of its own') FROM identify_facts AS f
    WHERE f.id = identify_result.id AND identify_result.role = 'language model' AND f.embedding IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM identify_fits AS t WHERE t.id = f.id AND t.role = 'trait')
    UNION ALL SELECT printf('rank %d', identify_result.rank) WHERE identify_result.rank > 0
    UNION ALL SELECT 'by its own word for ' || coalesce(nullif(o.config ->> '$.base_model_name_or_path', ''), (
      SELECT m.value FROM safetensors_metadata(o.model) AS m WHERE m.key IN ('ss_base_model_version', 'modelspec.architecture') ORDER BY m.key DESC LIMIT 1))
    FROM identify_models AS o WHERE o.id = identify_result.id AND o.adapter
    UNION ALL SELECT iif(total(p.role = 'autoencoder') > 0, 'with an autoencoder (VAE baked in)', 'without an autoencoder (no VAE)') || '; '
                     || iif(total(p.role = 'text encoder') > 0, 'with ' || total(p.role = 'text encoder') || ' text encoders', 'without a text encoder')
                     || '; ' || iif(total(p.role = 'EMA') > 0, 'with EMA weights, so not pruned', 'pruned: without EMA weights')
    FROM identified_parts AS p WHERE p.model = identify_result.model AND identify_result.role IN ('image model', 'video model') HAVING count(*) > 0));
UPDATE identify_result SET traits = replace(replace(traits, 'with 1.0 text encoders', 'with a text encoder'), '.0 text encoders', ' text encoders');

DROP TABLE IF EXISTS temp.identified_evidence;
CREATE TEMP TABLE identified_evidence AS
  SELECT o.model, t.part, c.text AS decided, g.name AS tensor, g.dtype, g.shape
  FROM identify_things AS t JOIN identify_models AS o ON o.id = t.id JOIN identify_conditions AS c ON c.signature = t.signature AND NOT c.negated
  JOIN identify_met AS m ON m.id = t.id AND m.part = t.part AND m.condition = c.rowid JOIN identify_groups AS g ON g.rowid = m."group"
  ORDER BY t.id, t.numel DESC, c.rowid;

-- What config.json and the metadata say otherwise. Names of single layers are compared with a list where the family has
-- one, and with the other layers elsewhere.
DROP TABLE IF EXISTS temp.config_findings;
CREATE TEMP TABLE config_findings(model, level, rule, message, tensor);
DROP TABLE IF EXISTS temp.identify_said;
CREATE TEMP TABLE identify_said AS
  SELECT o.id, o.model, i.role, m.architecture, m.types, m.what, f.layers, f.head, i.hidden, i.vocabulary, i.scheme, o.config ->> '$.model_type' AS type,
         ifnull(o.config ->> '$._class_name', o.config -> '$.architectures' ->> '$[0]') AS class,
         coalesce(t.c ->> '$.num_hidden_layers', t.c ->> '$.n_layer', t.c ->> '$.num_layers', t.c ->> '$.n_layers') AS said_layers,
         ifnull(t.c ->> '$.num_nextn_predict_layers', 0) AS next_layers,
         t.c ->> '$.vocab_size' AS said_vocabulary,
         iif(coalesce(t.c ->> '$.embedding_size', t.c ->> '$.word_embed_proj_dim') IS NULL,
             coalesce(t.c ->> '$.hidden_size', t.c ->> '$.n_embd', t.c ->> '$.d_model'), NULL) AS said_hidden,
         ifnull(o.config ->> '$.tie_word_embeddings', t.c ->> '$.tie_word_embeddings') AS tied,
         CASE coalesce(o.config ->> '$.dtype', o.config ->> '$.torch_dtype', t.c ->> '$.dtype', t.c ->> '$.torch_dtype')
           WHEN 'float32' THEN 'F32' WHEN 'float16' THEN 'F16' WHEN 'bfloat16' THEN 'BF16' WHEN 'float64' THEN 'F64' END AS said_dtype, i.dtype
  FROM identify_models AS o JOIN identify_result AS i ON i.id = o.id JOIN identify_main AS m ON m.id = o.id LEFT JOIN identify_facts AS f ON f.id = o.id
  JOIN (SELECT id, coalesce(config -> '$.text_config', config -> '$.llm_config', config) AS c FROM identify_models) AS t ON t.id = o.id
  WHERE o.config IS NOT NULL AND NOT o.adapter AND m.signature IS NOT NULL;
INSERT INTO config_findings
  SELECT model, 'error', 'architecture', printf('config.json says %s, but the tensors are those of %s', ifnull(type, class), what), NULL FROM identify_said AS s
  WHERE type IS NOT NULL AND s.types IS NOT NULL AND NOT instr(' ' || s.types || ' ', ' ' || type || ' ')
    AND EXISTS (SELECT 1 FROM identify_signatures AS o WHERE instr(' ' || o.types || ' ', ' ' || s.type || ' '))
  UNION ALL
  SELECT model, 'error', 'architecture', printf('config.json says %s, but the tensors are those of %s', class, what), NULL FROM identify_said AS s
  WHERE type IS NULL AND s.types GLOB '*[A-Z]*' AND NOT instr(' ' || s.types || ' ', ' ' || class || ' ')
    AND EXISTS (SELECT 1 FROM identify_signatures AS o WHERE instr(' ' || o.types || ' ', ' ' || s.class || ' '))
  UNION ALL
  SELECT model, 'error', 'layers', printf('config.json says %d layers, the tensors have %d', said_layers, layers), NULL FROM identify_said
  WHERE layers IS NOT NULL AND role IN ('language model', 'text encoder', 'multimodal model', 'text-to-text model') AND architecture <> 'albert'
    AND said_layers NOT BETWEEN layers - next_layers AND layers
  UNION ALL
  SELECT model, 'error', 'vocabulary', printf('config.json says a vocabulary of %,d, the embedding has %,d rows', said_vocabulary, vocabulary), NULL FROM identify_said
  WHERE said_vocabulary <> vocabulary
  UNION ALL
  SELECT model, 'error', 'hidden size', printf('config.json says a hidden size of %,d, the embedding has %,d columns', said_hidden, hidden), NULL FROM identify_said
  WHERE said_hidden <> hidden
  UNION ALL
  SELECT model, 'error', 'head', 'config.json says that the head is not tied to the embedding, and there is no head', NULL FROM identify_said
  WHERE role = 'language model' AND tied = 0 AND head IS NULL AND class GLOB '*ForCausalLM'
  UNION ALL
  SELECT model, 'warning', 'head', 'config.json says that the head is tied to the embedding, and there is one of its own', head FROM identify_said
  WHERE role = 'language model' AND tied = 1 AND head IS NOT NULL
  UNION ALL
  SELECT model, 'warning', 'dtype', printf('config.json says %s, most bytes are %s', said_dtype, dtype), NULL FROM identify_said
  WHERE scheme IS NULL AND said_dtype <> substr(dtype, 1, instr(dtype || ',', ',') - 1);

-- What an adapter says that it was made for.
INSERT INTO config_findings
  SELECT model, 'warning', 'base', printf('the metadata say that it was made for %s, names and shapes that it is %s', said, what), NULL
  FROM (SELECT i.model, i.base, i.what, m.value AS said, lower(m.value) AS v
        FROM identify_result AS i JOIN safetensors_metadata(i.model) AS m
        WHERE i.status = 'ok' AND i.role = 'adapter' AND m.key IN ('ss_base_model_version', 'modelspec.architecture'))
  WHERE base IN ('SD 1.x', 'SD 2', 'SDXL', 'Flux', 'Stable Diffusion 3')
    AND CASE WHEN v GLOB '*xl*' THEN 'SDXL' WHEN v GLOB '*flux*' THEN 'Flux' WHEN v GLOB 'sd_v1*' OR v GLOB 'stable-diffusion-v1*' THEN 'SD 1.x'
             WHEN v GLOB 'sd_v2*' OR v GLOB 'stable-diffusion-v2*' THEN 'SD 2' WHEN v GLOB 'sd3*' OR v GLOB 'stable-diffusion-3*' OR v GLOB 'stable-diffusion-v3*'
             THEN 'Stable Diffusion 3' END <> base;

-- The names of every layer: `own` once, `each` in each layer; ? is optional, * stands for anything there.
DROP TABLE IF EXISTS temp.identify_lists;
CREATE TEMP TABLE identify_lists(architecture, stem, own, each);
WITH blocks(norms, attention, mlp) AS (VALUES ('input_layernorm.weight post_attention_layernorm.weight',
  'self_attn.q_proj.weight self_attn.k_proj.weight self_attn.v_proj.weight self_attn.o_proj.weight self_attn.rotary_emb.inv_freq?',
  'mlp.gate_proj.weight mlp.up_proj.weight mlp.down_proj.weight'))
INSERT INTO identify_lists
  SELECT x.column1, 'layers.', 'embed_tokens.weight norm.weight lm_head.weight? score.weight? rotary_emb.inv_freq?',
         b.norms || ' ' || b.attention || ' ' || b.mlp || x.column2
  FROM blocks AS b, (VALUES ('llama', ' self_attn.?_proj.bias? mlp.*_proj.bias?'), ('gemma', ''),
    ('qwen2', ' self_attn.q_proj.bias self_attn.k_proj.bias self_attn.v_proj.bias'), ('qwen3', ' self_attn.q_norm.weight self_attn.k_norm.weight'),
    ('gemma2', ' pre_feedforward_layernorm.weight post_feedforward_layernorm.weight'),
    ('gemma3', ' pre_feedforward_layernorm.weight post_feedforward_layernorm.weight self_attn.q_norm.weight self_attn.k_norm.weight')) AS x
  UNION ALL SELECT 'phi3', 'layers.', 'embed_tokens.weight norm.weight lm_head.weight? score.weight?',
         b.norms || ' self_attn.qkv_proj.weight self_attn.o_proj.weight mlp.gate_up_proj.weight mlp.down_proj.weight self_attn.rotary_emb.inv_freq?' FROM blocks AS b
  UNION ALL SELECT 'mixtral', 'layers.', 'embed_tokens.weight norm.weight lm_head.weight? score.weight?',
         b.norms || ' ' || b.attention || ' block_sparse_moe.gate.weight block_sparse_moe.experts.#.w1.weight block_sparse_moe.experts.#.w2.weight '
         || 'block_sparse_moe.experts.#.w3.weight' FROM blocks AS b
  UNION ALL SELECT 'gpt2', 'h.', 'wte.weight wpe.weight ln_f.weight ln_f.bias lm_head.weight? score.weight?',
         'ln_1.weight ln_1.bias attn.c_attn.weight attn.c_attn.bias attn.c_proj.weight attn.c_proj.bias ln_2.weight ln_2.bias mlp.c_fc.weight mlp.c_fc.bias '
         || 'mlp.c_proj.weight mlp.c_proj.bias attn.bias? attn.masked_bias?'
  UNION ALL SELECT 'gpt_neox', 'layers.', 'embed_in.weight final_layer_norm.weight final_layer_norm.bias embed_out.weight? score.weight?',
         'input_layernorm.weight input_layernorm.bias post_attention_layernorm.weight post_attention_layernorm.bias attention.query_key_value.weight '
         || 'attention.query_key_value.bias attention.dense.weight attention.dense.bias mlp.dense_h_to_4h.weight mlp.dense_h_to_4h.bias '
         || 'mlp.dense_4h_to_h.weight mlp.dense_4h_to_h.bias attention.bias? attention.masked_bias? attention.rotary_emb.inv_freq?'
  UNION ALL SELECT 'bert', 'layer.', 'embeddings.word_embeddings.weight embeddings.position_embeddings.weight embeddings.token_type_embeddings.weight '
         || 'embeddings.LayerNorm.weight embeddings.LayerNorm.bias embeddings.position_ids? pooler.*? cls.*? classifier.*? qa_outputs.*?',
         'attention.self.query.weight attention.self.query.bias attention.self.key.weight attention.self.key.bias attention.self.value.weight '
         || 'attention.self.value.bias attention.output.dense.weight attention.output.dense.bias attention.output.LayerNorm.weight '
         || 'attention.output.LayerNorm.bias intermediate.dense.weight intermediate.dense.bias output.dense.weight output.dense.bias '
         || 'output.LayerNorm.weight output.LayerNorm.bias';
DROP TABLE IF EXISTS temp.identify_listed;
CREATE TEMP TABLE identify_listed AS
  SELECT l.architecture, l.stem, e.value NOT LIKE '%?' AS needed, rtrim(e.value, '?') AS name, each
  FROM (SELECT architecture, stem, own AS names, 0 AS each FROM identify_lists UNION ALL SELECT architecture, stem, each, 1 FROM identify_lists) AS l,
    json_each('["' || replace(l.names, ' ', '","') || '"]') AS e;

-- A model's own names: what stands before the first layer, the layer, and the rest.
DROP TABLE IF EXISTS temp.identify_names;
CREATE TEMP TABLE identify_names AS
  SELECT n.*, iif(n.at > 0, substr(n.name, n.at + length(n.stem), instr(substr(n.name, n.at + length(n.stem)) || '.', '.') - 1), NULL) AS number,
         CASE WHEN n.at = 0 THEN n.name WHEN n.name GLOB '*.experts.*' THEN substr(n.pattern, n.pat + length(n.stem) + 2)
              ELSE substr(n.name, n.at + length(n.stem) + instr(substr(n.name, n.at + length(n.stem)) || '.', '.')) END AS rest
  FROM (SELECT m.id, m.architecture, l.stem, w.name, w.pattern, instr('.' || w.name, '.' || l.stem) AS at, instr('.' || w.pattern, '.' || l.stem || '#.') AS pat
        FROM identify_main AS m JOIN identify_models AS o ON o.id = m.id JOIN identify_lists AS l ON l.architecture = m.architecture
        JOIN safetensors_weights(o.model) AS w
        WHERE NOT o.adapter AND m.role IN ('language model', 'text encoder') AND w.role IN ('weight', 'buffer')) AS n;
DROP TABLE IF EXISTS temp.identify_places;
CREATE TEMP TABLE identify_places AS SELECT DISTINCT id, CAST(number AS INTEGER) AS layer, rest FROM identify_names WHERE at > 0 AND pat > 0;
CREATE INDEX temp.identify_places_by_rest ON identify_places(id, rest, layer);
INSERT INTO config_findings
  WITH RECURSIVE numbers(id, architecture, layers, layer) AS (
      SELECT m.id, m.architecture, max(1, ifnull(s.said_layers, (SELECT max(layer) + 1 FROM identify_places AS p WHERE p.id = m.id))), 0
      FROM identify_main AS m LEFT JOIN identify_said AS s ON s.id = m.id WHERE m.id IN (SELECT id FROM identify_places)
      UNION ALL SELECT id, architecture, layers, layer + 1 FROM numbers WHERE layer + 1 < min(layers, 10000)
    ), holes AS (
      SELECT r.id, r.layers, r.layer, count(*) AS n, group_concat(l.name, char(10)) AS names, min(l.name) AS first,
             count(*) = (SELECT count(*) FROM identify_listed AS e WHERE e.architecture = r.architecture AND e.each AND e.needed) AS whole
      FROM numbers AS r JOIN identify_listed AS l ON l.architecture = r.architecture AND l.each AND l.needed
      WHERE NOT EXISTS (SELECT 1 FROM identify_places AS p WHERE p.id = r.id AND p.rest = l.name AND p.layer = r.layer) GROUP BY r.id, r.layer
    )
  SELECT o.model, iif(o.config IS NULL, 'warning', 'error'), 'missing',
         printf(CASE WHEN h.whole THEN '%d of %d layers %s missing%.0s%s: layer %s' ELSE '%d of %d layers %s no %s%s: layer %s' END, count(*), h.layers,
                CASE WHEN h.whole THEN iif(count(*) = 1, 'is', 'are') ELSE iif(count(*) = 1, 'has', 'have') END, h.first,
                iif(h.n > 1 AND NOT h.whole, printf(' and %d more', h.n - 1), ''), iif(count(*) > 8, min(h.layer) || ' and others', group_concat(h.layer, ', '))),
         iif(h.whole, NULL, h.first)
  FROM holes AS h JOIN identify_models AS o ON o.id = h.id GROUP BY h.id, h.names
  UNION ALL
  SELECT o.model, iif(o.config IS NULL, 'warning', 'error'), 'missing', printf('there is no %s', l.name), l.name
  FROM identify_main AS m JOIN identify_models AS o ON o.id = m.id JOIN identify_listed AS l ON l.architecture = m.architecture AND NOT l.each AND l.needed
  WHERE m.id IN (SELECT id FROM identify_places)
    AND NOT EXISTS (SELECT 1 FROM identify_names AS n WHERE n.id = m.id AND substr('.' || n.name, -1 - length(l.name)) = '.' || l.name)
  UNION ALL
  SELECT o.model, 'warning', 'unexpected', printf('%d %s that %s has not', count(*), iif(count(*) = 1, 'tensor', 'tensors'), m.what), min(n.name)
  FROM identify_names AS n JOIN identify_main AS m ON m.id = n.id JOIN identify_models AS o ON o.id = n.id
  WHERE NOT EXISTS (SELECT 1 FROM identify_listed AS l WHERE l.architecture = n.architecture AND CASE WHEN l.each THEN n.pat > 0 AND n.rest GLOB l.name
                      ELSE '.' || n.name GLOB '*.' || l.name END)
    AND n.id IN (SELECT id FROM identify_places)
  GROUP BY n.id, iif(instr(n.pattern, '#'), substr(n.pattern, 1, instr(n.pattern, '#')), substr(n.pattern, 1, instr(n.pattern || '.', '.')))
  UNION ALL
  SELECT o.model, iif(g.alike AND o.config IS NOT NULL, 'error', 'warning'), 'missing',
         printf('%d of %d %s missing: %s', iif(g.alike, g.most - g.n, g.span - g.layers), iif(g.alike, g.most, g.span),
                iif(iif(g.alike, g.most - g.n, g.span - g.layers) = 1, 'is', 'are'), substr(g.pattern, 2)), NULL
  FROM (SELECT g.id, g.part, g.pattern, sum(g.n) AS n, sum(g.layers) AS layers, max(g.span) AS span, max(sum(g.n)) OVER (PARTITION BY g.id, g.part, rtrim(g.pattern, replace(g.pattern, '#', ''))) AS most,
               m.architecture IN ('qwen3_moe', 'qwen2_moe', 'olmoe', 'gpt_oss', 'bloom', 'falcon', 'gptj', 'gpt_neo', 'codegen', 'opt', 'mpt', 'stablelm', 'cohere', 'olmo',
                 'olmo2', 'starcoder2', 'nemotron', 'phi', 'mamba', 'mamba2', 'roberta', 'distilbert', 'deberta_v2', 'electra', 'mpnet', 'vit', 'dinov2', 'whisper', 'wav2vec2',
                 'bart', 'mbart', 'm2m', 'marian', 'clip_l', 'clip_g', 'clip_h', 'clip_text', 'clip_vision', 'clip', 'siglip', 't5', 't5_xxl', 't5_encoder', 'rwkv', 'sam', 'llava',
                 'gemma3', 'paligemma', 'qwen2_vl', 'qwen2_5_vl', 'qwen3_vl', 'idefics', 'internvl')
                 OR m.architecture = 'mixtral' AND g.pattern GLOB '*.experts.#.*' OR m.architecture LIKE 'deepseek_v%' AND (g.pattern GLOB '*.self_attn.*' OR g.pattern GLOB '*layernorm.weight') AS alike
        FROM identify_groups AS g JOIN identify_main AS m ON m.id = g.id AND m.part = g.part
        WHERE NOT g.adapter AND m.signature IS NOT NULL AND (m.id NOT IN (SELECT id FROM identify_places) OR m.architecture = 'mixtral' AND g.pattern GLOB '*.experts.#.*') AND instr(g.pattern, '#')
          AND m.role NOT IN ('image model', 'video model', 'autoencoder', 'ControlNet') AND g.pattern NOT GLOB '*attn.bias' AND g.pattern NOT GLOB '*masked_bias' AND g.pattern NOT GLOB '*conv_layers.#.layer_norm.*'
          AND g.pattern NOT GLOB '*.pre_ln.*' AND g.pattern NOT GLOB '*.relative_attention_bias.*' AND NOT (m.architecture LIKE 't5%' AND g.pattern GLOB '*.layer_norm.weight')
          AND NOT (m.architecture IN ('qwen3_moe', 'qwen2_moe') AND g.pattern GLOB '*.mlp.*' AND g.pattern NOT GLOB '*.experts.#.*')
        GROUP BY g.id, g.part, g.pattern) AS g JOIN identify_models AS o ON o.id = g.id
  WHERE iif(g.alike, g.n < g.most, g.layers < g.span AND g.layers * 10 >= g.span * 9)
  UNION ALL -- what goes together, whatever the layers are like
  SELECT o.model, iif(o.config IS NOT NULL, 'error', 'warning'), 'missing', printf('%d of %d %s missing: %s', g.most - g.n, g.most, iif(g.most - g.n = 1, 'is', 'are'), substr(g.pattern, 2)), NULL
  FROM (SELECT g.id, g.part, g.pattern, sum(g.n) AS n, max(sum(g.n)) OVER (PARTITION BY g.id, g.part, k.kind, substr(g.pattern, 1, length(g.pattern) - length(k.name))) AS most
        FROM identify_groups AS g JOIN (
          SELECT column1 AS kind, column2 AS name FROM (VALUES ('mlp', 'gate_proj.weight'), ('mlp', 'up_proj.weight'), ('mlp', 'down_proj.weight'),
            ('attention', 'k_proj.weight'), ('attention', 'v_proj.weight'))) AS k ON g.pattern GLOB '*.' || k.name
        JOIN identify_main AS m ON m.id = g.id AND m.part = g.part
        WHERE NOT g.adapter AND m.architecture IN ('deepseek_v2', 'deepseek_v3', 'deepseek_v32', 'glm4_moe', 'qwen3_next', 'qwen3_5', 'llama4', 'ernie4_5_moe', 'jamba', 'llama_moe')
        GROUP BY g.id, g.part, g.pattern) AS g JOIN identify_models AS o ON o.id = g.id
  WHERE g.n < g.most;

DROP TABLE IF EXISTS temp.identified;
CREATE TEMP TABLE identified AS
  SELECT model, what, role, architecture, base, kind, parameters, nbytes, dtype, scheme, layers, hidden, vocabulary, size, traits, status, error
  FROM identify_result ORDER BY id;

CREATE TEMP VIEW IF NOT EXISTS as_text AS SELECT 1 FROM parameters WHERE format = 'text';
DROP VIEW IF EXISTS temp.identify_one;
CREATE TEMP VIEW identify_one AS SELECT i.* FROM as_text, identified AS i WHERE (SELECT count(*) FROM identified) = 1;
DROP VIEW IF EXISTS temp.identify_many;
CREATE TEMP VIEW identify_many AS SELECT i.*, i.rowid AS id FROM as_text, identified AS i WHERE (SELECT count(*) FROM identified) > 1;
DROP TABLE IF EXISTS temp.identify_common;
CREATE TEMP TABLE identify_common AS SELECT safetensors_common(model) AS common FROM identified;
.mode list
.headers off
SELECT safetensors_print(format, 'identified', 'identified_parts', 'identified_evidence', 'config_findings') FROM parameters WHERE format <> 'text';

-- One model.
SELECT upper(substr(what, 1, 1)) || safetensors_label(substr(what, 2)) || iif(instr(what, role) OR role IN ('unknown', 'adapter'), '', printf(' (%s)', role))
       || iif(role = 'unknown', printf(': none of %d signatures fits', (SELECT count(*) FROM identify_signatures WHERE role <> 'trait')), '') || '.'
FROM identify_one;
SELECT printf('%s parameters, %s, %s', safetensors_pretty(parameters), dtype, safetensors_pretty(nbytes, 'B')) || ifnull(', packed as ' || scheme, '')
       || iif(layers > 0, printf('; %,d %s', layers, iif(layers = 1, 'layer', 'layers')), '')
       || iif(hidden > 0, printf('; hidden size %,d', hidden), '') || iif(vocabulary > 0, printf('; vocabulary %,d', vocabulary), '') || '.'
FROM identify_one WHERE dtype IS NOT NULL;
SELECT 'Made for ' || base || '.' FROM identify_one WHERE base IS NOT NULL AND NOT instr(what, base) AND role <> 'image model';
SELECT 'The layers and widths are those of ' || size || '.' FROM identify_one WHERE size IS NOT NULL;
SELECT upper(substr(traits, 1, 1)) || safetensors_label(substr(traits, 2)) || '.' FROM identify_one WHERE traits IS NOT NULL;

-- Many.
SELECT printf('%,d models in %,d %s: ', count(*), count(DISTINCT rtrim(model, replace(model, '/', ''))),
              iif(count(DISTINCT rtrim(model, replace(model, '/', ''))) = 1, 'folder', 'folders'))
       || (SELECT group_concat(printf('%,d %s%s', n, role, iif(n = 1 OR role LIKE '%not %' OR role LIKE 'without %', '', 's')), ', ')
           FROM (SELECT CASE WHEN status NOT IN ('ok', 'empty') THEN 'cannot be read' WHEN role = 'unknown' THEN 'not recognised' ELSE ifnull(role, 'without a tensor') END AS role,
                        count(*) AS n FROM identify_many GROUP BY 1 ORDER BY status IN ('ok', 'empty'), n DESC, 1)) || '.'
FROM identify_many HAVING count(*) > 0;
SELECT char(10) || printf('== %s', iif(n = 1, 'One cannot be read', printf('%,d cannot be read', n)))
FROM (SELECT count(*) AS n FROM identify_many WHERE status NOT IN ('ok', 'empty')) WHERE n > 0;
SELECT model || char(10) || '  ' || iif(length(why) <= 76, why, first || char(10) || '  ' || substr(why, length(first) + 1))
FROM (SELECT id, model, why, rtrim(substr(why, 1, 76), replace(substr(why, 1, 76), ' ', '')) AS first
      FROM (SELECT i.id, safetensors_label(i.model, c.common) AS model, safetensors_label(ifnull(replace(i.error, 'safetensors: ' || i.model || ': ', ''), i.status)) AS why
            FROM identify_many AS i, identify_common AS c WHERE i.status NOT IN ('ok', 'empty'))) ORDER BY id;

SELECT char(10) || '== Does not fit' FROM as_text WHERE EXISTS (SELECT 1 FROM config_findings);
SELECT printf('%s: %s', f.level, safetensors_label(f.message)) || ifnull(': ' || safetensors_label(nullif(f.tensor, '')), '')
       || iif((SELECT count(*) FROM identified) > 1, ' (' || safetensors_label(f.model, c.common) || ')', '')
FROM as_text, identify_common AS c, config_findings AS f ORDER BY f.level <> 'error', f.model, f.rowid LIMIT 100;
SELECT printf('and %,d more', count(*) - 100) FROM as_text, config_findings HAVING count(*) > 100;
.mode column --wrap 0
.headers on

SELECT printf('%10s', safetensors_pretty(i.parameters)) AS parameters,
       iif(length(i.dtype) > 10, substr(i.dtype, 1, instr(i.dtype, ',')) || ' ...', i.dtype) AS dtype, safetensors_label(i.what) AS what, safetensors_label(i.model, c.common) AS model
FROM identify_many AS i, identify_common AS c WHERE i.status IN ('ok', 'empty') ORDER BY i.role = 'unknown' DESC, i.role, i.what, i.id;
SELECT printf('%10s', safetensors_pretty(p.parameters)) AS parameters, p.dtype, p.what, p.part AS "names that begin with"
FROM identify_one AS o JOIN identified_parts AS p ORDER BY p.rowid;
.mode list
.headers off
SELECT char(10) || '== These tensors decided' FROM identify_one WHERE EXISTS (SELECT 1 FROM identified_evidence);
SELECT char(10) || '== Names that are there most' FROM identify_one WHERE role = 'unknown';
.mode column --wrap 0
.headers on
SELECT e.dtype, e.shape, safetensors_label(e.tensor) AS tensor FROM identify_one AS o JOIN identified_evidence AS e GROUP BY e.tensor ORDER BY min(e.rowid) LIMIT 20;
SELECT printf('%6d', sum(g.n)) AS tensors, g.dtype, g.shape, safetensors_label(substr(g.pattern, 2)) AS pattern
FROM identify_one AS o JOIN identify_groups AS g WHERE o.role = 'unknown' GROUP BY g.pattern ORDER BY sum(g.n) DESC, g.pattern LIMIT 20;
.mode list
.headers off

DROP TABLE IF EXISTS temp.verdict;
CREATE TEMP TABLE verdict(bad, errors);
CREATE TEMP TRIGGER verdict_is_bad BEFORE INSERT ON verdict WHEN new.bad > 0 BEGIN
  SELECT RAISE(ABORT, 'there are models that cannot be read');
END;
CREATE TEMP TRIGGER verdict_is_no BEFORE INSERT ON verdict WHEN new.errors > 0 BEGIN
  SELECT RAISE(ABORT, 'config.json and the tensors do not fit');
END;
INSERT INTO verdict SELECT (SELECT total(status NOT IN ('ok', 'empty')) FROM identified), (SELECT total(level = 'error') FROM config_findings);
.mode column
.headers on
