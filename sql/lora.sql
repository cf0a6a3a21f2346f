-- What is this adapter?
--
-- Shows what it is (LoRA, DoRA, LoHa, (IA)3, OFT and some thirty other kinds), for which base, the rank, alpha and
-- scale of its modules and where alpha comes from, which modules it changes, its trigger words and tags, how it was
-- trained, and whether it has NaN or infinities: for adapters of PEFT, of kohya's sd-scripts and LyCORIS, of diffusers
-- and others. PEFT keeps alpha in the adapter_config.json beside the file, whose patterns match as PEFT matches them.
--
-- A LoRA adds scale * up * down to a weight, where down is [rank, in], up is [out, rank] and scale is alpha / rank
-- (alpha / sqrt(rank) with PEFT's use_rslora, alpha / (rank + 1e-5) in AdaLoRA). If no alpha is stored, loaders
-- use the rank instead. What cannot be computed from the file alone, or does not fit together, is under Notes.
--
-- Of a directory or a pattern, each file is an adapter of its own. The verb loras has one line for each.
--
-- @param path path required   the adapter, or a directory or pattern of adapters
-- @param base path            the model that it is for: which share of it the adapter has and changes
-- @param quick flag           do not read the values: no NaN is looked for
-- @param format enum text|json|csv  how to print the tables
-- @table adapter_files(file, status, error, base, base_from, made_for, kind, naming, rank, alpha, modules,
--    parameters, dtype, size, triggers, tags, title, resolution, images, date, epoch, epochs, steps, learning_rate,
--    text_encoder_lr, optimizer, nan, inf, copy_of, note)   one row per file, as the verb loras
--    has them
-- @table adapter_modules(file, module, kind, naming, component, layer, target, weight, rank, alpha, alpha_from, scale,
--    shape, computed, status)   one row per module that is adapted. weight is the one that it changes, by its own
--    naming; shape that of the change; computed 1 if the file alone says what the change is; status what else there is
--    to know
-- @table adapter_notes(file, note, modules)   what an adapter does not say, or cannot be computed from it
-- @table adapter_tensors(file, name, dtype, shape, numel, module, role, nan, inf)   one row per tensor; role is what
--    it is to its module, by PEFT's names, NULL if it belongs to none; nan and inf are counts, NULL if they are 0
-- @table adapter_metadata(file, key, value)   what the trainer noted, in the file and in adapter_config.json
-- @status 1                   when an adapter cannot be read, or has NaN or infinities
-- @example safetensors-sql lora 'loras/*.safetensors'

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL),
  base TEXT,
  quick INTEGER,
  format TEXT CONSTRAINT ":format is text, json or csv" CHECK (format IN ('text', 'json', 'csv'))
);
INSERT INTO parameters SELECT :path, :base, ifnull(:quick, 0), ifnull(:format, 'text') WHERE safetensors_parameters(':path', ':base', ':quick', ':format');

DROP TABLE IF EXISTS temp.lora_found;
CREATE TEMP TABLE lora_found AS
  SELECT m.model AS file, CASE WHEN m.status = 'ok' AND m.model LIKE '%.safetensors' AND m.model NOT LIKE '%://%'
              THEN (SELECT max((d.mode & 0xF000) = 0xA000) FROM fsdir(m.model) AS d) ELSE 0 END AS is_link, m.kind, m.status, iif(m.status = 'empty', 'expected an adapter, found a file without tensors', m.error) AS error, m.tensors, m.nbytes, m.config,
         ifnull((SELECT sum(f.size) FROM safetensors_files(m.model) AS f), m.nbytes) AS size
  FROM parameters AS p, safetensors_models(p.path) AS m;

DROP TABLE IF EXISTS temp.lora_rows;
CREATE TEMP TABLE lora_rows AS
  SELECT f.file, a.module, a.kind, a.rank, a.alpha, a.scale, a.shape, a.weight, a.layer, a.status, a.parts, a.ref IS NOT NULL AS computed,
         '_' || replace(a.module, '.', '_') || '_' AS name, a.shape ->> '$[1]' AS input
  FROM lora_found AS f, safetensors_adapter(iif(f.status = 'ok', f.file, NULL)) AS a;
CREATE INDEX temp.lora_rows_by_file ON lora_rows(file);
DROP TABLE IF EXISTS temp.lora_others;
CREATE TEMP TABLE lora_others AS
  SELECT file, iif(kind = 'adapter', 'unknown', kind) AS kind, size FROM lora_found AS f
  WHERE status = 'ok' AND NOT EXISTS (SELECT 1 FROM lora_rows AS m WHERE m.file = f.file AND m.kind <> 'unknown');
DROP TABLE IF EXISTS temp.lora_tensors;
CREATE TEMP TABLE lora_tensors AS
  SELECT f.file, t.name, t.dtype, t.shape, t.numel, t.nbytes, t.pattern, t.file AS part, t.ref
  FROM lora_found AS f, safetensors_tensors(f.file) AS t WHERE f.status = 'ok' AND f.file NOT IN (SELECT file FROM lora_others);
CREATE INDEX temp.lora_tensors_by_name ON lora_tensors(file, name);
UPDATE lora_rows SET input = (SELECT max(t.shape ->> '$[#-1]') FROM lora_tensors AS t WHERE t.file = lora_rows.file)
WHERE kind GLOB '*prompt*' OR kind GLOB 'prefix*' OR kind = 'textual_inversion';

