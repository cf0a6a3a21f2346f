-- What do the values look like?
--
-- Shows the first elements of every tensor, and one tensor in detail: the first rows of a matrix, its largest and
-- smallest elements. The script reads the first bytes of each tensor, and all of the named one.
--
-- @alias head
-- @param path path required   the checkpoint
-- @param name text            the tensor to show in detail; without it, none
-- @table first_elements(name, dtype, i, elements)   the first 20 tensors, and the first five rows, i, of the named one
-- @table extremes(coord, value)   the three largest and the three smallest elements of the named tensor
-- @example safetensors-sql values model.safetensors --name lm_head.weight

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL), name TEXT);
INSERT INTO parameters VALUES (:path, :name);

-- If no file can be read, this raises the error and ends the script.
INSERT INTO parameters(path)
SELECT t.name FROM (SELECT total(status = 'ok') AS ok FROM safetensors_files(:path)) AS f,
  safetensors_tensors(iif(f.ok > 0, NULL, :path)) AS t;

CREATE TEMP VIEW IF NOT EXISTS tensors AS
  SELECT t.name, t.dtype, t.shape, t.numel, t.nbytes, t.offset, t.file, t.rank, t.layer, t.pattern, t.ref
  FROM parameters AS p JOIN safetensors_files(p.path) AS f
  JOIN safetensors_tensors(ifnull(f.file, p.path)) AS t
  WHERE f.status = 'ok';
DROP TABLE IF EXISTS temp.needs;
CREATE TEMP TABLE needs(named CONSTRAINT ":name is the name of a tensor that can be read" CHECK (named > 0));
INSERT INTO needs SELECT count(*) FROM tensors WHERE name = :name HAVING :name IS NOT NULL;

-- How many elements to show: `n` of each tensor, and fewer complex numbers, which are arrays of two.
DROP TABLE IF EXISTS temp.shown;
CREATE TEMP TABLE shown AS
  SELECT name, name AS label, pattern, dtype, NULL AS i, ref, iif(dtype = 'C64', 1, 3) AS n
  FROM tensors LIMIT 20;
INSERT INTO shown
  SELECT t.name, t.name, t.pattern, t.dtype, r.i, r.ref, iif(t.dtype = 'C64', 2, 6)
  FROM tensors AS t, tensor_rows(t.ref) AS r WHERE t.name = :name AND t.rank > 0 AND r.i < 5;
-- Shortens names to 33 characters, so that a label keeps the layer, the word directly before it, the end, and
-- numbers in the part that is cut.
UPDATE shown SET label = (
  SELECT CASE WHEN length(begin || rest) <= 33 THEN begin || rest
              WHEN numbers IS NULL AND tail GLOB '*[0-9]*'
              THEN begin || substr(rest, 1, room - 3 - length(tail)) || '...' || tail
              WHEN numbers IS NULL
              THEN begin || substr(rest, 1, room * 2 / 5) || '...' || substr(rest, room * 2 / 5 + 3 - room)
              ELSE begin || '..' || numbers || '..' || substr(tail, -max(1, room - 4 - length(numbers))) END
  FROM (SELECT begin, rest, tail, room, (
          SELECT group_concat(value, '.')
          FROM json_each('[' || replace(replace(json_quote(substr(rest, 1, length(rest) - length(tail))),
                                                '.', '","'), '_', '","') || ']')
          WHERE value <> '' AND value NOT GLOB '*[^0-9]*') AS numbers
        FROM (SELECT begin, rest, 33 - length(begin) AS room, iif(
                       substr(rest, length(begin) - 26) GLOB '[0-9]*',
                       ltrim(substr(rest, length(begin) - 26), '0123456789'),
                       substr(rest, length(begin) - 26)) AS tail
              FROM (SELECT iif(length(head) <= 18, head, '...' || substr(head, -min(15, length(head) - length(
                             rtrim(stem, replace(stem, iif(instr(stem, '.'), '.', '_'), '')))))) AS begin,
                           substr(name, length(head) + 1) AS rest
                    FROM (SELECT substr(name, 1, first - 2) AS stem,
                                 substr(name, 1, iif(first = 0, 16, first - 1 + length(after)
                                        - length(ltrim(after, '0123456789')))) AS head
                          FROM (SELECT instr(pattern, '#') AS first,
                                       substr(name, instr(pattern, '#')) AS after))))))
WHERE length(name) > 33;
DROP TABLE IF EXISTS temp.first_elements;
CREATE TEMP TABLE first_elements AS
  SELECT name, label, dtype, i, (
    SELECT group_concat(CASE WHEN value IS NULL THEN 'nan'
                             WHEN typeof(value) = 'text' THEN (
                               SELECT printf('[%s]', group_concat(iif(p.type = 'null', 'null',
                                                                      printf('%.4g', p.value)), ','))
                               FROM json_each(e.value) AS p)
                             WHEN typeof(value) = 'integer' AND value BETWEEN -9999999 AND 9999999
                             THEN value ELSE printf('%.4g', value) END, ' ')
    FROM tensor_elements(s.ref) AS e WHERE e.idx < s.n) AS elements
  FROM shown AS s;

DROP TABLE IF EXISTS temp.extremes;
CREATE TEMP TABLE extremes AS
  SELECT * FROM (SELECT coord, value FROM tensors AS t, tensor_elements(t.ref)
                 WHERE t.name = :name AND t.dtype <> 'C64' AND value IS NOT NULL ORDER BY value DESC LIMIT 3)
  UNION ALL
  SELECT * FROM (SELECT coord, value FROM tensors AS t, tensor_elements(t.ref)
                 WHERE t.name = :name AND t.dtype <> 'C64' AND value IS NOT NULL ORDER BY value LIMIT 3);

-- Files that cannot be read are reported and left out.
.mode list
.headers off
SELECT iif(n = 1, printf('warning: 1 of %,d files cannot be read, and is left out:', of),
           printf('warning: %,d of %,d files cannot be read, and are left out:', n, of))
FROM (SELECT total(status <> 'ok') AS n, count(*) AS of FROM safetensors_files(:path)) WHERE n > 0;
SELECT error FROM safetensors_files(:path) WHERE status <> 'ok' LIMIT 20;
SELECT iif(count(*) > 20, printf('and %,d more' || char(10), count(*) - 20), '')
FROM safetensors_files(:path) WHERE status <> 'ok' HAVING count(*) > 0;
.mode column
.headers on

.print == First elements
SELECT label AS name, dtype, elements AS first_elements FROM first_elements WHERE i IS NULL;
.headers off
.mode list
SELECT printf('and %,d more', count(*) - 20) FROM tensors HAVING count(*) > 20;
SELECT 'None: it has no tensors.' WHERE NOT EXISTS (SELECT 1 FROM tensors);
.headers on
.mode column
.print

.print == First rows of the named tensor
SELECT i, elements AS first_elements FROM first_elements WHERE i IS NOT NULL;
.headers off
.mode list
SELECT 'None: set :name to a tensor''s name.' WHERE :name IS NULL;
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
SELECT 'None.' WHERE :name IS NULL;
SELECT iif(dtype = 'C64', 'None: complex numbers have no order.', 'None: it has no numbers.') FROM tensors
WHERE name = :name AND NOT EXISTS (SELECT 1 FROM extremes);
.headers on
.mode column
