-- What is this adapter?
--
-- Shows the rank, alpha and where alpha comes from, the target modules, and the trainer's notes, for adapters of PEFT,
-- of kohya's sd-scripts and LyCORIS, and of diffusers. The script reads headers, the scalars named *.alpha, and the
-- adapter_config.json beside the file, where PEFT keeps alpha.
--
-- A LoRA adds scale * up * down to a weight, where down is [rank, in], up is [out, rank] and scale is alpha / rank
-- (alpha / sqrt(rank) with PEFT's use_rslora, alpha / (rank + 1e-5) in AdaLoRA). If no alpha is stored, loaders
-- use the rank instead. The keys of alpha_pattern and rank_pattern are regular expressions. The script evaluates
-- those that are plain names; where another expression may match, it leaves the scale open and says so. It
-- evaluates LoRA, DoRA, AdaLoRA, LoHa and LoKr, and names other kinds by their peft_type or their tensors' names.
--
-- @param path path required   the adapter, or a directory or pattern of adapters
-- @table adapter_modules(file, module, family, component, target, rank, alpha, alpha_from, downs, ups, scale)   one
--    row per module that is adapted
-- @table adapter_notes(file, note)   what an adapter does beyond scale * up * down
-- @table adapter_tensors(file, name, dtype, shape, numel, family, part, module)   one row per tensor
-- @table adapter_files(file, status, error, config)   one row per file; config is the adapter_config.json beside it
-- @example safetensors-sql lora 'loras/*.safetensors'

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL));
INSERT INTO parameters VALUES (:path);

-- If no file can be read, this raises the error and ends the script.
INSERT INTO parameters(path)
SELECT t.name FROM (SELECT total(status = 'ok') AS ok FROM safetensors_files(:path)) AS f,
  safetensors_tensors(iif(f.ok > 0, NULL, :path)) AS t;

DROP TABLE IF EXISTS temp.adapter_files;
CREATE TEMP TABLE adapter_files AS
  WITH f AS MATERIALIZED (
    SELECT file, status, error,
           replace(replace(file, rtrim(file, replace(file, '/', '')), ''), '.safetensors', '')
           AS base,
           readfile(rtrim(file, replace(file, '/', '')) || 'adapter_config.json') AS config,
           (SELECT value FROM safetensors_metadata(f.file)
            WHERE f.status = 'ok' AND key = 'lora_adapter_metadata') AS noted,
           (SELECT value FROM safetensors_metadata(f.file)
            WHERE f.status = 'ok' AND key = 'ss_network_alpha') AS ss_network_alpha
    FROM safetensors_files(:path) AS f
  )
  SELECT file, iif(length(base) > 26, substr(base, 1, 12) || '...' || substr(base, -11), base)
         AS label, iif(length(base) > 18, substr(base, 1, 8) || '...' || substr(base, -7), base) AS short,
         status, error,
         iif(json_valid(config), config, NULL) AS config,
         config IS NOT NULL AND NOT json_valid(config) AS config_is_broken,
         iif(json_valid(noted), noted, NULL) AS noted,
         iif(ss_network_alpha GLOB '[0-9]*', CAST(ss_network_alpha AS REAL), NULL)
         AS ss_network_alpha
  FROM f;

-- The configuration by component. lora_adapter_metadata takes precedence over adapter_config.json.
DROP TABLE IF EXISTS temp.adapter_settings;
CREATE TEMP TABLE adapter_settings AS
  SELECT f.file, 1 AS place, iif(instr(n.key, '.'), substr(n.key, 1, instr(n.key, '.') - 1), '') AS component,
         substr(n.key, instr(n.key, '.') + 1) AS key, n.value
  FROM adapter_files AS f, json_each(f.noted) AS n WHERE f.status = 'ok' AND n.value IS NOT NULL
  UNION ALL
  SELECT f.file, 2, '', c.key, c.value
  FROM adapter_files AS f, json_each(f.config) AS c WHERE f.status = 'ok' AND c.value IS NOT NULL;
