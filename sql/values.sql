-- What do the values look like? The first elements of every tensor, and one tensor in full: the first
-- rows of a matrix, its largest and smallest elements.
--
--   sqlite3 -cmd ".load build/safetensors" -cmd ".param set :path model.safetensors" \
--           -cmd ".param set :name lm_head.weight" < sql/values.sql
--
-- Reads the first bytes of each tensor, and all of the named one.

.bail on
CREATE TEMP TABLE IF NOT EXISTS needs_path(value CONSTRAINT ":path is set"
  CHECK (value IS NOT NULL));
INSERT INTO needs_path VALUES (:path);

CREATE TEMP VIEW IF NOT EXISTS tensors AS
  SELECT name, dtype, shape, numel, nbytes, offset, file, rank, layer, pattern, ref
  FROM safetensors_tensors((SELECT value FROM temp.sqlite_parameters WHERE key = ':path'));

-- What is shown of what: `n` elements of each; of complex numbers, which are arrays of two, fewer.
DROP TABLE IF EXISTS temp.shown;
CREATE TEMP TABLE shown AS
  SELECT iif(length(name) > 33, substr(name, 1, 14) || '...' || substr(name, -16), name) AS name, dtype,
         NULL AS i, ref, iif(dtype = 'C64', 1, 3) AS n
  FROM tensors LIMIT 20;
INSERT INTO shown
  SELECT t.name, t.dtype, r.i, r.ref, iif(t.dtype = 'C64', 2, 6)
  FROM tensors AS t, tensor_rows(t.ref) AS r WHERE t.name = :name AND t.rank > 0 AND r.i < 5;
CREATE TEMP VIEW IF NOT EXISTS shown_elements AS
  SELECT name, dtype, i, (
    SELECT group_concat(CASE WHEN value IS NULL THEN 'nan'
                             WHEN typeof(value) = 'text' THEN (
                               SELECT printf('[%s]', group_concat(iif(p.type = 'null', 'null',
                                                                      printf('%.4g', p.value)), ','))
                               FROM json_each(e.value) AS p)
                             WHEN typeof(value) = 'integer' AND value BETWEEN -9999999 AND 9999999
                             THEN value ELSE printf('%.4g', value) END, ' ')
    FROM tensor_elements(s.ref) AS e WHERE e.idx < s.n) AS first_elements
  FROM shown AS s;

DROP TABLE IF EXISTS temp.extremes;
CREATE TEMP TABLE extremes AS
  SELECT * FROM (SELECT coord, value FROM tensors AS t, tensor_elements(t.ref)
                 WHERE t.name = :name AND t.dtype <> 'C64' AND value IS NOT NULL ORDER BY value DESC LIMIT 3)
  UNION ALL
  SELECT * FROM (SELECT coord, value FROM tensors AS t, tensor_elements(t.ref)
                 WHERE t.name = :name AND t.dtype <> 'C64' AND value IS NOT NULL ORDER BY value LIMIT 3);

.mode column
.headers on

.print == First elements
SELECT name, dtype, first_elements FROM shown_elements WHERE i IS NULL;
.headers off
.mode list
SELECT printf('and %,d more', count(*) - 20) FROM tensors HAVING count(*) > 20;
SELECT 'None: it has no tensors.' WHERE NOT EXISTS (SELECT 1 FROM tensors);
.headers on
.mode column
.print

.print == First rows of the named tensor
SELECT i, first_elements FROM shown_elements WHERE i IS NOT NULL;
.headers off
.mode list
SELECT 'None: set :name to a tensor''s name.' WHERE NOT EXISTS (SELECT 1 FROM tensors WHERE name = :name);
SELECT 'None: it has rank 0.' FROM tensors WHERE name = :name AND rank = 0;
SELECT 'None: it has no rows.' FROM tensors
WHERE name = :name AND rank > 0 AND NOT EXISTS (SELECT 1 FROM shown WHERE i IS NOT NULL);
.headers on
.mode column
.print

.print == Its largest and smallest elements
SELECT iif(length(coord) > 50, '...' || substr(coord, -47), coord) AS coord, value FROM extremes;
.headers off
.mode list
SELECT 'None.' WHERE NOT EXISTS (SELECT 1 FROM tensors WHERE name = :name);
SELECT iif(dtype = 'C64', 'None: complex numbers have no order.', 'None: it has no numbers.') FROM tensors
WHERE name = :name AND NOT EXISTS (SELECT 1 FROM extremes);
.headers on
.mode column
