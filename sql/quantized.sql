-- Which weights are quantized, and does each have its scale?
--
-- Knows the tensor names of GPTQ, AWQ, bitsandbytes (4 and 8 bits), FP8 (by block, channel or tensor), INT8, MXFP4
-- (gpt-oss), NVFP4, MLX, compressed-tensors, HQQ, quanto and torchao. The path is one model, and all its files are
-- taken together. The script reads only headers, and the config.json beside the files.
--
-- Weights and scales are paired for the schemes above only. Other tensors of integers or of floats of 4, 6 and 8 bits
-- are reported as unknown if they look packed, because their module has a scale, zero point, absmax or codebook, or
-- because the configuration announces a quantization. The script does not look for other parts, such as zero points.
--
-- @alias quant
-- @param path path required   the model
-- @table quantized(weight, format, dtype, shape, pattern, nbytes, scale, lacks)   one row per packed weight; scale is
--    NULL if there is none, and lacks the scale that is missing
-- @table lonely_scales(scale, pattern, format, dtype, shape)   scales whose weight is missing
-- @table unknown_packed(name, dtype, shape, pattern, nbytes, beside)   what looks packed in another way, and why
-- @example safetensors-sql quantized model_directory

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL));
INSERT INTO parameters VALUES (:path);

-- If no file can be read, this raises the error and ends the script.
INSERT INTO parameters(path)
SELECT t.name FROM (SELECT total(status = 'ok') AS ok FROM safetensors_files(:path)) AS f,
  safetensors_tensors(iif(f.ok > 0, NULL, :path)) AS t;

DROP TABLE IF EXISTS temp.quantization_files;
CREATE TEMP TABLE quantization_files AS SELECT file, status, error FROM safetensors_files(:path);

DROP TABLE IF EXISTS temp.quantization_tensors;
CREATE TEMP TABLE quantization_tensors(
  name TEXT PRIMARY KEY, dtype TEXT, shape TEXT, pattern TEXT, nbytes INTEGER
) WITHOUT ROWID;
INSERT OR IGNORE INTO quantization_tensors
SELECT t.name, t.dtype, t.shape, t.pattern, t.nbytes
FROM quantization_files AS f, safetensors_tensors(f.file) AS t WHERE f.status = 'ok';

-- Which weight belongs to which scale: MODULE || weight to MODULE || scale. `packed` means that the weight's own
-- name, dtype and shape show that it is packed, so it must have a scale. `alone` means that the scale's name is
-- unambiguous, so it must have a weight.
CREATE TEMP VIEW IF NOT EXISTS quantization_pairs(
  n, format, weight, dtypes, shapes, scale, packed, alone
) AS VALUES
  (1, 'GPTQ or AWQ', '.qweight', 'I32', '[[]*,*]', '.scales', 1, 1),
  (2, 'MXFP4', '_blocks', 'U8', '[[]*,*,*]', '_scales', 1, 0),
  (3, 'bitsandbytes 4-bit', '.weight', 'U8', '[[]*,1]', '.weight.absmax', 1, 1),
  (4, 'bitsandbytes 4-bit', '', '*', '*', '.absmax', 0, 1),
  (5, 'bitsandbytes 8-bit', '.weight', 'I8', '*', '.SCB', 1, 1),
  (6, 'FP8', '.weight', 'F8_E[45]*', '[[]*,*]', '.weight_scale_inv', 1, 1),
  (7, 'FP8', '.weight', 'F8_E[45]*', '[[]*,*]', '.weight_scale', 1, 1),
  (8, 'FP8', '.weight', 'F8_E[45]*', '[[]*,*]', '.scale_weight', 1, 1),
  (9, 'INT8', '.weight', 'I8', '*', '.weight_scale', 0, 1),
  (10, 'FP8', '', 'F8_E[45]*', '[[]*,*]', '_scale_inv', 0, 0),
  (11, 'FP8', '', 'F8_E[45]*', '[[]*,*]', '_scale', 0, 0),
  (12, 'NVFP4', '.weight', 'U8', '*', '.weight_scale', 0, 1),
  (13, 'MLX', '.weight', 'U32', '*', '.scales', 1, 1),
  (14, 'packed integers', '.weight_packed', 'I32', '*', '.weight_scale', 1, 1),
  (15, 'packed FP4', '.weight_packed', 'U8', '*', '.weight_scale', 1, 1),
  (16, 'HQQ', '.W_q', '*', '*', '.scale', 1, 0),
  (17, 'quanto', '.weight._data', '*', '*', '.weight._scale', 1, 1),
  (18, 'quanto', '.weight._data._data', '*', '*', '.weight._scale', 1, 1),
  (19, 'torchao', '._weight_qdata', '*', '*', '._weight_scale', 1, 1),
  (20, 'FP8', '.weight', 'F8_E[45]*', '[[]*,*]', '.scale', 0, 0);

