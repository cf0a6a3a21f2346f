-- What do the values look like?
--
-- Shows the first elements of every tensor, and one tensor in detail: the first rows of a matrix, its largest and
-- smallest elements. The script reads the first bytes of each tensor, and all of the named one. A directory is
-- searched to any depth; of each model in it the first tensors are shown. A file that cannot be read is named on top,
-- and the verdict is no at the end.
--
-- @alias head
-- @param path path required   the checkpoint
-- @param name text            the tensor to show in detail; without it, none
-- @param format enum text|json|csv   how to print the tables
-- @table first_elements(model, name, dtype, i, elements)   the first 20 tensors of each model, and the first five rows,
--    i, of the named one
-- @table extremes(model, coord, value)   the three largest and the three smallest elements of the named tensor
-- @table not_shown(model, error)   one row per model of which something cannot be read
-- @status 1                   when something cannot be read
-- @example safetensors-sql values model.safetensors --name lm_head.weight

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL),
  name TEXT,
  format TEXT CONSTRAINT ":format is text, json or csv" CHECK (format IN ('text', 'json', 'csv'))
);
INSERT INTO parameters SELECT :path, :name, ifnull(:format, 'text') WHERE safetensors_parameters(':path', ':name', ':format');

DROP TABLE IF EXISTS temp.shown_models;
CREATE TEMP TABLE shown_models AS SELECT m.model, m.error FROM parameters AS p, safetensors_models(p.path) AS m;
DROP TABLE IF EXISTS temp.not_shown;
CREATE TEMP TABLE not_shown AS SELECT model, error FROM shown_models WHERE error IS NOT NULL;

-- Of a model with a file that cannot be read, the others are shown. How many elements: `n` of each tensor, and fewer
-- complex numbers, which are arrays of two.
DROP TABLE IF EXISTS temp.shown;
CREATE TEMP TABLE shown AS
  SELECT m.model, t.name, t.dtype, t.rank, NULL AS i, t.ref, iif(t.dtype = 'C64', 1, 3) AS n
  FROM shown_models AS m JOIN safetensors_files(m.model) AS f JOIN safetensors_tensors(f.file) AS t WHERE f.status = 'ok';
-- If there is no model, or a single one of which nothing can be read, this raises the error and ends the script.
INSERT INTO shown_models(model)
SELECT t.name
FROM parameters AS p, safetensors_tensors(iif(EXISTS (SELECT 1 FROM shown) OR (SELECT count(*) FROM shown_models) > 1, NULL, p.path)) AS t;

DROP TABLE IF EXISTS temp.needs;
CREATE TEMP TABLE needs(tensors CONSTRAINT ":path has tensors" CHECK (tensors > 0),
                        named CONSTRAINT ":name is the name of a tensor that can be read" CHECK (named > 0));
INSERT INTO needs(tensors, named) SELECT count(*), iif(:name IS NULL, NULL, total(name = :name)) FROM shown;

DROP TABLE IF EXISTS temp.shown_named;
CREATE TEMP TABLE shown_named AS
  SELECT s.model, s.name, s.dtype, s.rank, s.ref, d.n_nan, d.n_inf, tensor_numel(s.ref) AS numel, tensor_shape(s.ref) AS shape
  FROM shown AS s JOIN tensor_stats(s.ref) AS d WHERE s.name = :name;
DROP TABLE IF EXISTS temp.shown_models_of;
CREATE TEMP TABLE shown_models_of AS SELECT model, count(*) AS tensors FROM shown GROUP BY model;
DELETE FROM shown WHERE rowid NOT IN (
  SELECT at FROM (SELECT s.rowid AS at, row_number() OVER (PARTITION BY s.model ORDER BY s.rowid) AS n FROM shown AS s) WHERE n <= 20);
INSERT INTO shown
  SELECT t.model, t.name, t.dtype, t.rank, r.i, r.ref, iif(t.dtype = 'C64', 2, 6)
  FROM shown_named AS t, tensor_rows(t.ref) AS r WHERE t.rank > 0 AND r.i < 5;
