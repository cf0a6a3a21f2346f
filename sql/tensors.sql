-- Which tensors are in this checkpoint?
--
-- Lists them all, in the order of the files' headers, with whole names: they are last in a line, which may be longer
-- than a terminal is wide. A directory is searched to any depth, and each model in it is listed by itself. One that
-- cannot be read is named on top, and the verdict is no at the end. The script reads only headers.
--
-- @alias ls
-- @param path path required   the checkpoint: a file, an index, a directory or a pattern
-- @param names text '*'       a pattern (*, ?, [...]) of the names to list
-- @param format enum text|json|csv   how to print the tables
-- @table listed(model, name, dtype, shape, numel, nbytes, file)   one row per tensor
-- @table unlisted(model, error)   one row per model that cannot be read
-- @status 1                   when a model cannot be read, or no name matches the pattern
-- @example safetensors-sql tensors model.safetensors --names '*norm*'

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL),
  names TEXT,
  format TEXT CONSTRAINT ":format is text, json or csv" CHECK (format IN ('text', 'json', 'csv'))
);
INSERT INTO parameters
SELECT :path, ifnull(:names, '*'), ifnull(:format, 'text') WHERE safetensors_parameters(':path', ':names', ':format');

DROP TABLE IF EXISTS temp.listed_models;
CREATE TEMP TABLE listed_models AS
  SELECT m.model, m.tensors, m.error FROM parameters AS p, safetensors_models(p.path) AS m;
-- Of a model with a file that cannot be read, the others are listed.
DROP TABLE IF EXISTS temp.listed;
CREATE TEMP TABLE listed AS
  SELECT m.model, t.name, t.dtype, t.shape, t.numel, t.nbytes, t.file
  FROM listed_models AS m JOIN safetensors_tensors(m.model) AS t WHERE m.error IS NULL;
INSERT INTO listed
  SELECT m.model, t.name, t.dtype, t.shape, t.numel, t.nbytes, t.file
  FROM listed_models AS m JOIN safetensors_files(m.model) AS f JOIN safetensors_tensors(f.file) AS t
  WHERE m.error IS NOT NULL AND f.status = 'ok';
DROP TABLE IF EXISTS temp.unlisted;
CREATE TEMP TABLE unlisted AS SELECT model, error FROM listed_models WHERE error IS NOT NULL;
-- If there is no model, or a single one of which nothing can be read, this raises the error and ends the script.
INSERT INTO listed_models(model)
SELECT t.name
FROM parameters AS p, safetensors_tensors(iif(EXISTS (SELECT 1 FROM listed) OR (SELECT count(*) FROM listed_models) > 1, NULL, p.path)) AS t;
UPDATE listed_models SET tensors = (SELECT count(*) FROM listed);
DELETE FROM listed WHERE name NOT GLOB (SELECT names FROM parameters);

DROP TABLE IF EXISTS temp.verdict;
CREATE TEMP TABLE verdict(listed DEFAULT 1, tensors DEFAULT 1, unlisted DEFAULT 0);
CREATE TEMP TRIGGER verdict_is_no BEFORE INSERT ON verdict BEGIN
  SELECT RAISE(ABORT, 'there are no tensors') WHERE new.tensors = 0 AND new.unlisted = 0;
  SELECT RAISE(ABORT, 'no tensor''s name matches :names') WHERE new.listed = 0 AND new.tensors > 0;
  SELECT RAISE(ABORT, 'not all models can be read') WHERE new.unlisted > 0;
END;
INSERT INTO verdict(listed, tensors) SELECT count(*), (SELECT total(tensors) FROM listed_models) FROM listed;

CREATE TEMP VIEW IF NOT EXISTS as_text AS SELECT 1 FROM parameters WHERE format = 'text';
.mode list
.headers off
SELECT safetensors_print(format, 'listed', 'unlisted') FROM parameters WHERE format <> 'text';

SELECT printf('%,d tensor%s of %s elements, %s%s%s.', count(*), iif(count(*) = 1, '', 's'), safetensors_pretty(total(numel)),
              safetensors_pretty(total(nbytes), 'B'), iif(models > 1, printf(', in %,d models in %,d folder%s', models, folders, iif(folders = 1, '', 's')), ''),
              iif(bad > 0, printf('; %,d cannot be read', bad), ''))
FROM listed, (SELECT count(*) AS models, count(error) AS bad, count(DISTINCT rtrim(model, replace(model, '/', ''))) AS folders
              FROM listed_models) HAVING (SELECT 1 FROM as_text);
SELECT 'error: ' || safetensors_label(substr(error, 14)) FROM as_text, unlisted LIMIT 40;
SELECT printf('and %,d more that cannot be read', count(*) - 40) FROM as_text, unlisted HAVING count(*) > 40;

SELECT CASE WHEN rank > 1 THEN '' WHEN models = 1 THEN char(10) ELSE printf('%s== %s%s', char(10), safetensors_label(model, common), char(10)) END
       || iif(rank = 1, 'dtype           bytes  shape                     name' || char(10), '') ||
       printf('%-12s %8s  %-24s  %s', safetensors_label(dtype), safetensors_pretty(nbytes, 'B'),
              iif(length(shape) > 24, substr(shape, 1, 21) || '...', shape), safetensors_label(name))
FROM as_text, (SELECT *, l.rowid AS at, row_number() OVER (PARTITION BY l.model ORDER BY l.rowid) AS rank FROM listed AS l),
  (SELECT count(*) AS models, safetensors_common(model) AS common FROM listed_models)
ORDER BY at;

INSERT INTO verdict(unlisted) SELECT count(*) FROM unlisted;
