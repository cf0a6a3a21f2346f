-- Is the model complete, and are its files balanced?
--
-- Shows how each sharded model is spread over its files: whether one is missing or cannot be read, whether they have
-- what the index says, whether they are of equal size, and which layers are in several. Where the shards are whole but
-- the index is not there, or says something else, it prints the one statement that makes a new index of them, to be
-- copied into the sqlite3 shell. Headers and indexes are read. Of a folder with several models, each is looked at.
--
-- @param path path required   the model: a directory, an index or a file; or a folder with models at any depth
-- @param format enum text|json|csv  how to print the tables
-- @table shards(model, file, status, tensors, parameters, nbytes, share, error)   one row per file, in the order of the
--    files; share is that of its model's bytes
-- @table index_findings(model, severity, code, message)   what is wrong between the index and the files
-- @table shard_layers(model, layer, tensors, files)   layers that are in more than one file
-- @table shard_rebuild(model, statement)   the statement that makes a new index, where that is needed and possible
-- @status 1                   when a file is missing or cannot be read, or the index does not fit the files
-- @example safetensors-sql shards model_directory

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL),
  format TEXT CONSTRAINT ":format is text, json or csv" CHECK (format IN ('text', 'json', 'csv'))
);
INSERT INTO parameters SELECT :path, ifnull(:format, 'text') WHERE safetensors_parameters(':path', ':format');