DROP TABLE IF EXISTS temp.first_elements;
CREATE TEMP TABLE first_elements AS
  SELECT model, name, dtype, i, (
    SELECT group_concat(CASE WHEN value IS NULL THEN 'nan'
                             WHEN typeof(value) = 'text' THEN (
                               SELECT printf('[%s]', group_concat(iif(p.type = 'null', 'null',
                                                                      printf('%.4g', p.value)), ','))
                               FROM json_each(e.value) AS p)
                             WHEN typeof(value) = 'integer' AND value BETWEEN -9999999 AND 9999999
                             THEN value ELSE printf('%.4g', value) END, ' ')
    FROM tensor_elements(s.ref) AS e WHERE e.idx < s.n) AS elements
  FROM shown AS s;

-- The three largest elements are in the three rows with the largest maximum, or in those that have infinities, which a
-- maximum leaves out. 64-bit integers are compared one by one.
DROP TABLE IF EXISTS temp.shown_rows;
CREATE TEMP TABLE shown_rows AS
  SELECT t.rowid AS tensor, r.i, r.ref, d.n_inf > 0 AS infinite, d.min, d.max FROM shown_named AS t, tensor_rows(t.ref) AS r, tensor_stats(r.ref) AS d
  WHERE t.rank > 1 AND t.dtype NOT IN ('C64', 'I64', 'U64') AND (d.max IS NOT NULL OR d.n_inf > 0);
DROP TABLE IF EXISTS temp.shown_parts;
CREATE TEMP TABLE shown_parts AS
  SELECT * FROM (SELECT tensor, i, ref, row_number() OVER (PARTITION BY tensor ORDER BY max DESC, i) AS top,
                        row_number() OVER (PARTITION BY tensor ORDER BY min, i) AS bottom FROM shown_rows WHERE NOT infinite)
  WHERE top <= 3 OR bottom <= 3
  UNION ALL SELECT tensor, i, ref, 1, 1 FROM shown_rows WHERE infinite
  UNION ALL SELECT rowid, NULL, ref, 1, 1 FROM shown_named WHERE rank < 2 OR dtype IN ('I64', 'U64');
DROP TABLE IF EXISTS temp.extremes;
CREATE TEMP TABLE extremes(model, coord, value);
INSERT INTO extremes
  WITH found AS MATERIALIZED (
    SELECT tensor, model, i, coord, idx, value, top, bottom,
           row_number() OVER (PARTITION BY tensor ORDER BY top > 3, value DESC, i, idx) AS high,
           row_number() OVER (PARTITION BY tensor ORDER BY bottom > 3, value, i, idx) AS low
    FROM shown_parts AS p JOIN shown_named AS t ON t.rowid = p.tensor JOIN tensor_elements(p.ref) AS e
    WHERE value IS NOT NULL AND t.dtype <> 'C64')
  SELECT model, iif(i IS NULL, coord, '[' || i || ',' || substr(coord, 2)), value
  FROM (SELECT *, 0 AS side, high AS n FROM found WHERE high <= 3 AND top <= 3 UNION ALL SELECT *, 1, low FROM found WHERE low <= 3 AND bottom <= 3)
  ORDER BY tensor, side, n;

CREATE TEMP VIEW IF NOT EXISTS as_text AS SELECT 1 FROM parameters WHERE format = 'text';
.mode list
.headers off
SELECT safetensors_print(format, 'first_elements', 'extremes', 'not_shown') FROM parameters WHERE format <> 'text';

SELECT printf('%s: %s %s, %,d element%s%s.', safetensors_label(name), safetensors_label(dtype), shape, numel, iif(numel = 1, '', 's'),
              iif(models > 1, ', in ' || safetensors_label(model, common), ''))
