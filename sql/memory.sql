-- How much memory does it take to serve this model?
--
-- Adds up the bytes of the weights as they are stored, and of what is kept while text is generated: of each sequence
-- the keys and values of its tokens, by config.json, or the state that takes their place. Of a mixture of experts, it
-- counts the parameters that one token uses. Activations and the server's own memory come on top. The script reads only
-- headers and configurations. A path with many models is a row for each.
--
-- Elements for each token, by kind of layer (kv: heads of keys and values; d: the size of a head, of values v_head_dim
-- if it is said):
--
--   full      kv * (d of keys + d of values): multi-head, grouped, multi-query
--   mla       kv_lora_rank + qk_rope_head_dim: DeepSeek's latent attention
--   sliding   as full, of the last sliding_window or attention_chunk_size tokens
--   cross     as full, of the tokens of the encoder
--   index     index_head_dim of 8 bits and a scale: DeepSeek's sparse attention
--
-- and for each sequence, whatever its length:
--
--   linear    value heads * d * value d, in F32, and of the convolution
--             kernel * (2 * key heads * key d + value heads * value d)
--   mamba     inner * (state + kernel); of Mamba 2
--             heads * d * state + kernel * (heads * d + 2 * groups * state)
--   conv      conv_L_cache * hidden
--   rwkv      2 * hidden + 3 * attention_hidden, in F32
--
-- Sources: arXiv 2305.13245 (grouped queries), 2405.04434 (MLA, kept as vLLM does), 2312.00752 and 2405.21060 (Mamba),
-- 2412.06464 (linear attention of Qwen3-Next), and the caches of transformers.
--
-- @param path path required   a model, or a folder or pattern of them
-- @param context integer      tokens of each sequence; the most that config.json allows, else 4096
-- @param batch integer 1      sequences at a time
-- @param kv_dtype enum auto|F32|BF16|F16|F8_E4M3|F8_E5M2|I8  dtype of keys and values; auto: that of the model,
--                             or what its quantization says of them
-- @param format enum text|json|csv  how to print the tables
-- @table memory(model, kind, architecture, numel, active_numel, draft_numel, weights_nbytes, context, batch, kv_dtype,
--    token_nbytes, sequence_nbytes, cache_nbytes, nbytes, note, status, error)   one row per model. active_numel counts
--    the parameters that a token uses, draft_numel those of layers that predict further tokens, which are in no other
--    count but numel; token_nbytes is what one more token takes while no window is full, sequence_nbytes what one
--    sequence of that context takes, cache_nbytes of all, nbytes with the weights. note says what could not be counted
-- @table memory_weights(model, dtype, weights, numel, nbytes)   one row per dtype of plain weights, and per scheme
-- @table memory_layers(model, kind, layers, heads, key, value, window, token_nbytes, state_nbytes,
--    sequence_nbytes)   one row per kind of layer: elements of a key and a value; bytes for each token,
--    of the state, and of one sequence
-- @table memory_experts(model, experts, active, numel, nbytes)   one row per mixture: experts of a layer, how many a
--    token uses, and the parameters and bytes of all of them
-- @status 1                   when a model cannot be read, or is not whole
-- @example safetensors-sql memory model_directory --context 8192 --batch 4

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL),
  context INTEGER CONSTRAINT ":context is a whole number above 0" CHECK (typeof(context) IN ('null', 'integer') AND context > 0),
  batch INTEGER CONSTRAINT ":batch is a whole number above 0" CHECK (typeof(batch) = 'integer' AND batch > 0),
  kv_dtype TEXT CONSTRAINT ":kv_dtype is auto, F32, BF16, F16, F8_E4M3, F8_E5M2 or I8"
    CHECK (kv_dtype IN ('auto', 'F32', 'BF16', 'F16', 'F8_E4M3', 'F8_E5M2', 'I8')),
  format TEXT CONSTRAINT ":format is text, json or csv" CHECK (format IN ('text', 'json', 'csv'))
);
INSERT INTO parameters SELECT :path, :context, ifnull(:batch, 1), ifnull(:kv_dtype, 'auto'), ifnull(:format, 'text')
WHERE safetensors_parameters(':path', ':context', ':batch', ':kv_dtype', ':format');

-- The part of a configuration that is about text, and which model it is said to be.
DROP TABLE IF EXISTS temp.memory_models;
CREATE TEMP TABLE memory_models AS
  SELECT model, kind, status, error, architecture, config, c, json_extract(c, '$.model_type') AS type
  FROM (SELECT model, kind, status, error, config, ifnull(json_extract(config, '$.architectures[0]'), json_extract(config, '$._class_name')) AS architecture,
               ifnull((SELECT json_extract(config, part.value) FROM json_each(
                         '["$.text_config","$.llm_config","$.language_config","$.thinker_config.text_config"]') AS part
                       WHERE json_type(config, part.value) = 'object' ORDER BY part.key LIMIT 1), config) AS c
        FROM (SELECT model, kind, status, error, iif(json_valid(config) AND json_type(config) = 'object', config, '{}') AS config
              FROM safetensors_models(:path) WHERE status <> 'empty'));
