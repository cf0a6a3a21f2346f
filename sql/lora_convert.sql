-- Converts an adapter to the names of PEFT, kohya or diffusers.
--
--   peft        base_model.model.MODULE.lora_A.weight, and adapter_config.json
--               beside the file, with ranks and alphas
--   kohya       lora_unet_MODULE_WITH_UNDERSCORES.lora_down.weight, and .alpha
--   diffusers   unet.MODULE.lora_A.weight, with ranks and alphas in the metadata
--
-- LoRA, DoRA, LoHa (not for diffusers) and LoKr (for kohya) are converted. The values stay as they are, and alphas are
-- written so that each module keeps its scale, which rsLoRA has otherwise. With --fold the scale goes into the values
-- of lora_B (of the first factor of LoHa and LoKr) and alpha is the rank: for programs that do not read alpha.
--
-- kohya's names have no dots: where they stood, the names of the base say, if it is given, and else the words that
-- models are made of (down_blocks, to_q, self_attn, ...). A module with another word in its name has no rule without
-- the base. PEFT's names have no component (unet, text_encoder): `component` says which one, or what the words say.
-- A file of PEFT has one component: of several, `component` chooses one.
--
-- The adapter and the base are one each: a folder of several is refused. NaN and infinities are converted as they are,
-- and are told.
--
-- A module that no rule matches is named, the verdict is no, and nothing is written; with --partial it is left out.
--
-- @param path path required   the adapter
-- @param out path required    the file or the directory to write
-- @param to enum auto|peft|kohya|diffusers   whose names; auto: PEFT's for what has kohya's, else kohya's
-- @param base path            the model that it was made for, which has the names of modules
-- @param component text       unet, transformer, text_encoder, text_encoder_2 or the like
-- @param fold flag            multiply the scale into the values
-- @param partial flag         leave out what no rule matches
-- @param replace flag         replace what is there
-- @param format enum text|json|csv  how to print the tables
-- @table converted(name, was, module, role, dtype, shape, not_finite)   one row per tensor of the result; was is its
--    name before, NULL for an alpha; not_finite counts NaN and infinities in it
-- @table left_out(module, kind, why)   one row per module that is not converted
-- @table converted_modules(module, kind, naming, component, path, rank, scale, alpha)   one row per module: its
--    naming, component and path before, and its alpha afterwards
-- @status 1                   when no rule matches a module, or there is none; then nothing is written
-- @writes out
-- @example safetensors-sql lora-convert kohya.safetensors converted
-- @example safetensors-sql lora-convert lora.safetensors lora_kohya.safetensors --to kohya --component text_encoder

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL),
  out TEXT CONSTRAINT ":out is set" CHECK (out IS NOT NULL AND out <> ''),
  "to" TEXT CONSTRAINT ":to is auto, peft, kohya or diffusers" CHECK ("to" IN ('auto', 'peft', 'kohya', 'diffusers')),
  base TEXT,
  component TEXT,
  fold INTEGER,
  partial INTEGER,
  "replace" INTEGER,
  format TEXT CONSTRAINT ":format is text, json or csv" CHECK (format IN ('text', 'json', 'csv'))
);
INSERT INTO parameters
SELECT :path, :out, ifnull(:to, 'auto'), :base, :component, ifnull(:fold, 0), ifnull(:partial, 0), ifnull(:replace, 0), ifnull(:format, 'text')
WHERE safetensors_parameters(':path', ':out', ':to', ':base', ':component', ':fold', ':partial', ':replace', ':format');

-- :base is a path that is read as one model, or has only one below it.
DROP TABLE IF EXISTS temp.convert_base_models;
CREATE TEMP TABLE convert_base_models AS
  SELECT m.model, m.model = rtrim(p.base, '/') AS is_it, rtrim(m.model, replace(m.model, '/', '')) = rtrim(p.base, '/') || '/' AS is_top
  FROM parameters AS p, safetensors_models(p.base) AS m WHERE m.kind NOT IN ('adapter', 'embedding', 'optimizer');
INSERT INTO parameters(base)
  SELECT safetensors_refuse(printf(':base is one model, found %d: ', n) || group_concat(safetensors_label(model), ', ') || iif(n > 8, ', ...', ''))
  FROM (SELECT model, count(*) OVER () AS n FROM convert_base_models
        WHERE is_top = (SELECT max(is_top) FROM convert_base_models) AND NOT (SELECT max(is_it) FROM convert_base_models) LIMIT 8) HAVING n > 1;
