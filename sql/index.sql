-- Writes a new index for a sharded model, from its shards.
--
-- Shards that cannot be read are left out, and so are the tensors of missing shards; the script reports both. If there
-- is an old index, the script keeps a copy, OUT.old (only the first one if it runs twice), and the metadata, with a new
-- total_size.
--
-- @param path path required   the directory of the shards
-- @param out path             the index, in that directory; without it, model.safetensors.index.json
-- @param shards text '*.safetensors'   a pattern for the shards' names, if the directory has more than one model
-- @param format enum text|json|csv   how to print the tables
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
  path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL)
    CONSTRAINT ":path is on this machine, as nothing is written to addresses" CHECK (path NOT LIKE '%://%'),
  out TEXT CONSTRAINT ":out is a *.safetensors.index.json in the directory of the shards"
    CHECK (out LIKE '%.safetensors.index.json' AND rtrim(out, replace(out, '/', '')) = path),
  shards TEXT,
  format TEXT CONSTRAINT ":format is text, json or csv" CHECK (format IN ('text', 'json', 'csv'))
);
INSERT INTO parameters
SELECT directory, ifnull(:out, directory || 'model.safetensors.index.json'), ifnull(:shards, '*.safetensors'), ifnull(:format, 'text')
FROM (SELECT rtrim(:path, '/') || '/' AS directory) WHERE safetensors_parameters(':path', ':out', ':shards', ':format');

