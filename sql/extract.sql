-- Copies some tensors into a file of their own, or all but some.
--
-- Copies the tensors whose names match one pattern and do not match the other. To drop a model's head, leave out
-- 'lm_head.*'. In a pattern, * stands for any characters, ? for one, and [...] for one of several.
--
-- @param path path required   the checkpoint
-- @param out path required    the file to write, which is replaced if it is there
-- @param names text '*'       a pattern of the names to copy
-- @param without text         a pattern of the names to leave out; without it, none
-- @param format enum text|json|csv   how to print the tables
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
  without TEXT,
  format TEXT CONSTRAINT ":format is text, json or csv" CHECK (format IN ('text', 'json', 'csv'))
);
INSERT INTO parameters SELECT :path, :out, ifnull(:names, '*'), :without, ifnull(:format, 'text')
WHERE safetensors_parameters(':path', ':out', ':names', ':without', ':format');

-- One model, or the files of a pattern.
DROP TABLE IF EXISTS temp.extract_models;
CREATE TEMP TABLE extract_models AS
  SELECT m.model FROM parameters AS p, safetensors_models(p.path) AS m WHERE p.path NOT GLOB '*[*?[]*';
SELECT safetensors_refuse(printf('expected one model as :path, found %,d: %s%s', count(*),
         (SELECT group_concat(safetensors_label(model), ', ') FROM (SELECT model FROM extract_models LIMIT 5)), iif(count(*) > 5, ', ...', '')))
FROM extract_models HAVING count(*) > 1;
DROP TABLE IF EXISTS temp.extract_source;
CREATE TEMP TABLE extract_source AS SELECT ifnull((SELECT model FROM extract_models), path) AS path FROM parameters;
DROP TABLE IF EXISTS temp.needs;
CREATE TEMP TABLE needs(left_out CONSTRAINT ":without matches the name of a tensor" CHECK (left_out > 0));
INSERT INTO needs
  SELECT count(*) FROM parameters AS p, extract_source AS e, safetensors_tensors(e.path) AS t WHERE t.name GLOB p.without
  HAVING :without IS NOT NULL;

DROP TABLE IF EXISTS temp.extract_tensors;
CREATE TEMP TABLE extract_tensors AS
  SELECT t.name, t.dtype, t.shape, t.numel, t.nbytes, t.pattern, t.ref
  FROM parameters AS p, extract_source AS e, safetensors_tensors(e.path) AS t
  WHERE t.name GLOB p.names AND (p.without IS NULL OR t.name NOT GLOB p.without);
DROP TABLE IF EXISTS temp.extracted;
CREATE TEMP TABLE extracted AS SELECT name, dtype, shape, numel, nbytes FROM extract_tensors AS t ORDER BY t.rowid;

DROP TABLE IF EXISTS temp.verdict;
CREATE TEMP TABLE verdict(tensors);
CREATE TEMP TRIGGER verdict_is_no BEFORE INSERT ON verdict WHEN new.tensors = 0 BEGIN
  SELECT RAISE(ABORT, 'no tensor''s name matches :names, and not :without');
END;
INSERT INTO verdict SELECT count(*) FROM extracted;

INSERT INTO safetensors_write(path, name, data, metadata, mode)
  SELECT :out, name, ref, (SELECT json_group_object(key, value) FROM (
           SELECT key, value, min(rowid) FROM safetensors_metadata((SELECT path FROM extract_source)) GROUP BY key ORDER BY 3)), 'replace'
  FROM extract_tensors;

CREATE TEMP VIEW IF NOT EXISTS as_text AS SELECT 1 FROM parameters WHERE format = 'text';
.mode list
.headers off
SELECT safetensors_print(format, 'extracted') FROM parameters WHERE format <> 'text';

SELECT printf('%,d tensor%s, %s, in %s.', count(*), iif(count(*) = 1, ' is copied', 's are copied'), safetensors_pretty(total(nbytes), 'B'),
              safetensors_label(:out))
FROM extracted HAVING (SELECT 1 FROM as_text);
SELECT char(10) || '== Kinds of tensors' FROM as_text;
.mode column --wrap 0
.headers on
SELECT printf('%,7d', count(*)) AS tensors,
       iif(count(DISTINCT dtype) > 2, count(DISTINCT dtype) || ' dtypes', group_concat(DISTINCT safetensors_label(dtype))) AS dtypes,
       printf('%10s', safetensors_pretty(sum(numel))) AS parameters, safetensors_label(pattern) AS pattern
FROM as_text, extract_tensors AS e GROUP BY e.pattern ORDER BY sum(e.numel) DESC, e.pattern LIMIT 20;
.mode list
.headers off
SELECT printf('and %,d more', count(DISTINCT pattern) - 20) FROM as_text, extract_tensors HAVING count(DISTINCT pattern) > 20;