DROP TABLE IF EXISTS temp.needs;
CREATE TEMP TABLE needs(models CONSTRAINT ":path has a model with tensors" CHECK (models > 0));
INSERT INTO needs(models) SELECT count(*) FROM memory_models;

-- Of a model that is not whole, the rest is read.
DROP TABLE IF EXISTS temp.memory_setting;
CREATE TEMP TABLE memory_setting AS
  SELECT safetensors_config('errors') AS errors, safetensors_config('errors', 'skip') FROM (
    SELECT 1 FROM memory_models WHERE status <> 'ok' LIMIT 1);
DROP TABLE IF EXISTS temp.memory_read;
CREATE TEMP TABLE memory_read AS
  SELECT m.model, w.name, w.pattern, w.layer, iif(w.scheme = 'none', w.dtype, w.scheme) AS dtype, w.dtype AS computed, w.shape,
         iif(w.role = 'weight', w.numel, 0) AS numel, w.nbytes
  FROM memory_models AS m JOIN safetensors_weights(m.model) AS w WHERE w.copy_of IS NULL;
UPDATE memory_setting SET errors = safetensors_config('errors', errors);
-- If there is only one, and nothing of it can be read, this raises why.
INSERT INTO needs(models)
SELECT 1 + count(*) FROM memory_models AS m JOIN safetensors_tensors(m.model) AS t
WHERE NOT EXISTS (SELECT 1 FROM memory_read) AND (SELECT count(*) FROM memory_models) = 1;
DROP TABLE IF EXISTS temp.memory_weights;
CREATE TEMP TABLE memory_weights AS
  SELECT model, dtype, count(*) AS weights, sum(numel) AS numel, sum(nbytes) AS nbytes
  FROM memory_read GROUP BY model, dtype ORDER BY model, sum(nbytes) DESC, dtype;

-- What the configurations say, each under the names that it has in one model or another.
DROP TABLE IF EXISTS temp.memory_config;
CREATE TEMP TABLE memory_config AS
  SELECT m.*, iif(layers BETWEEN 1 AND 100000, layers, NULL) AS n_layers,
         iif(most BETWEEN 1 AND 1000000000000, CAST(most AS INTEGER), NULL) AS positions, coalesce(head, hidden / nullif(heads, 0)) AS d,
         CASE WHEN json_extract(c, '$.multi_query') = 1 AND json_extract(c, '$.new_decoder_architecture') IS NOT 1 THEN 1
              ELSE ifnull(kv, heads) END AS kv_heads,
         -- In transformers, these say by their class or by is_decoder whether they generate.
         ifnull(architecture GLOB '*ForCausalLM' OR architecture GLOB '*LMHead*' OR architecture GLOB '*ForConditionalGeneration'
                OR architecture GLOB '*Chat*' OR (kv IS NOT NULL AND architecture NOT GLOB '*For[A-Z]*' AND architecture NOT GLOB '*Model'),
                kv IS NOT NULL) AS generates
  FROM (SELECT model, kind, status, error, architecture, config, c, type,
               CASE WHEN json_extract(config, '$.quantization_config.kv_cache_scheme.num_bits') = 8
                    THEN iif(json_extract(config, '$.quantization_config.kv_cache_scheme.type') = 'int', 'I8', 'F8_E4M3')
                    WHEN json_extract(config, '$.quantization_config.kv_cache_quant_algo') = 'FP8' THEN 'F8_E4M3' END AS kept,
               coalesce(json_extract(c, '$.decoder_layers'), json_extract(c, '$.num_decoder_layers'), json_extract(c, '$.num_hidden_layers'),
                        json_extract(c, '$.n_layer'), json_extract(c, '$.n_layers'), json_extract(c, '$.num_layers')) AS layers,
               coalesce(json_extract(c, '$.decoder_attention_heads'), json_extract(c, '$.num_attention_heads'), json_extract(c, '$.n_head'),
                        json_extract(c, '$.n_heads'), json_extract(c, '$.num_heads')) AS heads,
               coalesce(json_extract(c, '$.num_key_value_heads'), json_extract(c, '$.num_kv_heads'), json_extract(c, '$.n_head_kv'),
                        json_extract(c, '$.multi_query_group_num'), json_extract(c, '$.attn_config.kv_n_heads')) AS kv,
               coalesce(json_extract(c, '$.hidden_size'), json_extract(c, '$.n_embd'), json_extract(c, '$.n_embed'), json_extract(c, '$.d_model'), json_extract(c, '$.dim')) AS hidden,
               coalesce(json_extract(c, '$.head_dim'), json_extract(c, '$.d_kv'), json_extract(c, '$.kv_channels'),
                        iif(type LIKE 'zamba%', json_extract(c, '$.attention_head_dim'), NULL)) AS head,
               coalesce(json_extract(c, '$.max_position_embeddings'), json_extract(c, '$.n_positions'), json_extract(c, '$.max_seq_len'),
                        json_extract(c, '$.seq_length'), json_extract(c, '$.max_target_positions')) AS most,
               CASE coalesce(json_extract(c, '$.torch_dtype'), json_extract(c, '$.dtype'), json_extract(config, '$.torch_dtype'), json_extract(config, '$.dtype'))
                 WHEN 'float32' THEN 'F32' WHEN 'float16' THEN 'F16' WHEN 'bfloat16' THEN 'BF16' END AS dtype,
               json_extract(c, '$.is_encoder_decoder') OR json_extract(c, '$.num_decoder_layers') IS NOT NULL OR type IN ('t5', 'mt5', 'umt5', 'whisper', 'bart', 'mbart') AS crosses,
               -- A list of Mamba's blocks, and the cycles that take its place in some configurations.
               json_extract(c, '$.hybrid_override_pattern') AS pattern,
               iif(json_extract(c, '$.use_sliding_window') = 0, NULL, coalesce(
                 json_extract(c, '$.sliding_window'), json_extract(c, '$.attention_window_size'), json_extract(c, '$.window_size'),
                 json_extract(c, '$.attention_chunk_size'))) AS window
        FROM memory_models) AS m;

