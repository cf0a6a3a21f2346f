-- How is a model spread over its files: are they of a size, is any missing, and do they hold what
-- the index says?
--
--   sqlite3 -cmd ".load build/safetensors" -cmd ".param set :path model_folder" < sql/shards.sql
--
-- Reads headers and the index. Leaves the tables `shards` (file, label, status, error, tensors,
-- parameters, nbytes) and `index_findings` (code, n, finding), and the view `shard_tensors` (file,
-- label, name, layer, nbytes) over the files that can be read.

.bail on
CREATE TEMP TABLE IF NOT EXISTS needs_path(value CONSTRAINT ":path is set"
  CHECK (value IS NOT NULL));
INSERT INTO needs_path VALUES (:path);

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
SELECT error FROM shards AS s WHERE s.status = 'invalid' LIMIT 5;
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
                 'unindexed-tensor', 'unindexed-shard', 'shard-gap');

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