CREATE INDEX temp.adapter_settings_by_key ON adapter_settings(file, key);

-- What the ends of tensor names mean.
DROP TABLE IF EXISTS temp.adapter_endings;
CREATE TEMP TABLE adapter_endings(ending, family, part);
INSERT INTO adapter_endings VALUES
  ('.lora_A.weight', 'LoRA (PEFT)', 'down'), ('.lora_B.weight', 'LoRA (PEFT)', 'up'),
  ('.lora_embedding_A', 'LoRA (PEFT)', 'down'), ('.lora_embedding_B', 'LoRA (PEFT)', 'up'),
  ('.lora_magnitude_vector', 'DoRA (PEFT)', 'magnitude'),
  ('.lora_magnitude_vector.weight', 'DoRA (PEFT)', 'magnitude'),
  ('.lora_A', 'AdaLoRA (PEFT)', 'down'), ('.lora_B', 'AdaLoRA (PEFT)', 'up'),
  ('.lora_E', 'AdaLoRA (PEFT)', 'middle'),
  ('.lora_down.weight', 'LoRA (kohya)', 'down'), ('.lora_up.weight', 'LoRA (kohya)', 'up'),
  ('.lora_mid.weight', 'LoRA (kohya)', 'middle'), ('.dora_scale', 'DoRA (kohya)', 'magnitude'),
  ('.alpha', NULL, 'alpha'),
  ('.lora.down.weight', 'LoRA (diffusers)', 'down'), ('.lora.up.weight', 'LoRA (diffusers)', 'up'),
  ('_lora.down.weight', 'LoRA (diffusers)', 'down'), ('_lora.up.weight', 'LoRA (diffusers)', 'up'),
  ('_lora1.down.weight', 'LoRA (XLabs)', 'down'), ('_lora1.up.weight', 'LoRA (XLabs)', 'up'),
  ('_lora2.down.weight', 'LoRA (XLabs)', 'down'), ('_lora2.up.weight', 'LoRA (XLabs)', 'up'),
  ('.lora_linear_layer.down.weight', 'LoRA (diffusers)', 'down'),
  ('.lora_linear_layer.up.weight', 'LoRA (diffusers)', 'up'),
  (':down', 'LoRA (cloneofsimo)', 'down'), (':up', 'LoRA (cloneofsimo)', 'up'),
  ('.hada_w1_a', 'LoHa (LyCORIS)', 'up'), ('.hada_w1_b', 'LoHa (LyCORIS)', 'down'),
  ('.hada_w2_a', 'LoHa (LyCORIS)', 'up'), ('.hada_w2_b', 'LoHa (LyCORIS)', 'down'),
  ('.hada_t1', 'LoHa (LyCORIS)', 'middle'), ('.hada_t2', 'LoHa (LyCORIS)', 'middle'),
  ('.lokr_w1', 'LoKr (LyCORIS)', 'whole'), ('.lokr_w2', 'LoKr (LyCORIS)', 'whole'),
  ('.lokr_w1_a', 'LoKr (LyCORIS)', 'up'), ('.lokr_w1_b', 'LoKr (LyCORIS)', 'down'),
  ('.lokr_w2_a', 'LoKr (LyCORIS)', 'up'), ('.lokr_w2_b', 'LoKr (LyCORIS)', 'down'),
  ('.lokr_t2', 'LoKr (LyCORIS)', 'middle'),
  ('.diff', 'full (LyCORIS)', 'whole'), ('.diff_b', 'full (LyCORIS)', 'whole'),
  ('.w_norm', 'norms (LyCORIS)', 'whole'), ('.b_norm', 'norms (LyCORIS)', 'whole'),
  ('.a1.weight', 'GLoRA (LyCORIS)', 'other'), ('.a2.weight', 'GLoRA (LyCORIS)', 'other'),
  ('.b1.weight', 'GLoRA (LyCORIS)', 'other'), ('.b2.weight', 'GLoRA (LyCORIS)', 'other'),
  ('.on_input', '(IA)3 (LyCORIS)', 'other'), ('.oft_blocks', 'OFT (LyCORIS)', 'other'),
  ('.oft_diag', 'OFT (LyCORIS)', 'other'), ('.rescale', NULL, 'other'),
  ('.ia3_l', '(IA)3 (PEFT)', 'other'), ('.oft_R.weight', 'OFT (PEFT)', 'other'), ('.oft_r', 'OFT (PEFT)', 'other'),
  ('.oft_s', 'OFT (PEFT)', 'other'), ('.boft_R', 'BOFT (PEFT)', 'other'), ('.boft_s', 'BOFT (PEFT)', 'other'),
  ('.vera_lambda_b', 'VeRA (PEFT)', 'other'), ('.vera_lambda_d', 'VeRA (PEFT)', 'other'),
  ('.vera_A', 'VeRA (PEFT)', 'other'), ('.vera_B', 'VeRA (PEFT)', 'other'),
  ('.vblora_logits_A', 'VB-LoRA (PEFT)', 'other'), ('.vblora_logits_B', 'VB-LoRA (PEFT)', 'other'),
  ('.vblora_vector_bank', 'VB-LoRA (PEFT)', 'other'), ('.fourierft_spectrum', 'FourierFT (PEFT)', 'other'),
  ('.hra_u', 'HRA (PEFT)', 'other'), ('.bone_block', 'Bone (PEFT)', 'other'),
  ('.miss_block', 'MiSS (PEFT)', 'other'), ('.shira_weight', 'SHiRA (PEFT)', 'other'),
  ('.c3a_kernel', 'C3A (PEFT)', 'other'), ('.road_theta', 'RoAd (PEFT)', 'other'),
  ('.road_alpha', 'RoAd (PEFT)', 'other'), ('.adaption_prompt', 'prompts (PEFT)', 'other'),
  ('.adaption_gate', 'prompts (PEFT)', 'other'), ('prompt_embeddings', 'prompts (PEFT)', 'other'),
  ('.trainable_tokens_delta', 'tokens (PEFT)', 'tokens'),
  ('emb_params', 'textual inversion', 'other'), ('string_to_param.*', 'textual inversion', 'other');