-- Each layer's kind. Lists say it outright; then come rules of single families.
DROP TABLE IF EXISTS temp.memory_kinds;
CREATE TEMP TABLE memory_kinds AS
  WITH RECURSIVE numbered(model, i) AS (
    SELECT model, 0 FROM memory_config WHERE n_layers > 0 AND generates
    UNION ALL SELECT n.model, i + 1 FROM numbered AS n JOIN memory_config AS c ON c.model = n.model WHERE i + 1 < c.n_layers
  ),
  said AS (
    SELECT n.model, n.i, c.window, c.type,
           coalesce(json_extract(c, '$.layer_types[' || i || ']'), json_extract(c, '$.layers_block_type[' || i || ']'),
                    json_extract(c, '$.attention_layers[' || i || ']'),
                    CASE substr(ifnull(pattern, ''), i + 1, 1) WHEN '*' THEN 'full' WHEN 'M' THEN 'mamba' WHEN '' THEN NULL ELSE 'none' END,
                    CASE json_extract(c, '$.attn_type_list[' || i || ']') WHEN 1 THEN 'full' WHEN 0 THEN 'linear' END,
                    json_extract(c, '$.block_types[' || (i % nullif(json_array_length(c, '$.block_types'), 0)) || ']'),
                    CASE WHEN EXISTS (SELECT 1 FROM json_each(c, '$.cross_attention_layers') WHERE value = i) THEN 'images'
                         WHEN json_extract(c, '$.use_cla') = 1 AND i % json_extract(c, '$.cla_share_factor') > 0 THEN 'none'
                         WHEN json_extract(c, '$.full_attn_idxs') IS NOT NULL
                         THEN iif(EXISTS (SELECT 1 FROM json_each(c, '$.full_attn_idxs') WHERE value = i), 'full', 'conv')
                         WHEN json_extract(c, '$.linear_attn_config.full_attn_layers') IS NOT NULL
                         THEN iif(EXISTS (SELECT 1 FROM json_each(c, '$.linear_attn_config.full_attn_layers') WHERE value = i + 1), 'full', 'kda')
                         WHEN json_extract(c, '$.attn_layer_indices') IS NOT NULL
                         THEN iif(EXISTS (SELECT 1 FROM json_each(c, '$.attn_layer_indices') WHERE value = i), 'full', 'mamba')
                         WHEN json_extract(c, '$.attn_layer_period') IS NOT NULL
                         THEN iif(i % json_extract(c, '$.attn_layer_period') = ifnull(json_extract(c, '$.attn_layer_offset'), 0), 'full', 'mamba')
                         WHEN json_extract(c, '$.full_attention_interval') IS NOT NULL
                         THEN iif((i + 1) % json_extract(c, '$.full_attention_interval') = 0, 'full', 'linear')
                         WHEN type IN ('mamba', 'mamba2', 'falcon_mamba') THEN 'mamba'
                         WHEN type = 'rwkv' THEN 'rwkv'
                         WHEN type = 'falcon_h1' THEN 'hybrid'
                         WHEN window IS NULL THEN 'full'
                         WHEN json_type(c, '$.sliding_window_pattern') = 'text'
                         THEN iif(substr(json_extract(c, '$.sliding_window_pattern'), 1 + i % length(json_extract(c, '$.sliding_window_pattern')), 1) = 'L', 'sliding', 'full')
                         WHEN coalesce(json_extract(c, '$.sliding_window_pattern'), json_extract(c, '$._sliding_window_pattern')) IS NOT NULL
                         THEN iif((i + 1) % coalesce(json_extract(c, '$.sliding_window_pattern'), json_extract(c, '$._sliding_window_pattern')), 'sliding', 'full')
                         WHEN type LIKE 'gemma3%' THEN iif((i + 1) % 6, 'sliding', 'full')
                         WHEN type LIKE 'cohere2%' OR type LIKE 'llama4%' THEN iif((i + 1) % 4, 'sliding', 'full')
                         WHEN type IN ('gemma2', 'gpt_oss') THEN iif(i % 2, 'full', 'sliding')
                         WHEN type LIKE 'qwen%' THEN iif(i >= ifnull(json_extract(c, '$.max_window_layers'), 0), 'sliding', 'full')
                         ELSE 'sliding' END) AS word
    FROM numbered AS n JOIN memory_config AS c ON c.model = n.model
  )
  -- A layer with attention beside a state is both. The last layers of some share the keys and values of others.
  SELECT s.model, s.i, k.value AS kind, s.word
  FROM said AS s JOIN memory_config AS c ON c.model = s.model JOIN json_each(CASE
    WHEN s.word IN ('sliding', 'sliding_attention', 'chunked_attention', 'local', 'swa') OR (s.word = 'attention' AND c.type = 'recurrent_gemma')
    THEN iif(c.window IS NULL, '["full"]', '["sliding"]')
    WHEN s.word IN ('full', 'full_attention', 'attention', 'global')
    THEN iif(json_extract(c.c, '$.kv_lora_rank') IS NULL, '["full"]', '["mla"]')
    WHEN s.word IN ('linear', 'linear_attention', 'kda') THEN '["linear"]'
    WHEN s.word LIKE 'mamba%' THEN '["mamba"]'
    WHEN s.word = 'hybrid' THEN '["full","mamba"]'
    WHEN s.word IN ('conv', 'rwkv') THEN json_array(s.word)
    WHEN s.word IN ('none', 'mlp', 'moe', 'images') THEN '[]' ELSE '["unknown"]' END) AS k
  WHERE k.value NOT IN ('full', 'sliding') OR s.i < c.n_layers - ifnull(json_extract(c.c, '$.num_kv_shared_layers'), 0)
  UNION ALL SELECT n.model, n.i, 'index', NULL FROM numbered AS n JOIN memory_config AS c ON c.model = n.model
  WHERE json_extract(c.c, '$.index_head_dim') IS NOT NULL
  UNION ALL SELECT n.model, n.i, 'cross', NULL FROM numbered AS n JOIN memory_config AS c ON c.model = n.model WHERE c.crosses;

