-- How are a tensor's values distributed?
--
-- Draws a histogram in the terminal. The script reads the tensor's bytes twice. A directory is searched to any depth,
-- and the tensor of each model in it has a histogram of its own. A file that cannot be read is named on top, and the
-- verdict is no at the end.
--
-- @alias hist
-- @param path path required   the checkpoint
-- @param name text            the tensor's name; without it, the largest tensor
-- @param bins integer 20      how many bins
-- @param lo real              where the first bin begins; without it, the smallest element
-- @param hi real              where the last bin ends; without it, the largest element
-- @param format enum text|json|csv   how to print the tables
-- @table distribution(model, bin, lo, hi, count)   one row per bin
-- @table distributed(model, name, dtype, shape, numel, min, max, mean, std, n_zero, n_nan, n_inf)   one row per model,
--    its tensor
-- @table not_distributed(model, error)   one row per model of which something cannot be read
-- @status 1                   when something cannot be read
-- @example safetensors-sql distribution model.safetensors --name lm_head.weight --bins 40

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL),
  name TEXT,
  bins INTEGER CONSTRAINT ":bins is a whole number" CHECK (typeof(bins) = 'integer')
    CONSTRAINT ":bins is from 1 to 1000000" CHECK (bins BETWEEN 1 AND 1000000),
  lo REAL CONSTRAINT ":lo is a number" CHECK (lo IS NULL OR typeof(lo) = 'real'),
  hi REAL CONSTRAINT ":hi is a number" CHECK (hi IS NULL OR typeof(hi) = 'real'),
  format TEXT CONSTRAINT ":format is text, json or csv" CHECK (format IN ('text', 'json', 'csv'))
);
INSERT INTO parameters SELECT :path, :name, ifnull(:bins, 20), :lo, :hi, ifnull(:format, 'text')
WHERE safetensors_parameters(':path', ':name', ':bins', ':lo', ':hi', ':format');

DROP TABLE IF EXISTS temp.distributed_models;
CREATE TEMP TABLE distributed_models AS SELECT m.model, m.error FROM parameters AS p, safetensors_models(p.path) AS m;
DROP TABLE IF EXISTS temp.not_distributed;
CREATE TEMP TABLE not_distributed AS SELECT model, error FROM distributed_models WHERE error IS NOT NULL;

-- Of a model with a file that cannot be read, the others count.
DROP TABLE IF EXISTS temp.distributed_tensors;
CREATE TEMP TABLE distributed_tensors AS
  SELECT model, name, dtype, shape, numel, ref FROM (
    SELECT m.rowid AS at, m.model, t.name, t.dtype, t.shape, t.numel, t.ref,
           row_number() OVER (PARTITION BY m.model ORDER BY t.numel DESC, t.name) AS n
    FROM parameters AS p, distributed_models AS m JOIN safetensors_files(m.model) AS f JOIN safetensors_tensors(f.file) AS t
    WHERE f.status = 'ok' AND (t.name = p.name OR p.name IS NULL))
  WHERE n = 1 ORDER BY at;
-- If there is no model, or a single one of which nothing can be read, this raises the error and ends the script.
INSERT INTO distributed_models(model)
SELECT t.name
FROM parameters AS p,
  safetensors_tensors(iif(EXISTS (SELECT 1 FROM distributed_tensors) OR (SELECT count(*) FROM distributed_models) > 1, NULL, p.path)) AS t;
DROP TABLE IF EXISTS temp.needs;
CREATE TEMP TABLE needs(named CONSTRAINT ":name is the name of a tensor that can be read" CHECK (named > 0),
                        tensors CONSTRAINT ":path has tensors" CHECK (tensors > 0));
INSERT INTO needs SELECT iif(:name IS NULL, NULL, count(*)), iif(:name IS NULL, count(*), NULL) FROM distributed_tensors;

DROP TABLE IF EXISTS temp.distributed;
CREATE TEMP TABLE distributed AS
  SELECT t.model, t.name, t.dtype, t.shape, t.numel, s.min, s.max, s.mean, s.std, s.n_zero, s.n_nan, s.n_inf
  FROM distributed_tensors AS t, tensor_stats(t.ref) AS s;
CREATE INDEX temp.distributed_by_model ON distributed(model);
DROP TABLE IF EXISTS temp.distribution;
CREATE TEMP TABLE distribution AS
  SELECT t.model, h.bin, h.lo, h.hi, h.count
  FROM parameters AS p, distributed_tensors AS t JOIN distributed AS d ON d.model = t.model
  JOIN tensor_histogram(t.ref, p.bins, ifnull(p.lo, d.min), ifnull(p.hi, d.max)) AS h;
CREATE INDEX temp.distribution_by_model ON distribution(model);