-- signatures: the base by names and inputs of modules. The first row that matches a module counts; part is unet (of
-- Stable Diffusion), te (its text encoder), or any other. lora.sql and loras.sql have the same rows.
DROP TABLE IF EXISTS temp.lora_signatures;
CREATE TEMP TABLE lora_signatures(base, part, glob, input);
INSERT INTO lora_signatures VALUES
  ('HunyuanVideo', '', '*_double_blocks_*_img_mod_linear_*', NULL), ('HunyuanVideo', '', '*_double_blocks_*_img_mlp_fc[12]_*', NULL),
  ('HunyuanVideo', '', '*_individual_token_refiner_*', NULL), ('HunyuanVideo', '', '*_double_blocks_19_*', 3072),
  ('HunyuanVideo', '', '*_single_blocks_3[89]_*', 3072), ('Chroma', '', '*_distilled_guidance_layer_*', NULL),
  ('Flux.2', '', '*_double_blocks_*', 6144), ('Flux.2', '', '*_single_*blocks_*', 6144), ('Flux.2', '', '*_double_stream_modulation_*', NULL),
  ('Flux.1', '', '*_double_blocks_*', 3072), ('Flux.1', '', '*_single_*blocks_*', 3072), ('Flux.1', '', '*_double_blocks_*', NULL),
  ('Flux.1', '', '*_single_blocks_*', NULL), ('Flux.1', '', '*_single_transformer_blocks_*', NULL),
  ('Qwen-Image', '', '*_transformer_blocks_*_img_m[lo][pd]_*', NULL), ('Qwen-Image', '', '*_transformer_blocks_*_txt_m[lo][pd]_*', NULL),
  ('Qwen-Image', '', '*_transformer_blocks_[2-5][0-9]_attn_*', 3072), ('Flux.1', '', '*_transformer_blocks_*_attn_add_*', 3072),
  ('Flux.1', '', '*_transformer_blocks_*_attn_to_*', 3072),
  ('Flux.1', '', '*_transformer_blocks_*_ff_context_*', 3072), ('SD 3.5', '', '*_transformer_blocks_*_attn_*', 2432),
  ('SD 3.5', '', '*_joint_blocks_*', 2432), ('SD 3.5', '', '*_joint_blocks_*_x_block_attn2_*', NULL), ('SD 3', '', '*_joint_blocks_*', NULL),
  ('SD 3', '', '*_transformer_blocks_*_attn_add_*', NULL), ('SD 3', '', '*_transformer_blocks_*_attn_*', 1536),
  ('SDXL', 'unet', '*_attn2_to_[kv]_*', 2048), ('SDXL refiner', 'unet', '*_attn2_to_[kv]_*', 1280), ('SD 2', 'unet', '*_attn2_to_[kv]_*', 1024),
  ('SD 1.5', 'unet', '*_attn2_to_[kv]_*', 768), ('SDXL', 'unet', '*_transformer_blocks_[1-9]_*', NULL), ('SDXL', 'unet', '*_input_blocks_*', NULL),
  ('SDXL', 'te', '*_te2_*', NULL), ('SDXL', 'te', '*_text_encoder_2_*', NULL), ('SDXL', 'te', '*', 1280), ('SD 2', 'te', '*', 1024), ('SD 1.5', 'te', '*', 768),
  ('SD 1 or 2', 'unet', '*_down_blocks_0_attentions_*', NULL), ('SD UNet', 'unet', '*', NULL), ('SD text encoder', 'te', '*', NULL),
  ('Wan 1.3B', '', '*_blocks_*_cross_attn_[qkvo]_*', 1536), ('Wan 5B', '', '*_blocks_*_cross_attn_[qkvo]_*', 3072),
  ('Wan 14B', '', '*_blocks_*_cross_attn_[qkvo]_*', 5120), ('Wan 14B', '', '*_blocks_*_attn[12]_to_*', 5120), ('Wan 1.3B', '', '*_blocks_*_attn[12]_to_*', 1536),
  ('Wan', '', '*_blocks_*_cross_attn_[qkvo]_*', NULL), ('PixArt', '', '*_transformer_blocks_*', 1152), ('Sana', '', '*_transformer_blocks_*', 2240),
  ('LTX-Video', '', '*_transformer_blocks_*_attn[12]_to_*', 2048), ('CogVideoX', '', '*_transformer_blocks_*_attn1_to_*', 1920),
  ('CogVideoX', '', '*_transformer_blocks_*_attn1_to_*', 3072), ('Mochi', '', '*_transformer_blocks_*_attn1_*', 3072),
  ('AuraFlow', '', '*_joint_transformer_blocks_*', NULL), ('HiDream', '', '*_double_stream_blocks_*', NULL),
  ('Z-Image', '', '*_layers_*_attention_*', 3840), ('Lumina 2', '', '*_layers_*_attention_*', 2304),
  ('T5', '', '*_block_*_SelfAttention_*', NULL), ('T5', '', '*_block_*_EncDecAttention_*', NULL), ('Whisper', '', '*_layers_*_encoder_attn_*', NULL),
  ('CLIP vision', '', '*_vision_model_encoder_layers_*', NULL), ('BERT', '', '*_layer_*_attention_self_*', NULL), ('ViT', '', '*_layer_*_attention_attention_*', NULL),
  ('LLM', '', '*_layers_*_self_attn_*', NULL), ('LLM', '', '*_layers_*_mlp_*', NULL), ('LLM', '', '*_h_[0-9]*_*', NULL), ('LLM', '', '*_layers_*', NULL),
  ('SDXL', 'tokens', '_clip_g_', NULL), ('SD 1.5', 'tokens', '*', 768), ('SD 2', 'tokens', '*', 1024), ('LLM', 'prompts', '*', NULL);
-- notes: the same by what a trainer wrote, in lower case.
DROP TABLE IF EXISTS temp.lora_words;
CREATE TEMP TABLE lora_words(base, glob);
INSERT INTO lora_words VALUES
  ('SDXL refiner', '*xl*refiner*'), ('SDXL', '*sdxl*'), ('SDXL', '*sd_xl*'), ('SDXL', '*sd-xl*'), ('SDXL', '*diffusion-xl*'), ('SDXL', '*diffusion xl*'),
  ('SDXL', '*pony*'), ('SDXL', '*illustrious*'), ('SDXL', '*noobai*'), ('SDXL', '*animagine*'), ('SD 3.5', '*sd3.5*'), ('SD 3.5', 'sd 3.5*'), ('SD 3.5', '*diffusion-3.5*'),
  ('SD 3.5', '*sd3_5*'), ('SD 3', '*sd3*'), ('SD 3', '*diffusion-3*'), ('SD 3', '*diffusion-v3*'), ('SD 2', '*sd_v2*'), ('SD 2', '*diffusion-v2*'),
  ('SD 2', '*diffusion-2*'), ('SD 2', '*v2-1*'), ('SD 1.5', '*sd_v1*'), ('SD 1.5', '*diffusion-v1*'), ('SD 1.5', '*sd15*'), ('SD 1.5', '*sd1.5*'),
  ('SD 1.5', '*sd 1.5*'), ('SD 1.5', '*sd_1.5*'), ('SD 1.5', '*v1-5*'), ('SD 1.5', '*animefull*'), ('SD 1.5', 'sd1'), ('SD 1.5', 'sd 1.4'), ('SD 2', 'sd2*'),
  ('SD 2', 'sd 2*'), ('SD 3', 'sd 3*'), ('Wan', 'wan video*'), ('Flux.2', '*flux[._-]2*'), ('Flux.2', '*flux2*'), ('Flux.1', '*flux*'),
  ('Wan', '*wan2*'), ('Wan', '*wan_2*'), ('Wan', '*wan-2*'), ('Wan', '*wan2.1*'), ('HunyuanVideo', '*hunyuan*video*'), ('Qwen-Image', '*qwen*image*'), ('LTX-Video', '*ltx*'),
  ('CogVideoX', '*cogvideo*'), ('Chroma', '*chroma*'), ('Z-Image', '*z[-_]image*'), ('Lumina 2', '*lumina*'), ('HiDream', '*hidream*'),
  ('PixArt', '*pixart*'), ('Sana', '*sana[-_]*'), ('AuraFlow', '*auraflow*'), ('Stable Cascade', '*cascade*'), ('Kolors', '*kolors*'), ('Mochi', '*mochi*');