-- If the configuration says no heads, the rows of the projections tell what all of them have together.
DROP TABLE IF EXISTS temp.memory_projections;
CREATE TEMP TABLE memory_projections AS
  SELECT model, max(iif(name GLOB '*k_proj.weight', json_extract(shape, '$[0]'), NULL)) AS key_rows,
         max(iif(name GLOB '*v_proj.weight', json_extract(shape, '$[0]'), NULL)) AS value_rows
  FROM memory_read WHERE name GLOB '*[kv]_proj.weight' GROUP BY model;

-- Elements for each token and each sequence, in the sizes that the header gives.
DROP TABLE IF EXISTS temp.memory_sizes;
CREATE TEMP TABLE memory_sizes AS
  SELECT c.model, k.kind, k.layers, c.window, CASE p.kv_dtype WHEN 'auto' THEN ifnull(c.kept, b.dtype) ELSE p.kv_dtype END AS kv_dtype,
         coalesce(p.context, c.positions, 4096) AS context,
         coalesce(json_extract(c.c, '$.max_source_positions'), p.context, c.positions, 4096) AS source,
         iif(b.dtype = 'F32', 4, 2) AS width,
         CASE WHEN k.kind IN ('mla', 'index') OR c.kv_heads * c.d IS NULL THEN 1 ELSE iif(k.kind = 'sliding', coalesce(json_extract(c.c, '$.swa_num_key_value_heads'), c.kv_heads),
             iif(k.kind = 'full', coalesce(json_extract(c.c, '$.num_global_key_value_heads'), c.kv_heads), c.kv_heads)) END AS heads,
         CASE iif(c.kv_heads * c.d IS NULL AND k.kind NOT IN ('mla', 'index'), 'shape', k.kind) WHEN 'shape' THEN r.key_rows
                     WHEN 'index' THEN json_extract(c.c, '$.index_head_dim')
                     WHEN 'mla' THEN json_extract(c.c, '$.kv_lora_rank') + json_extract(c.c, '$.qk_rope_head_dim')
                     WHEN 'full' THEN coalesce(json_extract(c.c, '$.global_head_dim'), c.d)
                     WHEN 'sliding' THEN coalesce(json_extract(c.c, '$.swa_head_dim'), c.d) ELSE c.d END AS "key",
         CASE iif(c.kv_heads * c.d IS NULL AND k.kind NOT IN ('mla', 'index'), 'shape', k.kind) WHEN 'shape' THEN r.value_rows
                     WHEN 'mla' THEN 0 WHEN 'index' THEN 0 WHEN 'full' THEN coalesce(json_extract(c.c, '$.global_head_dim'), json_extract(c.c, '$.v_head_dim'), c.d)
                     WHEN 'sliding' THEN coalesce(json_extract(c.c, '$.swa_v_head_dim'), json_extract(c.c, '$.swa_head_dim'),
                                                  json_extract(c.c, '$.v_head_dim'), c.d) ELSE c.d END AS value,
         s.vh, s.kh, s.kd, s.vd, s.kernel, s.inner, s.state, s.mh, nullif(ifnull(s.md, s.inner / s.mh), 0) AS md, s.groups, c.hidden,
         ifnull(json_extract(c.c, '$.attention_hidden_size'), c.hidden) AS attention_hidden, json_extract(c.c, '$.conv_L_cache') AS conv
  FROM parameters AS p, memory_config AS c
  JOIN (SELECT model, kind, count(*) AS layers FROM memory_kinds GROUP BY model, kind) AS k ON k.model = c.model
  JOIN (SELECT c.model, coalesce(c.dtype, (SELECT r.computed FROM memory_read AS r WHERE r.model = c.model AND r.computed IN ('F32', 'BF16', 'F16')
                                           GROUP BY r.computed  -- F32 of what is packed may say no more than that nothing says it
                                           ORDER BY max(r.computed <> 'F32' OR r.dtype = 'F32') DESC, sum(r.nbytes) DESC LIMIT 1), 'BF16') AS dtype
        FROM memory_config AS c) AS b ON b.model = c.model
  LEFT JOIN memory_projections AS r ON r.model = c.model
  JOIN (SELECT model, coalesce(json_extract(c, '$.linear_num_value_heads'), json_extract(c, '$.linear_attn_config.num_heads'),
                               iif(type LIKE 'minimax%', heads, NULL)) AS vh,
               coalesce(json_extract(c, '$.linear_num_key_heads'), json_extract(c, '$.linear_attn_config.num_heads'), iif(type LIKE 'minimax%', heads, NULL)) AS kh,
               coalesce(json_extract(c, '$.linear_key_head_dim'), json_extract(c, '$.linear_attn_config.head_dim'), iif(type LIKE 'minimax%', d, NULL)) AS kd,
               coalesce(json_extract(c, '$.linear_value_head_dim'), json_extract(c, '$.linear_attn_config.head_dim'), iif(type LIKE 'minimax%', d, NULL)) AS vd,
               coalesce(json_extract(c, '$.linear_conv_kernel_dim'), json_extract(c, '$.linear_attn_config.short_conv_kernel_size'),
                        json_extract(c, '$.conv_kernel'), json_extract(c, '$.mamba_d_conv'), json_extract(c, '$.conv_kernel_size'), iif(type LIKE 'minimax%', 0, NULL)) AS kernel,
               coalesce(iif(type IN ('mamba', 'falcon_mamba'), json_extract(c, '$.intermediate_size'), NULL),
                        json_extract(c, '$.mamba_d_ssm'), CAST(hidden * coalesce(json_extract(c, '$.mamba_expand'), json_extract(c, '$.expand'), 2) AS INTEGER)) AS inner,
               coalesce(json_extract(c, '$.ssm_state_size'), json_extract(c, '$.state_size'), json_extract(c, '$.mamba_d_state')) AS state,
               coalesce(json_extract(c, '$.mamba_n_heads'), json_extract(c, '$.mamba_num_heads'), json_extract(c, '$.n_mamba_heads'),
                        iif(type = 'mamba2', json_extract(c, '$.num_heads'), NULL)) AS mh,
               nullif(CAST(coalesce(json_extract(c, '$.mamba_d_head'), json_extract(c, '$.mamba_head_dim'), json_extract(c, '$.mamba_headdim'),
                                    iif(type = 'mamba2', json_extract(c, '$.head_dim'), NULL)) AS INTEGER), 0) AS md,
               coalesce(json_extract(c, '$.mamba_n_groups'), json_extract(c, '$.mamba_ngroups'), json_extract(c, '$.n_groups'), 1) AS groups
        FROM memory_config) AS s ON s.model = c.model;
