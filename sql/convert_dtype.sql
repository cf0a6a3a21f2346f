-- Converts floating-point tensors to another dtype.
--
-- Writes the model with the tensors of F64, F32, F16 and BF16 converted, and all others as they are. So are the parts
-- of packed weights, such as scales and zero points, whatever their dtype: rounding a scale would change the weight
-- that it belongs to; dequantize.sql unpacks such weights. Rounding is to nearest, ties to even. Values that are too
-- large become infinite, or what ext/docs/reference.md says for the dtype: they are counted (overflow), and so are
-- those that are too small and become 0 (underflow). If the path to write is an index,
-- NAME.safetensors.index.json, in a directory that exists, the model is split into shards; any other path is a single
-- file. If both paths are the same, the model is changed in place. Tensors may be of any size: they are converted while
-- they are written, with as many threads more as PRAGMA threads allows.
--
-- To do the same by hand and in place:
--
--   CREATE VIRTUAL TABLE temp.m USING safetensors('model.safetensors');
--   UPDATE m SET dtype = 'BF16'
--   WHERE dtype IN ('F64', 'F32', 'F16') AND name NOT GLOB '*norm*';
--
-- @alias convert
-- @param path path required   the checkpoint
-- @param out path required    the file or the index to write, which is replaced if it is there
-- @param dtype text required  the dtype, such as BF16
-- @param keep text            a pattern (*, ?, [...]) of names of tensors that stay as they are
-- @param limit integer 5000000000   the most bytes of tensors in a shard, for an index
-- @param format enum text|json|csv  how to print the tables
-- @table converted(name, dtype_a, dtype_b, nbytes_a, nbytes_b, overflow, underflow, part_of, scheme)   one row per
--    tensor, before and after; part_of is the packed weight that it is a part of, and why it stays as it is
-- @writes out
-- @example safetensors-sql convert-dtype model.safetensors bf16.safetensors BF16 --keep '*norm*'
-- @example safetensors-sql convert-dtype model.safetensors sharded/bf16.safetensors.index.json BF16

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL),
  out TEXT CONSTRAINT ":out is set" CHECK (out IS NOT NULL),
  dtype TEXT CONSTRAINT ":dtype is set" CHECK (dtype IS NOT NULL),
  keep TEXT,
  "limit" INTEGER CONSTRAINT ":limit is a number of bytes" CHECK (typeof("limit") = 'integer')
    CONSTRAINT ":limit is greater than 0" CHECK ("limit" > 0),
  format TEXT CONSTRAINT ":format is text, json or csv" CHECK (format IN ('text', 'json', 'csv'))
);
INSERT INTO parameters SELECT :path, :out, :dtype, :keep, ifnull(:limit, 5000000000), ifnull(:format, 'text')
WHERE safetensors_parameters(':path', ':out', ':dtype', ':keep', ':limit', ':format');
-- A folder of several models is none, if not one alone is directly in it.
INSERT INTO parameters(path)
  SELECT safetensors_refuse(printf(':path is one model, found %d: ', n) || group_concat(safetensors_label(model), ', ') || iif(n > 8, ', ...', ''))
  FROM (SELECT model, count(*) OVER () AS n FROM (
          SELECT m.model, rtrim(m.model, replace(m.model, '/', '')) IN (rtrim(p.path, '/') || '/', p.path) OR m.model = rtrim(p.path, '/') AS top,
                 max(rtrim(m.model, replace(m.model, '/', '')) IN (rtrim(p.path, '/') || '/', p.path) OR m.model = rtrim(p.path, '/')) OVER () AS has_top
          FROM parameters AS p, safetensors_models(p.path) AS m) WHERE top = has_top LIMIT 8) HAVING n > 1;
DROP TABLE IF EXISTS temp.needs;
CREATE TEMP TABLE needs(
  tensors CONSTRAINT ":path has a tensor" CHECK (tensors > 0),
  kept CONSTRAINT ":keep matches the name of a tensor" CHECK (kept > 0)
);
INSERT INTO needs(tensors) SELECT count(*) FROM parameters AS p, safetensors_tensors(p.path);
INSERT INTO needs(kept)
  SELECT count(*) FROM parameters AS p, safetensors_tensors(p.path) AS t WHERE t.name GLOB p.keep HAVING :keep IS NOT NULL;

