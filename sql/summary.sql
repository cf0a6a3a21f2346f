-- What is in this checkpoint?
--
-- Shows its parameters, files, metadata and largest tensors. Parameters are those of the model as its modules see it:
-- a packed weight counts as the weight that it stands for, once, and its scales count nothing. Neither do buffers, such
-- as running_mean and position_ids. Bits are those that a parameter takes with all parts. The script reads only headers
-- and configurations, so the checkpoint may have any size.
--
-- @alias info
-- @param path path required   the checkpoint: a file, an index, a directory or a pattern
-- @table kinds(kind, weights, numel, nbytes, bits_per_weight)   one row per dtype of plain weights, and per scheme of
--    packed ones
-- @table files(file, size, tensors, numel, nbytes, status, error)   one row per file
-- @table dtypes(dtype, tensors, numel, nbytes)   one row per dtype that is stored
-- @table metadata(key, value, file)   the metadata of each file
-- @table largest(name, dtype, shape, nbytes)   the ten largest tensors
-- @table tensors(name, dtype, shape, numel, nbytes, offset, file, rank, layer, pattern, ref)   all tensors
-- @example safetensors-sql summary model.safetensors

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL));
INSERT INTO parameters VALUES (:path);

-- If no file can be read, this raises the error and ends the script.
INSERT INTO parameters(path)
SELECT t.name FROM (SELECT total(status = 'ok') AS ok FROM safetensors_files(:path)) AS f,
  safetensors_tensors(iif(f.ok > 0, NULL, :path)) AS t;

CREATE TEMP VIEW IF NOT EXISTS tensors AS
  SELECT t.name, t.dtype, t.shape, t.numel, t.nbytes, t.offset, t.file, t.rank, t.layer, t.pattern, t.ref
  FROM parameters AS p JOIN safetensors_files(p.path) AS f
  JOIN safetensors_tensors(ifnull(f.file, p.path)) AS t
  WHERE f.status = 'ok';
DROP TABLE IF EXISTS temp.files;
CREATE TEMP TABLE files AS SELECT file, size, tensors, numel, nbytes, status, error FROM safetensors_files(:path);
DROP TABLE IF EXISTS temp.dtypes;
CREATE TEMP TABLE dtypes AS
  SELECT dtype, count(*) AS tensors, sum(numel) AS numel, sum(nbytes) AS nbytes
  FROM tensors GROUP BY dtype ORDER BY sum(numel) DESC, dtype;
-- If some files cannot be read, the others are read without them.
DROP TABLE IF EXISTS temp.summary_setting;
CREATE TEMP TABLE summary_setting AS
  SELECT safetensors_config('errors') AS errors, safetensors_config('errors', 'skip') FROM (
    SELECT 1 FROM files WHERE status <> 'ok' LIMIT 1);
DROP TABLE IF EXISTS temp.summary_weights;
CREATE TEMP TABLE summary_weights AS
  SELECT role, scheme, iif(scheme = 'none', dtype, scheme) AS kind, numel, nbytes, status FROM safetensors_weights(:path);
UPDATE summary_setting SET errors = safetensors_config('errors', errors);
DROP TABLE IF EXISTS temp.kinds;
CREATE TEMP TABLE kinds AS
  SELECT kind, count(*) AS weights, sum(numel) AS numel, sum(nbytes) AS nbytes,
         8.0 * sum(iif(numel IS NULL, NULL, nbytes)) / nullif(sum(numel), 0) AS bits_per_weight
  FROM summary_weights WHERE role = 'weight' GROUP BY kind ORDER BY sum(numel) DESC, kind;
DROP TABLE IF EXISTS temp.metadata;
CREATE TEMP TABLE metadata AS
  SELECT m.key, m.value, m.file
  FROM files AS f JOIN safetensors_metadata(ifnull(f.file, :path)) AS m WHERE f.status = 'ok';

DROP TABLE IF EXISTS temp.largest;
CREATE TEMP TABLE largest AS
  SELECT name, name AS label, pattern, dtype, shape, nbytes FROM tensors AS t ORDER BY t.nbytes DESC, t.name LIMIT 10;
-- Shortens names to 44 characters, so that a label keeps the layer, the word directly before it, the end, and
-- numbers in the part that is cut.
UPDATE largest SET label = (
  SELECT CASE WHEN length(begin || rest) <= 44 THEN begin || rest
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
        FROM (SELECT begin, rest, 44 - length(begin) AS room, iif(
                       substr(rest, length(begin) - 37) GLOB '[0-9]*',
                       ltrim(substr(rest, length(begin) - 37), '0123456789'),
                       substr(rest, length(begin) - 37)) AS tail
              FROM (SELECT iif(length(head) <= 18, head, '...' || substr(head, -min(15, length(head) - length(
                             rtrim(stem, replace(stem, iif(instr(stem, '.'), '.', '_'), '')))))) AS begin,
                           substr(name, length(head) + 1) AS rest
                    FROM (SELECT substr(name, 1, first - 2) AS stem,
                                 substr(name, 1, iif(first = 0, 16, first - 1 + length(after)
                                        - length(ltrim(after, '0123456789')))) AS head
                          FROM (SELECT instr(pattern, '#') AS first,
                                       substr(name, instr(pattern, '#')) AS after))))))
WHERE length(name) > 44;

-- Files that cannot be read are reported and left out.
.mode list
.headers off
SELECT iif(n = 1, printf('warning: 1 of %,d files cannot be read, and is left out:', of),
           printf('warning: %,d of %,d files cannot be read, and are left out:', n, of))