DROP TABLE IF EXISTS temp.memory_layers;
CREATE TEMP TABLE memory_layers AS
  SELECT model, kind, layers, heads, "key", value, iif(kind = 'sliding', window, NULL) AS window,
         iif(token >= 0 AND state >= 0 AND sequence < 1e18, CAST(token AS INTEGER), NULL) AS token_nbytes,
         iif(token >= 0 AND state >= 0 AND sequence < 1e18, CAST(state AS INTEGER), NULL) AS state_nbytes,
         iif(token >= 0 AND state >= 0 AND sequence < 1e18, CAST(sequence AS INTEGER), NULL) AS sequence_nbytes
  FROM (SELECT *, state + token * CASE kind WHEN 'sliding' THEN min(window, context) WHEN 'cross' THEN source ELSE context END AS sequence
        FROM (SELECT model, kind, layers, window, context, source, iif(has_tokens, heads, NULL) AS heads, iif(has_tokens, "key", NULL) AS "key",
               iif(has_tokens, value, NULL) AS value,
               iif(has_tokens, layers * CASE WHEN kind = 'index' THEN "key" + 4 ELSE heads * ("key" + value) END * CASE WHEN kind = 'index' THEN 1 WHEN kv_dtype = 'F32' THEN 4 WHEN kv_dtype IN ('F16', 'BF16') THEN 2 ELSE 1 END, 0) AS token,
               CASE WHEN has_tokens THEN 0
                    WHEN kind = 'linear' THEN layers * (4 * vh * kd * vd + width * kernel * (2 * kh * kd + vh * vd))
                    WHEN kind = 'mamba' AND mh IS NULL THEN layers * width * inner * (state + kernel)
                    WHEN kind = 'mamba' THEN layers * width * (mh * md * state + kernel * (mh * md + 2 * groups * state))
                    WHEN kind = 'conv' THEN layers * width * conv * hidden
                    WHEN kind = 'rwkv' THEN layers * 4 * (2 * hidden + 3 * attention_hidden) END AS state
        FROM (SELECT *, kind IN ('full', 'mla', 'index', 'sliding', 'cross') AS has_tokens FROM memory_sizes)))
  ORDER BY model, sequence_nbytes DESC;