-- PEFT may put the adapter's own name before ".weight". A file with one tensor named <token>, or with those of the
-- two text encoders of SDXL, is a textual inversion.
DROP TABLE IF EXISTS temp.adapter_tensors;
CREATE TEMP TABLE adapter_tensors AS
  SELECT t.file, t.name, t.dtype, t.shape, t.numel, t.ref, ifnull(e.family, t.inverted) AS family,
         iif(e.ending IS NULL AND t.inverted IS NOT NULL, 'other', e.part) AS part,
         iif(e.ending IS NULL AND t.inverted IS NOT NULL, '', substr(t.plain, 1, length(t.plain) - length(e.ending)))
         AS module,
         substr(t.pattern, 1, length(t.pattern) - length(e.ending) - (length(t.name) - length(t.plain))) AS pattern
  FROM (
    SELECT f.file, t.name, t.dtype, t.shape, t.numel, t.pattern, t.ref,
           CASE WHEN t.name LIKE '%.weight' AND instr(t.name, '.lora_A.') + instr(t.name, '.lora_B.') > 0
                THEN substr(t.name, 1, instr(t.name, '.lora_A.') + instr(t.name, '.lora_B.') + 6) || '.weight'
                WHEN t.name LIKE '%.lora\_embedding\__.%' ESCAPE '\'
                THEN substr(t.name, 1, instr(t.name, '.lora_embedding_') + 16)
                ELSE t.name END AS plain,
           iif(t.name GLOB '<*>' OR f.tensors <= 3 AND t.name IN ('clip_l', 'clip_g', 't5xxl'), 'textual inversion', NULL)
           AS inverted
    FROM (SELECT file, (SELECT count(*) FROM safetensors_tensors(a.file)) AS tensors
          FROM adapter_files AS a WHERE status = 'ok') AS f, safetensors_tensors(f.file) AS t
  ) AS t LEFT JOIN adapter_endings AS e ON substr(t.plain, -length(e.ending)) = e.ending;

