-- How are a tensor's values distributed? A histogram in the terminal.
--
--   sqlite3 -cmd ".load build/safetensors" -cmd ".param set :path model.safetensors" \
--           -cmd ".param set :name lm_head.weight" < sql/distribution.sql
--
-- Without :name, the largest tensor; with -cmd ".param set :bins 40" more bins than 20, and with :lo
-- and :hi those limits. Reads the tensor's bytes twice. Leaves the table `distribution` (bin, lo, hi,
-- count).

.bail on
CREATE TEMP TABLE IF NOT EXISTS needs_path(value CONSTRAINT ":path is set"
  CHECK (value IS NOT NULL));
INSERT INTO needs_path VALUES (:path);

CREATE TEMP VIEW IF NOT EXISTS tensors AS
  SELECT name, dtype, shape, numel, nbytes, offset, file, rank, layer, pattern, ref
  FROM safetensors_tensors((SELECT value FROM temp.sqlite_parameters WHERE key = ':path'));

DROP TABLE IF EXISTS temp.distributed;
CREATE TEMP TABLE distributed AS
  SELECT t.name, t.dtype, t.shape, t.numel, t.ref, s.*
  FROM (SELECT * FROM tensors WHERE name = :name OR :name IS NULL ORDER BY numel DESC, name LIMIT 1)
    AS t, tensor_stats(t.ref) AS s;

DROP TABLE IF EXISTS temp.distribution;
CREATE TEMP TABLE distribution AS
  SELECT h.bin, h.lo, h.hi, h.count
  FROM distributed AS d,
    tensor_histogram(d.ref, ifnull(:bins, 20), ifnull(:lo, d.min), ifnull(:hi, d.max)) AS h;

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
SELECT iif(:name IS NULL, 'There are no tensors.', 'There is no tensor of this name: ' || :name || '.')
WHERE NOT EXISTS (SELECT 1 FROM distributed);
.mode column
.headers on
.print

-- Bars in eighths of a character.
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