-- Mixtures: what is routed is in experts, but not in shared ones. Layers that predict further tokens come after the last.
DROP TABLE IF EXISTS temp.memory_parts;
CREATE TEMP TABLE memory_parts AS
  SELECT r.model, r.numel, r.nbytes, r.shape, r.name,
         (r.pattern GLOB '*experts.*' OR r.pattern GLOB '*block_sparse_moe.*put_linear*') AND r.pattern NOT LIKE '%shared%' AS routed,
         r.name GLOB 'mtp[._]*' OR r.name GLOB '*.mtp[._]*'
         OR (json_extract(c.c, '$.num_nextn_predict_layers') > 0 AND r.pattern GLOB '*layers.#.*' AND r.layer >= c.n_layers) AS draft,
         iif(r.pattern GLOB '*experts.#*', CAST(substr(r.name, instr(r.name, 'experts.') + 8) AS INTEGER) + 1, NULL) AS number
  FROM memory_read AS r JOIN memory_config AS c ON c.model = r.model;
DROP TABLE IF EXISTS temp.memory_experts;
CREATE TEMP TABLE memory_experts AS
  SELECT c.model, coalesce(json_extract(c, '$.num_experts'), json_extract(c, '$.n_routed_experts'), json_extract(c, '$.num_local_experts'),
                           json_extract(c, '$.moe_num_experts'), json_extract(c, '$.num_moe_experts'), json_extract(c, '$.ffn_config.moe_num_experts'), p.number) AS experts,
         coalesce(json_extract(c, '$.num_experts_per_tok'), json_extract(c, '$.num_experts_per_token'), json_extract(c, '$.experts_per_token'),
                  json_extract(c, '$.moe_topk'), json_extract(c, '$.moe_top_k'), json_extract(c, '$.top_k_experts'), json_extract(c, '$.moe_k'),
                  json_extract(c, '$.ffn_config.moe_top_k'), json_extract(c, '$.num_selected_experts')) AS active, p.numel, p.nbytes
  FROM memory_config AS c JOIN (
    SELECT model, sum(numel) AS numel, sum(nbytes) AS nbytes, max(number) AS number FROM memory_parts WHERE routed AND NOT draft GROUP BY model) AS p
    ON p.model = c.model;

