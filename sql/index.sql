-- Writes a new index for a sharded model, from its shards.
--
-- Shards that cannot be read are left out, and so are the tensors of missing shards; the script reports both. If there
-- is an old index, the script keeps a copy, OUT.old (only the first one if it runs twice), and the metadata, with a new
-- total_size.
--
-- @param path path required   the directory of the shards
-- @param out path             the index, in that directory; without it, model.safetensors.index.json
-- @param shards text '*.safetensors'   a pattern for the shards' names, if the directory has more than one model
-- @table indexed(name, shard, nbytes)   one row per tensor
-- @table dropped(name, shard)   tensors that the old index names but no shard has
-- @table index_shards(shard, status, error)   one row per shard
-- @status 1                   when no shard can be read, when a tensor is in two of them, or when the index cannot be
--    written; then the old one stays
-- @writes out
-- @example safetensors-sql index model_directory --shards 'model-*.safetensors'

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL),
  out TEXT CONSTRAINT ":out is a *.safetensors.index.json in the directory of the shards"
    CHECK (out LIKE '%.safetensors.index.json' AND rtrim(out, replace(out, '/', '')) = path),
  shards TEXT
);
INSERT INTO parameters
SELECT directory, ifnull(:out, directory || 'model.safetensors.index.json'), ifnull(:shards, '*.safetensors')
FROM (SELECT rtrim(:path, '/') || '/' AS directory);

