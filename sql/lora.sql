-- What is this adapter?
--
-- Shows what it is (LoRA, DoRA, LoHa, (IA)3, OFT and some thirty other kinds), the rank, alpha and scale of its
-- modules and where alpha comes from, which modules it changes, for which base it was made, its trigger words and
-- tags, and the trainer's notes: for adapters of PEFT, of kohya's sd-scripts and LyCORIS, of diffusers and others. The
-- script reads headers, the scalars named *.alpha, and the adapter_config.json beside the file, where PEFT keeps
-- alpha. Patterns of alphas and ranks match as PEFT matches them.
--
-- A LoRA adds scale * up * down to a weight, where down is [rank, in], up is [out, rank] and scale is alpha / rank
-- (alpha / sqrt(rank) with PEFT's use_rslora, alpha / (rank + 1e-5) in AdaLoRA). If no alpha is stored, loaders
-- use the rank instead. What cannot be computed from the file alone, or does not fit together, is under Notes.
--
-- Of a directory or a pattern, each file is an adapter of its own.
--
-- @param path path required   the adapter, or a directory or pattern of adapters
-- @table adapter_modules(file, module, kind, naming, component, target, weight, rank, alpha, alpha_from, scale, shape,
--    computed, status)   one row per module that is adapted. weight is the one that it changes, by its own naming;
--    shape that of the change; computed 1 if the file alone says what the change is; status what else there is to know
-- @table adapter_files(file, status, error, kind, modules, parameters, nbytes, made_for, triggers, tags, config)   one
--    row per file: tags are the most frequent ones, config is the adapter_config.json beside it
-- @table adapter_notes(file, note, modules)   what an adapter does not say, or cannot be computed from it
-- @table adapter_tensors(file, name, dtype, shape, numel, module, role)   one row per tensor; role is what it is to
--    its module, by PEFT's names, NULL if it belongs to none
-- @example safetensors-sql lora 'loras/*.safetensors'

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL));
INSERT INTO parameters VALUES (:path);

-- If no file can be read, this raises the error and ends the script.
INSERT INTO parameters(path)
SELECT t.name FROM (SELECT total(status = 'ok') AS ok FROM safetensors_files(:path)) AS f,
  safetensors_tensors(iif(f.ok > 0, NULL, :path)) AS t;

-- The adapters: files, or the index that was given.
DROP TABLE IF EXISTS temp.adapter_files;
CREATE TEMP TABLE adapter_files AS
  WITH f AS MATERIALIZED (
    SELECT u.file, u.status, u.error, u.nbytes,
           replace(replace(u.file, rtrim(u.file, replace(u.file, '/', '')), ''), '.safetensors', '') AS base,
           readfile(rtrim(u.file, replace(u.file, '/', '')) || 'adapter_config.json') AS config,
           (SELECT json_group_object(key, value) FROM (
              SELECT key, min(value) AS value FROM safetensors_metadata(iif(u.status = 'ok', u.file, NULL)) GROUP BY key)) AS metadata
    FROM (SELECT :path AS file, 'ok' AS status, NULL AS error, (SELECT sum(nbytes) FROM safetensors_files(:path)) AS nbytes
          WHERE :path LIKE '%.index.json'
          UNION ALL SELECT file, status, error, nbytes FROM safetensors_files(:path) WHERE :path NOT LIKE '%.index.json') AS u
  )
  SELECT file, iif(length(base) > 26, substr(base, 1, 12) || '...' || substr(base, -11), base)
         AS label, iif(length(base) > 18, substr(base, 1, 8) || '...' || substr(base, -7), base) AS short,
         status, error, CAST(NULL AS TEXT) AS kind, CAST(NULL AS INTEGER) AS modules, CAST(NULL AS INTEGER) AS parameters, nbytes,
         coalesce(CASE WHEN json_valid(config) THEN nullif(config ->> '$.base_model_name_or_path', '') END,
                  metadata ->> '$."ss_base_model_version"', metadata ->> '$."modelspec.architecture"', metadata ->> '$."ss_sd_model_name"',
                  metadata ->> '$."base_model"') AS made_for,
         coalesce(metadata ->> '$."modelspec.trigger_phrase"', metadata ->> '$."ss_trigger_words"', metadata ->> '$."trigger_words"') AS triggers,
         (SELECT group_concat(tag, ', ') FROM (
            SELECT trim(t.key) AS tag, sum(t.value) AS n
            FROM json_each(CASE WHEN json_valid(metadata ->> '$."ss_tag_frequency"') THEN metadata ->> '$."ss_tag_frequency"' END) AS d,
              json_each(iif(d.type = 'object', d.value, '{}')) AS t
            GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 8)) AS tags,
         iif(json_valid(config), CAST(config AS TEXT), NULL) AS config, config IS NOT NULL AND NOT json_valid(config) AS config_is_broken,
         CASE WHEN json_valid(metadata ->> '$."lora_adapter_metadata"') THEN metadata ->> '$."lora_adapter_metadata"' END AS noted,
         metadata ->> '$."ss_network_alpha"' AS ss_network_alpha, metadata
  FROM f;

