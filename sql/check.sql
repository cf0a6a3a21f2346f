-- Is this checkpoint intact? All that is wrong with it, a line each. Fails when there are errors.
--
--   sqlite3 -bail -cmd ".load build/safetensors" -cmd ".param set :path model.safetensors" < sql/check.sql
--
-- The exit status is for CI: 1 when there is an error, 0 when there is none or only warnings are. Reads
-- headers and indexes only. Leaves the table `findings` for queries of your own; README explains the codes.

.bail on
.mode list
.headers off
DROP TABLE IF EXISTS temp.findings;
DROP TABLE IF EXISTS temp.verdict;

CREATE TEMP TABLE verdict(
  path CONSTRAINT "a path is given, with .param set :path" CHECK (path IS NOT NULL),
  errors CONSTRAINT "the checkpoint has no errors" CHECK (errors = 0)
);
INSERT INTO verdict(path) VALUES(:path);

CREATE TEMP TABLE findings AS
  SELECT severity, code, file, tensor, offset, message FROM safetensors_check(:path);

SELECT ifnull(file, 'BLOB') || ifnull(':' || offset, '') || ': ' || severity || ' [' || code || '] '
       || ifnull('tensor "' || tensor || '": ', '') || message
FROM findings ORDER BY severity, rowid;

SELECT printf('%d error%s, %d warning%s', e, iif(e = 1, '', 's'), w, iif(w = 1, '', 's'))
FROM (SELECT count(*) FILTER (WHERE severity = 'error') AS e,
             count(*) FILTER (WHERE severity = 'warning') AS w FROM findings);

-- What makes the script fail:
UPDATE verdict SET errors = (SELECT count(*) FROM findings WHERE severity = 'error');