-- Modules that have a scale or the like. Scales of activations and caches say nothing about weights.
DROP TABLE IF EXISTS temp.scaled_modules;
CREATE TEMP TABLE scaled_modules(module PRIMARY KEY, part) WITHOUT ROWID;
INSERT OR IGNORE INTO scaled_modules
  SELECT module, last
  FROM (SELECT module, substr(name, length(module) + 1) AS last
        FROM (SELECT name, rtrim(name, replace(name, '.', '')) AS module FROM quantization_tensors))
  WHERE (last LIKE '%scale%' OR last LIKE '%zero%' OR last LIKE '%absmax%' OR last LIKE '%codebook%'
         OR last LIKE '%quant%map%' OR last = 'SCB')
    AND last NOT IN ('input_scale', 'output_scale', 'input_global_scale', 'scale_input', 'scale_output',
                     'k_scale', 'v_scale', 'q_scale')
    -- without a module, w_scales belongs to w alone
    AND (module <> '' OR last NOT LIKE '%\_%' ESCAPE '\' OR last LIKE 'weight%');

DROP TABLE IF EXISTS temp.quantized;
CREATE TEMP TABLE quantized AS
  WITH matched AS ( -- of several pairs, the first whose scale exists, else the first
    SELECT min(p.n + 100 * (s.name IS NULL)), p.format, s.name AS scale, s.shape AS scale_shape, s.dtype AS scale_dtype,
           w.name AS weight, w.dtype, w.shape, w.pattern, w.nbytes,
           substr(w.name, 1, length(w.name) - length(p.weight)) AS module
    FROM quantization_tensors AS w JOIN quantization_pairs AS p
      ON (p.weight = '' OR substr(w.name, -length(p.weight)) = p.weight)
     AND w.dtype GLOB p.dtypes AND w.shape GLOB p.shapes
    LEFT JOIN quantization_tensors AS s
      ON s.name = substr(w.name, 1, length(w.name) - length(p.weight)) || p.scale
    WHERE p.packed OR s.name IS NOT NULL
    GROUP BY w.name
  )
  SELECT weight, CASE WHEN format <> 'GPTQ or AWQ' THEN format
                      WHEN EXISTS (SELECT 1 FROM quantization_tensors
                                   WHERE name = module || '.g_idx') THEN 'GPTQ'
                      WHEN scale IS NULL THEN format -- both pack along one dimension; AWQ packs along the last
                      WHEN json_extract(shape, '$[1]') = json_extract(scale_shape, '$[1]')
                      THEN 'GPTQ' ELSE 'AWQ' END AS format,
         dtype, shape, pattern, nbytes, scale,
         -- NVIDIA's FP4 also has a scale for its scales
         CASE WHEN scale IS NULL THEN 'scale'
              WHEN format = 'NVFP4' AND NOT EXISTS (SELECT 1 FROM quantization_tensors WHERE name = module || '.weight_scale_2')
              THEN 'second scale'
              WHEN format = 'packed FP4' AND scale_dtype LIKE 'F8_E4M3%' AND NOT EXISTS (
                SELECT 1 FROM quantization_tensors WHERE name = module || '.weight_global_scale')
              THEN 'global scale' END AS lacks
  FROM matched
  -- A weight that lacks its scale but has one of another sort is of an unknown scheme, unless it has qzeros or g_idx,
  -- which only GPTQ and AWQ have. 8-bit integers belong to bitsandbytes only where there are scales of its own.
  WHERE scale IS NOT NULL OR (weight NOT LIKE '%.weight' AND weight NOT LIKE '%.qweight')
     OR EXISTS (SELECT 1 FROM quantization_tensors
                WHERE weight LIKE '%.qweight' AND name IN (module || '.qzeros', module || '.g_idx'))
     OR NOT EXISTS (SELECT 1 FROM scaled_modules AS m WHERE m.module IN (weight || '.', rtrim(weight, replace(weight, '.', ''))))
        AND (format <> 'bitsandbytes 8-bit' OR EXISTS (SELECT 1 FROM quantization_tensors WHERE name LIKE '%.SCB'));

DROP TABLE IF EXISTS temp.lonely_scales;
CREATE TEMP TABLE lonely_scales AS
  SELECT s.name AS scale, s.pattern, s.dtype, s.shape,
         p.format || iif(count(DISTINCT p.format) > 1, ' or other', '') AS format, min(p.n)
  FROM quantization_tensors AS s JOIN quantization_pairs AS p
    ON substr(s.name, -length(p.scale)) = p.scale
  WHERE p.alone OR (p.format = 'MXFP4' AND s.dtype = 'U8')
  GROUP BY s.name
  HAVING NOT max(EXISTS (
    SELECT 1 FROM quantization_tensors
    WHERE name = substr(s.name, 1, length(s.name) - length(p.scale)) || p.weight));

-- Does a configuration beside the files announce a quantization?
DROP TABLE IF EXISTS temp.quantization_config;
CREATE TEMP TABLE quantization_config(method);
INSERT INTO quantization_config
  SELECT DISTINCT coalesce(json_extract(config, '$.quantization_config.quant_method'),
                           json_extract(config, '$.quantization.mode'), 'quantization')
  FROM (SELECT CAST(readfile(directory || 'config.json') AS TEXT) AS config FROM (
          SELECT DISTINCT rtrim(file, replace(file, '/', '')) AS directory FROM quantization_files WHERE status = 'ok'))
  WHERE json_valid(config)
    AND coalesce(json_extract(config, '$.quantization_config'), json_extract(config, '$.quantization')) IS NOT NULL;

-- Tensors that look packed but match no scheme above: their module ("q_proj."), or their own name, has a scale or
-- the like, or a configuration announces a quantization.
DROP TABLE IF EXISTS temp.unknown_packed;
CREATE TEMP TABLE unknown_packed AS
  SELECT t.name, t.dtype, t.shape, t.pattern, t.nbytes, coalesce(m.part, o.part, c.method) AS beside
  FROM (SELECT *, rtrim(name, replace(name, '.', '')) AS module FROM quantization_tensors) AS t
  LEFT JOIN scaled_modules AS m ON m.module = t.module
  LEFT JOIN scaled_modules AS o ON o.module = t.name || '.'
  LEFT JOIN (SELECT 'config.json: ' || min(method) AS method FROM quantization_config HAVING count(*) > 0) AS c
  WHERE (t.dtype IN ('I8', 'U8', 'I16', 'U16', 'I32', 'U32', 'F4') OR t.dtype GLOB 'F6_*' OR t.dtype GLOB 'F8_E[45]*')
    AND t.shape GLOB '[[]*,*' AND coalesce(m.part, o.part, c.method) IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM quantized AS q WHERE q.weight = t.name OR q.scale = t.name)
    -- scales and zero points themselves are not weights
    AND NOT EXISTS (SELECT 1 FROM (SELECT substr(t.name, length(t.module) + 1) AS last)
                    WHERE last LIKE '%scale%' OR last LIKE '%zero%' OR last LIKE '%absmax%' OR last LIKE '%quant%map%'
                       OR last LIKE '%codebook%');