-- end of what both have

DROP TABLE IF EXISTS temp.lora_bases;
CREATE TEMP TABLE lora_bases AS
  WITH kinds AS MATERIALIZED (
    SELECT DISTINCT name, input, CASE WHEN name GLOB '_lora_te[12_]*' OR name GLOB '*_text_encoder*' OR name GLOB '_lycoris_te*' OR name GLOB '_te[12_]*' OR name GLOB '_text_model_*' THEN 'te'
      WHEN kind = 'textual_inversion' THEN 'tokens' WHEN kind GLOB '*prompt*' OR kind GLOB 'prefix*' THEN 'prompts'
      WHEN name GLOB '*_down_blocks_*' OR name GLOB '*_up_blocks_*' OR name GLOB '*_mid_block_*' OR name GLOB '*_input_blocks_*'
        OR name GLOB '*_output_blocks_*' OR name GLOB '*_middle_block_*' THEN 'unet' ELSE '' END AS part
    FROM lora_rows WHERE kind <> 'unknown'
  ), placed AS MATERIALIZED (
    SELECT k.name, k.input, min(s.rowid) AS place
    FROM kinds AS k JOIN lora_signatures AS s ON s.part = k.part AND k.name GLOB s.glob AND (s.input IS NULL OR s.input = k.input) GROUP BY k.name, k.input
  )
  SELECT file, base || iif(base = 'LLM', ifnull(' ' || (
           SELECT CASE WHEN o.name GLOB '*_h_*' THEN min(o.input, o.shape ->> '$[0]')
                       WHEN o.name GLOB '*_down_proj_*' OR o.name GLOB '*_o_proj_*' OR o.name GLOB '*_fc2_*' OR o.name GLOB '*_w[2o]_*' THEN o.shape ->> '$[0]'
                       ELSE o.input END FROM lora_rows AS o WHERE o.file = m.file AND o.input > 0
           GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1), ''), '') AS base, iif(s.input > 0 OR base = 'LLM', 'shapes', 'names') AS base_from
  FROM (SELECT m.file, min(p.place) AS place FROM lora_rows AS m JOIN placed AS p ON p.name = m.name AND p.input IS m.input GROUP BY m.file) AS m
  JOIN lora_signatures AS s ON s.rowid = m.place;

-- What trainers note: the first of these keys that says something.
DROP TABLE IF EXISTS temp.lora_metadata;
CREATE TEMP TABLE lora_metadata(file, key, value);
INSERT INTO lora_metadata SELECT f.file, m.key, m.value FROM lora_found AS f, safetensors_metadata(iif(f.status = 'ok', f.file, NULL)) AS m;
INSERT INTO lora_metadata SELECT file, 'adapter_config.' || c.key, c.value FROM lora_found, json_each(iif(json_valid(config), config, '{}')) AS c
  WHERE c.type <> 'null';
INSERT INTO lora_metadata SELECT m.file, m.key || '.' || c.key, c.value FROM lora_metadata AS m,
  json_each(iif(m.key IN ('training_info', 'lora_adapter_metadata') AND json_valid(m.value), m.value, '{}')) AS c WHERE c.atom IS NOT NULL;
INSERT INTO lora_metadata SELECT m.file, m.key || '.' || c.key, min(c.value) FROM lora_metadata AS m,
  json_each(iif(m.key = 'ss_datasets' AND json_valid(m.value), m.value, '[]')) AS d, json_each(iif(d.type = 'object', d.value, '{}')) AS c
  WHERE c.key IN ('resolution', 'num_train_images') GROUP BY m.file, c.key;
-- Beside the file: what tools of Civitai and of A1111's web interface keep there.
INSERT INTO lora_metadata SELECT b.file, b.kind || '.' || c.key, iif(c.type = 'array', (SELECT group_concat(w.value, ', ') FROM json_each(c.value) AS w), c.value)
  FROM (SELECT f.file, k.value AS kind, CAST(readfile(substr(f.file, 1, length(f.file) - 11) || k.value) AS TEXT) AS text
        FROM lora_found AS f, json_each('["civitai.info","json"]') AS k WHERE f.status = 'ok' AND f.file GLOB '*.safetensors') AS b,
    json_each(iif(json_valid(b.text) AND b.text GLOB '{*', b.text, '{}')) AS c WHERE c.key IN ('trainedWords', 'baseModel', 'activation text', 'sd version');
DROP TABLE IF EXISTS temp.lora_keys;
CREATE TEMP TABLE lora_keys(key, fact);
INSERT INTO lora_keys VALUES ('ss_base_model_version', 'base'), ('modelspec.architecture', 'base'), ('base_model_version', 'base'),
  ('adapter_config.base_model_name_or_path', 'made_for'), ('ss_sd_model_name', 'made_for'), ('base_model', 'made_for'),
  ('lora_adapter_metadata.base_model_name_or_path', 'made_for'), ('lora_adapter_metadata.transformer.base_model_name_or_path', 'made_for'),
  ('lora_adapter_metadata.unet.base_model_name_or_path', 'made_for'), ('modelspec.trigger_phrase', 'triggers'), ('ss_trigger_words', 'triggers'),
  ('trigger_words', 'triggers'), ('trigger_word', 'triggers'), ('trigger_phrase', 'triggers'), ('civitai.info.trainedWords', 'triggers'),
  ('json.activation text', 'triggers'), ('civitai.info.baseModel', 'base'), ('json.sd version', 'base'), ('modelspec.title', 'title'), ('ss_output_name', 'title'),
  ('name', 'title'), ('ss_resolution', 'resolution'), ('modelspec.resolution', 'resolution'), ('ss_datasets.resolution', 'resolution'),
  ('ss_num_train_images', 'images'), ('ss_datasets.num_train_images', 'images'), ('ss_training_finished_at', 'date'), ('ss_training_started_at', 'date'),
  ('modelspec.date', 'date'), ('ss_epoch', 'epoch'), ('training_info.epoch', 'epoch'), ('ss_num_epochs', 'epochs'), ('ss_steps', 'steps'),
  ('training_info.step', 'steps'), ('ss_unet_lr', 'learning_rate'), ('ss_learning_rate', 'learning_rate'), ('ss_text_encoder_lr', 'text_encoder_lr'),
  ('ss_text_encoder_lr1', 'text_encoder_lr'), ('ss_optimizer', 'optimizer');
DROP TABLE IF EXISTS temp.lora_facts;
CREATE TEMP TABLE lora_facts AS
  SELECT m.file, k.fact, m.value, min(k.rowid) AS place FROM lora_metadata AS m JOIN lora_keys AS k USING (key)
  WHERE trim(m.value) NOT IN ('', 'None', 'none', 'null', '[]', '{}') GROUP BY m.file, k.fact;