DROP TABLE IF EXISTS temp.target;
CREATE TEMP TABLE target AS
  SELECT path AS directory, out AS path,
         replace(replace(replace(replace(path, '\', '\\'), '[', '\['), '*', '\*'), '?', '\?') || shards AS pattern
  FROM parameters;

DROP TABLE IF EXISTS temp.index_shards;
CREATE TEMP TABLE index_shards AS
  SELECT f.file, substr(f.file, length(t.directory) + 1) AS shard, f.status, f.error
  FROM target AS t, safetensors_files(t.pattern) AS f
  WHERE f.status = 'missing' OR f.file LIKE '%.safetensors';
-- If there is no such directory, or nothing in it matches, this raises the error and ends the script.
INSERT INTO parameters(path)
SELECT x.name
FROM (SELECT max(error LIKE '%: no such %') AS unknown FROM index_shards HAVING max(status) = 'missing') AS s,
  target AS t, safetensors_tensors(iif(s.unknown, :path, t.pattern)) AS x;

DROP TABLE IF EXISTS temp.indexed;
CREATE TEMP TABLE indexed AS
  SELECT t.name, s.shard, t.nbytes FROM index_shards AS s, safetensors_tensors(s.file) AS t WHERE s.status = 'ok';

.mode list
.headers off
SELECT printf('warning: %,d of %,d files cannot be read:', sum(status <> 'ok'), count(*))
FROM index_shards HAVING sum(status <> 'ok') > 0;
SELECT error FROM index_shards AS s WHERE s.status <> 'ok' ORDER BY s.file LIMIT 20;
SELECT printf('error: %s is in %s', name, group_concat(shard, ', '))
FROM indexed AS i GROUP BY i.name HAVING count(*) > 1 LIMIT 10;

DROP TABLE IF EXISTS temp.needs;
CREATE TEMP TABLE needs(
  is_link CONSTRAINT ":out is no link: an index is written in its own place" CHECK (is_link = 0));
INSERT INTO needs
SELECT (SELECT d.mode & 0xF000 = 0xA000 FROM fsdir(iif(readfile(t.path) IS NULL, t.directory, t.path)) AS d LIMIT 1)
FROM target AS t;

-- The old index, and the tensors in it that no shard has.
DROP TABLE IF EXISTS temp.old;
CREATE TEMP TABLE old AS
  SELECT iif(json_valid(text), text, '{}') AS text, json_valid(text) AS is_json
  FROM (SELECT CAST(readfile(path) AS TEXT) AS text FROM target) WHERE text IS NOT NULL;
DROP TABLE IF EXISTS temp.dropped;
CREATE TEMP TABLE dropped AS
  SELECT j.key AS name, j.value AS shard FROM old AS o, json_each(o.text, '$.weight_map') AS j
  WHERE j.key NOT IN (SELECT name FROM indexed);

DROP TABLE IF EXISTS temp.verdict;
CREATE TEMP TABLE verdict(tensors DEFAULT 1, twice DEFAULT 0, bytes DEFAULT 1);
CREATE TEMP TRIGGER verdict_is_no BEFORE INSERT ON verdict BEGIN
  SELECT RAISE(ABORT, 'no shard with tensors can be read') WHERE new.tensors = 0;
  SELECT RAISE(ABORT, 'a tensor is in two files: :shards says which files are meant') WHERE new.twice > 0;
  SELECT RAISE(ABORT, 'the index cannot be written') WHERE ifnull(new.bytes, 0) = 0;
END;
INSERT INTO verdict(tensors, twice) SELECT count(*), count(*) - count(DISTINCT name) FROM indexed;

-- The copy of the old index is made before the new index is written.
INSERT INTO verdict(bytes)
SELECT writefile(t.path || '.old', readfile(t.path)) FROM target AS t, old
WHERE readfile(t.path || '.old') IS NULL;
INSERT INTO verdict(bytes)
SELECT writefile(path, json_object(
         'metadata', json_set(ifnull((SELECT text -> '$.metadata' FROM old WHERE json_type(text, '$.metadata') = 'object'),
                                     '{}'), '$.total_size', (SELECT sum(nbytes) FROM indexed)),
         'weight_map', json((SELECT json_group_object(name, shard)
                             FROM (SELECT name, shard FROM indexed AS i ORDER BY i.name)))))
FROM target;

SELECT 'The old index was no JSON.' FROM old WHERE NOT is_json;
SELECT printf('warning: %,d of %,d tensors of the old index are in no shard, and dropped:', (SELECT count(*) FROM dropped),
              (SELECT count(*) FROM json_each(text, '$.weight_map')))
FROM old WHERE EXISTS (SELECT 1 FROM dropped);
.mode column
.headers on
SELECT iif(length(shard) > 38, substr(shard, 1, 18) || '...' || substr(shard, -17), shard) AS missing_from, count(*) AS tensors,
       iif(length(min(name)) > 30, substr(min(name), 1, 14) || '...' || substr(min(name), -13), min(name)) AS "first"
FROM dropped AS d GROUP BY d.shard ORDER BY d.shard LIMIT 20;
.mode list
.headers off
SELECT printf('and %,d shards more', count(DISTINCT shard) - 20) FROM dropped HAVING count(DISTINCT shard) > 20;
SELECT '' WHERE EXISTS (SELECT 1 FROM dropped);
.mode column
.headers on

.print == Written
SELECT iif(length(base) > 44, '...' || substr(base, -41), base) AS "index", (SELECT count(DISTINCT shard) FROM indexed) AS shards,
       (SELECT count(*) FROM indexed) AS tensors,
       printf('%8s', safetensors_pretty((SELECT sum(nbytes) FROM indexed), 'B')) AS "   bytes"
FROM (SELECT substr(path, length(directory) + 1) AS base FROM target);

.print
.print == What is still wrong
SELECT iif(length(message) > 58, substr(message, 1, 55) || '...', message) AS finding, count(*) AS n, c.code
FROM target AS t, safetensors_check(t.path) AS c
WHERE (c.severity = 'error' OR c.code = 'shard-gap') AND c.code <> 'missing-file' GROUP BY c.code ORDER BY min(c.rowid) LIMIT 20;
.mode list
.headers off
SELECT 'Nothing.' FROM target AS t
WHERE NOT EXISTS (SELECT 1 FROM safetensors_check(t.path)
                  WHERE (severity = 'error' OR code = 'shard-gap') AND code <> 'missing-file');
.mode column
.headers on