-- Parts of packed weights, and scales that no weight is found for. Of tensors that look packed in a way that is not
-- known, the scales are in the same module, or under the tensor's own name.
DROP TABLE IF EXISTS temp.convert_parts;
CREATE TEMP TABLE convert_parts(name TEXT PRIMARY KEY, part_of TEXT, scheme TEXT) WITHOUT ROWID;
INSERT OR IGNORE INTO convert_parts
  SELECT j.value, w.name, w.scheme FROM safetensors_weights(:path) AS w, json_each(w.parts) AS j WHERE w.scheme <> 'none';
INSERT OR IGNORE INTO convert_parts
  SELECT name, name, iif(role IN ('scale', 'marker'), role, scheme) FROM safetensors_weights(:path)
  WHERE role IN ('scale', 'marker') OR scheme = 'unknown';
INSERT OR IGNORE INTO convert_parts
  SELECT t.name, u.name, 'unknown'
  FROM (SELECT name, rtrim(name, replace(name, '.', '')) AS module FROM safetensors_tensors(:path)) AS t
  JOIN convert_parts AS u ON u.scheme = 'unknown' AND t.module IN (u.name || '.', rtrim(u.name, replace(u.name, '.', '')))
  WHERE t.name LIKE '%scale%' OR t.name LIKE '%zero%' OR t.name LIKE '%absmax%' OR t.name LIKE '%codebook%'
     OR t.name LIKE '%quant%map%';

DROP TABLE IF EXISTS temp.convert_rows;
CREATE TEMP TABLE convert_rows AS
  SELECT name, dtype AS dtype_a, iif(converts, new_dtype, dtype) AS dtype_b, nbytes AS nbytes_a,
         iif(converts, numel * (SELECT length(tensor_cast(zeroblob(32), 'F32', dtype)) FROM parameters) / 8, nbytes)
         AS nbytes_b, 0 AS overflow, 0 AS underflow, part_of, scheme, ref
  FROM (SELECT t.name, t.dtype, p.dtype AS new_dtype, t.numel, t.nbytes, t.ref, c.part_of, c.scheme,
               t.dtype IN ('F64', 'F32', 'F16', 'BF16') AND c.name IS NULL AND (p.keep IS NULL OR t.name NOT GLOB p.keep)
               AS converts
        FROM parameters AS p, safetensors_tensors(p.path) AS t LEFT JOIN convert_parts AS c ON c.name = t.name);

-- What does not fit. Where the new dtype has the range of the old one nothing is read for it.
DROP TABLE IF EXISTS temp.convert_range;
CREATE TEMP TABLE convert_range(dtype PRIMARY KEY, largest, within) WITHOUT ROWID;
INSERT INTO convert_range VALUES ('F64', NULL, 'F64'), ('F32', NULL, 'F64 F32'), ('BF16', NULL, 'F64 F32 BF16'), ('F16', NULL, 'F64 F32 F16'),
  ('F8_E8M0', 1.7014118346046923e38, ''), ('F6_E2M3', 7.5, ''), ('F6_E3M2', 28, ''), ('F4', 6, ''), ('I8', 127, ''), ('U8', 255, ''),
  ('I16', 32767, ''), ('U16', 65535, ''), ('I32', 2147483647, ''), ('U32', 4294967295, '');
UPDATE convert_rows SET (overflow, underflow) = (
  SELECT CASE WHEN r.largest IS NULL THEN b.n_inf + b.n_nan - a.n_inf - a.n_nan
              WHEN a.abs_max > r.largest THEN (
                SELECT tensor_numel(convert_rows.ref) - g.n_zero - a.n_inf
                FROM tensor_stats(tensor_greater(tensor_abs(convert_rows.ref), r.largest)) AS g)
              ELSE 0 END,
         iif(convert_rows.dtype_b GLOB '[IU]*', (
           SELECT g.n_zero - a.n_zero - a.n_nan FROM tensor_stats(tensor_greater_equal(tensor_abs(convert_rows.ref), 1)) AS g), b.n_zero - a.n_zero)
  FROM tensor_stats(convert_rows.ref) AS a, tensor_stats(tensor_convert(convert_rows.ref, convert_rows.dtype_b)) AS b
  LEFT JOIN convert_range AS r ON r.dtype = convert_rows.dtype_b)
