-- Takes some of a checkpoint's tensors into a file of their own, or all but some.
--
--   sqlite3 -cmd ".load build/safetensors" -cmd ".param set :path model.safetensors" \
--           -cmd ".param set :names model.layers.*" -cmd ".param set :out layers.safetensors" \
--           < sql/extract.sql
--
-- :names and :without are patterns of names (*, ?, [...]): taken is what matches the first (all,
-- when it is not set) and not the second (none). To drop a model's head, set :without to lm_head.*

.mode column
.headers on

.print == Written
SELECT :out AS file, safetensors_write(:out, name, dtype, shape, ref, (
         SELECT json_group_object(key, value) FROM (
           SELECT key, value, min(rowid) FROM safetensors_metadata(:path) GROUP BY key ORDER BY 3)))
       AS tensors
FROM safetensors_tensors(:path)
WHERE name GLOB ifnull(:names, '*') AND name NOT GLOB ifnull(:without, '');
.print

.print == Kinds of tensors
SELECT pattern, count(*) AS tensors, group_concat(DISTINCT dtype) AS dtypes,
       printf('%10s', safetensors_pretty(sum(numel))) AS parameters
FROM safetensors_tensors(:out) GROUP BY pattern ORDER BY sum(numel) DESC, pattern LIMIT 20;
