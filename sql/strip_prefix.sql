-- Removes a prefix from tensors' names, or replaces it.
--
-- Names without the prefix stay as they are. If a name would then occur twice, the script fails and writes nothing. If
-- both paths are the same, the file is changed in place.
--
-- To do the same by hand and in place:
--
--   CREATE VIRTUAL TABLE temp.m USING safetensors('model.safetensors');
--   UPDATE m SET name = substr(name, 8) WHERE name GLOB 'module.*';
--
-- @param path path required   the checkpoint
-- @param out path required    the file to write, which is replaced if it is there
-- @param prefix text required   what the names begin with
-- @param new text ''          what they begin with afterwards
-- @param format enum text|json|csv   how to print the tables
-- @table renamed(name, new_name)   one row per tensor
-- @status 1                   when no tensor's name begins with the prefix; then nothing is written
-- @writes out
-- @example safetensors-sql strip-prefix model.safetensors stripped.safetensors model.

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL),
  out TEXT CONSTRAINT ":out is set" CHECK (out IS NOT NULL),
  prefix TEXT CONSTRAINT ":prefix is set" CHECK (prefix IS NOT NULL),
  new TEXT,
  format TEXT CONSTRAINT ":format is text, json or csv" CHECK (format IN ('text', 'json', 'csv'))
);
INSERT INTO parameters SELECT :path, :out, :prefix, ifnull(:new, ''), ifnull(:format, 'text')
WHERE safetensors_parameters(':path', ':out', ':prefix', ':new', ':format');

-- One model, or the files of a pattern.
DROP TABLE IF EXISTS temp.strip_models;
CREATE TEMP TABLE strip_models AS
  SELECT m.model FROM parameters AS p, safetensors_models(p.path) AS m WHERE p.path NOT GLOB '*[*?[]*';
SELECT safetensors_refuse(printf('expected one model as :path, found %,d: %s%s', count(*),
         (SELECT group_concat(safetensors_label(model), ', ') FROM (SELECT model FROM strip_models LIMIT 5)), iif(count(*) > 5, ', ...', '')))
FROM strip_models HAVING count(*) > 1;
DROP TABLE IF EXISTS temp.strip_tensors;
CREATE TEMP TABLE strip_tensors AS
  SELECT t.name, iif(substr(t.name, 1, length(p.prefix)) = p.prefix, p.new || substr(t.name, length(p.prefix) + 1), t.name) AS new_name, t.ref
  FROM parameters AS p, safetensors_tensors(ifnull((SELECT model FROM strip_models), p.path)) AS t;
DROP TABLE IF EXISTS temp.renamed;
CREATE TEMP TABLE renamed AS SELECT name, new_name FROM strip_tensors AS t ORDER BY t.rowid;

DROP TABLE IF EXISTS temp.verdict;
CREATE TEMP TABLE verdict(tensors);
CREATE TEMP TRIGGER verdict_is_no BEFORE INSERT ON verdict WHEN new.tensors = 0 BEGIN
  SELECT RAISE(ABORT, 'no tensor''s name begins with :prefix');
END;
INSERT INTO verdict
  SELECT count(*) FROM parameters AS p, renamed AS r WHERE substr(r.name, 1, length(p.prefix)) = p.prefix;

INSERT INTO safetensors_write(path, name, data, metadata, mode)
  SELECT (SELECT out FROM parameters), t.new_name, t.ref, (SELECT json_group_object(key, value) FROM (
           SELECT key, value, min(rowid)
           FROM safetensors_metadata(ifnull((SELECT model FROM strip_models), (SELECT path FROM parameters))) GROUP BY key ORDER BY 3)),
         'replace'
  FROM strip_tensors AS t
  WHERE (SELECT out <> path FROM parameters) OR EXISTS (SELECT 1 FROM renamed WHERE name <> new_name);

CREATE TEMP VIEW IF NOT EXISTS as_text AS SELECT 1 FROM parameters WHERE format = 'text';
.mode list
.headers off
SELECT safetensors_print(format, 'renamed') FROM parameters WHERE format <> 'text';

SELECT iif(n = 0, 'Nothing changed: the new names are the old ones',
           printf('%,d of %,d tensors %s renamed', n, of, iif(n = 1, 'is', 'are')))
       || iif(p.out = p.path, '.', ', in ' || safetensors_label(p.out) || '.')
FROM as_text, parameters AS p, (SELECT total(name <> new_name) AS n, count(*) AS of FROM renamed);
SELECT char(10) || '== First names' FROM as_text WHERE EXISTS (SELECT 1 FROM renamed WHERE name <> new_name);
SELECT safetensors_label(name) || char(10) || '  > ' || safetensors_label(new_name)
FROM as_text, renamed AS r WHERE r.name <> r.new_name ORDER BY r.rowid LIMIT 10;
SELECT printf('and %,d more', count(*) - 10) FROM as_text, renamed WHERE name <> new_name HAVING count(*) > 10;
