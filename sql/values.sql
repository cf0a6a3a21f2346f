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
       (SELECT group_concat(ifnull(printf('%.3g', value), 'nan'), ' ')
        FROM tensor_elements(t.ref) WHERE idx < 4) AS first_elements
FROM tensors AS t LIMIT 20;
.print

.print == First rows of the named tensor
SELECT i, substr(tensor_json(r.ref, iif(t.rank > 1, '0:4', '...')), 1, 70) AS first_elements
FROM tensors AS t, tensor_rows(t.ref) AS r WHERE t.name = :name AND t.rank > 0 AND i < 5;
.print

.print == Its largest and smallest elements
SELECT * FROM (SELECT coord, value FROM tensors AS t, tensor_elements(t.ref)
               WHERE t.name = :name ORDER BY value DESC LIMIT 3)
UNION ALL
SELECT * FROM (SELECT coord, value FROM tensors AS t, tensor_elements(t.ref)
               WHERE t.name = :name AND value IS NOT NULL ORDER BY value LIMIT 3);
