-- Sets, changes and removes metadata of a file, in place.
--
--   sqlite3 -cmd ".load build/safetensors" -cmd ".param set :path model.safetensors" \
--           -cmd ".param set :patch '{\"author\":\"me\",\"format\":null}'" < sql/edit_metadata.sql
--
-- :patch is a JSON object: a string sets its key, null removes it, what it does not name stays. Of a
-- model in shards, or a pattern, each file is edited. A file is written anew beside its place (in one
-- step: a failure leaves the old one), which takes the time of copying it.

.bail on
CREATE TEMP TABLE IF NOT EXISTS needs_path(value CONSTRAINT ":path is set" CHECK (value IS NOT NULL));
INSERT INTO needs_path VALUES (:path);

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
SELECT iif(length(file) > 60, '...' || substr(file, -57), file) AS file, tensors FROM edited;
.print

.print == Metadata
SELECT iif(length(m.key) > 26, substr(m.key, 1, 23) || '...', m.key) AS key,
       iif(length(m.value) > 50, substr(m.value, 1, 47) || '...', m.value) AS value
FROM (SELECT min(file) AS file FROM edited) AS e, safetensors_metadata(e.file) AS m;
.mode list
.headers off
SELECT 'None.' WHERE NOT EXISTS (
  SELECT 1 FROM safetensors_metadata((SELECT min(file) FROM edited)));
.mode column
.headers on
