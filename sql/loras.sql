-- Which adapters are in this folder?
--
-- One row per adapter: the base that it is for, kind, rank, alpha, trigger words, the most frequent tags, how it was
-- trained, its size, which other file it is a copy of, and what is wrong with it. Folders are searched to any depth.
-- What is broken or has NaN comes first, then copies, then the largest. For a spreadsheet: --format csv.
--
-- The base is what the trainer noted (kohya's ss_base_model_version, modelspec.architecture, the base_model of PEFT's
-- adapter_config.json); without a note what the names and shapes of the modules say, which is also compared with the
-- note. A copy is a file whose tensors have the same names and bytes, whatever it is called and its metadata say.
--
-- All values are read once, to find NaN and infinities; --quick reads headers, and of the candidates for copies all.
--
-- @param path path required   a folder of adapters, a pattern, or one adapter
-- @param quick flag           do not read the values: no NaN is looked for
-- @param page flag            one HTML page instead of the text, of at most 300 kB, for wide and narrow screens
-- @param format enum text|json|csv  how to print the tables
-- @table loras(file, status, error, base, base_from, made_for, kind, naming, rank, alpha, modules, parameters, dtype,
--    size, triggers, tags, title, resolution, images, date, epoch, epochs, steps, learning_rate, text_encoder_lr,
--    optimizer, nan, inf, copy_of, note)   one row per adapter, the worst first. status is ok, nan, or that of
--    safetensors_models; base_from is metadata, shapes or names; rank and alpha are LEAST..MOST if modules differ; nan
--    and inf are counts, NULL if values were not read; note what is contradictory or not known
-- @table loras_others(file, kind, size)   what is there and is no adapter
-- @status 1                   when a file cannot be read, or has NaN or infinities
-- @example safetensors-sql loras loras
-- @example safetensors-sql loras loras --page --output loras.html
-- @example safetensors-sql loras ComfyUI/models/loras --format csv --output loras.csv

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL),
  quick INTEGER,
  format TEXT CONSTRAINT ":format is text, json or csv" CHECK (format IN ('text', 'page', 'json', 'csv'))
);
INSERT INTO parameters SELECT :path, ifnull(:quick, 0), coalesce(:format, iif(:page, 'page', 'text')) WHERE safetensors_parameters(':path', ':quick', ':page', ':format');

DROP TABLE IF EXISTS temp.loras_found;
CREATE TEMP TABLE loras_found AS
  SELECT m.model AS file, CASE WHEN m.status = 'ok' AND m.model LIKE '%.safetensors' AND m.model NOT LIKE '%://%'
              THEN (SELECT max((d.mode & 0xF000) = 0xA000) FROM fsdir(m.model) AS d) ELSE 0 END AS is_link, m.kind, m.status, iif(m.status = 'empty', 'expected an adapter, found a file without tensors', m.error) AS error, m.tensors, m.nbytes, m.config,
         ifnull((SELECT sum(f.size) FROM safetensors_files(m.model) AS f), m.nbytes) AS size
  FROM parameters AS p, safetensors_models(p.path) AS m;

DROP TABLE IF EXISTS temp.loras_rows;
CREATE TEMP TABLE loras_rows AS
  SELECT f.file, a.module, a.kind, a.rank, a.alpha, a.scale, a.shape, a.weight, a.layer, a.status, a.parts, a.ref IS NOT NULL AS computed,
         '_' || replace(a.module, '.', '_') || '_' AS name, a.shape ->> '$[1]' AS input
  FROM loras_found AS f, safetensors_adapter(iif(f.status = 'ok', f.file, NULL)) AS a;
CREATE INDEX temp.loras_rows_by_file ON loras_rows(file);
DROP TABLE IF EXISTS temp.loras_others;
CREATE TEMP TABLE loras_others AS
  SELECT file, iif(kind = 'adapter', 'unknown', kind) AS kind, size FROM loras_found AS f
  WHERE status = 'ok' AND NOT EXISTS (SELECT 1 FROM loras_rows AS m WHERE m.file = f.file AND m.kind <> 'unknown');