CREATE UNIQUE INDEX temp.lora_facts_by_name ON lora_facts(file, fact);
DROP TABLE IF EXISTS temp.lora_noted;
CREATE TEMP TABLE lora_noted AS
  SELECT f.file, f.base, f.place FROM (
    SELECT f.file, w.base, min(100 * f.place + w.rowid) AS place FROM lora_facts AS f JOIN lora_words AS w ON lower(f.value) GLOB w.glob
    WHERE f.fact IN ('base', 'made_for') GROUP BY f.file) AS f;
CREATE INDEX temp.lora_noted_by_file ON lora_noted(file);
DROP TABLE IF EXISTS temp.lora_tags;
CREATE TEMP TABLE lora_tags AS
  SELECT file, group_concat(tag, ', ') AS tags FROM (
    SELECT file, tag, row_number() OVER (PARTITION BY file ORDER BY n DESC, tag) AS place FROM (
      SELECT m.file, trim(t.key) AS tag, total(t.value) AS n FROM lora_metadata AS m, json_each(iif(m.key = 'ss_tag_frequency' AND json_valid(m.value), m.value, '{}')) AS d,
        json_each(iif(d.type = 'object', d.value, '{}')) AS t WHERE trim(t.key) <> '' GROUP BY 1, 2)
    ORDER BY file, place) WHERE place <= 8 GROUP BY file;

-- NaN and infinities: one pass over all values.
DROP TABLE IF EXISTS temp.lora_values;
CREATE TEMP TABLE lora_values AS
  SELECT t.file, t.name, s.n_nan AS nan, s.n_inf AS inf FROM parameters AS p JOIN lora_tensors AS t, tensor_stats(t.ref) AS s
  WHERE NOT p.quick AND s.n_nan + s.n_inf > 0;

-- Copies: of files with as many tensors and bytes and the same first rows of two tensors, all tensors are hashed.
DROP TABLE IF EXISTS temp.lora_contents;
CREATE TEMP TABLE lora_contents AS
  WITH sampled AS MATERIALIZED (
    SELECT file, sum(nbytes) AS nbytes, count(*) AS tensors,
           group_concat(iif(place <= 2, tensor_hash(iif(shape GLOB '[[][1-9]*', tensor_ref(part, name, '0'), ref)), NULL), ' ') AS sample
    FROM (SELECT *, row_number() OVER (PARTITION BY file ORDER BY nbytes DESC, name) AS place FROM lora_tensors) GROUP BY file
  ), alike AS MATERIALIZED (
    SELECT file FROM (SELECT file, count(*) OVER (PARTITION BY nbytes, tensors, sample) AS n FROM sampled) WHERE n > 1
  )
  SELECT file, group_concat(json_array(name, dtype, shape, tensor_hash(ref)), ',') AS content
  FROM (SELECT t.* FROM alike AS a JOIN lora_tensors AS t USING (file) ORDER BY t.file, t.name) GROUP BY file;
-- The original is the one with the shortest name.
DROP TABLE IF EXISTS temp.lora_copies;
CREATE TEMP TABLE lora_copies AS
  SELECT file, first AS copy_of FROM (
    SELECT c.file, first_value(c.file) OVER (PARTITION BY c.content ORDER BY f.is_link, length(c.file) - length(rtrim(c.file, replace(c.file, '/', ''))), f.rowid) AS first
    FROM lora_contents AS c JOIN lora_found AS f USING (file))
  WHERE first <> file;

DROP TABLE IF EXISTS temp.adapter_files;
CREATE TEMP TABLE adapter_files AS
  WITH modules AS MATERIALIZED (
    SELECT file, count(*) AS modules, max(module GLOB 'lora_*_*' AND module NOT GLOB '*.*') AS kohya, max(module GLOB 'lycoris_*') AS lycoris, min(rank) AS low, max(rank) AS high, min(alpha) AS least, max(alpha) AS most,
           (SELECT o.kind FROM lora_rows AS o WHERE o.file = m.file GROUP BY o.kind ORDER BY o.kind IN ('full', 'diff', 'tokens'), count(*) DESC LIMIT 1) AS kind
    FROM lora_rows AS m WHERE kind <> 'unknown' GROUP BY file
  ), tensors AS MATERIALIZED (
    SELECT file, sum(iif(shape IN ('[]', '[1]'), 0, numel)) AS parameters, group_concat(DISTINCT iif(shape IN ('[]', '[1]'), NULL, dtype)) AS dtype,
           max(name GLOB 'base_model.*') AS peft, max(name GLOB '*_lora[12]*.down.weight') AS xlabs, max(name GLOB 'diffusion_model.*') AS comfy,
           max(name GLOB 'unet.*' OR name GLOB 'transformer.*' OR name GLOB 'text_encoder*' OR name GLOB '*lora.down.weight' OR name GLOB '*lora_linear_layer*') AS diffusers
    FROM lora_tensors GROUP BY file
  ), facts AS MATERIALIZED (
    SELECT file, max(iif(fact = 'made_for', value, NULL)) AS made_for, max(iif(fact = 'triggers', value, NULL)) AS triggers, max(iif(fact = 'title', value, NULL)) AS title,
           max(iif(fact = 'resolution', replace(replace(replace(replace(replace(replace(value, '(', ''), ')', ''), '[', ''), ']', ''), ' ', ''), ',', 'x'), NULL)) AS resolution,
           max(iif(fact = 'images', CAST(value AS INTEGER), NULL)) AS images, max(iif(fact = 'epoch', CAST(value AS INTEGER), NULL)) AS epoch,
           max(iif(fact = 'epochs', CAST(value AS INTEGER), NULL)) AS epochs, max(iif(fact = 'steps', CAST(value AS INTEGER), NULL)) AS steps,
           max(iif(fact = 'date', iif(value GLOB '[12][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]*', substr(value, 1, 10),
                                      iif(CAST(value AS REAL) BETWEEN 1e9 AND 1e11, date(CAST(value AS REAL), 'unixepoch'), NULL)), NULL)) AS date,
           max(iif(fact = 'learning_rate', value, NULL)) AS learning_rate, max(iif(fact = 'text_encoder_lr', value, NULL)) AS text_encoder_lr,
           max(iif(fact = 'optimizer', value, NULL)) AS optimizer
    FROM lora_facts GROUP BY file
  ), sums AS MATERIALIZED (
    SELECT t.file, total(v.nan) AS nan, total(v.inf) AS inf FROM parameters AS p JOIN (SELECT DISTINCT file FROM lora_tensors) AS t
    LEFT JOIN lora_values AS v USING (file) WHERE NOT p.quick GROUP BY t.file
  )
  SELECT f.file, iif(f.status = 'ok' AND v.nan + v.inf > 0, 'nan', f.status) AS status, f.error,
         iif(n.base IS NULL OR b.base GLOB n.base || ' *', b.base, n.base) AS base, iif(n.base IS NULL, b.base_from, 'metadata') AS base_from, c.made_for, m.kind,
         CASE WHEN m.kind IS NULL THEN NULL WHEN t.peft THEN 'PEFT' WHEN m.kohya THEN 'kohya' WHEN m.lycoris THEN 'LyCORIS' WHEN t.xlabs THEN 'XLabs' WHEN t.comfy THEN 'ComfyUI' WHEN t.diffusers THEN 'diffusers' ELSE 'other' END AS naming,
         iif(m.low < m.high, m.low || '..' || m.high, m.high) AS rank,
         iif(m.least < m.most, printf('%g..%g', m.least, m.most), iif(m.most = CAST(m.most AS INTEGER), CAST(m.most AS INTEGER), m.most)) AS alpha,
         m.modules, t.parameters, t.dtype, f.size, c.triggers, g.tags, c.title,
         iif(c.resolution GLOB '*[^0-9]*', c.resolution, c.resolution || 'x' || c.resolution) AS resolution, c.images, c.date, c.epoch, c.epochs, c.steps,
         iif(c.learning_rate GLOB '[0-9.]*' AND c.learning_rate NOT GLOB '*[^0-9.e+-]*', CAST(c.learning_rate AS REAL), c.learning_rate) AS learning_rate,
         iif(c.text_encoder_lr GLOB '[0-9.]*' AND c.text_encoder_lr NOT GLOB '*[^0-9.e+-]*', CAST(c.text_encoder_lr AS REAL), c.text_encoder_lr) AS text_encoder_lr,
         c.optimizer, CAST(v.nan AS INTEGER) AS nan, CAST(v.inf AS INTEGER) AS inf, o.copy_of,
         nullif(iif(f.is_link AND o.copy_of IS NOT NULL, 'a link, which takes no space; ', '') || iif(f.status = 'ok' AND readfile(f.file || '.aria2') IS NOT NULL, 'an .aria2 file is beside it: its download has not ended; ', '')
                || iif(n.base IS NOT NULL AND b.base_from = 'shapes' AND instr(b.base, n.base) <> 1 AND instr(n.base, b.base) <> 1
                      AND n.base NOT IN ('Kolors', 'Stable Cascade'), 'its shapes are those of ' || b.base || ', not of ' || n.base, '')
                || ifnull((SELECT group_concat('; ' || printf('%d %s: ', k, iif(k = 1, 'module', 'modules')) || status, '') FROM (
                     SELECT status, count(*) AS k FROM lora_rows AS o WHERE o.file = f.file AND status <> 'ok' AND status NOT GLOB 'the base is needed*'
                       AND status NOT GLOB 'changes no weight*'
                       AND status NOT GLOB 'alpha is missing*' GROUP BY status ORDER BY k DESC LIMIT 3)), ''), '') AS note
  FROM lora_found AS f LEFT JOIN modules AS m USING (file) LEFT JOIN tensors AS t USING (file) LEFT JOIN facts AS c USING (file)
  LEFT JOIN lora_bases AS b USING (file) LEFT JOIN lora_noted AS n USING (file) LEFT JOIN lora_tags AS g USING (file)
  LEFT JOIN sums AS v USING (file) LEFT JOIN lora_copies AS o USING (file)
  WHERE f.file NOT IN (SELECT file FROM lora_others)
  ORDER BY f.status = 'ok', v.nan + v.inf > 0 DESC, o.copy_of IS NULL, f.size DESC, f.rowid;