-- The component that a module is part of; its name there, which follows the last container of numbered parts
-- ("layers.3.", "blocks_3_"); and its alpha and rank, from the first place that has them.
DROP TABLE IF EXISTS temp.adapter_modules;
CREATE TEMP TABLE adapter_modules AS
  WITH m AS (
    SELECT file, module, min(family) AS family, min(pattern) AS pattern,
           replace(replace(replace(pattern, 'base_model.model.', ''), 's.#.', char(1)),
                   's_#_', char(1)) AS parts,
           CASE WHEN module LIKE 'lora\_%\_%' ESCAPE '\'
                THEN substr(module, 6, instr(substr(module, 6), '_') - 1)
                WHEN module LIKE '%:%' THEN substr(module, 1, instr(module, ':') - 1)
                WHEN module LIKE 'base_model.%' OR module NOT LIKE '%.%' THEN ''
                ELSE substr(module, 1, instr(module, '.') - 1) END AS component,
           max(json_extract(shape, '$[0]')) FILTER (WHERE part = 'down') AS rows,
           max(ref) FILTER (WHERE part = 'alpha') AS alpha_ref,
           sum(part = 'down') AS downs, sum(part = 'up') AS ups,
           max(part IN ('down', 'up', 'whole')) AS is_evaluated
    FROM adapter_tensors WHERE module IS NOT NULL
    GROUP BY file, module HAVING max(part NOT IN ('alpha', 'tokens')) AND max(family IS NOT NULL)
  ),
  settings AS (
    SELECT m.*, f.config, f.config_is_broken, f.ss_network_alpha, s.*
    FROM m JOIN adapter_files AS f USING (file) LEFT JOIN (
      SELECT file AS of_file, place, component AS of_component,
             max(value) FILTER (WHERE key = 'peft_type') AS peft_type,
             max(value) FILTER (WHERE key = 'r') AS r,
             max(value) FILTER (WHERE key IN ('lora_alpha', 'alpha')) AS lora_alpha,
             max(value) FILTER (WHERE key = 'use_rslora') AS use_rslora,
             max(value) FILTER (WHERE key = 'alpha_pattern' AND json_valid(value)) AS alpha_pattern,
             max(value) FILTER (WHERE key = 'rank_pattern' AND json_valid(value)) AS rank_pattern,
             max(value) FILTER (WHERE key = 'target_parameters' AND value <> '[]') AS target_parameters
      FROM adapter_settings GROUP BY file, place, component
    ) AS s ON s.of_file = m.file AND s.of_component IN (m.component, '')
           AND (s.place, s.of_component) = (
             SELECT o.place, o.component FROM adapter_settings AS o
             WHERE o.file = m.file AND o.component IN (m.component, '')
             ORDER BY o.place, o.component DESC LIMIT 1)
  ),
  patterns AS ( -- the first key that matches, or that may match because it is not a plain name
    SELECT s.*,
           (SELECT value FROM tensor_elements(alpha_ref) WHERE idx = 0) AS of_tensor,
           (SELECT json_array(p.is_regular, p.value)
            FROM (SELECT id, value, key GLOB '*[^A-Za-z0-9_.-]*' AS is_regular,
                         substr('.' || module, -length(key) - 1) GLOB '.' || replace(key, '.', '?') AS matches
                  FROM json_each(alpha_pattern)) AS p
            WHERE p.is_regular OR p.matches ORDER BY p.id LIMIT 1) AS alpha_found,
           (SELECT json_array(p.is_regular, p.value)
            FROM (SELECT id, value, key GLOB '*[^A-Za-z0-9_.-]*' AS is_regular,
                         substr('.' || module, -length(key) - 1) GLOB '.' || replace(key, '.', '?') AS matches
                  FROM json_each(rank_pattern)) AS p
            WHERE p.is_regular OR p.matches ORDER BY p.id LIMIT 1) AS rank_found
    FROM settings AS s
  ),
  evaluated AS (
    SELECT *, ifnull(peft_type, 'LORA') IN ('LORA', 'ADALORA', 'LOHA', 'LOKR') AND is_evaluated
              AND family NOT IN ('full (LyCORIS)', 'norms (LyCORIS)') AS is_known,
           ifnull(json_extract(alpha_found, '$[0]'), 0) AND of_tensor IS NULL AS alpha_open,
           ifnull(json_extract(alpha_found, '$[1]'), lora_alpha) AS of_config,
           -- lora_A has `rank` rows, except for the factors of LoKr and where it holds all experts of a parameter
           CASE WHEN r IS NULL OR family NOT LIKE 'LoKr%' AND (target_parameters IS NULL OR rows = r) THEN rows
                WHEN json_extract(rank_found, '$[0]') THEN NULL
                ELSE ifnull(json_extract(rank_found, '$[1]'), r) END AS rank
    FROM patterns
  ),
  chosen AS (
    SELECT *, iif(alpha_open OR NOT is_known, NULL,
                  coalesce(of_tensor, of_config, ss_network_alpha, iif(config_is_broken, NULL, rank)) + 0.0) AS alpha,
           CASE WHEN NOT is_known THEN 'not evaluated: no LoRA'
                WHEN alpha_open THEN 'alpha_pattern not evaluated'
                WHEN rank IS NULL AND json_extract(rank_found, '$[0]') THEN 'rank_pattern not evaluated'
                WHEN of_tensor IS NOT NULL THEN 'tensor .alpha'
                WHEN of_config IS NOT NULL THEN iif(place = 1, 'lora_adapter_metadata', 'adapter_config.json')
                WHEN ss_network_alpha IS NOT NULL THEN 'ss_network_alpha'
                WHEN config_is_broken THEN 'adapter_config.json is not JSON'
                ELSE 'nowhere: the rank' END AS alpha_from
    FROM evaluated
  )
  SELECT file, module, family, component,
         iif(module LIKE '%:%', component,
             substr(parts, length(rtrim(parts, replace(parts, char(1), ''))) + 1)) AS target,
         rank, alpha, alpha_from, downs, ups,
         alpha / CASE WHEN family LIKE 'AdaLoRA%' THEN rank + 1e-5 WHEN use_rslora THEN sqrt(rank) ELSE rank END AS scale,
         is_known, pattern, module AS label
  FROM chosen;
