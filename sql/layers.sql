-- Where are the parameters?
--
-- Counts them by layer, and by kind of tensor (its name with each number as '#'). The script reads only headers.
--
-- @alias tree
-- @param path path required   the checkpoint
-- @table layers(layer, tensors, numel, nbytes)   one row per layer; NULL is what is in none
-- @table kinds(pattern, tensors, dtypes, shapes, numel, nbytes)   one row per kind of tensor, its dtypes and shapes
--    as JSON arrays
-- @example safetensors-sql layers model.safetensors

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL));
INSERT INTO parameters VALUES (:path);

-- If no file can be read, this raises the error and ends the script.
INSERT INTO parameters(path)
SELECT t.name FROM (SELECT total(status = 'ok') AS ok FROM safetensors_files(:path)) AS f,
  safetensors_tensors(iif(f.ok > 0, NULL, :path)) AS t;

DROP TABLE IF EXISTS temp.layer_tensors;
CREATE TEMP TABLE layer_tensors AS
  SELECT t.layer, t.pattern, t.dtype, t.shape, t.numel, t.nbytes
  FROM safetensors_files(:path) AS f JOIN safetensors_tensors(ifnull(f.file, :path)) AS t WHERE f.status = 'ok';
DROP TABLE IF EXISTS temp.layers;
CREATE TEMP TABLE layers AS
  SELECT layer, count(*) AS tensors, sum(numel) AS numel, sum(nbytes) AS nbytes
  FROM layer_tensors GROUP BY layer ORDER BY layer;
DROP TABLE IF EXISTS temp.kinds;
CREATE TEMP TABLE kinds AS
  SELECT pattern, count(*) AS tensors, json_group_array(DISTINCT dtype) AS dtypes,
         json_group_array(DISTINCT shape) AS shapes, sum(numel) AS numel, sum(nbytes) AS nbytes
  FROM layer_tensors GROUP BY pattern ORDER BY sum(numel) DESC, pattern;

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

.print == Parameters by layer
SELECT ifnull(layer, '-') AS layer, tensors,
       printf('%10s', safetensors_pretty(numel)) AS parameters,
       printf('%8s', safetensors_pretty(nbytes, 'B')) AS "   bytes",
       printf('%5.1f%%', 100.0 * numel / max(1, sum(numel) OVER ())) AS " share",
       substr('##############################', 1,
              CAST(round(30.0 * numel / max(1, max(numel) OVER ())) AS INTEGER)) AS relative
FROM layers AS l ORDER BY l.rowid;
.headers off
.mode list
SELECT 'None: it has no tensors.' WHERE NOT EXISTS (SELECT 1 FROM layers);
.headers on
.mode column
.print

.print == Kinds of tensors
SELECT iif(length(pattern) > 40, substr(pattern, 1, 17) || '...' || substr(pattern, -20), pattern) AS pattern,
       tensors AS n,
       iif(json_array_length(dtypes) > 1, json_array_length(dtypes) || ' dtypes', dtypes ->> '$[0]') AS dtype,
       CASE WHEN json_array_length(shapes) > 1 THEN json_array_length(shapes) || ' shapes'
            WHEN length(shapes ->> '$[0]') > 13 THEN substr(shapes ->> '$[0]', 1, 10) || '...'
            ELSE shapes ->> '$[0]' END AS shape,
       printf('%6s', safetensors_pretty(numel)) AS " numel"
FROM kinds AS k ORDER BY k.rowid LIMIT 40;
.headers off
.mode list
SELECT printf('and %,d more', count(*) - 40) FROM kinds HAVING count(*) > 40;
SELECT 'None.' WHERE NOT EXISTS (SELECT 1 FROM kinds);
.headers on
.mode column
