-- Which weights are quantized, and do packed weights and scales come in pairs? Knows the names of
-- GPTQ, AWQ, bitsandbytes (4 and 8 bits), FP8 (block- and tensor-wise), MXFP4, NVFP4, MLX and
-- compressed-tensors.
--
--   sqlite3 -cmd ".load build/safetensors" -cmd ".param set :path model_folder" < sql/quantized.sql
--
-- :path is one model: all its files are taken together. Reads headers only. Leaves the tables
-- `quantized` (weight, format, dtype, shape, pattern, nbytes, scale: NULL where there is none) and
-- `lonely_scales` (scale, pattern, format, dtype, shape).

.bail on
CREATE TEMP TABLE IF NOT EXISTS needs_path(value CONSTRAINT ":path is set"
  CHECK (value IS NOT NULL));
INSERT INTO needs_path VALUES (:path);

DROP TABLE IF EXISTS temp.quantization_files;
CREATE TEMP TABLE quantization_files AS SELECT file, status, error FROM safetensors_files(:path);

DROP TABLE IF EXISTS temp.quantization_tensors;
CREATE TEMP TABLE quantization_tensors(
  name TEXT PRIMARY KEY, dtype TEXT, shape TEXT, pattern TEXT, nbytes INTEGER
) WITHOUT ROWID;
INSERT OR IGNORE INTO quantization_tensors
SELECT t.name, t.dtype, t.shape, t.pattern, t.nbytes
FROM quantization_files AS f, safetensors_tensors(f.file) AS t WHERE f.status = 'ok';

-- Which weight goes with which scale: MODULE || weight with MODULE || scale. `packed` says that the
-- weight's own name, dtype and shape tell that it is packed, so its scale must be there; `alone`
-- that the scale's name tells what it is, so its weight must be there.
CREATE TEMP VIEW IF NOT EXISTS quantization_pairs(
  n, format, weight, dtypes, shapes, scale, packed, alone
) AS VALUES
  (1, 'GPTQ or AWQ', '.qweight', '*', '*', '.scales', 1, 1),
  (2, 'MXFP4', '_blocks', 'U8', '[[]*,*,*]', '_scales', 1, 0),
  (3, 'bitsandbytes 4-bit', '.weight', 'U8', '[[]*,1]', '.weight.absmax', 1, 1),
  (4, 'bitsandbytes 4-bit', '', '*', '*', '.absmax', 0, 1),
  (5, 'bitsandbytes 8-bit', '.weight', 'I8', '*', '.SCB', 1, 1),
  (6, 'FP8', '.weight', 'F8_E[45]*', '[[]*,*]', '.weight_scale_inv', 1, 1),
  (7, 'FP8', '.weight', 'F8_E[45]*', '[[]*,*]', '.weight_scale', 1, 1),
  (8, 'FP8', '.weight', 'F8_E[45]*', '[[]*,*]', '.scale_weight', 1, 1),
  (9, 'INT8', '.weight', 'I8', '*', '.weight_scale', 1, 1),
  (10, 'FP8', '', 'F8_E[45]*', '[[]*,*]', '_scale_inv', 0, 0),
  (11, 'FP8', '', 'F8_E[45]*', '[[]*,*]', '_scale', 0, 0),
  (12, 'NVFP4', '.weight', 'U8', '*', '.weight_scale', 0, 1),
  (13, 'MLX', '.weight', 'U32', '*', '.scales', 1, 1),
  (14, 'packed integers', '.weight_packed', 'I32', '*', '.weight_scale', 1, 1),
  (15, 'packed FP4', '.weight_packed', 'U8', '*', '.weight_scale', 1, 1);

DROP TABLE IF EXISTS temp.quantized;
CREATE TEMP TABLE quantized AS
  WITH matched AS ( -- of several pairs the first whose scale is there, else the first
    SELECT min(p.n + 100 * (s.name IS NULL)), p.format, s.name AS scale, s.shape AS scale_shape,
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
                      WHEN scale IS NULL THEN format -- both pack along one dimension: AWQ the last
                      WHEN json_extract(shape, '$[1]') = json_extract(scale_shape, '$[1]')
                      THEN 'GPTQ' ELSE 'AWQ' END AS format,
         dtype, shape, pattern, nbytes, scale
  FROM matched;

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

.mode list
.headers off
SELECT error FROM quantization_files WHERE error IS NOT NULL LIMIT 5;
SELECT printf('and %,d more that cannot be read', sum(error IS NOT NULL) - 5)
FROM quantization_files HAVING sum(error IS NOT NULL) > 5;
.mode column
.headers on

.print == Quantized weights
SELECT format, group_concat(DISTINCT dtype) AS dtype, count(*) AS weights,
       sum(scale IS NULL) AS without_scale,
       printf('%8s', safetensors_pretty(sum(nbytes), 'B')) AS "   bytes"
FROM quantized GROUP BY format ORDER BY sum(nbytes) DESC, format;
.mode list
.headers off
SELECT 'None.' WHERE NOT EXISTS (SELECT 1 FROM quantized);
.mode column
.headers on
.print

.print == Packed weights without scales
SELECT format, count(*) AS weights,
       iif(length(name) > 50, '...' || substr(name, -47), name) AS name
FROM (SELECT *, iif(count(*) OVER (PARTITION BY pattern) = 1, weight, pattern) AS name
      FROM quantized WHERE scale IS NULL) AS q
GROUP BY q.format, q.name ORDER BY q.format, q.name;
.mode list
.headers off
SELECT iif(EXISTS (SELECT 1 FROM quantized), 'None: every packed weight has its scale.',
           'None: there are no packed weights.')
WHERE NOT EXISTS (SELECT 1 FROM quantized WHERE scale IS NULL);
SELECT 'No FP8 weight has a scale: these were cast, it seems, which needs none.'
WHERE (SELECT count(*) > 0 AND count(scale) = 0 FROM quantized WHERE format = 'FP8');
.mode column
.headers on
.print

.print == Scales without packed weights
SELECT format, count(*) AS scales, iif(length(name) > 50, '...' || substr(name, -47), name) AS name
FROM (SELECT *, iif(count(*) OVER (PARTITION BY pattern) = 1, scale, pattern) AS name
      FROM lonely_scales) AS s
GROUP BY s.format, s.name ORDER BY s.format, s.name;
.mode list
.headers off
SELECT iif(EXISTS (SELECT scale FROM quantized WHERE scale IS NOT NULL),
           'None: every scale has its packed weight.', 'None: there are no scales.')
WHERE NOT EXISTS (SELECT 1 FROM lonely_scales);
.mode column
.headers on