-- Shortens names to 60 characters, so that a label keeps the layer, the word directly before it, the end, and
-- numbers in the part that is cut.
UPDATE adapter_modules SET label = (
  SELECT CASE WHEN length(begin || rest) <= 60 THEN begin || rest
              WHEN numbers IS NULL AND tail GLOB '*[0-9]*'
              THEN begin || substr(rest, 1, room - 3 - length(tail)) || '...' || tail
              WHEN numbers IS NULL
              THEN begin || substr(rest, 1, room * 2 / 5) || '...' || substr(rest, room * 2 / 5 + 3 - room)
              ELSE begin || '..' || numbers || '..' || substr(tail, -max(1, room - 4 - length(numbers))) END
  FROM (SELECT begin, rest, tail, room, (
          SELECT group_concat(value, '.')
          FROM json_each('[' || replace(replace(json_quote(substr(rest, 1, length(rest) - length(tail))),
                                                '.', '","'), '_', '","') || ']')
          WHERE value <> '' AND value NOT GLOB '*[^0-9]*') AS numbers
        FROM (SELECT begin, rest, 60 - length(begin) AS room, iif(
                       substr(rest, length(begin) - 53) GLOB '[0-9]*',
                       ltrim(substr(rest, length(begin) - 53), '0123456789'),
                       substr(rest, length(begin) - 53)) AS tail
              FROM (SELECT iif(length(head) <= 18, head, '...' || substr(head, -min(15, length(head) - length(
                             rtrim(stem, replace(stem, iif(instr(stem, '.'), '.', '_'), '')))))) AS begin,
                           substr(module, length(head) + 1) AS rest
                    FROM (SELECT substr(module, 1, first - 2) AS stem,
                                 substr(module, 1, iif(first = 0, 16, first - 1 + length(after)
                                        - length(ltrim(after, '0123456789')))) AS head
                          FROM (SELECT instr(pattern, '#') AS first,
                                       substr(module, instr(pattern, '#')) AS after))))))