INSERT INTO parameters(path)
  SELECT safetensors_refuse(printf(':path is one adapter, found %d: ', n) || group_concat(safetensors_label(model), ', ') || iif(n > 8, ', ...', ''))
  FROM (SELECT m.model, count(*) OVER () AS n FROM parameters AS p, safetensors_models(p.path) AS m WHERE m.kind NOT IN ('model', 'component', 'optimizer') LIMIT 8) HAVING n > 1;

-- The modules. What is not there without a base has no name in it.
DROP TABLE IF EXISTS temp.convert_tensors;
CREATE TEMP TABLE convert_tensors AS
  SELECT t.name, t.dtype, t.shape, t.ref FROM parameters AS p, safetensors_tensors(p.path) AS t;
CREATE INDEX temp.convert_tensors_by_name ON convert_tensors(name);
DROP TABLE IF EXISTS temp.convert_modules;
CREATE TEMP TABLE convert_modules AS
  SELECT a.module, a.kind,
         CASE WHEN a.parts LIKE '%:"base\_model.%' ESCAPE '\' THEN 'peft'
              WHEN a.module GLOB 'lora_*_*' OR a.module GLOB 'lycoris_*' THEN 'kohya' ELSE 'diffusers' END AS naming,
         CAST(NULL AS TEXT) AS component, CAST(NULL AS TEXT) AS path, a.rank, a.scale, CAST(NULL AS REAL) AS alpha,
         a.parts, a.status, CAST(NULL AS TEXT) AS why,
         iif(p.base IS NOT NULL AND a.weight LIKE '%.weight', substr(a.weight, 1, length(a.weight) - 7), NULL) AS in_base,
         ifnull(CASE WHEN json_valid(a.ref) THEN json_extract(a.ref, '$.options.fan_in_fan_out') END, 0) AS turned,
         CASE WHEN json_valid(a.ref) THEN json_extract(a.ref, '$.options.experts') END AS experts
  FROM parameters AS p, safetensors_adapter(p.path, p.base) AS a;
UPDATE parameters SET "to" = (SELECT iif(total(naming = 'kohya') > 0, 'peft', 'kohya') FROM convert_modules) WHERE "to" = 'auto';

-- The component and the path in it.
DROP TABLE IF EXISTS temp.convert_prefixes;
CREATE TEMP TABLE convert_prefixes(naming, prefix, component, PRIMARY KEY(naming, prefix)) WITHOUT ROWID;
INSERT INTO convert_prefixes VALUES
  ('kohya', 'lora_unet_', 'unet'), ('kohya', 'lora_transformer_', 'transformer'), ('kohya', 'lora_te_', 'text_encoder'),
  ('kohya', 'lora_te1_', 'text_encoder'), ('kohya', 'lora_te2_', 'text_encoder_2'), ('kohya', 'lora_te3_', 'text_encoder_3'),
  ('kohya', 'lora_prior_unet_', 'prior'), ('kohya', 'lycoris_', 'unet'),
  ('diffusers', 'unet.', 'unet'), ('diffusers', 'transformer.', 'transformer'), ('diffusers', 'diffusion_model.', 'transformer'),
  ('diffusers', 'prior.', 'prior'), ('diffusers', 'text_encoder.', 'text_encoder'), ('diffusers', 'text_encoder_2.', 'text_encoder_2'),
  ('diffusers', 'text_encoder_3.', 'text_encoder_3');
UPDATE convert_modules SET component = x.component, path = substr(module, length(x.prefix) + 1)
FROM convert_prefixes AS x
WHERE x.naming = convert_modules.naming AND substr(module, 1, length(x.prefix)) = x.prefix;
UPDATE convert_modules SET path = module WHERE path IS NULL AND naming <> 'kohya';
UPDATE convert_modules SET why = 'its prefix is of no component that is known' WHERE path IS NULL;
UPDATE convert_modules SET why = 'another component' FROM parameters AS p
WHERE convert_modules.component <> p.component;
UPDATE convert_modules SET component = ifnull((SELECT component FROM parameters), CASE
    WHEN path GLOB 'down_blocks.*' OR path GLOB 'up_blocks.*' OR path GLOB 'mid_block.*' OR path GLOB 'input_blocks.*'
      OR path GLOB 'output_blocks.*' OR path GLOB 'middle_block.*' THEN 'unet'
    WHEN path GLOB 'transformer_blocks.*' OR path GLOB 'single_transformer_blocks.*' OR path GLOB 'double_blocks.*'
      OR path GLOB 'single_blocks.*' OR path GLOB 'joint_blocks.*' THEN 'transformer'
    WHEN path GLOB 'text_model.*' THEN 'text_encoder' END)