DROP TABLE IF EXISTS temp.index_target;
CREATE TEMP TABLE index_target AS
  SELECT path AS directory, out AS path,
         replace(replace(replace(replace(path, '\', '\\'), '[', '\['), '*', '\*'), '?', '\?') || shards AS pattern
  FROM parameters;

DROP TABLE IF EXISTS temp.index_files;
CREATE TEMP TABLE index_files AS
  SELECT f.file, substr(f.file, length(t.directory) + 1) AS shard, f.status, f.error
  FROM index_target AS t, safetensors_files(t.pattern) AS f
  WHERE f.status = 'missing' OR f.file LIKE '%.safetensors';
-- If there is no such directory, or nothing in it matches, this raises the error and ends the script.
INSERT INTO parameters(path)
SELECT x.name
FROM (SELECT max(error LIKE '%: no such %') AS unknown FROM index_files HAVING max(status) = 'missing') AS s,
  index_target AS t, safetensors_tensors(iif(s.unknown, :path, t.pattern)) AS x;
DROP TABLE IF EXISTS temp.index_shards;
CREATE TEMP TABLE index_shards AS SELECT shard, status, error FROM index_files AS f ORDER BY f.file;

DROP TABLE IF EXISTS temp.indexed;
CREATE TEMP TABLE indexed AS
  SELECT t.name, s.shard, t.nbytes FROM index_files AS s, safetensors_tensors(s.file) AS t WHERE s.status = 'ok';

DROP TABLE IF EXISTS temp.needs;
CREATE TEMP TABLE needs(
  is_link CONSTRAINT ":out is no link: an index is written in its own place" CHECK (is_link = 0));
INSERT INTO needs
SELECT (SELECT d.mode & 0xF000 = 0xA000 FROM fsdir(iif(readfile(t.path) IS NULL, t.directory, t.path)) AS d LIMIT 1)
FROM index_target AS t;

-- The old index, and the tensors in it that no shard has.
DROP TABLE IF EXISTS temp.index_old;
CREATE TEMP TABLE index_old AS
  SELECT iif(json_valid(text), text, '{}') AS text, json_valid(text) AS is_json
  FROM (SELECT CAST(readfile(path) AS TEXT) AS text FROM index_target) WHERE text IS NOT NULL;
DROP TABLE IF EXISTS temp.dropped;
CREATE TEMP TABLE dropped AS
  SELECT j.key AS name, j.value AS shard FROM index_old AS o, json_each(o.text, '$.weight_map') AS j
  WHERE j.key NOT IN (SELECT name FROM indexed);

DROP TABLE IF EXISTS temp.verdict;
CREATE TEMP TABLE verdict(tensors DEFAULT 1, twice DEFAULT 0, bytes DEFAULT 1);
CREATE TEMP TRIGGER verdict_is_no BEFORE INSERT ON verdict BEGIN
  SELECT RAISE(ABORT, 'no shard with tensors can be read') WHERE new.tensors = 0;
  SELECT RAISE(ABORT, 'a tensor is in two files: :shards says which files are meant') WHERE new.twice > 0;
  SELECT RAISE(ABORT, 'the index cannot be written') WHERE ifnull(new.bytes, 0) = 0;
END;
CREATE TEMP VIEW IF NOT EXISTS as_text AS SELECT 1 FROM parameters WHERE format = 'text';
.mode list
.headers off
-- Before the verdict, which ends the script.
SELECT safetensors_print(format, 'indexed', 'dropped', 'index_shards') FROM parameters
WHERE format <> 'text' AND (SELECT count(*) > count(DISTINCT name) OR count(*) = 0 FROM indexed);
SELECT printf('No index is written: %,d of %,d names are in two shards.', total(n > 1), count(*))
FROM (SELECT count(*) AS n FROM indexed GROUP BY name) HAVING total(n > 1) > 0 AND (SELECT 1 FROM as_text);
SELECT 'error: ' || safetensors_label(substr(error, 14)) FROM as_text, index_shards AS s
WHERE s.status <> 'ok' AND NOT EXISTS (SELECT 1 FROM indexed) LIMIT 20;
SELECT printf('error: %s is in %s', safetensors_label(name), group_concat(safetensors_label(shard), ', '))
FROM as_text, indexed AS i GROUP BY i.name HAVING count(*) > 1 LIMIT 10;
INSERT INTO verdict(tensors, twice) SELECT count(*), count(*) - count(DISTINCT name) FROM indexed;

-- The copy of the old index is made before the new index is written.
INSERT INTO verdict(bytes)
SELECT writefile(t.path || '.old', readfile(t.path)) FROM index_target AS t, index_old
WHERE readfile(t.path || '.old') IS NULL;
INSERT INTO verdict(bytes)
SELECT writefile(path, json_object(
         'metadata', json_set(ifnull((SELECT text -> '$.metadata' FROM index_old WHERE json_type(text, '$.metadata') = 'object'),
                                     '{}'), '$.total_size', (SELECT sum(nbytes) FROM indexed)),
         'weight_map', json((SELECT json_group_object(name, shard)
                             FROM (SELECT name, shard FROM indexed AS i ORDER BY i.name)))))
FROM index_target;

SELECT safetensors_print(format, 'indexed', 'dropped', 'index_shards') FROM parameters WHERE format <> 'text';

SELECT printf('%s names %,d tensor%s, %s, in %,d shard%s%s.', safetensors_label(base), n, iif(n = 1, '', 's'), safetensors_pretty(bytes, 'B'),
              shards, iif(shards = 1, '', 's'),
              iif(gone = 0, '', printf('; %,d of %,d tensors of the old index are in no shard, and dropped', gone, old)))
FROM as_text, (SELECT substr(path, length(directory) + 1) AS base FROM index_target),
  (SELECT count(*) AS n, total(nbytes) AS bytes, count(DISTINCT shard) AS shards FROM indexed), (SELECT count(*) AS gone FROM dropped),
  (SELECT count(*) AS old FROM index_old AS o, json_each(o.text, '$.weight_map'));
SELECT 'error: ' || safetensors_label(substr(error, 14)) FROM as_text, index_shards AS s WHERE s.status <> 'ok' LIMIT 20;
SELECT 'warning: the old index was no JSON.' FROM as_text, index_old WHERE NOT is_json;

SELECT char(10) || '== Dropped' FROM as_text WHERE EXISTS (SELECT 1 FROM dropped);
.mode column --wrap 0
.headers on
SELECT printf('%,7d', count(*)) AS tensors, safetensors_label(shard) AS missing_from, safetensors_label(min(name)) AS "first"
FROM as_text, dropped AS d GROUP BY d.shard ORDER BY d.shard LIMIT 20;
.mode list
.headers off
SELECT printf('and %,d shards more', count(DISTINCT shard) - 20) FROM as_text, dropped HAVING count(DISTINCT shard) > 20;

SELECT char(10) || '== What is still wrong' FROM as_text;
SELECT printf('%s: %s%s [%s]', min(c.severity), safetensors_label(c.message), iif(count(*) > 1, printf(' (and %,d more)', count(*) - 1), ''), c.code)
FROM as_text, index_target AS t, safetensors_check(t.path) AS c
WHERE (c.severity = 'error' OR c.code = 'shard-gap') AND c.code <> 'missing-file' GROUP BY c.code ORDER BY min(c.rowid) LIMIT 20;
SELECT 'Nothing.' FROM as_text, index_target AS t
WHERE NOT EXISTS (SELECT 1 FROM safetensors_check(t.path)
                  WHERE (severity = 'error' OR code = 'shard-gap') AND code <> 'missing-file');