WHERE length(module) > 60;

-- What these adapters do beyond scale * up * down.
DROP TABLE IF EXISTS temp.adapter_notes;
CREATE TEMP TABLE adapter_notes AS
  SELECT file, 'peft_type ' || value || ': what it changes is not evaluated here' AS note
  FROM adapter_settings WHERE key = 'peft_type' AND value NOT IN ('LORA', 'ADALORA', 'LOHA', 'LOKR')
  UNION ALL
  SELECT file, 'alpha_pattern not evaluated: regular expressions may match ' || count(*) || ' module' || iif(count(*) = 1, '', 's')
  FROM adapter_modules WHERE alpha_from = 'alpha_pattern not evaluated' GROUP BY file
  UNION ALL
  SELECT file, 'rank_pattern not evaluated: regular expressions may match ' || count(*) || ' module' || iif(count(*) = 1, '', 's')
  FROM adapter_modules WHERE alpha_from = 'rank_pattern not evaluated' GROUP BY file
  UNION ALL
  SELECT file, 'init_lora_weights ' || value || ': the base was changed, too; up * down is not all'
  FROM adapter_settings WHERE key = 'init_lora_weights' AND CAST(value AS TEXT) NOT IN ('0', '1', 'true', 'false', 'gaussian',
                                                                          'orthogonal', 'eva')
  UNION ALL
  SELECT DISTINCT file, 'DoRA: what results is scaled to the stored magnitudes'
  FROM adapter_modules WHERE family LIKE 'DoRA%'
  UNION ALL
  SELECT DISTINCT file, 'target_parameters: lora_A has the rows of all experts, the rank is the config''s'
  FROM adapter_settings WHERE key = 'target_parameters' AND value <> '[]'
  UNION ALL
  SELECT DISTINCT file, key || ': not evaluated' FROM adapter_settings
  WHERE key IN ('use_qalora', 'layer_replication', 'alora_invocation_tokens', 'arrow_config', 'lora_bias',
                'monteclora_config', 'kasa_config', 'use_bdlora', 'velora_config')
    AND value NOT IN (0, '0', '', '[]', '{}', 'none')
  UNION ALL
  SELECT file, 'rows of embeddings for trained tokens, which replace those of the base'
  FROM adapter_tensors WHERE part = 'tokens' GROUP BY file
  UNION ALL
  SELECT file, printf('%d tensor%s of the unchanged base (base_layer)', count(*),
                      iif(count(*) = 1, ' is a copy', 's are copies'))
  FROM adapter_tensors WHERE part IS NULL AND name LIKE '%.base_layer.weight' GROUP BY file
  UNION ALL
  SELECT t.file, printf('%d other tensor%s%s', count(*), iif(count(*) = 1, '', 's'), iif(max(t.name LIKE 'base_model.%') AND EXISTS (
           SELECT 1 FROM adapter_settings AS s WHERE s.file = t.file AND (s.key = 'modules_to_save' AND s.value <> '[]'
                  OR s.key = 'bias' AND s.value <> 'none')), ', saved whole (modules_to_save, biases)', ', of names unknown here'))
  FROM adapter_tensors AS t WHERE t.part IS NULL AND t.name NOT LIKE '%.base_layer.weight' GROUP BY t.file;