UPDATE adapter_files SET note = trim(note, '; ') WHERE note IS NOT NULL;

-- A file that is alone and cannot be read ends the script, and so does a path without an adapter.
INSERT INTO parameters(path) SELECT t.name FROM lora_found AS f, safetensors_tensors(f.file) AS t WHERE f.status <> 'ok' AND (SELECT count(*) FROM lora_found) = 1;
INSERT INTO parameters(path) SELECT safetensors_refuse(file || ': ' || error) FROM lora_found WHERE status <> 'ok' AND (SELECT count(*) FROM lora_found) = 1;
DROP TABLE IF EXISTS temp.needs;
CREATE TEMP TABLE needs(adapters CONSTRAINT ":path has an adapter in it" CHECK (adapters > 0));
INSERT INTO needs SELECT count(*) FROM adapter_files;

-- :base is a path that is read as one model, or has only one below it.
DROP TABLE IF EXISTS temp.lora_of_base_models;
CREATE TEMP TABLE lora_of_base_models AS
  SELECT m.model, m.model = rtrim(p.base, '/') AS is_it, rtrim(m.model, replace(m.model, '/', '')) = rtrim(p.base, '/') || '/' AS is_top
  FROM parameters AS p, safetensors_models(p.base) AS m WHERE m.kind NOT IN ('adapter', 'embedding', 'optimizer');
INSERT INTO parameters(base)
  SELECT safetensors_refuse(printf(':base is one model, found %d: ', n) || group_concat(safetensors_label(model), ', ') || iif(n > 8, ', ...', ''))
  FROM (SELECT model, count(*) OVER () AS n FROM lora_of_base_models
        WHERE is_top = (SELECT max(is_top) FROM lora_of_base_models) AND NOT (SELECT max(is_it) FROM lora_of_base_models) LIMIT 8) HAVING n > 1;
-- Its weights as their modules see them.
DROP TABLE IF EXISTS temp.lora_base_weights;
CREATE TEMP TABLE lora_base_weights AS
  SELECT w.name, w.numel FROM parameters AS p, safetensors_weights(p.base) AS w WHERE w.role = 'weight' AND w.copy_of IS NULL;
CREATE INDEX temp.lora_base_weights_by_name ON lora_base_weights(name);

DROP TABLE IF EXISTS temp.lora_parts;
CREATE TEMP TABLE lora_parts AS
  SELECT r.rowid AS id, r.file, r.module, j.key AS role, j.value AS name, j.id AS place
  FROM lora_rows AS r, json_each(iif(json_valid(r.parts), r.parts, '{}')) AS j;
CREATE INDEX temp.lora_parts_by_name ON lora_parts(file, name);
CREATE INDEX temp.lora_parts_by_row ON lora_parts(id, place);
DROP TABLE IF EXISTS temp.adapter_tensors;
CREATE TEMP TABLE adapter_tensors AS
  SELECT t.file, t.name, t.dtype, t.shape, t.numel, p.module, p.role, v.nan, v.inf
  FROM lora_tensors AS t
  LEFT JOIN (SELECT file, name, min(module) AS module, min(role) AS role FROM lora_parts GROUP BY file, name) AS p ON p.file = t.file AND p.name = t.name
  LEFT JOIN lora_values AS v ON v.file = t.file AND v.name = t.name;