-- The scale of a weight that matches no scheme above does have a weight.
DELETE FROM lonely_scales WHERE EXISTS (
  SELECT 1 FROM unknown_packed
  WHERE rtrim(name, replace(name, '.', '')) = rtrim(scale, replace(scale, '.', '')));

-- Shortens names to 36 characters, so that a label keeps the layer, the word directly before it, the end, and
-- numbers in the part that is cut. Patterns keep their beginning and end.
ALTER TABLE quantized ADD COLUMN label;
ALTER TABLE quantized ADD COLUMN pattern_label;
UPDATE quantized SET label = weight,
  pattern_label = iif(length(pattern) > 36, substr(pattern, 1, 14) || '...' || substr(pattern, -19), pattern);
UPDATE quantized SET label = (
  SELECT CASE WHEN length(begin || rest) <= 36 THEN begin || rest
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
        FROM (SELECT begin, rest, 36 - length(begin) AS room, iif(
                       substr(rest, length(begin) - 29) GLOB '[0-9]*',
                       ltrim(substr(rest, length(begin) - 29), '0123456789'),
                       substr(rest, length(begin) - 29)) AS tail
              FROM (SELECT iif(length(head) <= 18, head, '...' || substr(head, -min(15, length(head) - length(
                             rtrim(stem, replace(stem, iif(instr(stem, '.'), '.', '_'), '')))))) AS begin,
                           substr(weight, length(head) + 1) AS rest
                    FROM (SELECT substr(weight, 1, first - 2) AS stem,
                                 substr(weight, 1, iif(first = 0, 16, first - 1 + length(after)
                                        - length(ltrim(after, '0123456789')))) AS head
                          FROM (SELECT instr(pattern, '#') AS first,
                                       substr(weight, instr(pattern, '#')) AS after))))))
