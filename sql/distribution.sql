-- How are a tensor's values distributed?
--
-- Draws a histogram in the terminal. The script reads the tensor's bytes twice.
--
-- @alias hist
-- @param path path required   the checkpoint
-- @param name text            the tensor's name; without it, the largest tensor
-- @param bins integer 20      how many bins
-- @param lo real              where the first bin begins; without it, the smallest element
-- @param hi real              where the last bin ends; without it, the largest element
-- @table distribution(bin, lo, hi, count)   one row per bin
-- @table distributed(name, dtype, shape, numel, min, max, mean, std, n_zero, n_nan, n_inf)   the tensor
-- @example safetensors-sql distribution model.safetensors --name lm_head.weight --bins 40

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL),
  name TEXT,
  bins INTEGER CONSTRAINT ":bins is a whole number" CHECK (typeof(bins) = 'integer')
    CONSTRAINT ":bins is from 1 to 1000000" CHECK (bins BETWEEN 1 AND 1000000),
  lo REAL CONSTRAINT ":lo is a number" CHECK (lo IS NULL OR typeof(lo) = 'real'),
  hi REAL CONSTRAINT ":hi is a number" CHECK (hi IS NULL OR typeof(hi) = 'real')
);
INSERT INTO parameters VALUES (:path, :name, ifnull(:bins, 20), :lo, :hi);

-- If no file can be read, this raises the error and ends the script.
INSERT INTO parameters(path)
SELECT t.name FROM (SELECT total(status = 'ok') AS ok FROM safetensors_files(:path)) AS f,
  safetensors_tensors(iif(f.ok > 0, NULL, :path)) AS t;

DROP TABLE IF EXISTS temp.distributed;
CREATE TEMP TABLE distributed AS
  SELECT t.name, t.dtype, t.shape, t.numel, t.ref, s.*
  FROM (SELECT t.name, t.dtype, t.shape, t.numel, t.ref
        FROM parameters AS p, safetensors_files(p.path) AS f JOIN safetensors_tensors(ifnull(f.file, p.path)) AS t
        WHERE f.status = 'ok' AND (t.name = p.name OR p.name IS NULL) ORDER BY t.numel DESC, t.name LIMIT 1)
    AS t, tensor_stats(t.ref) AS s;
DROP TABLE IF EXISTS temp.needs;
CREATE TEMP TABLE needs(named CONSTRAINT ":name is the name of a tensor that can be read" CHECK (named > 0));
INSERT INTO needs SELECT count(*) FROM distributed HAVING :name IS NOT NULL;

DROP TABLE IF EXISTS temp.distribution;
CREATE TEMP TABLE distribution AS
  SELECT h.bin, h.lo, h.hi, h.count
  FROM distributed AS d, parameters AS p,
    tensor_histogram(d.ref, p.bins, ifnull(p.lo, d.min), ifnull(p.hi, d.max)) AS h;

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

.print == Tensor
SELECT iif(length(name) > 50, substr(name, 1, 20) || '...' || substr(name, -27), name) AS name,
       dtype, iif(length(shape) > 20, substr(shape, 1, 17) || '...', shape) AS shape
FROM distributed;
SELECT printf('%.5g', min) AS min, printf('%.5g', max) AS max, printf('%.5g', mean) AS mean,
       printf('%.5g', std) AS std, n_zero AS zeros, n_nan AS nan, n_inf AS inf
FROM distributed AS d WHERE d.min IS NOT NULL;
.mode list
.headers off
SELECT 'There are no tensors.' WHERE NOT EXISTS (SELECT 1 FROM distributed);
.mode column
.headers on
.print

-- Bars are drawn in eighths of a character.
.print == Distribution
SELECT printf('%11.4g', lo) AS "       from", printf('%11.4g', hi) AS "         to",
       printf('%,15d', count) AS "          count",
       substr('██████████████████████████████████', 1, eighths / 8) ||
       substr('▏▎▍▌▋▊▉', eighths % 8, eighths % 8 > 0) AS bar
FROM (SELECT *, max(count > 0, 8 * 34 * count / nullif(max(count) OVER (), 0)) AS eighths
      FROM distribution) ORDER BY bin;
.mode list
.headers off
SELECT iif(EXISTS (SELECT 1 FROM distributed), 'It has no finite elements.', 'None.')
WHERE NOT EXISTS (SELECT 1 FROM distribution);
SELECT printf('%,d finite element%s outside.', outside, iif(outside = 1, ' is', 's are'))
FROM (SELECT numel - n_nan - n_inf - (SELECT sum(count) FROM distribution) AS outside
      FROM distributed) WHERE outside > 0;
.mode column
.headers on