WHERE component IS NULL;
UPDATE convert_modules SET why = 'its component is not known: set the parameter component'
FROM parameters AS p WHERE why IS NULL AND convert_modules.component IS NULL AND p."to" <> 'peft';

-- kohya's names, word by word: the longest that is next, or a number.
DROP TABLE IF EXISTS temp.convert_words;
CREATE TEMP TABLE convert_words(word PRIMARY KEY) WITHOUT ROWID;
INSERT OR IGNORE INTO convert_words
  SELECT value FROM json_each('["down_blocks","up_blocks","mid_block","attentions","resnets","downsamplers","upsamplers",
    "transformer_blocks","single_transformer_blocks","attn","attn1","attn2","to_q","to_k","to_v","to_out","ff","net","proj","proj_in",
    "proj_out","proj_mlp","conv","conv1","conv2","conv_in","conv_out","conv_shortcut","time_emb_proj","time_embedding","add_embedding",
    "linear","linear1","linear2","linear_1","linear_2","norm","norm1","norm2","norm_out","norm1_context","norm2_context","ff_context",
    "add_q_proj","add_k_proj","add_v_proj","to_add_out","time_text_embed","timestep_embedder","text_embedder","guidance_embedder",
    "context_embedder","x_embedder","pos_embed","text_model","encoder","decoder","layers","layer","self_attn","encoder_attn","q_proj",
    "k_proj","v_proj","o_proj","out_proj","mlp","fc1","fc2","gate_proj","up_proj","down_proj","text_projection","embeddings",
    "token_embedding","position_embedding","double_blocks","single_blocks","joint_blocks","img_attn","txt_attn","img_mlp","txt_mlp",
    "img_mod","txt_mod","modulation","lin","qkv","img_in","txt_in","time_in","vector_in","guidance_in","in_layer","out_layer",
    "final_layer","adaLN_modulation","input_blocks","output_blocks","middle_block","in_layers","out_layers","emb_layers",
    "skip_connection","op","out","time_embed","label_emb","x_block","context_block","block","SelfAttention","EncDecAttention",
    "DenseReluDense","q","k","v","o","wi","wi_0","wi_1","wo","shared","model","blocks","cross_attn","ffn"]');
INSERT OR IGNORE INTO convert_words
  WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 999) SELECT CAST(n AS TEXT) FROM numbers;
DROP TABLE IF EXISTS temp.convert_paths;
CREATE TEMP TABLE convert_paths AS
  WITH RECURSIVE taken(id, rest, path) AS (
    SELECT m.rowid, m.path, NULL FROM convert_modules AS m WHERE m.naming = 'kohya' AND m.path IS NOT NULL
    UNION ALL
    SELECT t.id, substr(t.rest, length(w.word) + 2), ifnull(t.path || '.', '') || w.word
    FROM taken AS t JOIN convert_words AS w ON w.word = (
      SELECT o.word FROM convert_words AS o
      WHERE o.word BETWEEN substr(t.rest, 1, instr(t.rest || '_', '_') - 1) AND substr(t.rest, 1, instr(t.rest || '_', '_') - 1) || '_~'
        AND substr(t.rest || '_', 1, length(o.word) + 1) = o.word || '_'
      ORDER BY length(o.word) DESC LIMIT 1)
    WHERE t.rest <> ''
  )
  SELECT id, path FROM taken WHERE rest = '';
CREATE INDEX temp.convert_paths_by_id ON convert_paths(id);
UPDATE convert_modules SET path = coalesce(in_base, (SELECT c.path FROM convert_paths AS c WHERE c.id = convert_modules.rowid))
WHERE naming = 'kohya' AND path IS NOT NULL;
UPDATE convert_modules SET why = 'a word of its name is not known: set the parameter base' WHERE why IS NULL AND path IS NULL;

