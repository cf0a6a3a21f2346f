-- Copies what is whole in a damaged file into a new one.
--
-- Takes a file that strict readers refuse: it is truncated, or has trailing bytes, numbers in its metadata, or entries
-- that overlap or cannot be read. It may also be the index of a model that lacks shards. The metadata is kept, and
-- values that are not strings become strings. A tensor that safetensors_salvage calls whole has all of its bytes, but
-- nothing can tell whether they are the right ones.
--
-- @param path path required   the damaged file, or an index
-- @param out path required    the file to write, which must not exist
-- @param format enum text|json|csv   how to print the tables
-- @table salvaged(name, nbytes, status, message, ref)   one row per tensor, whole or lost
-- @status 1                   when no tensor is whole; then nothing is written
-- @writes out
-- @example safetensors-sql repair damaged.safetensors repaired.safetensors

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL),
  out TEXT CONSTRAINT ":out is set" CHECK (out IS NOT NULL),
  format TEXT CONSTRAINT ":format is text, json or csv" CHECK (format IN ('text', 'json', 'csv'))
);
INSERT INTO parameters SELECT :path, :out, ifnull(:format, 'text') WHERE safetensors_parameters(':path', ':out', ':format');

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

CREATE TEMP VIEW IF NOT EXISTS as_text AS SELECT 1 FROM parameters WHERE format = 'text';
.mode list
.headers off
SELECT safetensors_print(format, 'salvaged') FROM parameters WHERE format <> 'text';

SELECT CASE WHEN lost = 0 THEN printf('All %,d tensor%s whole', n, iif(n = 1, ' is', 's are'))
            ELSE printf('%,d of %,d tensors %s lost, the other%s', lost, n, iif(lost = 1, 'is', 'are'), iif(n - lost = 1, ' one is whole', 's are whole')) END
       || printf(': %s, in %s.', safetensors_pretty(bytes, 'B'), safetensors_label(:out))
FROM as_text, (SELECT count(*) AS n, total(status <> 'whole') AS lost, total(iif(status = 'whole', nbytes, 0)) AS bytes FROM salvaged);
SELECT char(10) || '== Lost' FROM as_text WHERE EXISTS (SELECT 1 FROM salvaged WHERE status <> 'whole');
SELECT printf('%-10s  %s%s            %s', s.status, ifnull(safetensors_label(name), '(without a name)'), char(10), safetensors_label(message))
FROM as_text, salvaged AS s WHERE s.status <> 'whole' ORDER BY s.rowid LIMIT 40;
SELECT printf('and %,d more', count(*) - 40) FROM as_text, salvaged AS s WHERE s.status <> 'whole' HAVING count(*) > 40;