DROP TABLE IF EXISTS temp.loras_tensors;
CREATE TEMP TABLE loras_tensors AS
  SELECT f.file, t.name, t.dtype, t.shape, t.numel, t.nbytes, t.pattern, t.file AS part, t.ref
  FROM loras_found AS f, safetensors_tensors(f.file) AS t WHERE f.status = 'ok' AND f.file NOT IN (SELECT file FROM loras_others);
CREATE INDEX temp.loras_tensors_by_name ON loras_tensors(file, name);
UPDATE loras_rows SET input = (SELECT max(t.shape ->> '$[#-1]') FROM loras_tensors AS t WHERE t.file = loras_rows.file)
WHERE kind GLOB '*prompt*' OR kind GLOB 'prefix*' OR kind = 'textual_inversion';

-- signatures: the base by names and inputs of modules. The first row that matches a module counts; part is unet (of
-- Stable Diffusion), te (its text encoder), or any other. lora.sql and loras.sql have the same rows.
DROP TABLE IF EXISTS temp.loras_signatures;
CREATE TEMP TABLE loras_signatures(base, part, glob, input);
INSERT INTO loras_signatures VALUES
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
DROP TABLE IF EXISTS temp.loras_words;
CREATE TEMP TABLE loras_words(base, glob);
INSERT INTO loras_words VALUES
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

DROP TABLE IF EXISTS temp.loras_bases;
CREATE TEMP TABLE loras_bases AS
  WITH kinds AS MATERIALIZED (
    SELECT DISTINCT name, input, CASE WHEN name GLOB '_lora_te[12_]*' OR name GLOB '*_text_encoder*' OR name GLOB '_lycoris_te*' OR name GLOB '_te[12_]*' OR name GLOB '_text_model_*' THEN 'te'
      WHEN kind = 'textual_inversion' THEN 'tokens' WHEN kind GLOB '*prompt*' OR kind GLOB 'prefix*' THEN 'prompts'
      WHEN name GLOB '*_down_blocks_*' OR name GLOB '*_up_blocks_*' OR name GLOB '*_mid_block_*' OR name GLOB '*_input_blocks_*'
        OR name GLOB '*_output_blocks_*' OR name GLOB '*_middle_block_*' THEN 'unet' ELSE '' END AS part
    FROM loras_rows WHERE kind <> 'unknown'
  ), placed AS MATERIALIZED (
    SELECT k.name, k.input, min(s.rowid) AS place
    FROM kinds AS k JOIN loras_signatures AS s ON s.part = k.part AND k.name GLOB s.glob AND (s.input IS NULL OR s.input = k.input) GROUP BY k.name, k.input
  )
  SELECT file, base || iif(base = 'LLM', ifnull(' ' || (
           SELECT CASE WHEN o.name GLOB '*_h_*' THEN min(o.input, o.shape ->> '$[0]')
                       WHEN o.name GLOB '*_down_proj_*' OR o.name GLOB '*_o_proj_*' OR o.name GLOB '*_fc2_*' OR o.name GLOB '*_w[2o]_*' THEN o.shape ->> '$[0]'
                       ELSE o.input END FROM loras_rows AS o WHERE o.file = m.file AND o.input > 0
           GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1), ''), '') AS base, iif(s.input > 0 OR base = 'LLM', 'shapes', 'names') AS base_from
  FROM (SELECT m.file, min(p.place) AS place FROM loras_rows AS m JOIN placed AS p ON p.name = m.name AND p.input IS m.input GROUP BY m.file) AS m
  JOIN loras_signatures AS s ON s.rowid = m.place;

-- What trainers note: the first of these keys that says something.
DROP TABLE IF EXISTS temp.loras_metadata;
CREATE TEMP TABLE loras_metadata(file, key, value);
INSERT INTO loras_metadata SELECT f.file, m.key, m.value FROM loras_found AS f, safetensors_metadata(iif(f.status = 'ok', f.file, NULL)) AS m;
INSERT INTO loras_metadata SELECT file, 'adapter_config.' || c.key, c.value FROM loras_found, json_each(iif(json_valid(config), config, '{}')) AS c
  WHERE c.type <> 'null';
INSERT INTO loras_metadata SELECT m.file, m.key || '.' || c.key, c.value FROM loras_metadata AS m,
  json_each(iif(m.key IN ('training_info', 'lora_adapter_metadata') AND json_valid(m.value), m.value, '{}')) AS c WHERE c.atom IS NOT NULL;