FROM as_text, shown_named, (SELECT count(*) AS models, safetensors_common(model) AS common FROM shown_models);
SELECT printf('The first elements of %,d tensor%s%s.', sum(min(tensors, 20)), iif(sum(min(tensors, 20)) = 1, '', 's'),
              iif(count(*) > 1, printf(', in %,d models in %,d folder%s', count(*), count(DISTINCT rtrim(model, replace(model, '/', ''))),
                     iif(count(DISTINCT rtrim(model, replace(model, '/', ''))) = 1, '', 's')), iif(sum(tensors) > 20, printf(', of %,d', sum(tensors)), '')))
FROM shown_models_of HAVING (SELECT 1 FROM as_text);
SELECT 'error: ' || safetensors_label(substr(error, 14)) FROM as_text, not_shown LIMIT 40;
SELECT printf('and %,d more that cannot be read', count(*) - 40) FROM as_text, not_shown HAVING count(*) > 40;
SELECT printf('error: %,d of its elements %s NaN, %,d infinite: %s%s', n_nan, iif(n_nan = 1, 'is', 'are'), n_inf, safetensors_label(name),
              iif((SELECT count(*) FROM shown_models) > 1, ' in ' || safetensors_label(model), ''))
FROM as_text, shown_named WHERE n_nan + n_inf > 0;

SELECT printf('error: the first elements of %,d tensor%s have NaN or infinities, as those of %s', count(*), iif(count(*) = 1, '', 's'),
              safetensors_label(min(name)))
FROM first_elements WHERE i IS NULL AND (elements LIKE '%nan%' OR elements LIKE '%inf%' OR elements LIKE '%null%')
HAVING count(*) > 0 AND (SELECT 1 FROM as_text);

SELECT char(10) || '== First elements' FROM as_text;
.mode column --wrap 0
.headers on
SELECT safetensors_label(dtype) AS dtype, elements AS first_elements,
       iif(models > 1, safetensors_label(model, common) || ' ', '') || safetensors_label(name) AS name
FROM as_text, first_elements AS e, (SELECT count(*) AS models, safetensors_common(model) AS common FROM shown_models)
WHERE i IS NULL ORDER BY e.rowid LIMIT 200;
.mode list
.headers off
SELECT printf('and %,d more', total - shown) FROM as_text, (SELECT sum(tensors) AS total FROM shown_models_of),
  (SELECT min(200, count(*)) AS shown FROM first_elements WHERE i IS NULL) WHERE total > shown;

SELECT char(10) || '== First rows of the named tensor' FROM as_text WHERE :name IS NOT NULL;
.mode column --wrap 0
.headers on
SELECT i, elements AS first_elements FROM as_text, first_elements AS e WHERE i IS NOT NULL ORDER BY e.rowid LIMIT 200;
.mode list
.headers off
SELECT 'None: it has rank 0.' FROM as_text, shown_named WHERE rank = 0;
SELECT 'None: it has no rows.' FROM as_text, shown_named WHERE rank > 0 AND NOT EXISTS (SELECT 1 FROM shown WHERE i IS NOT NULL) LIMIT 1;

SELECT char(10) || '== Its largest and smallest elements' FROM as_text WHERE :name IS NOT NULL;
.mode column --wrap 0
.headers on
SELECT iif(length(coord) > 50, '...' || substr(coord, -47), coord) AS coord, value FROM as_text, extremes AS e ORDER BY e.rowid LIMIT 200;
.mode list
.headers off
SELECT iif(dtype = 'C64', 'None: complex numbers have no order.', 'None: it has no numbers.') FROM as_text, shown_named
WHERE NOT EXISTS (SELECT 1 FROM extremes) LIMIT 1;

DROP TABLE IF EXISTS temp.verdict;
CREATE TEMP TABLE verdict(bad);
CREATE TEMP TRIGGER verdict_is_no BEFORE INSERT ON verdict WHEN new.bad > 0 BEGIN
  SELECT RAISE(ABORT, 'not all models can be read');
END;
INSERT INTO verdict SELECT count(*) FROM not_shown;
