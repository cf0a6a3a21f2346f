-- Which tensors have the same bytes: tied weights, copies, in one file or across files?
--
--   sqlite3 -cmd ".load build/safetensors" -cmd ".param set :path model.safetensors" \
--           < sql/duplicates.sql
--
-- :path may be a pattern ('adapters/*.safetensors') or a folder: then across its files. Reads the bytes
-- of tensors that are of a size with another. Leaves the table `same_size` (name, file, dtype, shape,
-- nbytes, ref, hash) and the view `duplicates` (set_number, copies, nbytes, hash).

.bail on
CREATE TEMP TABLE IF NOT EXISTS needs_path(value CONSTRAINT ":path is set"
  CHECK (value IS NOT NULL));
INSERT INTO needs_path VALUES (:path);

DROP TABLE IF EXISTS temp.same_size;
CREATE TEMP TABLE same_size AS
  SELECT name, file, dtype, shape, nbytes, ref, tensor_hash(ref) AS hash
  FROM (SELECT name, file, dtype, shape, nbytes, ref, count(*) OVER (PARTITION BY nbytes) AS n
        FROM safetensors_tensors(:path) WHERE nbytes > 0)
  WHERE n > 1;

CREATE TEMP VIEW IF NOT EXISTS duplicates AS
  SELECT row_number() OVER (ORDER BY nbytes * (count(*) - 1) DESC, min(rowid)) AS set_number,
         count(*) AS copies, nbytes, hash
  FROM same_size GROUP BY nbytes, hash HAVING count(*) > 1;

.mode column
.headers on

.print == Sets of equal tensors
SELECT d.set_number AS "set", d.copies, safetensors_pretty(d.nbytes, 'B') AS each,
       safetensors_pretty(d.nbytes * (d.copies - 1), 'B') AS wasted,
       (SELECT count(DISTINCT s.file) FROM same_size AS s
        WHERE s.hash = d.hash AND s.nbytes = d.nbytes) AS files,
       iif((SELECT abs_max = 0 AND n_nan + n_inf = 0 FROM tensor_stats(
              (SELECT s.ref FROM same_size AS s WHERE s.hash = d.hash AND s.nbytes = d.nbytes))),
           'all zero', '') AS note
FROM duplicates AS d ORDER BY d.set_number LIMIT 20;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 20) FROM duplicates HAVING count(*) > 20;
SELECT 'No two tensors have the same bytes.' WHERE NOT EXISTS (SELECT 1 FROM duplicates);
.mode column
.headers on
.print

.print == The tensors
SELECT d.set_number AS "set",
       iif(length(s.name) > 34, substr(s.name, 1, 14) || '...' || substr(s.name, -17), s.name) AS name,
       s.dtype,
       iif(length(base) > 24, substr(base, 1, 9) || '...' || substr(base, -12), base) AS file
FROM duplicates AS d
JOIN (SELECT *, replace(replace(file, rtrim(file, replace(file, '/', '')), ''), '.safetensors', '') AS base,
             row_number() OVER (PARTITION BY nbytes, hash ORDER BY rowid) AS n
      FROM same_size) AS s ON s.hash = d.hash AND s.nbytes = d.nbytes
WHERE d.set_number <= 20 AND s.n <= 5 ORDER BY d.set_number, s.n;
.mode list
.headers off
SELECT printf('and %,d more in sets of more than 5', sum(copies - 5)) FROM duplicates
WHERE set_number <= 20 AND copies > 5 HAVING count(*) > 0;
SELECT 'None.' WHERE NOT EXISTS (SELECT 1 FROM duplicates);
.mode column
.headers on