INSERT INTO loras_metadata SELECT m.file, m.key || '.' || c.key, min(c.value) FROM loras_metadata AS m,
  json_each(iif(m.key = 'ss_datasets' AND json_valid(m.value), m.value, '[]')) AS d, json_each(iif(d.type = 'object', d.value, '{}')) AS c
  WHERE c.key IN ('resolution', 'num_train_images') GROUP BY m.file, c.key;
-- Beside the file: what tools of Civitai and of A1111's web interface keep there.
INSERT INTO loras_metadata SELECT b.file, b.kind || '.' || c.key, iif(c.type = 'array', (SELECT group_concat(w.value, ', ') FROM json_each(c.value) AS w), c.value)
  FROM (SELECT f.file, k.value AS kind, CAST(readfile(substr(f.file, 1, length(f.file) - 11) || k.value) AS TEXT) AS text
        FROM loras_found AS f, json_each('["civitai.info","json"]') AS k WHERE f.status = 'ok' AND f.file GLOB '*.safetensors') AS b,
    json_each(iif(json_valid(b.text) AND b.text GLOB '{*', b.text, '{}')) AS c WHERE c.key IN ('trainedWords', 'baseModel', 'activation text', 'sd version');
DROP TABLE IF EXISTS temp.loras_keys;
CREATE TEMP TABLE loras_keys(key, fact);
INSERT INTO loras_keys VALUES ('ss_base_model_version', 'base'), ('modelspec.architecture', 'base'), ('base_model_version', 'base'),
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
DROP TABLE IF EXISTS temp.loras_facts;
CREATE TEMP TABLE loras_facts AS
  SELECT m.file, k.fact, m.value, min(k.rowid) AS place FROM loras_metadata AS m JOIN loras_keys AS k USING (key)
  WHERE trim(m.value) NOT IN ('', 'None', 'none', 'null', '[]', '{}') GROUP BY m.file, k.fact;
CREATE UNIQUE INDEX temp.loras_facts_by_name ON loras_facts(file, fact);
DROP TABLE IF EXISTS temp.loras_noted;
CREATE TEMP TABLE loras_noted AS
  SELECT f.file, f.base, f.place FROM (
    SELECT f.file, w.base, min(100 * f.place + w.rowid) AS place FROM loras_facts AS f JOIN loras_words AS w ON lower(f.value) GLOB w.glob
    WHERE f.fact IN ('base', 'made_for') GROUP BY f.file) AS f;
CREATE INDEX temp.loras_noted_by_file ON loras_noted(file);
DROP TABLE IF EXISTS temp.loras_tags;
CREATE TEMP TABLE loras_tags AS
  SELECT file, group_concat(tag, ', ') AS tags FROM (
    SELECT file, tag, row_number() OVER (PARTITION BY file ORDER BY n DESC, tag) AS place FROM (
      SELECT m.file, trim(t.key) AS tag, total(t.value) AS n FROM loras_metadata AS m, json_each(iif(m.key = 'ss_tag_frequency' AND json_valid(m.value), m.value, '{}')) AS d,
        json_each(iif(d.type = 'object', d.value, '{}')) AS t WHERE trim(t.key) <> '' GROUP BY 1, 2)
    ORDER BY file, place) WHERE place <= 8 GROUP BY file;

-- NaN and infinities: one pass over all values.
DROP TABLE IF EXISTS temp.loras_values;
CREATE TEMP TABLE loras_values AS
  SELECT t.file, t.name, s.n_nan AS nan, s.n_inf AS inf FROM parameters AS p JOIN loras_tensors AS t, tensor_stats(t.ref) AS s
  WHERE NOT p.quick AND s.n_nan + s.n_inf > 0;