WHERE length(weight) > 36;
ALTER TABLE lonely_scales ADD COLUMN label;
ALTER TABLE lonely_scales ADD COLUMN pattern_label;
UPDATE lonely_scales SET label = scale,
  pattern_label = iif(length(pattern) > 36, substr(pattern, 1, 14) || '...' || substr(pattern, -19), pattern);
UPDATE lonely_scales SET label = (
  SELECT CASE WHEN length(begin || rest) <= 36 THEN begin || rest
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
        FROM (SELECT begin, rest, 36 - length(begin) AS room, iif(
                       substr(rest, length(begin) - 29) GLOB '[0-9]*',
                       ltrim(substr(rest, length(begin) - 29), '0123456789'),
                       substr(rest, length(begin) - 29)) AS tail
              FROM (SELECT iif(length(head) <= 18, head, '...' || substr(head, -min(15, length(head) - length(
                             rtrim(stem, replace(stem, iif(instr(stem, '.'), '.', '_'), '')))))) AS begin,
                           substr(scale, length(head) + 1) AS rest
                    FROM (SELECT substr(scale, 1, first - 2) AS stem,
                                 substr(scale, 1, iif(first = 0, 16, first - 1 + length(after)
                                        - length(ltrim(after, '0123456789')))) AS head
                          FROM (SELECT instr(pattern, '#') AS first,
                                       substr(scale, instr(pattern, '#')) AS after))))))
WHERE length(scale) > 36;
ALTER TABLE unknown_packed ADD COLUMN label;
ALTER TABLE unknown_packed ADD COLUMN pattern_label;
UPDATE unknown_packed SET label = name,
  pattern_label = iif(length(pattern) > 36, substr(pattern, 1, 14) || '...' || substr(pattern, -19), pattern);
UPDATE unknown_packed SET label = (
  SELECT CASE WHEN length(begin || rest) <= 36 THEN begin || rest
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
        FROM (SELECT begin, rest, 36 - length(begin) AS room, iif(
                       substr(rest, length(begin) - 29) GLOB '[0-9]*',
                       ltrim(substr(rest, length(begin) - 29), '0123456789'),
                       substr(rest, length(begin) - 29)) AS tail
              FROM (SELECT iif(length(head) <= 18, head, '...' || substr(head, -min(15, length(head) - length(
                             rtrim(stem, replace(stem, iif(instr(stem, '.'), '.', '_'), '')))))) AS begin,
                           substr(name, length(head) + 1) AS rest
                    FROM (SELECT substr(name, 1, first - 2) AS stem,
                                 substr(name, 1, iif(first = 0, 16, first - 1 + length(after)
                                        - length(ltrim(after, '0123456789')))) AS head
                          FROM (SELECT instr(pattern, '#') AS first,
                                       substr(name, instr(pattern, '#')) AS after))))))