-- How each module is called: who names so, the component that it is part of, and its name there, which follows the last
-- container of numbered parts ("layers.3.", "blocks_3_").
DROP TABLE IF EXISTS temp.adapter_modules;
CREATE TEMP TABLE adapter_modules AS
  WITH named AS (
    SELECT r.rowid AS id, r.*, t.name AS tensor,
           CASE WHEN t.name GLOB 'base_model.*' THEN 'PEFT'
                WHEN r.module GLOB 'lora_*_*' AND r.module NOT LIKE '%.%' THEN 'kohya' WHEN r.module GLOB 'lycoris_*' THEN 'LyCORIS'
                WHEN t.name GLOB '*_lora[12]*.down.weight' OR t.name GLOB '*_lora[12]*.up.weight' THEN 'XLabs'
                WHEN r.module GLOB 'diffusion_model.*' THEN 'ComfyUI'
                WHEN r.module GLOB 'unet.*' OR r.module GLOB 'transformer.*' OR r.module GLOB 'text_encoder*' OR t.name GLOB '*lora.down.weight'
                  OR t.name GLOB '*lora.up.weight' OR t.name GLOB '*lora_linear_layer*' THEN 'diffusers'
                ELSE 'other' END AS naming,
           iif(instr(t.name, r.module) > 0,
               substr(t.pattern, 1, length(t.pattern) - (length(t.name) - instr(t.name, r.module) - length(r.module) + 1)),
               (SELECT group_concat(iif(value GLOB '[0-9]*' AND value NOT GLOB '*[^0-9]*', '#', value), '.')
                FROM json_each('[' || replace(json_quote(r.module), '.', '","') || ']'))) AS pattern
    FROM lora_rows AS r LEFT JOIN lora_parts AS p ON p.id = r.rowid AND p.place = (
      SELECT min(o.place) FROM lora_parts AS o WHERE o.id = r.rowid)
    LEFT JOIN lora_tensors AS t ON t.file = p.file AND t.name = p.name
  ), placed AS (
    SELECT n.*, CASE WHEN naming = 'kohya' THEN substr(module, 6, instr(substr(module, 6), '_') - 1)
                     WHEN naming NOT IN ('diffusers', 'ComfyUI') OR module NOT LIKE '%.%' THEN ''
                     ELSE substr(module, 1, instr(module, '.') - 1) END AS component,
           replace(replace(iif(instr(pattern, 'base_model.model.') = 1, substr(pattern, 18), pattern), 's.#.', char(1)), 's_#_', char(1)) AS parts_of
    FROM named AS n
  )
  SELECT p.file, ifnull(p.module, '') AS module, p.kind, p.naming, p.component, p.layer,
         substr(parts_of, length(rtrim(parts_of, replace(parts_of, char(1), ''))) + 1) AS target, p.weight, p.rank, p.alpha,
         CASE WHEN p.scale IS NULL AND p.alpha IS NULL THEN '-'
              WHEN EXISTS (SELECT 1 FROM lora_parts AS a WHERE a.id = p.id AND a.role = 'alpha') THEN 'tensor .alpha'
              WHEN p.alpha IS NULL THEN 'nowhere: the rank'
              WHEN EXISTS (SELECT 1 FROM lora_metadata AS m WHERE m.file = p.file AND m.key = 'lora_adapter_metadata') THEN 'lora_adapter_metadata'
              WHEN f.config IS NOT NULL THEN 'adapter_config.json' ELSE 'ss_network_alpha' END AS alpha_from,
         p.scale, p.shape, p.computed, p.status
  FROM placed AS p JOIN lora_found AS f USING (file);
CREATE INDEX temp.adapter_modules_by_file ON adapter_modules(file);
DROP TABLE IF EXISTS temp.adapter_notes;
CREATE TEMP TABLE adapter_notes AS
  SELECT file, status AS note, count(*) AS modules FROM adapter_modules WHERE status <> 'ok' AND kind <> 'unknown' GROUP BY file, status
  UNION ALL
  SELECT file, printf('%d %s to no module', count(*), iif(count(*) = 1, 'tensor belongs', 'tensors belong')), NULL
  FROM adapter_tensors WHERE role IS NULL GROUP BY file
  UNION ALL
  SELECT file, note, NULL FROM adapter_files WHERE note GLOB 'its shapes are *'
  UNION ALL
  SELECT file, 'a copy of ' || copy_of, NULL FROM adapter_files WHERE copy_of IS NOT NULL
  UNION ALL
  SELECT file, 'adapter_config.json is not JSON', NULL FROM lora_found WHERE config IS NOT NULL AND NOT json_valid(config);
DROP TABLE IF EXISTS temp.adapter_metadata;
CREATE TEMP TABLE adapter_metadata AS
  SELECT file, key, value FROM lora_metadata
  WHERE file IN (SELECT file FROM adapter_files) AND ifnull(value, '') NOT IN ('', '{}', '[]', 0) ORDER BY key GLOB 'adapter_config*' DESC, key;

-- The kinds by their authors' spelling.
DROP TABLE IF EXISTS temp.adapter_kinds;
CREATE TEMP TABLE adapter_kinds(kind PRIMARY KEY, spelling) WITHOUT ROWID;
INSERT INTO adapter_kinds VALUES
  ('lora', 'LoRA'), ('dora', 'DoRA'), ('adalora', 'AdaLoRA'), ('loha', 'LoHa'), ('lokr', 'LoKr'), ('oft', 'OFT'), ('boft', 'BOFT'),
  ('ia3', '(IA)3'), ('vera', 'VeRA'), ('pvera', 'PVeRA'), ('vblora', 'VB-LoRA'), ('fourierft', 'FourierFT'), ('hra', 'HRA'), ('miss', 'MiSS'),
  ('bone', 'Bone'), ('randlora', 'RandLoRA'), ('shira', 'SHiRA'), ('c3a', 'C3A'), ('hira', 'HiRA'), ('deft', 'DEFT'), ('delora', 'DeLoRA'),
  ('glora', 'GLoRA'), ('gralora', 'GraLoRA'), ('road', 'RoAd'), ('supertuning', 'supertuning'), ('tokens', 'trained tokens'),
  ('full', 'saved whole'), ('diff', 'differences'), ('psoft', 'PSOFT'), ('unilora', 'UniLoRA'), ('tinylora', 'TinyLoRA'),
  ('prompt_tuning', 'prompts'), ('prefix_tuning', 'prefixes'), ('adaption_prompt', 'adaption prompts'), ('xlora', 'X-LoRA'),
  ('textual_inversion', 'textual inversion');

CREATE TEMP VIEW IF NOT EXISTS as_text AS SELECT 1 FROM parameters WHERE format = 'text';
DROP TABLE IF EXISTS temp.lora_labels;
CREATE TEMP TABLE lora_labels AS
  SELECT f.file, safetensors_label(substr(f.file, 1 + length(c.common))) AS label, c.common, c.n = 1 AS one,
         ifnull(k.spelling, a.kind) || iif(a.naming = 'other', '', ' (' || a.naming || ')') AS kind
  FROM (SELECT rtrim(c, replace(c, '/', '')) AS common, n FROM (SELECT safetensors_common(file) AS c FROM lora_found), (SELECT count(*) AS n FROM adapter_files)) AS c,
    lora_found AS f LEFT JOIN adapter_files AS a USING (file) LEFT JOIN adapter_kinds AS k ON k.kind = a.kind;