DROP TABLE IF EXISTS temp.adapter_rows;
CREATE TEMP TABLE adapter_rows AS
  SELECT f.file, a.module, a.kind, a.rank, a.alpha, a.scale, a.shape, a.weight, a.status, a.parts, a.ref IS NOT NULL AS computed
  FROM adapter_files AS f, safetensors_adapter(iif(f.status = 'ok', f.file, NULL)) AS a;
DROP TABLE IF EXISTS temp.adapter_parts;
CREATE TEMP TABLE adapter_parts AS
  SELECT r.rowid AS id, r.file, r.module, j.key AS role, j.value AS name, j.id AS place
  FROM adapter_rows AS r, json_each(iif(json_valid(r.parts), r.parts, '{}')) AS j;
CREATE INDEX temp.adapter_parts_by_name ON adapter_parts(file, name);
CREATE INDEX temp.adapter_parts_by_row ON adapter_parts(id, place);
DROP TABLE IF EXISTS temp.adapter_tensors;
CREATE TEMP TABLE adapter_tensors AS
  SELECT f.file, t.name, t.dtype, t.shape, t.numel, p.module, p.role, t.pattern
  FROM adapter_files AS f, safetensors_tensors(iif(f.status = 'ok', f.file, NULL)) AS t
  LEFT JOIN (SELECT file, name, min(module) AS module, min(role) AS role FROM adapter_parts GROUP BY file, name) AS p
    ON p.file = f.file AND p.name = t.name;
CREATE INDEX temp.adapter_tensors_by_name ON adapter_tensors(file, name);

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
    FROM adapter_rows AS r LEFT JOIN adapter_parts AS p ON p.id = r.rowid AND p.place = (
      SELECT min(o.place) FROM adapter_parts AS o WHERE o.id = r.rowid)
    LEFT JOIN adapter_tensors AS t ON t.file = p.file AND t.name = p.name
  ), placed AS (
    SELECT n.*, CASE WHEN naming = 'kohya' THEN substr(module, 6, instr(substr(module, 6), '_') - 1)
                     WHEN naming NOT IN ('diffusers', 'ComfyUI') OR module NOT LIKE '%.%' THEN ''
                     ELSE substr(module, 1, instr(module, '.') - 1) END AS component,
           replace(replace(iif(instr(pattern, 'base_model.model.') = 1, substr(pattern, 18), pattern), 's.#.', char(1)), 's_#_', char(1)) AS parts_of
    FROM named AS n
  )
  SELECT p.file, ifnull(p.module, '') AS module, p.kind, p.naming, p.component,
         substr(parts_of, length(rtrim(parts_of, replace(parts_of, char(1), ''))) + 1) AS target, p.weight, p.rank, p.alpha,
         CASE WHEN p.scale IS NULL AND p.alpha IS NULL THEN '-'
              WHEN EXISTS (SELECT 1 FROM adapter_parts AS a WHERE a.id = p.id AND a.role = 'alpha') THEN 'tensor .alpha'
              WHEN p.alpha IS NULL THEN 'nowhere: the rank'
              WHEN f.noted IS NOT NULL THEN 'lora_adapter_metadata' WHEN f.config IS NOT NULL THEN 'adapter_config.json'
              ELSE 'ss_network_alpha' END AS alpha_from,
         p.scale, p.shape, p.computed, p.status, p.pattern, p.module AS label
  FROM placed AS p JOIN adapter_files AS f USING (file);
CREATE INDEX temp.adapter_modules_by_file ON adapter_modules(file);
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