WHERE length(name) > 36;

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

.print == Quantized weights
SELECT format, group_concat(DISTINCT dtype) AS dtype, count(*) AS weights,
       sum(lacks IS NOT NULL) AS without_scale,
       printf('%8s', safetensors_pretty(sum(nbytes), 'B')) AS "   bytes"
FROM (SELECT * FROM quantized ORDER BY dtype) GROUP BY format ORDER BY sum(nbytes) DESC, format;
.mode list
.headers off
SELECT 'None of the kinds that are known here.' WHERE NOT EXISTS (SELECT 1 FROM quantized);
SELECT printf('%,d tensor%s packed, and of no kind that is known here: see below.', count(*),
              iif(count(*) = 1, ' looks', 's look'))
FROM unknown_packed HAVING count(*) > 0;
SELECT 'config.json announces a quantization: ' || substr(group_concat(method, ', '), 1, 40) || '.'
FROM quantization_config HAVING count(*) > 0;
.print
.print Known here: GPTQ, AWQ, bitsandbytes (4 and 8 bits), FP8, INT8, MXFP4, NVFP4,
.print MLX, compressed-tensors, HQQ, quanto, torchao. What follows is of these only.
.print

.print == Packed weights without scales
.mode column
.headers on
SELECT format, count(*) AS weights, lacks, min(name) AS name
FROM (SELECT *, iif(count(*) OVER (PARTITION BY pattern, lacks) = 1, label, pattern_label) AS name
      FROM quantized WHERE lacks IS NOT NULL) AS q
GROUP BY q.format, q.lacks, q.name ORDER BY q.format, q.lacks, q.name;
.mode list
.headers off
SELECT iif(EXISTS (SELECT 1 FROM quantized), 'None: of these kinds, every packed weight has its scale.',
           'None: there are no packed weights of these kinds.')
WHERE NOT EXISTS (SELECT 1 FROM quantized WHERE lacks IS NOT NULL);
SELECT 'No FP8 weight has a scale: these were cast, it seems, which needs none.'
WHERE (SELECT count(*) > 0 AND count(scale) = 0 FROM quantized WHERE format = 'FP8');
.mode column
.headers on
.print

.print == Scales without packed weights
SELECT format, count(*) AS scales, min(name) AS name
FROM (SELECT *, iif(count(*) OVER (PARTITION BY pattern) = 1, label, pattern_label) AS name
      FROM lonely_scales) AS s
GROUP BY s.format, s.name ORDER BY s.format, s.name;
.mode list
.headers off
SELECT iif(EXISTS (SELECT scale FROM quantized WHERE scale IS NOT NULL),
           'None: of these kinds, every scale has its packed weight.', 'None: there are no scales of these kinds.')
WHERE NOT EXISTS (SELECT 1 FROM lonely_scales);

SELECT char(10) || '== Packed, of a kind unknown here' FROM unknown_packed LIMIT 1;
.mode column
.headers on
SELECT iif(count(*) = 1, min(label), pattern_label) AS name, count(*) AS tensors, min(dtype) AS dtype,
       iif(length(min(beside)) > 18, substr(min(beside), 1, 15) || '...', min(beside)) AS beside
FROM unknown_packed AS u GROUP BY u.pattern, u.dtype ORDER BY count(*) DESC, u.pattern LIMIT 20;
.mode list
.headers off
SELECT printf('and %,d more kinds of names', count(*) - 20)
FROM (SELECT DISTINCT pattern, dtype FROM unknown_packed) HAVING count(*) > 20;
.mode column
.headers on
