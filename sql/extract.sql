-- Takes some of a checkpoint's tensors into a file of their own, or all but some.
--
--   sqlite3 -cmd ".load build/safetensors" -cmd ".param set :path model.safetensors" \
--           -cmd ".param set :names model.layers.*" -cmd ".param set :out layers.safetensors" \
--           < sql/extract.sql
--
-- :names and :without are patterns of names (*, ?, [...]): taken is what matches the first (all,
-- when it is not set) and not the second (none). To drop a model's head, set :without to lm_head.*

.bail on
CREATE TEMP TABLE IF NOT EXISTS needs_path_out(value CONSTRAINT ":path and :out are set" CHECK (value IS NOT NULL));
INSERT INTO needs_path_out VALUES (:path), (:out);

DROP TABLE IF EXISTS temp.extracted;
CREATE TEMP TABLE extracted AS
  SELECT name, dtype, shape, numel, pattern, ref FROM safetensors_tensors(:path)
  WHERE name GLOB ifnull(:names, '*') AND name NOT GLOB ifnull(:without, '');
CREATE TEMP TABLE IF NOT EXISTS needs_tensors(
  n CONSTRAINT "a tensor's name matches :names, and not :without" CHECK (n > 0));
INSERT INTO needs_tensors SELECT count(*) FROM extracted;

.mode column
.headers on

.print == Written
SELECT iif(length(:out) > 60, '...' || substr(:out, -57), :out) AS file,
       safetensors_write(:out, name, dtype, shape, ref, (
         SELECT json_group_object(key, value) FROM (
           SELECT key, value, min(rowid) FROM safetensors_metadata(:path) GROUP BY key ORDER BY 3)))
       AS tensors
FROM extracted;
.print

.print == Kinds of tensors
SELECT iif(length(pattern) > 40, substr(pattern, 1, 17) || '...' || substr(pattern, -20), pattern) AS pattern,
       count(*) AS tensors,
       iif(count(DISTINCT dtype) > 2, count(DISTINCT dtype) || ' dtypes', group_concat(DISTINCT dtype)) AS dtypes,
       printf('%10s', safetensors_pretty(sum(numel))) AS parameters
FROM extracted AS e GROUP BY e.pattern ORDER BY sum(e.numel) DESC, e.pattern LIMIT 20;
.mode list
.headers off
SELECT printf('and %,d more', count(DISTINCT pattern) - 20) FROM extracted HAVING count(DISTINCT pattern) > 20;
.mode column
.headers on