DROP TABLE IF EXISTS temp.memory;
CREATE TEMP TABLE memory AS
  SELECT c.model, c.kind, c.architecture, w.numel,
         CASE WHEN e.model IS NULL THEN w.numel - w.draft
              ELSE w.numel - w.draft - e.numel + CAST(round(1.0 * e.numel * e.active / e.experts) AS INTEGER) END AS active_numel,
         w.draft AS draft_numel, w.nbytes AS weights_nbytes, l.context, p.batch, l.kv_dtype, l.token AS token_nbytes, l.sequence AS sequence_nbytes,
         p.batch * l.sequence AS cache_nbytes, w.nbytes + ifnull(p.batch * l.sequence, 0) AS nbytes,
         CASE WHEN c.kind = 'adapter' THEN 'an adapter: its base''s memory comes on top'
              WHEN c.config = '{}' THEN 'no config.json: what a token takes is not known'
              WHEN c.generates IS NOT 1
              THEN ifnull(c.architecture || ' generates no text: nothing is kept', 'config.json names no architecture: what a token takes is not known')
              WHEN c.n_layers IS NULL THEN 'config.json says no number of layers: what a token takes is not known'
              WHEN json_array_length(c.c, '$.cross_attention_layers') > 0 THEN 'what the layers that look at images keep is not counted'
              WHEN l.unknown > 0 THEN printf('what %,d layers (%s) keep is not known here', l.unknown, l.words)
              WHEN l.sequence IS NULL THEN 'config.json lacks sizes: what a token takes is not known'
              WHEN e.model IS NOT NULL AND e.active IS NULL THEN 'how many experts a token uses is not said' END AS note, c.status, c.error
  FROM parameters AS p, memory_config AS c
  LEFT JOIN (SELECT model, sum(numel) AS numel, sum(nbytes) AS nbytes, sum(iif(draft, numel, 0)) AS draft FROM memory_parts GROUP BY model) AS w
    ON w.model = c.model
  LEFT JOIN memory_experts AS e ON e.model = c.model
  LEFT JOIN (SELECT l.model, s.context, s.kv_dtype, iif(count(*) = count(l.sequence_nbytes), sum(iif(l.kind = 'cross', 0, l.token_nbytes)), NULL) AS token,
                    iif(count(*) = count(l.sequence_nbytes), sum(l.sequence_nbytes), NULL) AS sequence,
                    total(iif(l.kind = 'unknown', l.layers, 0)) AS unknown,
                    (SELECT group_concat(DISTINCT word) FROM memory_kinds AS k WHERE k.model = l.model AND k.kind = 'unknown') AS words
             FROM memory_layers AS l JOIN memory_sizes AS s ON s.model = l.model AND s.kind = l.kind GROUP BY l.model) AS l ON l.model = c.model;

CREATE TEMP VIEW IF NOT EXISTS as_text AS SELECT 1 FROM parameters WHERE format = 'text';
.mode list
.headers off
SELECT safetensors_print(format, 'memory', 'memory_weights', 'memory_layers', 'memory_experts') FROM parameters WHERE format <> 'text';

DROP TABLE IF EXISTS temp.memory_common;
CREATE TEMP TABLE memory_common AS
  SELECT iif(count(*) > 1, safetensors_common(model), '') AS common, count(*) AS models,
         count(DISTINCT rtrim(model, replace(model, '/', ''))) AS folders, total(status <> 'ok') AS unread, total(nbytes) AS nbytes FROM memory;
SELECT l.value FROM as_text, memory_common AS c, (SELECT * FROM memory LIMIT 1) AS m, json_each(json_array(
  CASE WHEN models > 1 THEN printf('%,d models take %s together: weights, and what %,d sequence%s each keep%s.', models,
                                   safetensors_pretty(CAST(c.nbytes AS INTEGER), 'B'), batch, iif(batch = 1, '', 's'), iif(batch = 1, 's', ''))
       WHEN cache_nbytes IS NULL THEN printf('Its weights take %s.', safetensors_pretty(weights_nbytes, 'B'))
       ELSE printf('It takes %s: %s of weights, %s for %,d sequence%s of %,d tokens.', safetensors_pretty(m.nbytes, 'B'),
                   safetensors_pretty(weights_nbytes, 'B'), safetensors_pretty(cache_nbytes, 'B'), batch, iif(batch = 1, '', 's'), context) END,
  iif(unread > 0, iif(models = 1, 'error: it is not whole:' || char(10) || '  ' || safetensors_label(ifnull(substr(error, 14), status)),
                      printf('error: %,d of %,d models cannot be read, or not whole.', unread, models)), NULL),
  iif(models = 1 AND note IS NOT NULL, 'note: ' || safetensors_label(note) || '.', NULL),
  iif(models = 1 AND cache_nbytes IS NOT NULL AND token_nbytes > 0, printf('A token takes %s in %s%s.', safetensors_pretty(token_nbytes, 'B'), kv_dtype,
      iif(EXISTS (SELECT 1 FROM memory_layers WHERE window < context), ' until the windows are full', '')), NULL),
  iif(models = 1 AND EXISTS (SELECT 1 FROM memory_experts),
      (SELECT printf('A mixture: of %s parameters a token uses %s, %s of %s experts in a layer.', safetensors_pretty(m.numel - m.draft_numel), ifnull(safetensors_pretty(active_numel), '?'),
                     ifnull(active, '?'), ifnull(experts, '?')) FROM memory_experts), NULL),
  iif(models = 1 AND draft_numel > 0, printf('%s more are of layers that predict further tokens.', safetensors_pretty(draft_numel)), NULL)
)) AS l WHERE l.value IS NOT NULL;
SELECT printf('%,d models in %,d folder%s were looked at.', models, folders, iif(folders = 1, '', 's')) FROM memory_common, as_text WHERE models > 1;