-- The models: the directory that each is in, as it is and as a pattern, and how the names of its shards begin.
DROP TABLE IF EXISTS temp.shard_models;
CREATE TEMP TABLE shard_models AS
  SELECT *, rtrim(place, replace(place, '/', '')) AS directory,
         replace(replace(replace(replace(rtrim(place, replace(place, '/', '')), '\', '\\'), '[', '\['), '*', '\*'), '?', '\?') AS pattern,
         iif(instr(base, '.safetensors.index.') > 0, substr(base, 1, instr(base, '.safetensors.index.') - 1),
             iif(base GLOB '*-[0-9]*-of-[0-9]*', rtrim(rtrim(substr(base, 1, instr(base, '-of-') - 1), '0123456789'), '-'), NULL)) AS stem
  FROM (SELECT *, substr(place, 1 + length(rtrim(place, replace(place, '/', '')))) AS base
        FROM (SELECT m.model, m.files, m.tensors, m.status, m.error, m.index_file,
                     ifnull(m.index_file, (SELECT min(f.file) FROM safetensors_files(m.model) AS f WHERE m.files > 0)) AS place
              FROM safetensors_models(:path) AS m));
-- If there is no model, or a single file that cannot be read, this raises the error and ends the script.
INSERT INTO parameters(path)
SELECT t.name
FROM (SELECT count(*) = 0 OR (count(*) = 1 AND count(error) = 1 AND max(index_file) IS NULL AND max(stem) IS NULL) AS none FROM shard_models),
  safetensors_tensors(iif(none, :path, NULL)) AS t;

DROP TABLE IF EXISTS temp.verdict;
CREATE TEMP TABLE verdict(tensors DEFAULT 1, bad DEFAULT 0);
CREATE TEMP TRIGGER verdict_is_no BEFORE INSERT ON verdict BEGIN
  SELECT RAISE(ABORT, 'there are no tensors') WHERE new.tensors = 0;
  SELECT RAISE(ABORT, 'a model is not complete, or its index does not fit') WHERE new.bad > 0;
END;
INSERT INTO verdict(tensors) SELECT total(tensors) + count(error) FROM shard_models;

-- The files: those that an index names, and those of a set without one.
DROP TABLE IF EXISTS temp.shards;
CREATE TEMP TABLE shards AS
  SELECT m.model, f.file, f.status, f.tensors, f.numel AS parameters, f.nbytes,
         1.0 * f.nbytes / nullif(sum(f.nbytes) OVER (PARTITION BY m.model), 0) AS share, f.error
  FROM shard_models AS m, safetensors_files(iif(m.files > 0 OR m.index_file IS NOT NULL, m.model, NULL)) AS f ORDER BY m.rowid, f.rowid;
CREATE INDEX temp.shards_by_model ON shards(model);
-- What may be shards by their names, too, whether an index names them or not.
DROP TABLE IF EXISTS temp.shard_candidates;
CREATE TEMP TABLE shard_candidates AS
  SELECT model, file, status FROM shards WHERE status = 'ok' OR file GLOB '*-[0-9]*-of-[0-9]*.safetensors'
  UNION
  SELECT m.model, f.file, f.status
  FROM shard_models AS m, safetensors_files(iif(m.stem IS NULL, NULL, m.pattern || replace(replace(replace(m.stem, '[', '\['), '*', '\*'), '?', '\?') || '-*.safetensors')) AS f
  WHERE f.status <> 'missing' AND substr(f.file, length(m.directory || m.stem) + 1) GLOB '-[0-9]*-of-[0-9]*.safetensors';

DROP TABLE IF EXISTS temp.shard_tensors;
CREATE TEMP TABLE shard_tensors AS
  SELECT s.model, s.file, t.name, t.layer FROM shard_candidates AS s, safetensors_tensors(s.file) AS t WHERE s.status = 'ok';
CREATE INDEX temp.shard_tensors_by_model ON shard_tensors(model, layer);
DROP TABLE IF EXISTS temp.shard_layers;
CREATE TEMP TABLE shard_layers AS
  SELECT model, layer, count(*) AS tensors, count(DISTINCT file) AS files
  FROM shard_tensors WHERE layer IS NOT NULL GROUP BY model, layer HAVING count(DISTINCT file) > 1;

DROP TABLE IF EXISTS temp.index_findings;
CREATE TEMP TABLE index_findings AS
  SELECT m.model, c.severity, c.code, ifnull('tensor ' || c.tensor || ': ', '') || replace(c.message, m.directory, '') AS message
  FROM shard_models AS m, safetensors_check(m.model) AS c
  WHERE c.code IN ('bad-weight-map', 'bad-path', 'missing-shard', 'missing-tensor', 'misplaced-tensor', 'duplicate-across-shards', 'total-size-differs',
                   'odd-index', 'unindexed-tensor', 'unindexed-shard', 'shard-gap', 'mixed-shards', 'incomplete-shards', 'shards-without-index',
                   'unfinished-write', 'distributed-checkpoint')
     OR (c.severity = 'error' AND c.file = m.index_file);

-- An index that is a link, as all files in a hub's cache are, is not one to write into.
DROP TABLE IF EXISTS temp.shard_links;
CREATE TEMP TABLE shard_links AS
  SELECT model, CASE WHEN model GLOB '[a-z]*://*' THEN 1 WHEN index_file IS NULL THEN 0
                     ELSE (SELECT d.mode & 0xF000 = 0xA000 FROM fsdir(index_file) AS d LIMIT 1) END AS is_link
  FROM shard_models;
CREATE INDEX temp.shard_links_by_model ON shard_links(model);
-- A new index can be made of shards that are all there, can be read, and have no tensor twice.
DROP TABLE IF EXISTS temp.shard_rebuild;
CREATE TEMP TABLE shard_rebuild AS
  SELECT m.model, printf('SELECT writefile(%Q, json_object(''metadata'', json_object(''total_size'', sum(t.nbytes)), ''weight_map'', '
                         || 'json_group_object(t.name, substr(t.file, %d)))) AS bytes FROM json_each(%Q) AS f, safetensors_tensors(f.value) AS t;',
                         ifnull(m.index_file, m.directory || m.stem || '.safetensors.index.json'), length(m.directory) + 1, c.files) AS statement
  FROM shard_models AS m
  JOIN (SELECT model, json_group_array(file) AS files, total(status <> 'ok') AS bad, count(*) AS n,
               max(CAST(substr(file, instr(file, '-of-') + 4) AS INTEGER)) AS of_n, min(CAST(substr(file, instr(file, '-of-') + 4) AS INTEGER)) AS of_least
        FROM (SELECT * FROM shard_candidates ORDER BY model, file) GROUP BY model) AS c USING (model)
  WHERE NOT (SELECT is_link FROM shard_links AS l WHERE l.model = m.model)
    AND c.bad = 0 AND (c.of_n = 0 OR (c.n = c.of_n AND c.of_n = c.of_least))
    AND (EXISTS (SELECT 1 FROM index_findings AS i WHERE i.model = m.model AND i.code <> 'unindexed-shard') OR (m.index_file IS NULL AND c.of_n > 1))
    AND NOT EXISTS (SELECT 1 FROM shard_tensors AS t WHERE t.model = m.model GROUP BY t.name HAVING count(*) > 1);

CREATE TEMP VIEW IF NOT EXISTS as_text AS SELECT 1 FROM parameters WHERE format = 'text';
.mode list
.headers off
SELECT safetensors_print(format, 'shards', 'index_findings', 'shard_layers', 'shard_rebuild') FROM parameters WHERE format <> 'text';

-- What each model lacks. Of many models, those of one file that can be read are only counted.
DROP TABLE IF EXISTS temp.shard_states;
CREATE TEMP TABLE shard_states AS
  SELECT m.model, s.n, s.missing, s.unread, s.nbytes, s.spread, (m.index_file IS NOT NULL OR m.stem IS NOT NULL OR m.status NOT IN ('ok', 'empty')) AS is_shown,
         (SELECT count(*) FROM index_findings AS i WHERE i.model = m.model AND (i.severity = 'error' OR i.code = 'unindexed-tensor')) AS wrong,
         (SELECT count(*) FROM index_findings AS i WHERE i.model = m.model AND i.code IN ('incomplete-shards', 'mixed-shards')) AS partial,
         m.index_file IS NOT NULL AS has_index, m.stem IS NOT NULL AS is_set, m.error
  FROM shard_models AS m
  LEFT JOIN (SELECT model, count(*) AS n, total(status = 'missing') AS missing, total(status = 'invalid') AS unread, sum(nbytes) AS nbytes,
                    max(nbytes) / avg(nbytes) AS spread FROM shards GROUP BY model) AS s USING (model);
UPDATE shard_states SET is_shown = 1 WHERE (SELECT count(*) FROM shard_states) = 1;
DROP TABLE IF EXISTS temp.shard_common;
CREATE TEMP TABLE shard_common AS
  SELECT safetensors_common(rtrim(file, replace(file, '/', ''))) AS common FROM shards JOIN shard_states USING (model) WHERE is_shown;

SELECT CASE WHEN missing > 0 THEN printf('Not complete: %,d of %,d files %s missing%s.', missing, n, iif(missing = 1, 'is', 'are'),
                                         iif(unread > 0, printf(', %,d cannot be read', unread), ''))
            WHEN partial > 0 THEN 'Not complete: files of the set are missing, or there are two sets.'
            WHEN unread > 0 AND n = 1 THEN 'The index cannot be read.'
            WHEN unread > 0 THEN printf('%,d of %,d files cannot be read.', unread, n)
            WHEN wrong > 0 THEN printf('The index does not fit the files: %,d finding%s.', wrong, iif(wrong = 1, '', 's'))
            ELSE printf('Complete: %,d file%s, %s%s.', n, iif(n = 1, '', 's'), safetensors_pretty(nbytes, 'B'),
                        iif(n = 1, '', printf(', the largest %.2f times the mean', spread)) ||
                        CASE WHEN has_index THEN '; the index fits' WHEN is_set AND n > 1 THEN '; there is no index' ELSE '' END) END
FROM shard_states, as_text WHERE (SELECT count(*) FROM shard_states) = 1;
SELECT printf('%,d models, %,d of them sharded: %,d complete', count(*), total(is_set OR has_index),
              total(missing = 0 AND partial = 0 AND unread = 0 AND wrong = 0)) ||
       iif(total(missing > 0 OR partial > 0) > 0, printf(', %,d not complete', total(missing > 0 OR partial > 0)), '') ||
       iif(total(unread > 0 AND missing = 0) > 0, printf(', %,d cannot be read', total(unread > 0 AND missing = 0)), '') ||
       iif(total(wrong > 0 AND missing = 0 AND unread = 0 AND partial = 0) > 0,
           printf(', %,d with an index that does not fit', total(wrong > 0 AND missing = 0 AND unread = 0 AND partial = 0)), '') || '.'
FROM shard_states, as_text HAVING count(*) > 1;

SELECT char(10) || '== What is wrong' FROM as_text WHERE EXISTS (SELECT 1 FROM index_findings) OR EXISTS (SELECT 1 FROM shards WHERE status = 'invalid');
SELECT safetensors_label(replace(substr(s.error, 14), common, '')) FROM shards AS s, shard_common, as_text
WHERE s.status = 'invalid' AND s.file NOT GLOB '*.json' ORDER BY s.rowid LIMIT 20;
SELECT text FROM (
  SELECT iif(models > 1, safetensors_label(i.model, common) || ': ', '') || i.code || ': ' || safetensors_label(i.message) AS text, i.at
  FROM (SELECT *, rowid AS at, row_number() OVER (PARTITION BY model, code ORDER BY rowid) AS k FROM index_findings) AS i, shard_common,
    (SELECT count(*) AS models FROM shard_states), as_text WHERE i.k <= 3
  UNION ALL
  SELECT printf('and %,d more of %s: check.sql lists them all', count(*) - 3, i.code), max(i.rowid) + 0.5
  FROM index_findings AS i, as_text GROUP BY i.model, i.code HAVING count(*) > 3)
ORDER BY at LIMIT 60;

SELECT char(10) || '== A new index, in the sqlite3 shell' FROM as_text WHERE EXISTS (SELECT 1 FROM shard_rebuild);
SELECT iif(EXISTS (SELECT 1 FROM shard_candidates AS c WHERE c.model = r.model AND safetensors_label(c.file) <> c.file),
           'The table shard_rebuild has it: the names of ' || safetensors_label(r.model, common) || ' are not for a terminal.', statement)
FROM shard_rebuild AS r, shard_common, as_text;

SELECT char(10) || '== Files' FROM as_text WHERE EXISTS (SELECT 1 FROM shard_states WHERE is_shown);
.mode column --wrap 0
.headers on
SELECT iif(s.status = 'ok', printf('%7d', s.tensors), s.status) AS tensors, iif(s.tensors IS NULL, '', printf('%8s', safetensors_pretty(s.nbytes, 'B'))) AS "   bytes",
       iif(s.tensors IS NULL, '', printf('%5.1f%%', 100.0 * s.share)) AS " share",
       printf('%-10s', iif(s.nbytes > 0, printf('%.*c', 10 * s.nbytes / max(s.nbytes) OVER (PARTITION BY s.model), '#'), '')) AS relative,
       safetensors_label(s.file, common) AS file
FROM shards AS s JOIN shard_states AS m USING (model), shard_common, as_text WHERE m.is_shown ORDER BY s.rowid LIMIT 200;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 200) FROM shards JOIN shard_states USING (model), as_text WHERE is_shown HAVING count(*) > 200;

SELECT char(10) || '== Layers in more than one file' FROM as_text WHERE EXISTS (SELECT 1 FROM shard_layers);
.mode column --wrap 0
.headers on
SELECT printf('%5d', l.layer) AS layer, printf('%7d', l.tensors) AS tensors, printf('%5d', l.files) AS files, safetensors_label(l.model, common) AS model
FROM shard_layers AS l, shard_common, as_text ORDER BY l.rowid LIMIT 20;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 20) FROM shard_layers, as_text HAVING count(*) > 20;

INSERT INTO verdict(bad) SELECT count(*) FROM shard_states WHERE missing > 0 OR unread > 0 OR wrong > 0 OR partial > 0 OR (n IS NULL AND error IS NOT NULL);
.mode column
.headers on
