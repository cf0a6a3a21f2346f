-- What do the values look like? The first elements of every tensor, and one tensor in full: the first
-- rows of a matrix, its largest and smallest elements.
--
--   sqlite3 -cmd ".load build/safetensors" -cmd ".param set :path model.safetensors" \
--           -cmd ".param set :name lm_head.weight" < sql/values.sql
--
-- Reads the first bytes of each tensor, and all of the named one.

CREATE TEMP VIEW IF NOT EXISTS tensors AS
  SELECT name, dtype, shape, numel, nbytes, offset, file, rank, layer, pattern, ref
  FROM safetensors_tensors((SELECT value FROM temp.sqlite_parameters WHERE key = ':path'));

.mode column
.headers on

.print == First elements
SELECT iif(length(name) > 36, substr(name, 1, 14) || '...' || substr(name, -19), name) AS name, dtype,
       (SELECT group_concat(CASE typeof(value) WHEN 'text' THEN value WHEN 'null' THEN 'nan'
                            ELSE printf('%.3g', value) END, ' ')
        FROM tensor_elements(t.ref) WHERE idx < 4) AS first_elements
FROM tensors AS t LIMIT 20;
.headers off
.mode list
SELECT printf('and %,d more', count(*) - 20) FROM tensors HAVING count(*) > 20;
SELECT 'None: it has no tensors.' WHERE NOT EXISTS (SELECT 1 FROM tensors);
.headers on
.mode column
.print

.print == First rows of the named tensor
SELECT i, (SELECT group_concat(CASE typeof(value) WHEN 'text' THEN value WHEN 'null' THEN 'nan'
                               ELSE printf('%.4g', value) END, ' ')
           FROM tensor_elements(r.ref) WHERE idx < 6) AS first_elements
FROM tensors AS t, tensor_rows(t.ref) AS r WHERE t.name = :name AND t.rank > 0 AND i < 5;
.headers off
.mode list
SELECT 'None: set :name to a tensor''s name.' WHERE NOT EXISTS (SELECT 1 FROM tensors WHERE name = :name);
SELECT 'None: it has rank 0.' FROM tensors WHERE name = :name AND rank = 0;
SELECT 'None: it has no elements.' FROM tensors WHERE name = :name AND rank > 0 AND numel = 0;
.headers on
.mode column
.print

.print == Its largest and smallest elements
SELECT * FROM (SELECT coord, value FROM tensors AS t, tensor_elements(t.ref)
               WHERE t.name = :name ORDER BY value DESC LIMIT 3)
UNION ALL
SELECT * FROM (SELECT coord, value FROM tensors AS t, tensor_elements(t.ref)
               WHERE t.name = :name AND value IS NOT NULL ORDER BY value LIMIT 3);
