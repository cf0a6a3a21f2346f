-- Sets, changes and removes metadata, in place.
--
-- In the patch, a JSON object, a string sets its key and null removes it; keys that it does not name stay. If the path
-- is a sharded model or a pattern, each of its files is edited. All files are rewritten beside their places before the
-- first is replaced, so a failure leaves the old files; this takes as long as copying them.
--
-- To do the same by hand for a single file:
--
--   CREATE VIRTUAL TABLE temp.meta USING safetensors_metadata('a.safetensors');
--   UPDATE meta SET value = 'me' WHERE key = 'author';
--
-- @param path path required   the checkpoint
-- @param patch text required  the changes, a JSON object
-- @table edited(file, metadata)   one row per file, its new metadata as a JSON object
-- @writes path
-- @example safetensors-sql edit-metadata model.safetensors '{"author":"me","format":null}'

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL),
  patch TEXT CONSTRAINT ":patch is set" CHECK (patch IS NOT NULL)
    CONSTRAINT ":patch is a JSON object" CHECK (json_valid(patch) AND json_type(patch) = 'object')
);
INSERT INTO parameters VALUES (:path, :patch);

DROP TABLE IF EXISTS temp.edited;
CREATE TEMP TABLE edited AS
  SELECT f.file, json_patch((SELECT json_group_object(key, value) FROM safetensors_metadata(f.file)),
                            :patch) AS metadata
  FROM safetensors_files(:path) AS f;

INSERT INTO safetensors_write(path, name, data, metadata, mode)
  SELECT e.file, t.name, t.ref, e.metadata, 'replace'
  FROM edited AS e LEFT JOIN safetensors_tensors(e.file) AS t;

.mode column
.headers on

.print == Written
SELECT iif(length(e.file) > 60, '...' || substr(e.file, -57), e.file) AS file, f.tensors
FROM edited AS e, safetensors_files(e.file) AS f;
.print

.print == Metadata
SELECT iif(length(m.key) > 26, substr(m.key, 1, 23) || '...', m.key) AS key,
       iif(length(m.value) > 50, substr(m.value, 1, 47) || '...', m.value) AS value
FROM (SELECT min(file), metadata FROM edited) AS e, json_each(e.metadata) AS m;
.mode list
.headers off
SELECT 'None.' FROM (SELECT min(file), metadata FROM edited) WHERE metadata = '{}';
.mode column
.headers on