-- Lines of at most 80 characters, which end at a space, below the name that they are about; without one the first is
-- not indented.
DROP TABLE IF EXISTS temp.lora_text;
CREATE TEMP TABLE lora_text(section, name, text);
CREATE TEMP VIEW IF NOT EXISTS lora_lines AS
  SELECT * FROM (SELECT section, rowid AS id, safetensors_wrap(name, text) AS line FROM lora_text) WHERE line IS NOT NULL;
INSERT INTO lora_text
  SELECT 'broken', label, safetensors_label(replace(iif(error GLOB 'safetensors: *', substr(error, 14), error), file || ': ', ''))
  FROM adapter_files AS f JOIN lora_labels USING (file) WHERE status NOT IN ('ok', 'nan') ORDER BY f.rowid;
INSERT INTO lora_text
  SELECT 'notes', iif(max(one), '', iif(count(DISTINCT file) = 1, min(label), printf('%,d files', count(DISTINCT file)))),
         iif(sum(modules) > 0, printf('%,d %s: ', sum(modules), iif(sum(modules) = 1, 'module', 'modules')), '') || safetensors_label(note)
  FROM adapter_notes JOIN lora_labels USING (file) GROUP BY note ORDER BY total(modules) DESC, note LIMIT 40;
INSERT INTO lora_text
  SELECT iif(key GLOB 'adapter_config.*' OR key GLOB 'lora_adapter_metadata.*', 'peft', 'trainer'), safetensors_label(replace(replace(key, 'lora_adapter_metadata.', ''), 'adapter_config.', '')),
         safetensors_label(value)
  FROM adapter_metadata AS m WHERE key <> 'lora_adapter_metadata' AND (SELECT count(*) FROM adapter_files) = 1 ORDER BY m.rowid;
UPDATE lora_text SET name = printf('%-26s  ', name) || text, text = '' WHERE section IN ('peft', 'trainer') AND length(name) + length(text) < 78 AND length(text) < 52;
INSERT INTO lora_text
  SELECT 'words', iif(w.key = (SELECT min(o.key) FROM json_each(w.json) AS o WHERE o.atom IS NOT NULL), label, NULL),
         CASE w.key WHEN 0 THEN 'trigger: ' WHEN 1 THEN 'tags: ' ELSE 'made on: ' END || safetensors_label(w.value)
  FROM adapter_files AS f JOIN lora_labels USING (file), json_each(json_array(triggers, tags, made_for)) AS w WHERE w.atom IS NOT NULL ORDER BY f.rowid, w.key;
-- Several: how many of each kind.
INSERT INTO lora_text
  SELECT 'one', '', printf('%,d %s: ', n, iif(n = 1, 'adapter', 'adapters')) || (SELECT group_concat(printf('%,d %s', k, kind), ', ') FROM (
           SELECT ifnull(l.kind, 'broken') AS kind, count(*) AS k FROM adapter_files JOIN lora_labels AS l USING (file) GROUP BY 1 ORDER BY l.kind IS NULL DESC, k DESC, 1)) || '.'
         || iif(nan > 0, printf(' %,d %s NaN or infinities.', nan, iif(nan = 1, 'has', 'have')), '')
  FROM (SELECT count(*) AS n, total(status = 'nan') AS nan, count(kind) AS known FROM adapter_files) WHERE n > 1 OR known = 0;
-- One adapter: what it is.
INSERT INTO lora_text
  SELECT 'one', '', w.value FROM adapter_files AS f JOIN lora_labels AS l USING (file),
    (SELECT min(rank) AS low, max(rank) AS high, min(scale) AS least, max(scale) AS most FROM adapter_modules) AS m,
    json_each(json_array(
      iif(f.status = 'nan', printf('%,d NaN and %,d infinities in it. ', f.nan, f.inf), '') || l.kind || printf(' of %,d %s', f.modules, iif(f.modules = 1, 'module', 'modules'))
      || CASE WHEN m.low = m.high THEN printf(', rank %d', m.low) WHEN m.low < m.high THEN printf(', ranks from %d to %d', m.low, m.high) ELSE '' END
      || CASE WHEN m.least = m.most THEN printf(', scale %.4g', m.least) WHEN m.least < m.most THEN printf(', scales from %.4g to %.4g', m.least, m.most) ELSE '' END
      || iif(coalesce(f.base, f.made_for) IS NULL, ', for a base that it does not tell', ', for ') || ifnull(iif(f.base GLOB 'LLM *', 'a language model of hidden size ' || substr(f.base, 5), f.base)
      || iif(f.base_from = 'metadata', '', ' by its ' || f.base_from), '')
      || ifnull(iif(f.base IS NULL, '', ', made on ') || safetensors_label(f.made_for), '') || '.',
      'Title: ' || safetensors_label(f.title), 'Trigger words: ' || safetensors_label(f.triggers), 'Most frequent tags: ' || safetensors_label(f.tags),
      'Trained: ' || nullif(rtrim(ifnull(f.date || ', ', '') || ifnull(coalesce(f.epoch, f.epochs) || iif(coalesce(f.epoch, f.epochs) = 1, ' epoch, ', ' epochs, '), '')
        || ifnull(f.steps || ' steps, ', '') || ifnull(f.images || ' images, ', '') || ifnull('resolution ' || safetensors_label(f.resolution) || ', ', '')
        || ifnull('learning rate ' || iif(typeof(f.learning_rate) = 'real', printf('%g', f.learning_rate), safetensors_label(f.learning_rate)), ''), ', '), '') || '.')) AS w
  WHERE w.atom IS NOT NULL AND (SELECT count(*) FROM adapter_files) = 1 ORDER BY w.key;
INSERT INTO lora_text
  SELECT 'one', '', iif(x.n > 1, safetensors_label(f.file) || ': ', '') || printf('It has %s parameters, %.3g%% of the %s of the base, and changes %d of its %d weights.',
           safetensors_pretty(f.parameters), 100.0 * f.parameters / b.parameters, safetensors_pretty(b.parameters),
           (SELECT count(DISTINCT m.weight) FROM safetensors_adapter(f.file, p.base) AS m WHERE m.weight IN (SELECT name FROM lora_base_weights)), b.weights)
  FROM parameters AS p, adapter_files AS f, (SELECT sum(numel) AS parameters, count(*) AS weights FROM lora_base_weights) AS b, (SELECT count(*) AS n FROM adapter_files) AS x
  WHERE p.base IS NOT NULL AND f.kind IS NOT NULL AND b.parameters > 0 ORDER BY f.rowid;