CREATE TEMP VIEW IF NOT EXISTS as_text AS SELECT 1 FROM parameters WHERE format = 'text';
.mode list
.headers off
SELECT safetensors_print(format, 'distribution', 'distributed', 'not_distributed') FROM parameters WHERE format <> 'text';

SELECT printf('%s%s, %s %s: from %.5g to %.5g, mean %.5g, deviation %.5g.', safetensors_label(name),
              iif(models > 1, printf(', the first of %,d models in %,d folder%s', models, folders, iif(folders = 1, '', 's')), ''),
              safetensors_label(dtype), shape, min, max, mean, std)
FROM as_text, (SELECT *, min(rowid) FROM distributed),
  (SELECT count(*) AS models, count(DISTINCT rtrim(model, replace(model, '/', ''))) AS folders FROM distributed) WHERE min IS NOT NULL;
SELECT printf('%s%s, %s %s: no finite elements.', safetensors_label(name),
              iif(models > 1, printf(', the first of %,d models in %,d folder%s', models, folders, iif(folders = 1, '', 's')), ''),
              safetensors_label(dtype), shape)
FROM as_text, (SELECT *, min(rowid) FROM distributed),
  (SELECT count(*) AS models, count(DISTINCT rtrim(model, replace(model, '/', ''))) AS folders FROM distributed) WHERE min IS NULL;
SELECT 'error: ' || safetensors_label(substr(error, 14)) FROM as_text, not_distributed LIMIT 40;
SELECT printf('and %,d more that cannot be read', count(*) - 40) FROM as_text, not_distributed HAVING count(*) > 40;
SELECT printf('error: %,d of its elements %s NaN, %,d infinite: %s%s', n_nan, iif(n_nan = 1, 'is', 'are'), n_inf, safetensors_label(name),
              iif((SELECT count(*) FROM distributed_models) > 1, ' in ' || safetensors_label(model), ''))
FROM as_text, distributed WHERE n_nan + n_inf > 0;

SELECT char(10) || '== Tensor' || iif(count(*) = 1, '', 's') FROM distributed HAVING (SELECT 1 FROM as_text);
.mode column --wrap 0
.headers on
SELECT iif(min IS NULL, '        -', printf('%9.4g', min)) AS "      min", iif(min IS NULL, '        -', printf('%9.4g', max)) AS "      max",
       iif(min IS NULL, '        -', printf('%9.4g', mean)) AS "     mean", iif(min IS NULL, '        -', printf('%9.4g', std)) AS "      std",
       printf('%,7d', n_zero) AS "  zeros", iif(models > 1, safetensors_label(model, common) || '#', '') || safetensors_label(name) AS name
FROM as_text, distributed AS d, (SELECT count(*) AS models, safetensors_common(model) AS common FROM distributed)
ORDER BY d.rowid;
.mode list
.headers off

-- Bars are drawn in eighths of a character.
SELECT iif(row_number() OVER (PARTITION BY e.model ORDER BY bin) > 1, '', printf('%s== Distribution%s%s       from           to            count%s',
           char(10), iif(models > 1, ' in ' || safetensors_label(e.model, common), ''), char(10), char(10)))
       || printf('%11.4g  %11.4g  %,15d  ', e.lo, e.hi, e.count) || substr('██████████████████████████████████', 1, eighths / 8)
       || substr('▏▎▍▌▋▊▉', eighths % 8, eighths % 8 > 0)
FROM as_text, (SELECT *, max(count > 0, 8 * 34 * count / nullif(max(count) OVER (PARTITION BY model), 0)) AS eighths FROM distribution) AS e
JOIN distributed AS d ON d.model = e.model, (SELECT count(*) AS models, safetensors_common(model) AS common FROM distributed)
WHERE d.rowid <= 20 ORDER BY d.rowid, bin;
SELECT printf('%sand %,d models more: --format csv has them all', char(10), count(*) - 20) FROM as_text, distributed HAVING count(*) > 20;
SELECT printf('%,d finite element%s outside%s.', outside, iif(outside = 1, ' is', 's are'), iif(models > 1, ', in ' || safetensors_label(model), ''))
FROM as_text, (SELECT count(*) AS models FROM distributed),
  (SELECT model, numel - n_nan - n_inf - (SELECT sum(count) FROM distribution AS h WHERE h.model = d.model) AS outside FROM distributed AS d)
WHERE outside > 0;

DROP TABLE IF EXISTS temp.verdict;
CREATE TEMP TABLE verdict(bad);
CREATE TEMP TRIGGER verdict_is_no BEFORE INSERT ON verdict WHEN new.bad > 0 BEGIN
  SELECT RAISE(ABORT, 'not all models can be read');
END;
INSERT INTO verdict SELECT count(*) FROM not_distributed;