-- Copies: of files with as many tensors and bytes and the same first rows of two tensors, all tensors are hashed.
DROP TABLE IF EXISTS temp.loras_contents;
CREATE TEMP TABLE loras_contents AS
  WITH sampled AS MATERIALIZED (
    SELECT file, sum(nbytes) AS nbytes, count(*) AS tensors,
           group_concat(iif(place <= 2, tensor_hash(iif(shape GLOB '[[][1-9]*', tensor_ref(part, name, '0'), ref)), NULL), ' ') AS sample
    FROM (SELECT *, row_number() OVER (PARTITION BY file ORDER BY nbytes DESC, name) AS place FROM loras_tensors) GROUP BY file
  ), alike AS MATERIALIZED (
    SELECT file FROM (SELECT file, count(*) OVER (PARTITION BY nbytes, tensors, sample) AS n FROM sampled) WHERE n > 1
  )
  SELECT file, group_concat(json_array(name, dtype, shape, tensor_hash(ref)), ',') AS content
  FROM (SELECT t.* FROM alike AS a JOIN loras_tensors AS t USING (file) ORDER BY t.file, t.name) GROUP BY file;
-- The original is the one with the shortest name.
DROP TABLE IF EXISTS temp.loras_copies;
CREATE TEMP TABLE loras_copies AS
  SELECT file, first AS copy_of FROM (
    SELECT c.file, first_value(c.file) OVER (PARTITION BY c.content ORDER BY f.is_link, length(c.file) - length(rtrim(c.file, replace(c.file, '/', ''))), f.rowid) AS first
    FROM loras_contents AS c JOIN loras_found AS f USING (file))
  WHERE first <> file;

DROP TABLE IF EXISTS temp.loras;
CREATE TEMP TABLE loras AS
  WITH modules AS MATERIALIZED (
    SELECT file, count(*) AS modules, max(module GLOB 'lora_*_*' AND module NOT GLOB '*.*') AS kohya, max(module GLOB 'lycoris_*') AS lycoris, min(rank) AS low, max(rank) AS high, min(alpha) AS least, max(alpha) AS most,
           (SELECT o.kind FROM loras_rows AS o WHERE o.file = m.file GROUP BY o.kind ORDER BY o.kind IN ('full', 'diff', 'tokens'), count(*) DESC LIMIT 1) AS kind
    FROM loras_rows AS m WHERE kind <> 'unknown' GROUP BY file
  ), tensors AS MATERIALIZED (
    SELECT file, sum(iif(shape IN ('[]', '[1]'), 0, numel)) AS parameters, group_concat(DISTINCT iif(shape IN ('[]', '[1]'), NULL, dtype)) AS dtype,
           max(name GLOB 'base_model.*') AS peft, max(name GLOB '*_lora[12]*.down.weight') AS xlabs, max(name GLOB 'diffusion_model.*') AS comfy,
           max(name GLOB 'unet.*' OR name GLOB 'transformer.*' OR name GLOB 'text_encoder*' OR name GLOB '*lora.down.weight' OR name GLOB '*lora_linear_layer*') AS diffusers
    FROM loras_tensors GROUP BY file
  ), facts AS MATERIALIZED (
    SELECT file, max(iif(fact = 'made_for', value, NULL)) AS made_for, max(iif(fact = 'triggers', value, NULL)) AS triggers, max(iif(fact = 'title', value, NULL)) AS title,
           max(iif(fact = 'resolution', replace(replace(replace(replace(replace(replace(value, '(', ''), ')', ''), '[', ''), ']', ''), ' ', ''), ',', 'x'), NULL)) AS resolution,
           max(iif(fact = 'images', CAST(value AS INTEGER), NULL)) AS images, max(iif(fact = 'epoch', CAST(value AS INTEGER), NULL)) AS epoch,
           max(iif(fact = 'epochs', CAST(value AS INTEGER), NULL)) AS epochs, max(iif(fact = 'steps', CAST(value AS INTEGER), NULL)) AS steps,
           max(iif(fact = 'date', iif(value GLOB '[12][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]*', substr(value, 1, 10),
                                      iif(CAST(value AS REAL) BETWEEN 1e9 AND 1e11, date(CAST(value AS REAL), 'unixepoch'), NULL)), NULL)) AS date,
           max(iif(fact = 'learning_rate', value, NULL)) AS learning_rate, max(iif(fact = 'text_encoder_lr', value, NULL)) AS text_encoder_lr,
           max(iif(fact = 'optimizer', value, NULL)) AS optimizer
    FROM loras_facts GROUP BY file
  ), sums AS MATERIALIZED (
    SELECT t.file, total(v.nan) AS nan, total(v.inf) AS inf FROM parameters AS p JOIN (SELECT DISTINCT file FROM loras_tensors) AS t
    LEFT JOIN loras_values AS v USING (file) WHERE NOT p.quick GROUP BY t.file
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
                     SELECT status, count(*) AS k FROM loras_rows AS o WHERE o.file = f.file AND status <> 'ok' AND status NOT GLOB 'the base is needed*'
                       AND status NOT GLOB 'changes no weight*'
                       AND status NOT GLOB 'alpha is missing*' GROUP BY status ORDER BY k DESC LIMIT 3)), ''), '') AS note
  FROM loras_found AS f LEFT JOIN modules AS m USING (file) LEFT JOIN tensors AS t USING (file) LEFT JOIN facts AS c USING (file)
  LEFT JOIN loras_bases AS b USING (file) LEFT JOIN loras_noted AS n USING (file) LEFT JOIN loras_tags AS g USING (file)
  LEFT JOIN sums AS v USING (file) LEFT JOIN loras_copies AS o USING (file)
  WHERE f.file NOT IN (SELECT file FROM loras_others)
  ORDER BY f.status = 'ok', v.nan + v.inf > 0 DESC, o.copy_of IS NULL, f.size DESC, f.rowid;
