-- Copies some tensors into a file of their own, or all but some.
--
-- Copies the tensors whose names match one pattern and do not match the other. To drop a model's head, leave out
-- 'lm_head.*'. In a pattern, * stands for any characters, ? for one, and [...] for one of several.
--
-- @param path path required   the checkpoint
-- @param out path required    the file to write, which is replaced if it is there
-- @param names text '*'       a pattern of the names to copy
-- @param without text         a pattern of the names to leave out; without it, none
-- @table extracted(name, dtype, shape, numel, nbytes)   one row per tensor that is copied
-- @status 1                   when there is no tensor to copy; then nothing is written
-- @writes out
-- @example safetensors-sql extract model.safetensors layers.safetensors --names 'model.layers.*'

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL),
  out TEXT CONSTRAINT ":out is set" CHECK (out IS NOT NULL),
  names TEXT,
  without TEXT
);
INSERT INTO parameters VALUES (:path, :out, ifnull(:names, '*'), :without);
DROP TABLE IF EXISTS temp.needs;
CREATE TEMP TABLE needs(left_out CONSTRAINT ":without matches the name of a tensor" CHECK (left_out > 0));
INSERT INTO needs
  SELECT count(*) FROM parameters AS p, safetensors_tensors(p.path) AS t WHERE t.name GLOB p.without
  HAVING :without IS NOT NULL;

DROP TABLE IF EXISTS temp.extracted;
CREATE TEMP TABLE extracted AS
  SELECT t.name, t.dtype, t.shape, t.numel, t.nbytes, t.pattern, t.ref
  FROM parameters AS p, safetensors_tensors(p.path) AS t
  WHERE t.name GLOB p.names AND (p.without IS NULL OR t.name NOT GLOB p.without);

DROP TABLE IF EXISTS temp.verdict;
CREATE TEMP TABLE verdict(tensors);
CREATE TEMP TRIGGER verdict_is_no BEFORE INSERT ON verdict WHEN new.tensors = 0 BEGIN
  SELECT RAISE(ABORT, 'no tensor''s name matches :names, and not :without');
END;
INSERT INTO verdict SELECT count(*) FROM extracted;

INSERT INTO safetensors_write(path, name, data, metadata, mode)
  SELECT :out, name, ref, (SELECT json_group_object(key, value) FROM (
           SELECT key, value, min(rowid) FROM safetensors_metadata(:path) GROUP BY key ORDER BY 3)), 'replace'
  FROM extracted;

.mode column
.headers on

.print == Written
SELECT iif(length(:out) > 60, '...' || substr(:out, -57), :out) AS file, count(*) AS tensors FROM extracted;
.print

.print == Kinds of tensors
SELECT iif(length(pattern) > 40, substr(pattern, 1, 17) || '...' || substr(pattern, -20), pattern) AS pattern,
       count(*) AS tensors,
       iif(count(DISTINCT dtype) > 2, count(DISTINCT dtype) || ' dtypes', group_concat(DISTINCT dtype)) AS dtypes,
       printf('%10s', safetensors_pretty(sum(numel))) AS parameters
FROM extracted AS e GROUP BY e.pattern ORDER BY sum(e.numel) DESC, e.pattern LIMIT 20;
.mode list
.headers off
SELECT printf('and %,d more', count(DISTINCT pattern) - 20) FROM extracted HAVING count(DISTINCT pattern) > 20;
.mode column
.headers on