DROP TABLE IF EXISTS temp.adapter_notes;
CREATE TEMP TABLE adapter_notes AS
  SELECT file, status AS note, count(*) AS modules FROM adapter_modules WHERE status <> 'ok' AND kind <> 'unknown'
  GROUP BY file, status
  UNION ALL
  SELECT DISTINCT file, 'no adapter, by the names of its tensors' || iif(instr(status, 'known are '), '; ' || substr(status, instr(status, 'known are ')), ''),
         NULL
  FROM adapter_modules WHERE kind = 'unknown'
  UNION ALL
  SELECT file, printf('%d %s to no module', count(*), iif(count(*) = 1, 'tensor belongs', 'tensors belong')), NULL
  FROM adapter_tensors WHERE role IS NULL AND file IN (SELECT file FROM adapter_modules WHERE kind <> 'unknown') GROUP BY file
  UNION ALL
  SELECT file, 'adapter_config.json is not JSON', NULL FROM adapter_files WHERE config_is_broken;

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
-- A file is what most of its modules are, but for those that were saved whole beside others.
UPDATE adapter_files SET modules = m.n, kind = m.kind
FROM (SELECT file, total(kind <> 'unknown') AS n, (
        SELECT ifnull(k.spelling, o.kind) || iif(o.kind = 'unknown' OR o.naming = 'other', '', ' (' || o.naming || ')')
        FROM adapter_modules AS o LEFT JOIN adapter_kinds AS k USING (kind)
        WHERE o.file = m.file GROUP BY o.kind, o.naming ORDER BY o.kind IN ('full', 'diff', 'tokens'), count(*) DESC LIMIT 1) AS kind
      FROM adapter_modules AS m GROUP BY file) AS m
WHERE m.file = adapter_files.file;
UPDATE adapter_files SET parameters = (SELECT sum(numel) FROM adapter_tensors AS t WHERE t.file = adapter_files.file AND t.role IS NOT 'alpha'),
  modules = ifnull(modules, 0), kind = coalesce(kind, iif(EXISTS (SELECT 1 FROM adapter_tensors AS t WHERE t.file = adapter_files.file), 'unknown', 'no tensors'))
WHERE status = 'ok';

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

.mode list
.headers off
.print == Verdict
SELECT CASE WHEN n = 1 AND f.modules > 0 THEN
         printf('%s of %,d %s', f.kind, f.modules, iif(f.modules = 1, 'module', 'modules'))
         || CASE WHEN m.low = m.high THEN printf(', rank %d', m.low) WHEN m.low < m.high THEN printf(', ranks from %d to %d', m.low, m.high) ELSE '' END
         || CASE WHEN m.least = m.most THEN printf(', scale %.4g', m.least)
                 WHEN m.least < m.most THEN printf(', scales from %.4g to %.4g', m.least, m.most) ELSE '' END
         || ifnull(', for ' || iif(length(f.made_for) > 30, substr(f.made_for, 1, 13) || '...' || substr(f.made_for, -14), f.made_for), '') || '.'
       WHEN n = 1 THEN 'No adapter that is known here.'
       ELSE (SELECT iif(length(line) > 79, substr(line, 1, 76) || '...', line) FROM (
         SELECT printf('%,d files: ', n) || group_concat(printf('%,d %s', k, kind), ', ') || '.' AS line
         FROM (SELECT kind, count(*) AS k FROM adapter_files WHERE status = 'ok' GROUP BY kind ORDER BY k DESC, kind))) END
FROM (SELECT count(*) AS n, min(rowid) AS one FROM adapter_files WHERE status = 'ok') JOIN adapter_files AS f ON f.rowid = one
LEFT JOIN (SELECT file, min(rank) AS low, max(rank) AS high, min(scale) AS least, max(scale) AS most FROM adapter_modules GROUP BY file) AS m
  ON m.file = f.file;
.print

.mode column
.headers on
.print == Adapters
SELECT f.label AS file, iif(f.status <> 'ok', f.status, f.kind) AS kind, f.modules,
       safetensors_pretty(f.parameters) AS parameters,
       iif(count(DISTINCT t.dtype) > 2, count(DISTINCT t.dtype) || ' dtypes',
           min(t.dtype) || iif(min(t.dtype) < max(t.dtype), ',' || max(t.dtype), '')) AS dtypes
FROM adapter_files AS f LEFT JOIN adapter_tensors AS t USING (file)
GROUP BY f.rowid ORDER BY f.status = 'ok', f.rowid;
.mode list
.headers off
.print

