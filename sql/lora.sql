-- What is this adapter? Rank, alpha and where alpha is written, target modules, and what the
-- trainer noted: for adapters of PEFT, of kohya's sd-scripts and LyCORIS, and of diffusers.
--
--   sqlite3 -cmd ".load build/safetensors" -cmd ".param set :path lora.safetensors" < sql/lora.sql
--
-- :path may be a pattern, loras/*.safetensors, too. Reads headers, the scalars named *.alpha, and
-- the adapter_config.json beside the file, where PEFT keeps alpha. Leaves the tables
-- `adapter_files`, `adapter_tensors` and `adapter_modules` (file, module, family, component,
-- target, rank, alpha, alpha_from, downs, ups, scale).
--
-- An adapter adds scale * up * down to a weight: down is [rank, in], up is [out, rank], scale is
-- alpha / rank (alpha / sqrt(rank) with PEFT's use_rslora). Where no alpha is written, loaders take
-- the rank for it.

.bail on
CREATE TEMP TABLE IF NOT EXISTS needs_path(value CONSTRAINT ":path is set"
  CHECK (value IS NOT NULL));
INSERT INTO needs_path VALUES (:path);

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
  SELECT file, iif(length(base) > 22, substr(base, 1, 10) || '...' || substr(base, -9), base)
         AS label, status, error,
         iif(json_valid(config), config, NULL) AS config,
         config IS NOT NULL AND NOT json_valid(config) AS config_is_broken,
         iif(json_valid(noted), noted, NULL) AS noted,
         iif(ss_network_alpha GLOB '[0-9]*', CAST(ss_network_alpha AS REAL), NULL)
         AS ss_network_alpha
  FROM f;

-- How names end, and what that means.
CREATE TEMP VIEW IF NOT EXISTS adapter_endings(ending, family, part) AS VALUES
  ('.lora_A.weight', 'LoRA (PEFT)', 'down'), ('.lora_B.weight', 'LoRA (PEFT)', 'up'),
  ('.lora_A.default.weight', 'LoRA (PEFT)', 'down'),
  ('.lora_B.default.weight', 'LoRA (PEFT)', 'up'),
  ('.lora_embedding_A', 'LoRA (PEFT)', 'down'), ('.lora_embedding_B', 'LoRA (PEFT)', 'up'),
  ('.lora_magnitude_vector', 'DoRA (PEFT)', 'magnitude'),
  ('.lora_magnitude_vector.weight', 'DoRA (PEFT)', 'magnitude'),
  ('.lora_down.weight', 'LoRA (kohya)', 'down'), ('.lora_up.weight', 'LoRA (kohya)', 'up'),
  ('.lora_mid.weight', 'LoRA (kohya)', 'middle'), ('.dora_scale', 'DoRA (kohya)', 'magnitude'),
  ('.alpha', NULL, 'alpha'),
  ('.lora.down.weight', 'LoRA (diffusers)', 'down'), ('.lora.up.weight', 'LoRA (diffusers)', 'up'),
  ('_lora.down.weight', 'LoRA (diffusers)', 'down'), ('_lora.up.weight', 'LoRA (diffusers)', 'up'),
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
  ('.diff', 'full (LyCORIS)', 'whole'), ('.diff_b', 'full (LyCORIS)', 'whole');

DROP TABLE IF EXISTS temp.adapter_tensors;
CREATE TEMP TABLE adapter_tensors AS
  SELECT f.file, t.name, t.dtype, t.shape, t.numel, t.ref, e.family, e.part,
         substr(t.name, 1, length(t.name) - length(e.ending)) AS module,
         substr(t.pattern, 1, length(t.pattern) - length(e.ending)) AS pattern
  FROM adapter_files AS f, safetensors_tensors(f.file) AS t
  LEFT JOIN adapter_endings AS e ON substr(t.name, -length(e.ending)) = e.ending
  WHERE f.status = 'ok';

-- What a module is part of, and what it is called there: the name after the last container of
-- numbered parts ("layers.3.", "blocks_3_").
DROP TABLE IF EXISTS temp.adapter_modules;
CREATE TEMP TABLE adapter_modules AS
  WITH m AS (
    SELECT file, module, min(family) AS family,
           replace(replace(replace(pattern, 'base_model.model.', ''), 's.#.', char(1)),
                   's_#_', char(1)) AS parts,
           CASE WHEN module LIKE 'lora\_%\_%' ESCAPE '\'
                THEN substr(module, 6, instr(substr(module, 6), '_') - 1)
                WHEN module LIKE '%:%' THEN substr(module, 1, instr(module, ':') - 1)
                WHEN module LIKE 'base_model.%' OR module NOT LIKE '%.%' THEN ''
                ELSE substr(module, 1, instr(module, '.') - 1) END AS component,
           max(json_extract(shape, '$[0]')) FILTER (WHERE part = 'down') AS rank,
           max(ref) FILTER (WHERE part = 'alpha') AS alpha_ref,
           sum(part = 'down') AS downs, sum(part = 'up') AS ups
    FROM adapter_tensors WHERE module IS NOT NULL
    GROUP BY file, module HAVING max(part <> 'alpha')
  ),
  alphas AS (
    SELECT m.*, f.config,
           (SELECT value FROM tensor_elements(alpha_ref) WHERE idx = 0) AS of_tensor,
           (SELECT n.value FROM json_each(f.noted) AS n
            WHERE n.key IN (component || '.lora_alpha', 'lora_alpha')) AS of_noted,
           ifnull((SELECT p.value FROM json_each(f.config, '$.alpha_pattern') AS p
                   WHERE substr('.' || module, -length(p.key) - 1) = '.' || p.key LIMIT 1),
                  json_extract(f.config, '$.lora_alpha')) AS of_config,
           ss_network_alpha, config_is_broken
    FROM m JOIN adapter_files AS f USING (file)
  ),
  chosen AS (
    SELECT *, coalesce(of_tensor, of_noted, of_config, ss_network_alpha, rank) + 0.0 AS alpha,
           CASE WHEN of_tensor IS NOT NULL THEN 'tensor .alpha'
                WHEN of_noted IS NOT NULL THEN 'lora_adapter_metadata'
                WHEN of_config IS NOT NULL THEN 'adapter_config.json'
                WHEN ss_network_alpha IS NOT NULL THEN 'ss_network_alpha'
                WHEN config_is_broken THEN 'adapter_config.json is not JSON'
                ELSE 'nowhere: the rank' END AS alpha_from
    FROM alphas
  )
  SELECT file, module, family, component,
         iif(module LIKE '%:%', component,
             substr(parts, length(rtrim(parts, replace(parts, char(1), ''))) + 1)) AS target,
         rank, alpha, alpha_from, downs, ups,
         alpha / iif(json_extract(config, '$.use_rslora'), sqrt(rank), rank) AS scale
  FROM chosen;

-- What trainers write into the files, once for all files that agree.
CREATE TEMP VIEW IF NOT EXISTS adapter_metadata AS
  SELECT iif(length(key) > 34, substr(key, 1, 31) || '...', key) AS key,
         iif(count(DISTINCT value) > 1, count(DISTINCT value) || ' different values',
                  replace(iif(length(value) > 44, substr(value, 1, 41) || '...', value),
                          char(10), ' ')) AS value
  FROM adapter_files AS f, safetensors_metadata(f.file) AS m WHERE f.status = 'ok' GROUP BY m.key;

.mode column
.headers on

.print == Adapters
SELECT f.label AS file,
       ifnull((SELECT iif(count(DISTINCT family) > 1, 'several kinds', family)
               FROM adapter_modules AS m WHERE m.file = f.file),
              iif(f.status = 'ok', 'no adapter', f.status)) AS kind,
       (SELECT count(*) FROM adapter_modules AS m WHERE m.file = f.file) AS modules,
       safetensors_pretty(sum(t.numel)) AS parameters,
       iif(count(DISTINCT t.dtype) > 2, count(DISTINCT t.dtype) || ' dtypes',
           group_concat(DISTINCT t.dtype)) AS dtypes
FROM adapter_files AS f LEFT JOIN adapter_tensors AS t USING (file) GROUP BY f.rowid;
.mode list
.headers off
SELECT 'There is no file under this path.' WHERE NOT EXISTS (SELECT 1 FROM adapter_files);
SELECT error FROM adapter_files WHERE error IS NOT NULL LIMIT 5;
SELECT printf('and %,d more that cannot be read', sum(error IS NOT NULL) - 5)
FROM adapter_files HAVING sum(error IS NOT NULL) > 5;
.mode column
.headers on
.print

.print == Rank and alpha
SELECT f.label AS file, ifnull(m.rank, 'whole') AS rank, ifnull(m.alpha, '-') AS alpha,
       ifnull(round(m.scale, 4), '-') AS scale, m.alpha_from, count(*) AS modules
FROM adapter_modules AS m JOIN adapter_files AS f USING (file)
GROUP BY f.rowid, m.rank, m.alpha, m.scale, m.alpha_from ORDER BY f.rowid, count(*) DESC;
.mode list
.headers off
SELECT 'None: no names such as *.lora_A.weight or *.lora_down.weight.'
WHERE NOT EXISTS (SELECT 1 FROM adapter_modules);
.mode column
.headers on
.print

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
SELECT iif(length(module) > 60, '...' || substr(module, -57), module) AS module,
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
