-- Converts floating-point tensors to another dtype.
--
-- Writes the model with the tensors of F64, F32, F16 and BF16 converted, and all others as they are. So are the parts
-- of packed weights, such as scales and zero points, whatever their dtype: rounding a scale would change the weight
-- that it belongs to; dequantize.sql unpacks such weights. Rounding is to nearest, ties to even. Values that are too
-- large become infinite, or what ext/docs/reference.md says for the dtype. If the path to write is an index,
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
-- @table converted(name, dtype_a, dtype_b, nbytes_a, nbytes_b, part_of, scheme)   one row per tensor, before and after;
--    part_of is the packed weight that it is a part of, and why it stays as it is
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
    CONSTRAINT ":limit is greater than 0" CHECK ("limit" > 0)
);
INSERT INTO parameters VALUES (:path, :out, :dtype, :keep, ifnull(:limit, 5000000000));
DROP TABLE IF EXISTS temp.needs;
CREATE TEMP TABLE needs(kept CONSTRAINT ":keep matches the name of a tensor" CHECK (kept > 0));
INSERT INTO needs
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

DROP TABLE IF EXISTS temp.converted;
CREATE TEMP TABLE converted AS
  SELECT name, dtype AS dtype_a, iif(converts, new_dtype, dtype) AS dtype_b, nbytes AS nbytes_a,
         iif(converts, numel * (SELECT length(tensor_cast(zeroblob(32), 'F32', dtype)) FROM parameters) / 8, nbytes)
         AS nbytes_b, part_of, scheme, ref
  FROM (SELECT t.name, t.dtype, p.dtype AS new_dtype, t.numel, t.nbytes, t.ref, c.part_of, c.scheme,
               t.dtype IN ('F64', 'F32', 'F16', 'BF16') AND c.name IS NULL AND (p.keep IS NULL OR t.name NOT GLOB p.keep)
               AS converts
        FROM parameters AS p, safetensors_tensors(p.path) AS t LEFT JOIN convert_parts AS c ON c.name = t.name);

INSERT INTO safetensors_write(path, name, dtype, data, metadata, max_shard_bytes, mode)
  SELECT :out, name, dtype_b, ref, (SELECT json_group_object(key, value) FROM (
           SELECT key, value, min(rowid) FROM safetensors_metadata(:path) GROUP BY key ORDER BY 3)),
         (SELECT "limit" FROM parameters WHERE out LIKE '%.safetensors.index.json'), 'replace'
  FROM (SELECT name, dtype_b, ref FROM converted
        UNION ALL SELECT NULL, NULL, NULL); -- adds no tensor, but a file without tensors needs a row

.mode list
.headers off
SELECT printf('%,d %s of packed weights (%s).', n, iif(n = 1, 'tensor stays as it is, a part', 'tensors stay as they are, parts'),
              iif(length(schemes) > 20, substr(schemes, 1, 17) || '...', schemes))
FROM (SELECT count(*) AS n, group_concat(DISTINCT scheme) AS schemes FROM converted WHERE part_of IS NOT NULL) WHERE n > 0;
SELECT printf('%,d of %,d tensors converted to %s.', total(c.dtype_a <> c.dtype_b), count(*), p.dtype)
FROM parameters AS p, converted AS c;
.print
.mode column
.headers on

.print == Written
SELECT iif(length(out) > 60, '...' || substr(out, -57), out) AS file, (SELECT count(*) FROM converted) AS tensors
FROM parameters;
.print

.print == Tensors by dtype
SELECT c.dtype_a AS "from", c.dtype_b AS "to", count(*) AS tensors,
       printf('%12s', safetensors_pretty(sum(c.nbytes_a), 'B')) AS bytes_before,
       printf('%8s', safetensors_pretty(sum(c.nbytes_b), 'B')) AS "   bytes"
FROM converted AS c GROUP BY 1, 2 ORDER BY sum(c.nbytes_b) DESC, 1, 2;
.mode list
.headers off
SELECT 'None.' WHERE NOT EXISTS (SELECT 1 FROM converted);
.mode column
.headers on
