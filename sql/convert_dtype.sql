-- Converts a checkpoint's floating-point tensors to another dtype.
--
--   sqlite3 -cmd ".load build/safetensors" -cmd ".param set :path model.safetensors" \
--           -cmd ".param set :dtype BF16" -cmd ".param set :out bf16.safetensors" \
--           < sql/convert_dtype.sql
--
-- Converted are tensors of F64, F32, F16 and BF16; all others, and those whose names match :keep (a
-- pattern, such as *norm*), stay as they are. Rounding is to nearest, ties to even; what is too large
-- becomes infinity, or what README says of :dtype. Without :out a file is changed in place. A model in
-- shards becomes one file.

.bail on
CREATE TEMP TABLE IF NOT EXISTS needs_path_dtype(value CONSTRAINT ":path and :dtype are set"
  CHECK (value IS NOT NULL));
INSERT INTO needs_path_dtype VALUES (:path), (:dtype);

.mode column
.headers on

DROP TABLE IF EXISTS temp.converted;
CREATE TEMP TABLE converted AS
  SELECT name, dtype AS dtype_a,
         iif(dtype IN ('F64', 'F32', 'F16', 'BF16') AND name NOT GLOB ifnull(:keep, ''), :dtype,
             dtype) AS dtype_b,
         shape, nbytes, ref
  FROM safetensors_tensors(:path)
  UNION ALL SELECT NULL, NULL, NULL, NULL, NULL, NULL; -- adds no tensor: there may be none

.print == Written
SELECT iif(length(ifnull(:out, :path)) > 60, '...' || substr(ifnull(:out, :path), -57), ifnull(:out, :path))
       AS file, safetensors_write(ifnull(:out, :path), name, dtype_b, shape, ref, (
         SELECT json_group_object(key, value) FROM (
           SELECT key, value, min(rowid) FROM safetensors_metadata(:path) GROUP BY key ORDER BY 3)))
       AS tensors
FROM converted;
.print

.print == Tensors by dtype
SELECT c.dtype_a AS "from", c.dtype_b AS "to", count(*) AS tensors,
       printf('%12s', safetensors_pretty(sum(c.nbytes), 'B')) AS bytes_before,
       printf('%8s', safetensors_pretty(sum(t.nbytes), 'B')) AS "   bytes"
FROM converted AS c JOIN safetensors_tensors(ifnull(:out, :path)) AS t USING (name)
GROUP BY 1, 2 ORDER BY sum(t.nbytes) DESC, 1, 2;
.mode list
.headers off
SELECT 'None.' WHERE NOT EXISTS (SELECT 1 FROM converted WHERE name IS NOT NULL);
.mode column
.headers on