SELECT char(10) || '== Models' FROM as_text, memory_common WHERE models > 1;
.mode column --wrap 0
.headers on
SELECT printf('%8s', ifnull(safetensors_pretty(m.nbytes, 'B'), '-')) AS "     all", printf('%8s', ifnull(safetensors_pretty(weights_nbytes, 'B'), '-')) AS " weights",
       printf('%8s', ifnull(safetensors_pretty(cache_nbytes, 'B'), '-')) AS "   cache", printf('%8s', ifnull(safetensors_pretty(token_nbytes, 'B'), '-')) AS "   token",
       printf('%9s', iif(context IS NULL, '-', printf('%,d', context))) AS "  context",
       status, safetensors_label(model, common) AS model
FROM memory AS m, memory_common, as_text WHERE models > 1 ORDER BY status <> 'ok' DESC, m.nbytes DESC, m.rowid LIMIT 1000;
.mode list
.headers off
SELECT printf('and %,d more', models - 1000) FROM memory_common, as_text WHERE models > 1000;
SELECT char(10) || '== What could not be counted' FROM as_text, memory_common
WHERE models > 1 AND EXISTS (SELECT 1 FROM memory WHERE note IS NOT NULL OR status <> 'ok');
SELECT printf('%,d model%s: ', count(*), iif(count(*) = 1, '', 's')) || safetensors_label(note)
FROM memory, as_text, memory_common WHERE models > 1 AND note IS NOT NULL GROUP BY note ORDER BY count(*) DESC LIMIT 20;
SELECT safetensors_label(model, common) || ':' || char(10) || '  '
       || safetensors_label(replace(replace(ifnull(substr(error, 14), status), model || ': ', ''), common, '...'))
FROM memory, as_text, memory_common WHERE models > 1 AND status <> 'ok' LIMIT 40;

SELECT char(10) || '== Weights' FROM as_text, memory_common WHERE models = 1;
.mode column --wrap 0
.headers on
SELECT dtype, printf('%7d', weights) AS weights, printf('%10s', ifnull(safetensors_pretty(numel), '-')) AS parameters,
       printf('%8s', safetensors_pretty(nbytes, 'B')) AS "   bytes"
FROM memory_weights AS w, (SELECT models FROM memory_common), as_text WHERE models = 1 ORDER BY w.rowid;
.mode list
.headers off
SELECT char(10) || '== What a sequence keeps' FROM as_text, memory_common WHERE models = 1 AND EXISTS (SELECT 1 FROM memory_layers);
.mode column --wrap 0
.headers on
SELECT kind, printf('%6d', layers) AS layers, printf('%5s', ifnull(heads, '-')) AS heads, printf('%5s', ifnull("key", '-')) AS "  key",
       printf('%5s', ifnull(value, '-')) AS value, printf('%7s', iif(window IS NULL, '-', printf('%,d', window))) AS " window",
       printf('%9s', ifnull(safetensors_pretty(token_nbytes, 'B'), '?')) AS "  a token", printf('%9s', ifnull(safetensors_pretty(state_nbytes, 'B'), '?')) AS "    state",
       printf('%9s', ifnull(safetensors_pretty(sequence_nbytes, 'B'), '?')) AS " sequence"
FROM memory_layers AS l, (SELECT models FROM memory_common), as_text WHERE models = 1 ORDER BY l.rowid;
.mode list
.headers off

DROP TABLE IF EXISTS temp.verdict;
CREATE TEMP TABLE verdict(unread);
CREATE TEMP TRIGGER verdict_is_no BEFORE INSERT ON verdict WHEN new.unread > 0 BEGIN
  SELECT RAISE(ABORT, 'a model cannot be read, or is not whole');
END;
INSERT INTO verdict SELECT unread FROM memory_common;