FROM (SELECT total(status <> 'ok') AS n, count(*) AS of FROM files) WHERE n > 0;
SELECT error FROM files WHERE status <> 'ok' LIMIT 20;
SELECT iif(count(*) > 20, printf('and %,d more' || char(10), count(*) - 20), '')
FROM files WHERE status <> 'ok' HAVING count(*) > 0;
SELECT l.value FROM (
  SELECT total(weights) AS weights, total(numel) AS numel, total(nbytes) AS nbytes,
         (SELECT total(numel) FROM dtypes) AS elements, (SELECT total(tensors) FROM dtypes) AS tensors,
         w.*
  FROM kinds, (
    SELECT total(scheme <> 'none' AND role = 'weight') AS packed, total(role = 'buffer') AS buffers,
           total(numel) FILTER (WHERE role = 'buffer') AS buffer_elements, total(status <> 'ok') AS not_whole,
           group_concat(DISTINCT scheme) FILTER (WHERE scheme <> 'none' AND role = 'weight') AS schemes
    FROM summary_weights) AS w) AS n, json_each(json_array(
  iif(weights > 0,
      printf('%s parameters in %,d %s, at %.2f bits each%s', safetensors_pretty(CAST(numel AS INTEGER)), weights,
             iif(weights = 1, 'weight', 'weights'), 8 * nbytes / max(1, numel),
             iif(packed > 0, printf('; %,d %s packed (%s).', packed, iif(packed = 1, 'is', 'are'),
                                    iif(length(schemes) > 20, substr(schemes, 1, 17) || '...', schemes)), '.')),
      'No parameters.'),
  iif(packed + buffers > 0, printf('Stored are %s elements in %,d %s.', safetensors_pretty(CAST(elements AS INTEGER)),
                                   tensors, iif(tensors = 1, 'tensor', 'tensors')), NULL),
  iif(buffers > 0, printf('%,d buffer%s of %s elements %s not counted as parameters.', buffers, iif(buffers = 1, '', 's'),
                          safetensors_pretty(CAST(buffer_elements AS INTEGER)), iif(buffers = 1, 'is', 'are')), NULL),
  iif(not_whole > 0, printf('warning: %,d %s not whole, or of unknown kind: see quantized.sql.', not_whole,
                            iif(not_whole = 1, 'weight is', 'weights are')), NULL)
)) AS l JOIN (SELECT 1) ON l.value IS NOT NULL;
.print
.mode column
.headers on

.print == Files
SELECT iif(length(file) > 36, '...' || substr(file, -33), file) AS file, tensors,
       printf('%8s', safetensors_pretty(numel)) AS elements,
       printf('%8s', safetensors_pretty(nbytes, 'B')) AS "   bytes", status
FROM files LIMIT 20;
.headers off
.mode list
SELECT printf('and %,d more: %,d files, %s elements, %s in all', count(*) - 20, count(*),
              safetensors_pretty(ifnull(sum(numel), 0)), safetensors_pretty(ifnull(sum(nbytes), 0), 'B'))
FROM files HAVING count(*) > 20;
.headers on
.mode column
.print

.print == Parameters
SELECT kind, weights, printf('%10s', ifnull(safetensors_pretty(numel), '-')) AS parameters,
       printf('%6s', iif(bits_per_weight IS NULL, '-', printf('%.2f', bits_per_weight))) AS "  bits",
       printf('%8s', safetensors_pretty(nbytes, 'B')) AS "   bytes",
       printf('%5.1f%%', 100.0 * numel / max(1, sum(numel) OVER ())) AS " share"
FROM kinds AS k ORDER BY k.rowid;
.headers off
.mode list
SELECT 'None: it has no weights.' WHERE NOT EXISTS (SELECT 1 FROM kinds);

SELECT char(10) || '== Stored' FROM summary_weights WHERE scheme <> 'none' OR role <> 'weight' LIMIT 1;
.headers on
.mode column
SELECT dtype, tensors, printf('%8s', safetensors_pretty(numel)) AS elements,
       printf('%8s', safetensors_pretty(nbytes, 'B')) AS "   bytes",
       printf('%5.1f%%', 100.0 * nbytes / max(1, sum(nbytes) OVER ())) AS " share"
FROM dtypes AS d WHERE EXISTS (SELECT 1 FROM summary_weights WHERE scheme <> 'none' OR role <> 'weight')
ORDER BY d.nbytes DESC, d.rowid;
.headers off
.mode list
.headers on
.mode column
.print

.print == Metadata
-- Metadata that several files share is shown once.
SELECT iif(length(key) > 26, substr(key, 1, 23) || '...', key) AS key,
       replace(iif(length(value) > 50, substr(value, 1, 47) || '...', value), char(10), ' ') AS value
FROM (SELECT key, value, min(place) AS place
      FROM (SELECT key, value, row_number() OVER () AS place FROM metadata) GROUP BY key, value)
ORDER BY place LIMIT 20;
.headers off
.mode list
SELECT iif(count(*) = 0, 'None.', printf('and %,d more', count(*) - 20))
FROM (SELECT DISTINCT key, value FROM metadata)
HAVING count(*) = 0 OR count(*) > 20;
.headers on
.mode column
.print

.print == Largest tensors
SELECT label AS name, dtype, iif(length(shape) > 18, substr(shape, 1, 15) || '...', shape) AS shape,
       printf('%8s', safetensors_pretty(nbytes, 'B')) AS "   bytes"
FROM largest AS l ORDER BY l.rowid;
.headers off
.mode list
SELECT 'None.' WHERE NOT EXISTS (SELECT 1 FROM largest);
.headers on
.mode column