UPDATE loras SET note = trim(note, '; ') WHERE note IS NOT NULL;

-- A file that is alone and cannot be read ends the script, and so does a path without an adapter.
INSERT INTO parameters(path) SELECT t.name FROM loras_found AS f, safetensors_tensors(f.file) AS t WHERE f.status <> 'ok' AND (SELECT count(*) FROM loras_found) = 1;
INSERT INTO parameters(path) SELECT safetensors_refuse(file || ': ' || error) FROM loras_found WHERE status <> 'ok' AND (SELECT count(*) FROM loras_found) = 1;
DROP TABLE IF EXISTS temp.needs;
CREATE TEMP TABLE needs(adapters CONSTRAINT ":path has an adapter in it" CHECK (adapters > 0));
INSERT INTO needs SELECT count(*) FROM loras;
CREATE TEMP VIEW IF NOT EXISTS as_text AS SELECT 1 FROM parameters WHERE format = 'text';
DROP TABLE IF EXISTS temp.loras_common;
CREATE TEMP TABLE loras_common AS
  SELECT rtrim(c, replace(c, '/', '')) AS common FROM (SELECT safetensors_common(file) AS c FROM loras_found);
DROP TABLE IF EXISTS temp.loras_labels;
CREATE TEMP TABLE loras_labels AS SELECT file, safetensors_label(substr(file, 1 + length(common))) AS label FROM loras_found, loras_common;
CREATE UNIQUE INDEX temp.loras_labels_by_file ON loras_labels(file);

-- Lines of at most 80 characters, which end at a space, below the name that they are about; without one the first is
-- not indented.
DROP TABLE IF EXISTS temp.loras_text;
CREATE TEMP TABLE loras_text(section, name, text);
CREATE TEMP VIEW IF NOT EXISTS loras_lines AS
  SELECT * FROM (SELECT section, rowid AS id, safetensors_wrap(name, text) AS line FROM loras_text) WHERE line IS NOT NULL;
INSERT INTO loras_text
  SELECT 'first', '', printf('%,d %s', n, iif(n = 1, 'adapter', 'adapters')) || iif(folders > 1, printf(' in %,d folders', folders), '') || ', ' || safetensors_pretty(size, 'B')
         || ifnull(': ' || (SELECT group_concat(printf('%,d %s', k, base), ', ') FROM (
              SELECT ifnull(base, iif(kind IS NULL, NULL, 'of an unknown base')) AS base, count(*) AS k FROM loras WHERE status IN ('ok', 'nan') GROUP BY 1 ORDER BY k DESC, 1)), '') || '.'
  FROM (SELECT count(*) AS n, ifnull(sum(iif(is_link AND copy_of IS NOT NULL, 0, size)), 0) AS size, count(DISTINCT rtrim(file, replace(file, '/', ''))) AS folders
        FROM (SELECT l.file, l.size, l.copy_of, f.is_link FROM loras AS l JOIN loras_found AS f USING (file)));
