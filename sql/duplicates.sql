-- Which tensors have the same bytes?
--
-- Finds tied weights and copies, within a file or across files: if the path is a pattern or a directory, the script
-- compares across its files. It reads only tensors that have the same size as another one.
--
-- @alias dups
-- @param path path required   the checkpoint, a directory or a pattern
-- @table duplicates(set_number, copies, nbytes, hash)   one row per set of tensors with the same bytes
-- @table same_size(name, file, dtype, shape, nbytes, hash)   every tensor that has the size of another
-- @example safetensors-sql duplicates 'adapters/*.safetensors'

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL));
INSERT INTO parameters VALUES (:path);

-- If no file can be read, this raises the error and ends the script.
INSERT INTO parameters(path)
SELECT t.name FROM (SELECT total(status = 'ok') AS ok FROM safetensors_files(:path)) AS f,
  safetensors_tensors(iif(f.ok > 0, NULL, :path)) AS t;

DROP TABLE IF EXISTS temp.same_size;
CREATE TEMP TABLE same_size AS
  SELECT name, name AS label, file, dtype, shape, pattern, nbytes, ref, tensor_hash(ref) AS hash
  FROM (SELECT name, file, dtype, shape, pattern, nbytes, ref, count(*) OVER (PARTITION BY nbytes) AS n
        FROM (SELECT t.*, t.pattern, t.ref FROM safetensors_files(:path) AS f
              JOIN safetensors_tensors(ifnull(f.file, :path)) AS t WHERE f.status = 'ok')
        WHERE nbytes > 0)
  WHERE n > 1;

-- Shortens names to 34 characters, so that a label keeps the layer, the word directly before it, the end, and
-- numbers in the part that is cut.
UPDATE same_size SET label = (
  SELECT CASE WHEN length(begin || rest) <= 34 THEN begin || rest
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
        FROM (SELECT begin, rest, 34 - length(begin) AS room, iif(
                       substr(rest, length(begin) - 27) GLOB '[0-9]*',
                       ltrim(substr(rest, length(begin) - 27), '0123456789'),
                       substr(rest, length(begin) - 27)) AS tail
              FROM (SELECT iif(length(head) <= 18, head, '...' || substr(head, -min(15, length(head) - length(
                             rtrim(stem, replace(stem, iif(instr(stem, '.'), '.', '_'), '')))))) AS begin,
                           substr(name, length(head) + 1) AS rest
                    FROM (SELECT substr(name, 1, first - 2) AS stem,
                                 substr(name, 1, iif(first = 0, 16, first - 1 + length(after)
                                        - length(ltrim(after, '0123456789')))) AS head
                          FROM (SELECT instr(pattern, '#') AS first,
                                       substr(name, instr(pattern, '#')) AS after))))))
WHERE length(name) > 34;

CREATE TEMP VIEW IF NOT EXISTS duplicates AS
  SELECT row_number() OVER (ORDER BY nbytes * (count(*) - 1) DESC, min(rowid)) AS set_number,
         count(*) AS copies, nbytes, hash
  FROM same_size GROUP BY nbytes, hash HAVING count(*) > 1;

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
       s.label AS name,
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
