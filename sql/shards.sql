-- Is the model complete, and are its files balanced?
--
-- Shows how a model is spread over its files: whether they are of equal size, whether any is missing, and whether
-- they hold what the index says. The script reads headers and the index.
--
-- @param path path required   the model
-- @table shards(file, status, error, tensors, parameters, nbytes)   one row per file
-- @table index_findings(code, finding)   what is wrong between the index and the files
-- @table shard_tensors(file, name, layer, nbytes)   every tensor of the files that can be read
-- @example safetensors-sql shards model_directory

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL));
INSERT INTO parameters VALUES (:path);

-- If there is nothing under this path, or its only file cannot be read, this raises the error and ends the script.
INSERT INTO parameters(path)
SELECT t.name FROM (SELECT count(*) AS files, total(status <> 'ok' AND rtrim(file, '/') = rtrim(:path, '/')) AS bad
                    FROM safetensors_files(:path)) AS f,
  safetensors_tensors(iif(f.files > f.bad, NULL, :path)) AS t;

DROP TABLE IF EXISTS temp.shards;
CREATE TEMP TABLE shards AS
  SELECT file, status, error, tensors, numel AS parameters, nbytes,
         iif(length(base) > 32, substr(base, 1, 14) || '...' || substr(base, -15), base) AS label
  FROM (SELECT *, replace(replace(path, rtrim(path, replace(path, '/', '')), ''),
                          '.safetensors', '') AS base
        FROM (SELECT *, rtrim(file, '/') AS path FROM safetensors_files(:path)));

CREATE TEMP VIEW IF NOT EXISTS shard_tensors AS
  SELECT s.file, s.label, t.name, t.layer, t.nbytes
  FROM shards AS s, safetensors_tensors(s.file) AS t WHERE s.status = 'ok';

.mode column
.headers on

.print == Balance
SELECT count(*) AS files, sum(tensors) AS tensors, safetensors_pretty(sum(nbytes), 'B') AS bytes,
       safetensors_pretty(min(nbytes), 'B') AS smallest,
       safetensors_pretty(max(nbytes), 'B') AS largest,
       printf('%.2f', max(nbytes) / avg(nbytes)) AS "largest/mean"
FROM shards AS s WHERE s.status = 'ok' HAVING count(*) > 0;
.mode list
.headers off
SELECT CASE WHEN count(*) = 1 THEN 'The file is missing.'
            WHEN sum(status = 'missing') = 1 THEN printf('1 of %,d files is missing.', count(*))
            ELSE printf('%,d of %,d files are missing.', sum(status = 'missing'), count(*)) END
FROM shards HAVING sum(status = 'missing') > 0;
SELECT iif(count(*) = 1, 'The file cannot be read.',
           printf('%,d of %,d files cannot be read.', sum(status = 'invalid'), count(*)))
FROM shards HAVING sum(status = 'invalid') > 0;
SELECT error FROM shards AS s WHERE s.status = 'invalid' LIMIT 20;
SELECT printf('and %,d more', count(*) - 20) FROM shards AS s WHERE s.status = 'invalid' HAVING count(*) > 20;
SELECT max(error) FROM shards HAVING count(*) = 1 AND max(status) = 'missing';
.mode column
.headers on
.print

.print == Files
SELECT label AS file, ifnull(tensors, status) AS tensors,
       iif(tensors IS NULL, '', printf('%8s', safetensors_pretty(nbytes, 'B'))) AS "   bytes",
       iif(tensors IS NULL, '',
           printf('%5.1f%%', 100.0 * nbytes / nullif(sum(nbytes) OVER (), 0))) AS " share",
       iif(nbytes > 0, printf('%.*c', 10 * nbytes / max(nbytes) OVER (), '#'), '') AS relative
FROM shards;
.print

.print == Layers in more than one file
SELECT layer, tensors, files, iif(length(names) > 54, substr(names, 1, 51) || '...', names) AS names
FROM (SELECT layer, count(*) AS tensors, count(DISTINCT file) AS files,
             replace(group_concat(DISTINCT label), ',', ', ') AS names
      FROM shard_tensors AS t WHERE t.layer IS NOT NULL GROUP BY t.layer)
WHERE files > 1 ORDER BY layer LIMIT 20;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 20)
FROM (SELECT layer FROM shard_tensors WHERE layer IS NOT NULL GROUP BY layer HAVING count(DISTINCT file) > 1)
HAVING count(*) > 20;
SELECT 'None.' WHERE NOT EXISTS (
  SELECT 1 FROM shard_tensors WHERE layer IS NOT NULL GROUP BY layer
  HAVING count(DISTINCT file) > 1);
.mode column
.headers on
.print

DROP TABLE IF EXISTS temp.index_findings;
CREATE TEMP TABLE index_findings AS
  SELECT code, row_number() OVER (PARTITION BY code) AS n,
         ifnull('tensor ' || tensor || ': ', '') ||
         replace(message, rtrim(file, replace(file, '/', '')), '') AS finding
  FROM safetensors_check(:path)
  WHERE code IN ('bad-weight-map', 'bad-path', 'missing-shard', 'missing-tensor',
                 'misplaced-tensor', 'duplicate-across-shards', 'total-size-differs',
                 'odd-index', 'unindexed-tensor', 'unindexed-shard', 'shard-gap', 'mixed-shards',
                 'incomplete-shards', 'shards-without-index', 'unfinished-write', 'twin-files',
                 'duplicate-tensor', 'distributed-checkpoint');

.print == Index against files
.mode column --wrap 54 --wordwrap on
SELECT code, finding FROM index_findings WHERE n <= 3;
.mode list
.headers off
SELECT printf('and %,d more of %s: check.sql lists them all', count(*) - 3, code)
FROM index_findings GROUP BY code HAVING count(*) > 3;
SELECT iif(EXISTS (SELECT 1 FROM shards WHERE status = 'ok'), 'They agree, or there is no index.',
           'There is no file to compare.')
WHERE NOT EXISTS (SELECT 1 FROM index_findings);
.mode column
.headers on