-- What the names can say.
UPDATE convert_modules SET why = CASE
         WHEN kind NOT IN ('lora', 'dora', 'loha', 'lokr') OR parts LIKE '%"lora\_embedding%' ESCAPE '\' OR parts LIKE '%"change"%' THEN
           printf('%s has no rule', iif(parts LIKE '%"lora\_embedding%' ESCAPE '\', 'an embedding', iif(kind = 'lora', 'a bias', kind)))
         WHEN scale IS NULL THEN printf('its scale is not known: %s', status)
         WHEN experts IS NOT NULL THEN 'a parameter of experts has no rule'
         WHEN turned AND p."to" <> 'peft' THEN printf('%s has no fan_in_fan_out', p."to")
         WHEN p."to" <> 'kohya' AND parts LIKE '%"lora\_mid"%' ESCAPE '\' THEN printf('%s has no lora_mid', p."to")
         WHEN kind = 'lokr' AND p."to" <> 'kohya' THEN printf('LoKr has no rule for %s', p."to")
         WHEN kind = 'loha' AND (p."to" = 'diffusers' OR parts LIKE '%"hada\_t1"%' ESCAPE '\' AND p."to" = 'peft'
                                   OR parts LIKE '%"lora\_magnitude%' ESCAPE '\' AND p."to" = 'peft') THEN
           printf('this LoHa has no rule for %s', p."to")
         WHEN p."to" = 'peft' AND kind <> (SELECT o.kind FROM convert_modules AS o WHERE o.why IS NULL AND o.kind IN ('lora', 'dora', 'loha')
                                           GROUP BY o.kind ORDER BY count(*) DESC LIMIT 1) THEN
           printf('PEFT has one kind in a file, and most are another than %s', kind)
         WHEN EXISTS (SELECT 1 FROM json_each(convert_modules.parts) AS j JOIN convert_tensors AS t ON t.name = j.value
                      WHERE j.key = 'lora_magnitude_vector' AND json_array_length(t.shape) > 1 AND t.shape ->> '$[0]' = 1
                        AND convert_modules.naming = 'kohya') THEN 'its magnitudes are of columns'
         END
FROM parameters AS p WHERE why IS NULL;
UPDATE convert_modules SET why = 'its name is that of another module afterwards'
WHERE why IS NULL AND rowid > (
  SELECT min(o.rowid) FROM convert_modules AS o, parameters AS p
  WHERE o.why IS NULL AND o.component IS convert_modules.component
    AND iif(p."to" = 'kohya', replace(o.path, '.', '_') = replace(convert_modules.path, '.', '_'), o.path = convert_modules.path));

DROP TABLE IF EXISTS temp.convert_needs;
CREATE TEMP TABLE convert_needs(
  tensors CONSTRAINT ":path has an adapter in it" CHECK (tensors > 0),
  component CONSTRAINT ":component is one of the adapter" CHECK (component),
  one CONSTRAINT ":component is set, as PEFT's names have one" CHECK (one),
  fresh CONSTRAINT ":out is not there, or :replace is set" CHECK (fresh),
  config CONSTRAINT ":out has no adapter_config.json beside it, or :replace is set" CHECK (config)
);
INSERT INTO convert_needs(tensors) SELECT count(*) FROM convert_tensors;
INSERT INTO convert_needs(component, one)
  SELECT p.component IS NULL OR total(m.component IS p.component) > 0,
         p."to" <> 'peft' OR count(DISTINCT iif(m.why IS NULL, ifnull(m.component, ''), NULL)) < 2
  FROM parameters AS p LEFT JOIN convert_modules AS m;
DROP TABLE IF EXISTS temp.out_target;
CREATE TEMP TABLE out_target AS
  SELECT path, directory, iif(directory IS NULL, rtrim(path, replace(path, '/', '')), directory || '/') || 'adapter_config.json' AS config
  FROM (SELECT directory, ifnull(directory || CASE "to" WHEN 'peft' THEN '/adapter_model.safetensors' WHEN 'kohya' THEN '/lora.safetensors'
                                              ELSE '/pytorch_lora_weights.safetensors' END, out) AS path
        FROM (SELECT *, iif(out LIKE '%.safetensors', NULL, ifnull(nullif(rtrim(out, '/'), ''), '/.')) AS directory FROM parameters));
INSERT INTO convert_needs(fresh, config)
  SELECT p."replace" OR NOT EXISTS (SELECT 1 FROM safetensors_files(t.path) WHERE status <> 'missing' AND file = t.path),
         p."replace" OR p."to" <> 'peft' OR readfile(t.config) IS NULL
  FROM parameters AS p, out_target AS t;

DROP TABLE IF EXISTS temp.left_out;
CREATE TEMP TABLE left_out AS SELECT module, kind, why FROM convert_modules WHERE why IS NOT NULL;
DELETE FROM convert_modules WHERE why IS NOT NULL;
-- The rank is that of the factors. LoKr of two whole factors has no alpha.
UPDATE convert_modules SET rank = ifnull((
  SELECT t.shape ->> '$[0]' FROM json_each(convert_modules.parts) AS j JOIN convert_tensors AS t ON t.name = j.value
  WHERE j.key IN ('lora_A', 'hada_w1_b', 'lokr_w1_b', 'lokr_w2_b') LIMIT 1), iif(kind = 'lokr', NULL, rank));
UPDATE convert_modules SET alpha = iif((SELECT fold FROM parameters) OR rank IS NULL, rank, scale * rank);

-- The tensors. What takes the scale in is lora_B, or a first factor.
DROP TABLE IF EXISTS temp.convert_rows;
CREATE TEMP TABLE convert_rows AS
  SELECT CASE p."to" WHEN 'peft' THEN 'base_model.model.' || m.path || '.' || r.plain
                     WHEN 'diffusers' THEN m.component || '.' || m.path || '.' || r.plain
                     ELSE CASE m.component WHEN 'transformer' THEN iif(m.path GLOB '*transformer_blocks.*', 'lora_transformer_', 'lora_unet_')
                                           WHEN 'text_encoder' THEN iif(x.two, 'lora_te1_', 'lora_te_') WHEN 'text_encoder_2' THEN 'lora_te2_'
                                           WHEN 'text_encoder_3' THEN 'lora_te3_' ELSE 'lora_' || m.component || '_' END
                          || replace(m.path, '.', '_') || '.' || r.kohya END AS name,
         t.name AS was, m.module, j.key AS role, t.dtype,
         json(CASE WHEN j.key <> 'lora_magnitude_vector' THEN t.shape
                   WHEN p."to" = 'kohya' THEN iif(y.dimensions = 4, json_array(tensor_numel(t.ref), 1, 1, 1), json_array(tensor_numel(t.ref), 1))
                   ELSE iif(y.dimensions = 4, json_array(1, tensor_numel(t.ref), 1, 1), json_array(tensor_numel(t.ref))) END) AS shape,
         t.ref, (p.fold OR m.rank IS NULL) AND m.scale <> 1 AND j.key IN ('lora_B', 'hada_w1_a', 'lokr_w1', 'lokr_w1_a') AS takes_scale, m.scale,
         j.key = 'lora_magnitude_vector' AS is_reshaped
  FROM parameters AS p, (SELECT total(component = 'text_encoder_2') > 0 AS two FROM convert_modules) AS x, convert_modules AS m
  JOIN (SELECT m.rowid AS id, max(json_array_length(t.shape)) AS dimensions
        FROM convert_modules AS m, json_each(m.parts) AS j JOIN convert_tensors AS t ON t.name = j.value GROUP BY m.rowid) AS y ON y.id = m.rowid
  JOIN json_each(m.parts) AS j JOIN convert_tensors AS t ON t.name = j.value
  JOIN (SELECT 'lora_A' AS role, 'lora_A.weight' AS plain, 'lora_down.weight' AS kohya UNION ALL
        SELECT 'lora_B', 'lora_B.weight', 'lora_up.weight' UNION ALL SELECT 'lora_mid', NULL, 'lora_mid.weight' UNION ALL
        SELECT 'lora_magnitude_vector', 'lora_magnitude_vector', 'dora_scale' UNION ALL
        SELECT value, value, value FROM json_each('["hada_w1_a","hada_w1_b","hada_w2_a","hada_w2_b","hada_t1","hada_t2","lokr_w1",
          "lokr_w1_a","lokr_w1_b","lokr_w2","lokr_w2_a","lokr_w2_b","lokr_t2"]')) AS r ON r.role = j.key
  ORDER BY m.rowid, j.id;
INSERT INTO convert_rows
  SELECT substr(c.name, 1, length(c.name) - length('.lora_down.weight')) || '.alpha', NULL, m.module, 'alpha', 'F32', '[]',
         tensor_full('[]', m.alpha), 0, m.scale, 0
  FROM parameters AS p, convert_modules AS m JOIN convert_rows AS c ON c.module = m.module AND c.role = 'lora_A'
  WHERE p."to" = 'kohya' AND m.alpha IS NOT NULL;
INSERT INTO convert_rows
  SELECT rtrim(rtrim(min(c.name), replace(min(c.name), '.', '')), '.') || '.alpha', NULL, m.module, 'alpha', 'F32', '[]',
         tensor_full('[]', m.alpha), 0, m.scale, 0
  FROM parameters AS p, convert_modules AS m JOIN convert_rows AS c ON c.module = m.module
  WHERE p."to" = 'kohya' AND m.alpha IS NOT NULL AND m.kind IN ('loha', 'lokr') GROUP BY m.rowid;

DROP TABLE IF EXISTS temp.converted_modules;
CREATE TEMP TABLE converted_modules AS SELECT module, kind, naming, component, path, rank, scale, alpha FROM convert_modules AS m ORDER BY m.rowid;
DROP TABLE IF EXISTS temp.convert_values;
CREATE TEMP TABLE convert_values AS
  SELECT c.name, s.n_nan + s.n_inf AS not_finite FROM convert_rows AS c, tensor_stats(iif(c.was IS NULL, NULL, c.ref)) AS s WHERE s.n_nan + s.n_inf > 0;
CREATE INDEX temp.convert_values_by_name ON convert_values(name);
DROP TABLE IF EXISTS temp.converted;
CREATE TEMP TABLE converted AS
  SELECT name, was, module, role, dtype, shape, ifnull((SELECT v.not_finite FROM convert_values AS v WHERE v.name = c.name), 0) AS not_finite
  FROM convert_rows AS c ORDER BY 7 DESC, c.rowid;

CREATE TEMP VIEW IF NOT EXISTS as_text AS SELECT 1 FROM parameters WHERE format = 'text';
DROP TABLE IF EXISTS temp.convert_refusal;
CREATE TEMP TABLE convert_refusal AS
  SELECT (SELECT count(*) FROM left_out WHERE NOT p.partial AND why <> 'another component') AS unmatched, (SELECT count(*) FROM convert_modules) AS modules
  FROM parameters AS p WHERE p.path IS NOT NULL;
-- Lines of at most 80 characters, which end at a space, below the name that they are about; without one the first is
-- not indented.
DROP TABLE IF EXISTS temp.convert_text;
CREATE TEMP TABLE convert_text(section, name, text);
CREATE TEMP VIEW IF NOT EXISTS convert_lines AS
  SELECT * FROM (SELECT section, rowid AS id, safetensors_wrap(name, text) AS line FROM convert_text) WHERE line IS NOT NULL;
INSERT INTO convert_text
  SELECT 'errors', '', iif(unmatched > 0, printf('Nothing is written: no rule matches %,d %s.', unmatched, iif(unmatched = 1, 'module', 'modules')), 'Nothing is written: there is no module to convert.')
  FROM convert_refusal WHERE unmatched > 0 OR modules = 0;
INSERT INTO convert_text
  SELECT 'errors', 'error: ' || safetensors_label(module), safetensors_label(why) FROM left_out AS o, convert_refusal
  WHERE unmatched > 0 AND why <> 'another component' ORDER BY o.rowid LIMIT 10;
INSERT INTO convert_text SELECT 'errors', '', printf('error: and %,d more', unmatched - 10) FROM convert_refusal WHERE unmatched > 10;
INSERT INTO convert_text
  SELECT 'left', '', printf('%,d %s: %s', count(*), iif(count(*) = 1, 'module', 'modules'), safetensors_label(why))
  FROM left_out AS o GROUP BY why ORDER BY count(*) DESC, min(o.rowid) LIMIT 20;
.mode list
.headers off
SELECT safetensors_print(format, 'converted', 'left_out', 'converted_modules') FROM parameters, convert_refusal WHERE format <> 'text' AND (unmatched > 0 OR modules = 0);
SELECT line FROM as_text, convert_lines WHERE section = 'errors' ORDER BY id;

DROP TABLE IF EXISTS temp.verdict;
CREATE TEMP TABLE verdict(unmatched, modules);
CREATE TEMP TRIGGER verdict_is_no BEFORE INSERT ON verdict BEGIN
  SELECT RAISE(ABORT, 'no rule matches a module: see :base, :component and :partial') WHERE new.unmatched > 0;
  SELECT RAISE(ABORT, 'there is no module to convert') WHERE new.modules = 0;
END;
INSERT INTO verdict SELECT unmatched, modules FROM convert_refusal;

-- Ranks and alphas of a component as PEFT has them: the most frequent of both, and what differs by modules. A key
-- matches the end of a name, too; where that is another module's, it is bound to the beginning.
DROP TABLE IF EXISTS temp.convert_keys;
CREATE TEMP TABLE convert_keys AS
  SELECT m.component, m.path, m.kind, m.turned, m.rank, iif(m.alpha = round(m.alpha), CAST(m.alpha AS INTEGER), m.alpha) AS alpha,
         iif(EXISTS (SELECT 1 FROM convert_modules AS o
                     WHERE o.component IS m.component AND substr(o.path, -length(m.path) - 1) = '.' || m.path), '^', '') || m.path AS key
  FROM convert_modules AS m ORDER BY m.rowid;
DROP TABLE IF EXISTS temp.convert_configs;
CREATE TEMP TABLE convert_configs AS
  SELECT d.component, d.kind, json_object(
      'peft_type', iif(d.kind = 'loha', 'LOHA', 'LORA'), 'r', d.rank, iif(d.kind = 'loha', 'alpha', 'lora_alpha'), d.alpha,
      'rank_pattern', json((SELECT json_group_object(key, rank) FROM convert_keys AS k WHERE k.component IS d.component AND k.rank <> d.rank)),
      'alpha_pattern', json((SELECT json_group_object(key, alpha) FROM convert_keys AS k WHERE k.component IS d.component AND k.alpha <> d.alpha)),
      'target_modules', json((SELECT json_group_array(path) FROM convert_keys AS k WHERE k.component IS d.component))) AS config
  FROM (SELECT *, row_number() OVER (PARTITION BY component ORDER BY n DESC, rank, alpha) AS place
        FROM (SELECT component, rank, alpha, min(kind) AS kind, count(*) AS n FROM convert_keys GROUP BY component, rank, alpha)) AS d
  WHERE d.place = 1;
-- What only LoRA's configuration has, and what the adapter's own says of its base.
UPDATE convert_configs SET config = json_patch(config, json_object(
    'use_dora', json(iif(kind = 'dora', 'true', 'false')), 'use_rslora', json('false'), 'bias', 'none', 'init_lora_weights', json('true'),
    'fan_in_fan_out', json(iif((SELECT max(turned) FROM convert_keys AS k WHERE k.component IS convert_configs.component), 'true', 'false'))))
WHERE kind <> 'loha';
DROP TABLE IF EXISTS temp.convert_own;
CREATE TEMP TABLE convert_own AS
  SELECT iif(json_valid(config), config, '{}') AS config
  FROM (SELECT iif(f.file LIKE '%://%', (SELECT m.config FROM safetensors_models(f.file) AS m),
                    CAST(readfile(rtrim(f.file, replace(f.file, '/', '')) || 'adapter_config.json') AS TEXT)) AS config
        FROM parameters AS p, safetensors_files(p.path) AS f WHERE f.status = 'ok' LIMIT 1);

-- The metadata: the source's, but for hashes and what has become wrong.
DROP TABLE IF EXISTS temp.convert_metadata;
CREATE TEMP TABLE convert_metadata(key PRIMARY KEY, value);
INSERT OR IGNORE INTO convert_metadata
  SELECT m.key, m.value FROM parameters AS p, safetensors_metadata(p.path) AS m
  WHERE m.key NOT GLOB 'sshs_*' AND m.key NOT GLOB 'modelspec.hash*' AND m.key NOT IN (
    'lora_adapter_metadata', 'format', 'ss_network_dim', 'ss_network_alpha', 'ss_network_module');
INSERT INTO convert_metadata SELECT 'format', 'pt' FROM parameters WHERE "to" <> 'kohya';
INSERT INTO convert_metadata
  SELECT j.key, j.value
  FROM parameters AS p, (SELECT c.config, k.plain FROM convert_configs AS c, (
         SELECT min(kind) IN ('lora', 'dora') AS plain FROM convert_modules) AS k LIMIT 1) AS c,
    json_each(json_object('ss_network_dim', CAST(c.config ->> '$.r' AS TEXT), 'ss_network_alpha',
                          CAST(coalesce(c.config ->> '$.lora_alpha', c.config ->> '$.alpha') AS TEXT),
                          'ss_network_module', iif(c.plain, 'networks.lora', 'lycoris.kohya'))) AS j
  WHERE p."to" = 'kohya' AND j.value IS NOT NULL;
INSERT INTO convert_metadata
  SELECT 'lora_adapter_metadata', json_group_object(c.component || '.' || j.key, CASE WHEN j.type IN ('object', 'array') THEN json(j.value)
           WHEN j.type IN ('true', 'false') THEN json(j.type) ELSE j.value END)
  FROM parameters AS p, convert_configs AS c, json_each(c.config) AS j WHERE p."to" = 'diffusers' HAVING count(*) > 0;

INSERT INTO safetensors_write(path, name, dtype, shape, data, metadata, mode, make_directory)
  SELECT t.path, c.name, c.dtype, c.shape,
         iif(c.takes_scale, tensor_mul(c.ref, c.scale), iif(c.is_reshaped, tensor_reshape(c.ref, c.shape), c.ref)),
         (SELECT json_group_object(key, value) FROM convert_metadata), iif(p."replace", 'replace', 'create'), t.directory IS NOT NULL
  FROM parameters AS p, out_target AS t, convert_rows AS c ORDER BY c.name;
DROP TABLE IF EXISTS temp.out_made;
CREATE TEMP TABLE out_made AS
  SELECT writefile(t.config, json_patch(json_object('base_model_name_or_path', o.config ->> '$.base_model_name_or_path',
                                                    'task_type', o.config ->> '$.task_type', 'inference_mode', json('true')), c.config))
  FROM parameters AS p, out_target AS t, convert_configs AS c, convert_own AS o WHERE p."to" = 'peft';

SELECT safetensors_print(format, 'converted', 'left_out', 'converted_modules') FROM parameters WHERE format <> 'text';
SELECT printf('error: %,d %s NaN or infinities, as before.', count(*), iif(count(*) = 1, 'tensor has', 'tensors have')) FROM as_text, convert_values HAVING count(*) > 0;
SELECT printf('%,d %s of %s written by the names of %s: %,d tensors.', n, iif(n = 1, 'module', 'modules'),
              (SELECT group_concat(naming, ', ') FROM (SELECT DISTINCT naming FROM convert_modules)), p."to", (SELECT count(*) FROM convert_rows))
FROM as_text, parameters AS p, (SELECT count(*) AS n FROM convert_modules);
SELECT iif(p.fold, 'The scales are in the values now, and alpha is the rank.', 'LoKr of whole factors has no alpha: the scale is in its values.')
FROM as_text, parameters AS p WHERE p.fold OR EXISTS (SELECT 1 FROM convert_rows WHERE takes_scale);
SELECT printf('%,d %s left out.', count(*), iif(count(*) = 1, 'module is', 'modules are')) FROM as_text, left_out HAVING count(*) > 0;

SELECT char(10) || '== NaN and infinities' FROM as_text WHERE EXISTS (SELECT 1 FROM convert_values);
SELECT printf('%,10d  ', not_finite) || safetensors_label(name) FROM as_text, convert_values AS v ORDER BY v.not_finite DESC, v.rowid LIMIT 20;
SELECT char(10) || '== Left out' FROM as_text WHERE EXISTS (SELECT 1 FROM left_out);
SELECT line FROM as_text, convert_lines WHERE section = 'left' ORDER BY id;

SELECT char(10) || '== Modules' FROM as_text;
.mode column --wrap 0
.headers on
SELECT printf('%7d', count(*)) AS modules, printf('%4s', ifnull(rank, '-')) AS rank, printf('%6s', ifnull(printf('%.4g', alpha), '-')) AS alpha,
       printf('%6s', printf('%.4g', scale)) AS scale, kind, ifnull(safetensors_label(component), '-') AS component
FROM as_text, convert_modules AS m GROUP BY m.component, m.kind, m.rank, m.alpha, m.scale ORDER BY min(m.rowid) LIMIT 20;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 20) FROM as_text, (SELECT DISTINCT component, kind, rank, alpha, scale FROM convert_modules) HAVING count(*) > 20;

SELECT char(10) || '== Written' FROM as_text;
.mode column --wrap 0
.headers on
SELECT printf('%7d', (SELECT count(*) FROM convert_rows)) AS tensors, safetensors_label(path) AS file FROM as_text, out_target
UNION ALL SELECT printf('%7s', '-'), safetensors_label(t.config) FROM as_text, out_target AS t, parameters AS p WHERE p."to" = 'peft';
.mode column
.headers on