INSERT INTO loras_text
  SELECT 'first', '', iif(broken + nan + copies = 0, 'None is broken, or a copy of another' || iif(quick, '.', ', or has NaN or infinities.'),
                          rtrim(iif(broken > 0, printf('%,d %s broken, ', broken, iif(broken = 1, 'is', 'are')), '')
                                || iif(nan > 0, printf('%,d %s NaN or infinities, ', nan, iif(nan = 1, 'has', 'have')), '')
                                || iif(copies > 0, printf('%,d %s, which take %s', copies, iif(copies = 1, 'is a copy of another', 'are copies of others'),
                                                          safetensors_pretty(spare, 'B')), ''), ', ') || '.')
                      || iif(quick, ' Values were not read, so NaN is not found.', '')
  FROM parameters, (SELECT total(status NOT IN ('ok', 'nan')) AS broken, total(status = 'nan') AS nan, count(copy_of) AS copies, ifnull(sum(iif(copy_of IS NULL OR is_link, 0, size)), 0) AS spare
                    FROM (SELECT l.status, l.copy_of, l.size, f.is_link FROM loras AS l JOIN loras_found AS f USING (file)));
INSERT INTO loras_text
  SELECT 'first', '', printf('%,d other %s no adapter: ', n, iif(n = 1, 'file is', 'files are')) || iif(n <= 4, names, kinds) || '.'
  FROM (SELECT count(*) AS n, group_concat(label || ' (' || kind || ')', ', ') AS names FROM loras_others JOIN loras_labels USING (file)),
    (SELECT group_concat(k || ' ' || kind, ', ') AS kinds FROM (SELECT kind, count(*) AS k FROM loras_others GROUP BY kind ORDER BY k DESC, kind)) WHERE n > 0;
INSERT INTO loras_text
  SELECT 'broken', label, safetensors_label(replace(iif(error GLOB 'safetensors: *', substr(error, 14), error), file || ': ', ''))
  FROM loras JOIN loras_labels USING (file) WHERE status NOT IN ('ok', 'nan') ORDER BY loras.rowid;
INSERT INTO loras_text SELECT 'notes', label, safetensors_label(note) FROM loras JOIN loras_labels USING (file) WHERE note IS NOT NULL ORDER BY loras.rowid;
INSERT INTO loras_text
  SELECT 'words', iif(w.key = (SELECT min(o.key) FROM json_each(w.json) AS o WHERE o.atom IS NOT NULL), label, NULL),
         CASE w.key WHEN 0 THEN 'trigger: ' WHEN 1 THEN 'tags: ' ELSE 'made on: ' END || safetensors_label(w.value)
  FROM loras JOIN loras_labels USING (file), json_each(json_array(triggers, tags, made_for)) AS w WHERE w.atom IS NOT NULL ORDER BY loras.rowid, w.key;

.mode list
.headers off
SELECT safetensors_print(format, 'loras', 'loras_others') FROM parameters WHERE format IN ('json', 'csv');
SELECT line FROM as_text, loras_lines WHERE section = 'first' ORDER BY id;

SELECT char(10) || '== Broken' FROM as_text WHERE EXISTS (SELECT 1 FROM loras WHERE status NOT IN ('ok', 'nan'));
SELECT line FROM as_text, loras_lines WHERE section = 'broken' ORDER BY id;
SELECT char(10) || '== NaN and infinities' FROM as_text WHERE EXISTS (SELECT 1 FROM loras WHERE status = 'nan');
.mode column --wrap 0
.headers on
SELECT printf('%,7d', nan) AS nan, printf('%,7d', inf) AS inf, label AS file FROM as_text, loras JOIN loras_labels USING (file) WHERE status = 'nan' ORDER BY loras.rowid;
.mode list
.headers off
SELECT char(10) || '== Copies' FROM as_text WHERE EXISTS (SELECT 1 FROM loras WHERE copy_of IS NOT NULL);
SELECT printf('%9s  ', iif(f.is_link, 'a link', safetensors_pretty(loras.size, 'B'))) || l.label || char(10) || '           is ' || o.label
FROM as_text, loras JOIN loras_labels AS l USING (file) JOIN loras_found AS f USING (file) JOIN loras_labels AS o ON o.file = copy_of ORDER BY loras.rowid;
SELECT char(10) || '== Notes' FROM as_text WHERE EXISTS (SELECT 1 FROM loras WHERE note IS NOT NULL);
SELECT line FROM as_text, loras_lines WHERE section = 'notes' ORDER BY id;

