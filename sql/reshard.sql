-- Splits a model into shards of another size, or makes one file of it.
--
--   sqlite3 -cmd ".load build/safetensors" -cmd ".param set :path model.safetensors" \
--           -cmd ".param set :out sharded/model.safetensors.index.json" \
--           -cmd ".param set :limit 5000000000" < sql/reshard.sql
--
-- :out is an index, NAME.safetensors.index.json, in a folder that is there: then :limit is the most
-- bytes of tensors in a shard. Any other :out is one file, without a limit. The model may be written
-- over itself, and shards that it no longer has are removed.

.bail on
CREATE TEMP TABLE IF NOT EXISTS needs_path_out(value CONSTRAINT ":path and :out are set"
  CHECK (value IS NOT NULL));
INSERT INTO needs_path_out VALUES (:path), (:out);

.mode column
.headers on

DROP TABLE IF EXISTS temp.resharded;
CREATE TEMP TABLE resharded AS
  WITH m AS MATERIALIZED (
    SELECT json_group_object(key, value) AS metadata FROM (
      SELECT key, value, min(rowid) FROM safetensors_metadata(:path) GROUP BY key ORDER BY 3)
  )
  SELECT name, dtype, shape, ref, metadata FROM m CROSS JOIN safetensors_tensors(:path)
  UNION ALL SELECT NULL, NULL, NULL, NULL, metadata FROM m; -- adds no tensor: there may be none

.print == Written
SELECT iif(length(:out) > 60, '...' || substr(:out, -57), :out) AS "index", safetensors_write_sharded(
         :out, iif(:limit GLOB '*[^0-9]*', :limit, CAST(:limit AS INTEGER)), name, dtype, shape, ref,
         metadata) AS tensors
FROM resharded WHERE :out LIKE '%.safetensors.index.json' GROUP BY 1;
SELECT iif(length(:out) > 60, '...' || substr(:out, -57), :out) AS file,
       safetensors_write(:out, name, dtype, shape, ref, metadata) AS tensors
FROM resharded WHERE :out NOT LIKE '%.safetensors.index.json' GROUP BY 1;
.print

.print == Files
SELECT iif(length(base) > 60, '...' || substr(base, -57), base) AS name, tensors,
       printf('%8s', safetensors_pretty(nbytes, 'B')) AS "   bytes"
FROM (SELECT *, replace(file, rtrim(file, replace(file, '/', '')), '') AS base
      FROM safetensors_files(:out));