-- What else there is to know is listed only if there is something to list.
SELECT '== Notes' FROM adapter_notes LIMIT 1;
WITH RECURSIVE notes(n, note) AS (
  SELECT row_number() OVER (ORDER BY total(modules) DESC, note),
         iif(sum(modules) > 0, printf('%,d %s: ', sum(modules), iif(sum(modules) = 1, 'module', 'modules')), '') || note
         || iif((SELECT count(*) FROM adapter_files) = 1, '',
                ' (' || iif(count(DISTINCT file) = 1, (SELECT short FROM adapter_files AS f WHERE f.file = o.file),
                            count(DISTINCT file) || ' files') || ')')
  FROM adapter_notes AS o GROUP BY o.note
), wrapped(n, place, line, rest) AS ( -- in lines that fit a terminal, and end at a space
  SELECT n, 0, NULL, note FROM notes WHERE n <= 20
  UNION ALL
  SELECT n, place + 1, iif(place, '  ', '') || iif(length(rest) < 78, rest, ifnull(
           nullif(rtrim(substr(rest, 1, 78), replace(substr(rest, 1, 78), ' ', '')), ''), substr(rest, 1, 77))),
         iif(length(rest) < 78, '', substr(rest, 1 + length(ifnull(
           nullif(rtrim(substr(rest, 1, 78), replace(substr(rest, 1, 78), ' ', '')), ''), substr(rest, 1, 77)))))
  FROM wrapped WHERE rest <> ''
)
SELECT line FROM wrapped WHERE place > 0 ORDER BY n, place;
SELECT printf('and %,d more', count(DISTINCT note) - 20) FROM adapter_notes HAVING count(DISTINCT note) > 20;
SELECT '' FROM adapter_notes LIMIT 1;
.mode column
.headers on

.print == Rank and alpha
SELECT f.short AS file, iif(m.kind IN ('full', 'diff'), 'whole', ifnull(m.rank, '-')) AS rank,
       ifnull(m.alpha, '-') AS alpha, ifnull(round(m.scale, 4), '-') AS scale, m.alpha_from,
       count(*) AS modules
FROM adapter_modules AS m JOIN adapter_files AS f USING (file) WHERE m.kind <> 'unknown'
GROUP BY f.rowid, 2, m.alpha, m.scale, m.alpha_from ORDER BY f.rowid, count(*) DESC LIMIT 60;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 60)
FROM (SELECT DISTINCT file, iif(kind IN ('full', 'diff'), -1, rank), alpha, scale, alpha_from FROM adapter_modules WHERE kind <> 'unknown') HAVING count(*) > 60;
SELECT 'None: no names such as *.lora_A.weight or *.lora_down.weight.'
WHERE NOT EXISTS (SELECT 1 FROM adapter_modules WHERE kind <> 'unknown');
.print

SELECT '== Trigger words and tags' FROM adapter_files WHERE triggers <> '' OR tags <> '' LIMIT 1;
.mode column
.headers on
SELECT f.short AS file, iif(length(triggers) > 24, substr(triggers, 1, 21) || '...', triggers) AS triggers,
       iif(length(tags) > 34, substr(tags, 1, 31) || '...', tags) AS tags
FROM adapter_files AS f WHERE triggers <> '' OR tags <> '' ORDER BY f.rowid LIMIT 20;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 20) FROM adapter_files WHERE triggers <> '' OR tags <> '' HAVING count(*) > 20;
SELECT '' FROM adapter_files WHERE triggers <> '' OR tags <> '' LIMIT 1;
.mode column
.headers on

.print == Target modules
SELECT iif(length(component) > 12, substr(component, 1, 9) || '...', component) AS component,
       iif(length(target) > 40, substr(target, 1, 37) || '...', target) AS target,
       count(*) AS modules,
       iif(count(DISTINCT rank) > 3, printf('%d from %d to %d', count(DISTINCT rank), min(rank), max(rank)),
           group_concat(DISTINCT rank)) AS ranks
FROM adapter_modules AS m WHERE m.kind <> 'unknown' GROUP BY m.component, m.target ORDER BY m.component, m.target;
.mode list
.headers off
SELECT 'None.' WHERE NOT EXISTS (SELECT 1 FROM adapter_modules WHERE kind <> 'unknown');
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