SELECT char(10) || '== Adapters' FROM as_text WHERE EXISTS (SELECT 1 FROM loras WHERE kind IS NOT NULL);
.mode column --wrap 0
.headers on
SELECT ifnull(base, '-') AS base, kind, printf('%4s', ifnull(rank, '-')) AS rank, printf('%5s', iif(typeof(alpha) = 'real', printf('%.4g', alpha), ifnull(alpha, '-'))) AS alpha, printf('%8s', safetensors_pretty(size, 'B')) AS size,
       naming, dtype, label AS file
FROM as_text, loras JOIN loras_labels USING (file) WHERE kind IS NOT NULL ORDER BY loras.rowid;
.mode list
.headers off
SELECT char(10) || '== Training' FROM as_text WHERE EXISTS (SELECT 1 FROM loras WHERE coalesce(date, epoch, epochs, steps, learning_rate, resolution) IS NOT NULL);
.mode column --wrap 0
.headers on
SELECT ifnull(date, '-') AS date, printf('%6s', coalesce(epoch || iif(epochs > epoch, ' of ' || epochs, ''), epochs, '-')) AS epochs, printf('%6s', ifnull(steps, '-')) AS steps,
       iif(typeof(learning_rate) = 'real', printf('%g', learning_rate), ifnull(safetensors_label(learning_rate), '-')) AS rate, ifnull(safetensors_label(resolution), '-') AS resolution,
       printf('%6s', ifnull(images, '-')) AS images, label AS file
FROM as_text, loras JOIN loras_labels USING (file)
WHERE coalesce(date, epoch, epochs, steps, learning_rate, resolution) IS NOT NULL ORDER BY loras.rowid;
.mode list
.headers off
SELECT char(10) || '== Trigger words, the most frequent tags, and what they were made on' FROM as_text WHERE EXISTS (SELECT 1 FROM loras_text WHERE section = 'words');
SELECT line FROM as_text, loras_lines WHERE section = 'words' ORDER BY id;

-- The page: what is broken, has NaN or is a copy first, then all, as far as they are no more than 230 kB.
CREATE TEMP VIEW IF NOT EXISTS as_page AS SELECT 1 FROM parameters WHERE format = 'page';
SELECT safetensors_page('Adapters in ' || iif(common = '', '.', common)) || printf('<header><h1>Adapters</h1><p class="note"><code>%s</code></p></header>', safetensors_html(iif(common = '', '.', common)))
FROM as_page, loras_common;
SELECT printf('<div class="verdict %s"><b>%s</b><span>', iif(bad, 'error', iif(copies, 'warning', 'ok')),
              iif(bad, '&#10005; Something is wrong', iif(copies, '! Look at this', '&#10003; Nothing is wrong')))
       || (SELECT group_concat(safetensors_html(text), ' ') FROM (SELECT text FROM loras_text WHERE section = 'first' ORDER BY rowid)) || '</span></div>'
FROM as_page, (SELECT total(status <> 'ok') > 0 AS bad, count(copy_of) > 0 AS copies FROM loras);
SELECT '<h2>For which base</h2><table class="list"><thead><tr><th>base</th><th class="wide"></th><th class="n">adapters</th><th class="n">size</th></tr></thead><tbody>'
       || group_concat(printf('<tr><td>%s</td><td class="wide"><i class="bar" style="width:%.1f%%"></i></td><td class="n" data-is="adapters">%,d</td><td class="n">%s</td></tr>',
                              safetensors_html(ifnull(base, 'not known')), 100.0 * n / most, n, safetensors_pretty(size, 'B')), '') || '</tbody></table>'
FROM as_page, (SELECT base, count(*) AS n, sum(size) AS size, max(count(*)) OVER () AS most FROM loras WHERE kind IS NOT NULL GROUP BY base ORDER BY n DESC, base LIMIT 30)
HAVING count(*) > 0;
SELECT '<h2>Other files</h2><p class="note">' || group_concat(printf('%,d %s', n, safetensors_html(kind)), ', ') || '.</p>'
FROM as_page, (SELECT kind, count(*) AS n FROM loras_others GROUP BY kind ORDER BY n DESC, kind) HAVING count(*) > 0;

