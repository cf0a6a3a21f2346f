-- Sets, changes and removes metadata of a file, in place.
--
--   sqlite3 -cmd ".load build/safetensors" -cmd ".param set :path model.safetensors" \
--           -cmd ".param set :patch '{\"author\":\"me\",\"format\":null}'" < sql/edit_metadata.sql
--
-- :patch is a JSON object: a string sets its key, null removes it, what it does not name stays. Of a
-- model in shards, or a pattern, each file is edited. A file is written anew beside its place (in one
-- step: a failure leaves the old one), which takes the time of copying it.

.mode column
.headers on

DROP TABLE IF EXISTS temp.edited;
CREATE TEMP TABLE edited AS
  WITH files AS MATERIALIZED (
    SELECT f.file, json_patch((SELECT json_group_object(key, value)
                               FROM safetensors_metadata(f.file)), ifnull(:patch, '{}'))
           AS metadata
    FROM safetensors_files(:path) AS f
  )
  SELECT files.file,
         safetensors_write(files.file, t.name, t.dtype, t.shape, t.ref, files.metadata) AS tensors
  FROM files LEFT JOIN safetensors_tensors(files.file) AS t ON true
  GROUP BY files.file;

.print == Written
SELECT file, tensors FROM edited;
.print

.print == Metadata
SELECT m.key, CASE WHEN length(m.value) > 50 THEN substr(m.value, 1, 47) || '...' ELSE m.value END
       AS value
FROM (SELECT min(file) AS file FROM edited) AS e, safetensors_metadata(e.file) AS m;
