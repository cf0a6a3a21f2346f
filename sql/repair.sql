-- Copies what is whole in a damaged file into a new one.
--
-- Takes a file that strict readers refuse: it is truncated, or has trailing bytes, numbers in its metadata, or entries
-- that overlap or cannot be read. It may also be the index of a model that lacks shards. The metadata is kept, and
-- values that are not strings become strings. A tensor that safetensors_salvage calls whole has all of its bytes, but
-- nothing can tell whether they are the right ones.
--
-- @param path path required   the damaged file, or an index
-- @param out path required    the file to write, which must not exist
-- @table salvaged(name, nbytes, status, message, ref)   one row per tensor, whole or lost
-- @status 1                   when no tensor is whole; then nothing is written
-- @writes out
-- @example safetensors-sql repair damaged.safetensors repaired.safetensors

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL),
  out TEXT CONSTRAINT ":out is set" CHECK (out IS NOT NULL)
);
INSERT INTO parameters VALUES (:path, :out);

DROP TABLE IF EXISTS temp.salvaged;
CREATE TEMP TABLE salvaged AS
  SELECT name, nbytes, status, message, ref FROM safetensors_salvage(:path);

DROP TABLE IF EXISTS temp.verdict;
CREATE TEMP TABLE verdict(whole);
CREATE TEMP TRIGGER verdict_is_no BEFORE INSERT ON verdict WHEN new.whole = 0 BEGIN
  SELECT RAISE(ABORT, 'no tensor of the file is whole: nothing of it can be saved');
END;
INSERT INTO verdict SELECT total(status = 'whole') FROM salvaged;

INSERT INTO safetensors_write(path, name, data, metadata)
  SELECT :out, s.name, s.ref, (
           SELECT json_group_object(key, value)
           FROM (SELECT j.key, j.value FROM json_each((SELECT metadata FROM safetensors_salvage(:path) LIMIT 1)) AS j
                 GROUP BY j.key ORDER BY max(j.id)))
  FROM salvaged AS s WHERE s.status = 'whole';

.mode list
.headers off
SELECT CASE WHEN sum(status <> 'whole') = 0 THEN printf('All %,d tensors are whole.', count(*))
            ELSE printf('warning: %,d of %,d tensors %s lost:', sum(status <> 'whole'), count(*),
                        iif(sum(status <> 'whole') = 1, 'is', 'are')) END
FROM salvaged;
.mode column
.headers on
SELECT CASE WHEN name IS NULL THEN '(without a name)' WHEN length(name) <= 32 THEN name
            ELSE substr(name, 1, 14) || '...' || substr(name, -15) END AS lost, status,
       iif(length(message) > 34, substr(message, 1, 31) || '...', message) AS why
FROM salvaged AS s WHERE s.status <> 'whole' ORDER BY s.rowid LIMIT 40;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 40) FROM salvaged AS s WHERE s.status <> 'whole' HAVING count(*) > 40;
.mode column
.headers on

.print
.print == Written
SELECT iif(length(:out) > 58, '...' || substr(:out, -55), :out) AS file, count(*) AS tensors,
       printf('%8s', safetensors_pretty(total(nbytes), 'B')) AS "   bytes"
FROM salvaged AS s WHERE s.status = 'whole';
