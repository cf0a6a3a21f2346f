-- Is this checkpoint intact?
--
-- Prints one line per finding, the errors first, and fails if there is an error: the exit status is for CI. Warnings
-- are about what loads but should still be changed. The script reads only headers and indexes. Where nothing could be
-- read, because the path is wrong or may not be read, it fails with that error instead of a verdict.
-- ext/docs/reference.md explains the codes.
--
-- @param path path required   the checkpoint: a file, an index, a directory or a pattern
-- @table findings(severity, code, file, tensor, offset, message)   one row per finding
-- @status 1                   when there is an error
-- @example safetensors-sql check model.safetensors

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL));
INSERT INTO parameters VALUES (:path);

DROP TABLE IF EXISTS temp.findings;
CREATE TEMP TABLE findings AS
  SELECT severity, code, file, tensor, offset, message FROM safetensors_check(:path) AS c ORDER BY c.severity, c.rowid;

.mode list
.headers off

SELECT ifnull(file, 'BLOB') || ifnull(':' || offset, '') || ': ' || severity || ' [' || code || '] '
       || ifnull('tensor "' || tensor || '": ', '') || message
FROM findings;

SELECT printf('%d error%s, %d warning%s', e, iif(e = 1, '', 's'), w, iif(w = 1, '', 's'))
FROM (SELECT count(*) FILTER (WHERE severity = 'error') AS e,
             count(*) FILTER (WHERE severity = 'warning') AS w FROM findings);

-- This fails as soon as it reads.
DROP TABLE IF EXISTS temp.unread;
CREATE TEMP TABLE unread AS
  SELECT CASE WHEN count(*) = 1 AND max(code) IN ('missing-file', 'unreadable')
              THEN (SELECT count(*) FROM safetensors_tensors(:path)) END AS tensors
  FROM findings;

DROP TABLE IF EXISTS temp.verdict;
CREATE TEMP TABLE verdict(errors);
CREATE TEMP TRIGGER verdict_is_no BEFORE INSERT ON verdict WHEN new.errors > 0 BEGIN
  SELECT RAISE(ABORT, 'the checkpoint has errors');
END;
INSERT INTO verdict SELECT count(*) FROM findings WHERE severity = 'error';