DROP TABLE IF EXISTS temp.loras_page;
CREATE TEMP TABLE loras_page AS
WITH rows AS (
  SELECT l.rowid AS place, CASE WHEN status NOT IN ('ok', 'nan') THEN 1 WHEN status = 'nan' THEN 2 WHEN copy_of IS NOT NULL THEN 3 ELSE 4 END AS part,
         iif(status NOT IN ('ok', 'nan'),
             printf('<tr><td><code>%s</code></td><td class="error">%s</td><td class="n">%s</td></tr>', safetensors_html(n.label),
                    safetensors_html(replace(replace(ifnull(error, status), l.file || ': ', ''), 'safetensors: ', '')), safetensors_pretty(size, 'B')),
         printf('<tr><td><code>%s</code>%s%s</td><td class="w"%s>%s</td><td class="w">%s</td><td class="n"%s>%s</td><td%s>%s</td><td class="n">%s</td><td class="w">%s</td></tr>',
                safetensors_html(iif(n.label LIKE '%_.safetensors', substr(n.label, 1, length(n.label) - 12), n.label)),
                '<br><small>' || safetensors_html(iif(title = replace(n.label, '.safetensors', ''), NULL, title)) || '</small>',
                '<br><small class="' || iif(status = 'ok', 'warning', 'error') || '">'
                || safetensors_html(coalesce(iif(status = 'nan', printf('%,d NaN, %,d infinite', nan, inf), NULL), 'a copy of ' || o.label, note)) || '</small>',
                iif(base IS NULL, '', ' data-is="for"'), safetensors_html(base), safetensors_html(kind), iif(rank IS NULL, '', ' data-is="rank"'), ifnull(rank || iif(alpha IS NULL, '', ', alpha ' || alpha), ''),
                CASE WHEN triggers IS NOT NULL THEN ' data-is="words"' WHEN tags IS NOT NULL THEN ' data-is="tags"' ELSE '' END,
                coalesce(safetensors_html(triggers), '<span class="soft">' || safetensors_html(tags) || '</span>', ''), safetensors_pretty(size, 'B'), safetensors_html(substr(date, 1, 10)))) AS html
  FROM loras AS l JOIN loras_labels AS n USING (file) LEFT JOIN loras_labels AS o ON o.file = l.copy_of
)
SELECT *, sum(length(CAST(html AS BLOB))) OVER (ORDER BY part, place) AS bytes, row_number() OVER (PARTITION BY part ORDER BY place) AS n, count(*) OVER (PARTITION BY part) AS of FROM rows;
SELECT CASE WHEN n > 1 THEN '' WHEN part = 1 THEN '<h2>Broken</h2><table class="list"><thead><tr><th>file</th><th>what is wrong</th><th class="n">size</th></tr></thead><tbody>'
            ELSE '<h2>' || CASE part WHEN 2 THEN 'Not finite' WHEN 3 THEN 'Copies' ELSE 'Adapters' END || '</h2><table class="list"><thead><tr><th>file</th><th>base</th><th>kind</th>'
                 || '<th class="n">rank, alpha</th><th>trigger words or tags</th><th class="n">size</th><th>date</th></tr></thead><tbody>' END
       || iif(bytes <= 230000, html, '') || iif(n = of, '</tbody></table>', '')
FROM as_page, loras_page WHERE bytes <= 230000 OR n = 1 OR n = of ORDER BY part, place;
SELECT printf('<p class="note">%,d more are left out here; --csv has them all.</p>', count(*)) FROM as_page, loras_page WHERE bytes > 230000 HAVING count(*) > 0;
SELECT '<footer><p class="note">' || safetensors_version() || '</p></footer></body></html>' FROM as_page;

DROP TABLE IF EXISTS temp.verdict;
CREATE TEMP TABLE verdict(broken, nan);
CREATE TEMP TRIGGER verdict_is_no BEFORE INSERT ON verdict BEGIN
  SELECT RAISE(ABORT, 'an adapter cannot be read') WHERE new.broken > 0;
  SELECT RAISE(ABORT, 'an adapter has NaN or infinities') WHERE new.nan > 0;
END;
INSERT INTO verdict SELECT total(status NOT IN ('ok', 'nan')), total(status = 'nan') FROM loras;
.mode column --wrap 0
.headers on