INSERT INTO lora_text
  SELECT 'one', '', printf('%,d other %s no adapter: ', n, iif(n = 1, 'file is', 'files are')) || iif(n <= 4, names, kinds) || '.'
  FROM (SELECT count(*) AS n, group_concat(label || ' (' || o.kind || ')', ', ') AS names FROM lora_others AS o JOIN lora_labels USING (file)),
    (SELECT group_concat(k || ' ' || kind, ', ') AS kinds FROM (SELECT kind, count(*) AS k FROM lora_others GROUP BY kind ORDER BY k DESC, kind)) WHERE n > 0;

.mode list
.headers off
SELECT safetensors_print(format, 'adapter_files', 'adapter_modules', 'adapter_notes', 'adapter_tensors', 'adapter_metadata')
FROM parameters WHERE format <> 'text';
SELECT line FROM as_text, lora_lines WHERE section = 'one' ORDER BY id;
SELECT 'Values were not read, so NaN is not found.' FROM as_text, parameters WHERE quick;

SELECT char(10) || '== Broken' FROM as_text WHERE EXISTS (SELECT 1 FROM adapter_files WHERE status NOT IN ('ok', 'nan'));
SELECT line FROM as_text, lora_lines WHERE section = 'broken' ORDER BY id;
SELECT char(10) || '== NaN and infinities' FROM as_text WHERE EXISTS (SELECT 1 FROM lora_values);
.mode column --wrap 0
.headers on
SELECT printf('%,7d', nan) AS nan, printf('%,7d', inf) AS inf, iif(one, '', label || ': ') || safetensors_label(name) AS tensor
FROM as_text, lora_values AS v JOIN lora_labels USING (file) ORDER BY v.nan DESC, v.inf DESC, v.rowid LIMIT 40;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 40) FROM as_text, lora_values HAVING count(*) > 40;
SELECT char(10) || '== Notes' FROM as_text WHERE EXISTS (SELECT 1 FROM adapter_notes);
SELECT line FROM as_text, lora_lines WHERE section = 'notes' ORDER BY id;
SELECT printf('and %,d more', count(DISTINCT note) - 40) FROM as_text, adapter_notes HAVING count(DISTINCT note) > 40;

SELECT char(10) || '== Adapters' FROM as_text;
.mode column --wrap 0
.headers on
SELECT ifnull(f.base, '-') AS base, l.kind, printf('%4s', ifnull(f.rank, '-')) AS rank, printf('%7d', f.modules) AS modules, printf('%10s', safetensors_pretty(f.parameters)) AS parameters,
       printf('%8s', safetensors_pretty(f.size, 'B')) AS size, f.dtype, l.label AS file
FROM as_text, adapter_files AS f JOIN lora_labels AS l USING (file) WHERE f.kind IS NOT NULL ORDER BY f.rowid;
.mode list
.headers off
SELECT char(10) || '== Rank and alpha' FROM as_text;
.mode column --wrap 0
.headers on
SELECT printf('%5s', iif(m.kind IN ('full', 'diff'), 'whole', ifnull(m.rank, '-'))) AS rank, printf('%6s', iif(m.alpha = CAST(m.alpha AS INTEGER), CAST(m.alpha AS INTEGER), ifnull(m.alpha, '-'))) AS alpha,
       printf('%7s', ifnull(round(m.scale, 4), '-')) AS scale, printf('%7d', count(*)) AS modules, m.alpha_from AS "alpha from", l.label AS file
FROM as_text, adapter_files AS f JOIN adapter_modules AS m USING (file) JOIN lora_labels AS l USING (file) WHERE m.kind <> 'unknown'
GROUP BY f.rowid, 1, m.alpha, m.scale, m.alpha_from ORDER BY f.rowid, count(*) DESC LIMIT 60;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 60)
FROM as_text, (SELECT DISTINCT file, iif(kind IN ('full', 'diff'), -1, rank), alpha, scale, alpha_from FROM adapter_modules WHERE kind <> 'unknown') HAVING count(*) > 60;

SELECT char(10) || '== Trigger words, the most frequent tags, and what they were made on' FROM as_text
WHERE EXISTS (SELECT 1 FROM lora_text WHERE section = 'words') AND (SELECT count(*) FROM adapter_files) > 1;
SELECT line FROM as_text, lora_lines WHERE section = 'words' AND (SELECT count(*) FROM adapter_files) > 1 ORDER BY id;

SELECT char(10) || '== Target modules' FROM as_text;
.mode column --wrap 0
.headers on
SELECT printf('%7d', count(*)) AS modules,
       iif(count(DISTINCT rank) > 3, printf('%d from %d to %d', count(DISTINCT rank), min(rank), max(rank)), ifnull(group_concat(DISTINCT rank), '-')) AS ranks,
       CASE WHEN count(layer) = 0 THEN '-' WHEN count(DISTINCT layer) = 1 THEN min(layer) WHEN count(DISTINCT layer) = 1 + max(layer) - min(layer) THEN min(layer) || '..' || max(layer)
            ELSE printf('%d of %d..%d', count(DISTINCT layer), min(layer), max(layer)) END AS layers,
       iif(component = '', '-', safetensors_label(component)) AS component, iif(l.one, '', l.label || ': ') || safetensors_label(target) AS target
FROM as_text, adapter_modules AS m JOIN lora_labels AS l USING (file) WHERE m.kind <> 'unknown' GROUP BY m.file, m.component, m.target ORDER BY l.rowid, m.component, m.target LIMIT 100;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 100) FROM as_text, (SELECT DISTINCT file, component, target FROM adapter_modules WHERE kind <> 'unknown') HAVING count(*) > 100;

SELECT char(10) || '== Configuration of PEFT' FROM as_text WHERE EXISTS (SELECT 1 FROM lora_text WHERE section = 'peft');
SELECT line FROM as_text, lora_lines WHERE section = 'peft' ORDER BY id;
SELECT char(10) || '== Notes of the trainer' FROM as_text WHERE EXISTS (SELECT 1 FROM lora_text WHERE section = 'trainer');
SELECT line FROM as_text, lora_lines WHERE section = 'trainer' ORDER BY id;
SELECT char(10) || 'What trainers noted beside this is in the table adapter_metadata.' FROM as_text WHERE (SELECT count(*) FROM adapter_files) > 1 AND EXISTS (SELECT 1 FROM adapter_metadata);

DROP TABLE IF EXISTS temp.verdict;
CREATE TEMP TABLE verdict(broken, nan);
CREATE TEMP TRIGGER verdict_is_no BEFORE INSERT ON verdict BEGIN
  SELECT RAISE(ABORT, 'an adapter cannot be read') WHERE new.broken > 0;
  SELECT RAISE(ABORT, 'an adapter has NaN or infinities') WHERE new.nan > 0;
END;
INSERT INTO verdict SELECT total(status NOT IN ('ok', 'nan')), total(status = 'nan') FROM adapter_files;
.mode column --wrap 0
.headers on