-- The metadata that trainers write, with one row for all files that agree.
CREATE TEMP VIEW IF NOT EXISTS adapter_metadata AS
  SELECT iif(length(key) > 34, substr(key, 1, 31) || '...', key) AS key,
         iif(count(DISTINCT value) > 1, count(DISTINCT value) || ' different values',
                  replace(iif(length(value) > 44, substr(value, 1, 41) || '...', value),
                          char(10), ' ')) AS value
  FROM adapter_files AS f, safetensors_metadata(f.file) AS m WHERE f.status = 'ok' GROUP BY m.key;

-- Files that cannot be read are reported and left out.
.mode list
.headers off
SELECT iif(n = 1, printf('warning: 1 of %,d files cannot be read, and is left out:', of),
           printf('warning: %,d of %,d files cannot be read, and are left out:', n, of))
FROM (SELECT total(status <> 'ok') AS n, count(*) AS of FROM safetensors_files(:path)) WHERE n > 0;
SELECT error FROM safetensors_files(:path) WHERE status <> 'ok' LIMIT 20;
SELECT iif(count(*) > 20, printf('and %,d more' || char(10), count(*) - 20), '')
FROM safetensors_files(:path) WHERE status <> 'ok' HAVING count(*) > 0;
.mode column
.headers on

.print == Adapters
SELECT f.label AS file,
       CASE WHEN f.status <> 'ok' THEN f.status
            WHEN p.peft_type <> 'LORA' THEN p.peft_type || ' (PEFT)'
            ELSE coalesce((SELECT iif(count(DISTINCT family) > 1, 'several kinds', family)
                           FROM adapter_modules AS m WHERE m.file = f.file),
                          p.peft_type || ' (PEFT)', iif(count(t.name) = 0, 'no tensors', 'unknown')) END AS kind,
       (SELECT count(*) FROM adapter_modules AS m WHERE m.file = f.file) AS modules,
       safetensors_pretty(sum(t.numel)) AS parameters,
       iif(count(DISTINCT t.dtype) > 2, count(DISTINCT t.dtype) || ' dtypes',
           min(t.dtype) || iif(min(t.dtype) < max(t.dtype), ',' || max(t.dtype), '')) AS dtypes
FROM adapter_files AS f LEFT JOIN adapter_tensors AS t USING (file)
LEFT JOIN (SELECT file, max(value) AS peft_type FROM adapter_settings WHERE key = 'peft_type' GROUP BY file) AS p
  USING (file)
GROUP BY f.rowid ORDER BY f.status = 'ok', f.rowid;
.mode list
.headers off
SELECT printf('unknown: %d file%s no name that this script knows. It knows those of LoRA,'
              || char(10) || 'DoRA, AdaLoRA, LoHa, LoKr, GLoRA, OFT, (IA)3, VeRA and others of PEFT.', count(*),
              iif(count(*) = 1, ' has', 's have'))
FROM adapter_files AS f
WHERE status = 'ok' AND file NOT IN (SELECT file FROM adapter_modules)
  AND file NOT IN (SELECT file FROM adapter_settings WHERE key = 'peft_type')
  AND file IN (SELECT file FROM adapter_tensors) HAVING count(*) > 0;
.mode column
.headers on
.print

.print == Rank and alpha
SELECT f.short AS file, coalesce(m.rank, iif(m.is_known AND m.downs = 0, 'whole', '-')) AS rank,
       ifnull(m.alpha, '-') AS alpha, ifnull(round(m.scale, 4), '-') AS scale, m.alpha_from,
       count(*) AS modules