WHERE dtype_a <> dtype_b AND nbytes_a > 0
  AND NOT EXISTS (SELECT 1 FROM convert_range AS r WHERE r.dtype = dtype_a AND instr(' ' || r.within || ' ', ' ' || dtype_b || ' '));

INSERT INTO safetensors_write(path, name, dtype, data, metadata, max_shard_bytes, mode)
  SELECT :out, name, dtype_b, ref, (SELECT json_group_object(key, value) FROM (
           SELECT key, value, min(rowid) FROM safetensors_metadata(:path) GROUP BY key ORDER BY 3)),
         (SELECT "limit" FROM parameters WHERE out LIKE '%.safetensors.index.json'), 'replace'
  FROM convert_rows;
DROP TABLE IF EXISTS temp.converted;
CREATE TEMP TABLE converted AS
  SELECT name, dtype_a, dtype_b, nbytes_a, nbytes_b, overflow, underflow, part_of, scheme FROM convert_rows ORDER BY rowid;

CREATE TEMP VIEW IF NOT EXISTS as_text AS SELECT 1 FROM parameters WHERE format = 'text';
.mode list
.headers off
SELECT safetensors_print(format, 'converted') FROM parameters WHERE format <> 'text';

SELECT printf('error: %,d %s too large for %s, and not what they were.', n, iif(n = 1, 'value is', 'values are'), p.dtype)
FROM as_text, parameters AS p, (SELECT total(overflow) AS n FROM converted) WHERE n > 0;
SELECT iif(n = 0, printf('No tensor is converted: none is of another floating-point dtype than %s.', p.dtype),
           printf('%,d of %,d tensors converted to %s: %s, before %s.', n, of, p.dtype, safetensors_pretty(after, 'B'), safetensors_pretty(before, 'B')))
FROM as_text, parameters AS p,
  (SELECT total(dtype_a <> dtype_b) AS n, count(*) AS of, total(nbytes_a) AS before, total(nbytes_b) AS after FROM converted);
SELECT printf('%,d %s too small for %s: 0 now.', n, iif(n = 1, 'value is', 'values are'), p.dtype)
FROM as_text, parameters AS p, (SELECT total(underflow) AS n FROM converted) WHERE n > 0;
SELECT printf('%,d %s of packed weights (%s).', n, iif(n = 1, 'tensor stays as it is, a part', 'tensors stay as they are, parts'),
              iif(length(schemes) > 20, substr(schemes, 1, 17) || '...', schemes))
FROM as_text, (SELECT count(*) AS n, group_concat(DISTINCT scheme) AS schemes FROM converted WHERE part_of IS NOT NULL) WHERE n > 0;
SELECT 'Written to ' || safetensors_label(out) || '.' FROM as_text, parameters;

SELECT char(10) || '== Values that do not fit' FROM as_text WHERE EXISTS (SELECT 1 FROM converted WHERE overflow + underflow > 0);
.mode column --wrap 0
.headers on
SELECT printf('%9s', safetensors_pretty(c.overflow)) AS overflow, printf('%9s', safetensors_pretty(c.underflow)) AS underflow,
       c.dtype_a AS "from", safetensors_label(c.name) AS name
FROM as_text, converted AS c WHERE c.overflow + c.underflow > 0 ORDER BY c.overflow DESC, c.underflow DESC, c.rowid LIMIT 20;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 20) FROM as_text, converted WHERE overflow + underflow > 0 HAVING count(*) > 20;
SELECT char(10) || '== Tensors by dtype' FROM as_text WHERE EXISTS (SELECT 1 FROM converted);
.mode column
.headers on
SELECT c.dtype_a AS "from", c.dtype_b AS "to", printf('%7d', count(*)) AS tensors,
       printf('%12s', safetensors_pretty(sum(c.nbytes_a), 'B')) AS bytes_before,
       printf('%11s', safetensors_pretty(sum(c.nbytes_b), 'B')) AS bytes_after
FROM as_text, converted AS c GROUP BY 1, 2 ORDER BY sum(c.nbytes_b) DESC, 1, 2;