FROM adapter_modules AS m JOIN adapter_files AS f USING (file)
GROUP BY f.rowid, m.rank, m.alpha, m.scale, m.alpha_from ORDER BY f.rowid, count(*) DESC;
.mode list
.headers off
SELECT 'None: no names such as *.lora_A.weight or *.lora_down.weight.'
WHERE NOT EXISTS (SELECT 1 FROM adapter_modules);
.print

-- What is not evaluated is listed only if there is something to list.
SELECT '== Not evaluated' FROM adapter_notes LIMIT 1;
SELECT note || iif((SELECT count(*) FROM adapter_files) = 1, '',
                   ' (' || iif(count(DISTINCT file) = 1, (SELECT short FROM adapter_files AS f WHERE f.file = n.file),
                               count(DISTINCT file) || ' files') || ')')
FROM adapter_notes AS n GROUP BY n.note ORDER BY count(*) DESC, n.note LIMIT 20;
SELECT printf('and %,d more', count(DISTINCT note) - 20) FROM adapter_notes HAVING count(DISTINCT note) > 20;
SELECT '' FROM adapter_notes LIMIT 1;
.mode column
.headers on

.print == Target modules
SELECT iif(length(component) > 12, substr(component, 1, 9) || '...', component) AS component,
       iif(length(target) > 40, substr(target, 1, 37) || '...', target) AS target,
       count(*) AS modules,
       iif(count(DISTINCT rank) > 3, printf('%d from %d to %d', count(DISTINCT rank), min(rank), max(rank)),
           group_concat(DISTINCT rank)) AS ranks
FROM adapter_modules AS m GROUP BY m.component, m.target ORDER BY m.component, m.target;
.mode list
.headers off
SELECT 'None.' WHERE NOT EXISTS (SELECT 1 FROM adapter_modules);
.mode column
.headers on
.print

.print == Modules that lack a part
SELECT label AS module,
       iif(downs < ups, 'down', 'up') AS lacks
FROM adapter_modules AS m WHERE downs <> ups ORDER BY m.file, m.module LIMIT 20;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 20) FROM adapter_modules WHERE downs <> ups
HAVING count(*) > 20;
SELECT iif(EXISTS (SELECT 1 FROM adapter_modules), 'None: every down has its up.', 'None.')
WHERE NOT EXISTS (SELECT 1 FROM adapter_modules WHERE downs <> ups);
.mode column
.headers on
.print

.print == Configuration of PEFT
SELECT iif(length(c.key) > 34, substr(c.key, 1, 31) || '...', c.key) AS key,
       iif(length(c.value) > 44, substr(c.value, 1, 41) || '...', c.value) AS value
FROM adapter_files AS f, json_each(ifnull(f.config, f.noted)) AS c
WHERE c.value IS NOT NULL AND c.value NOT IN ('', '{}', '[]', 0)
GROUP BY c.key, c.value ORDER BY c.key, c.value;
.mode list
.headers off
SELECT iif((SELECT max(config_is_broken) FROM adapter_files), 'None: adapter_config.json is not JSON.',
           'None: no adapter_config.json beside the file, no lora_adapter_metadata in it.')
WHERE NOT EXISTS (SELECT 1 FROM adapter_files WHERE ifnull(config, noted) IS NOT NULL);
.mode column
.headers on
.print

.print == Notes of the trainer (ss_*)
SELECT key, value FROM adapter_metadata AS m WHERE m.key GLOB 'ss_*' OR m.key GLOB 'sshs_*';
.mode list
.headers off
SELECT 'None.' WHERE NOT EXISTS (SELECT 1 FROM adapter_metadata WHERE key GLOB 'ss_*');
.mode column
.headers on
.print

.print == Model specification (modelspec.*)
SELECT key, value FROM adapter_metadata AS m WHERE m.key GLOB 'modelspec.*';
.mode list
.headers off
SELECT 'None.' WHERE NOT EXISTS (SELECT 1 FROM adapter_metadata WHERE key GLOB 'modelspec.*');
.mode column
.headers on
