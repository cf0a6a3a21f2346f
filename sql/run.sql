-- How did the training run go, checkpoint by checkpoint?
--
-- Takes the checkpoints of a run in the order of their steps, and says of each what its norm is, how far it is from the
-- one before it and from the first, and whether it has NaN or infinities: where the first ones are, which parts never
-- change, and how much disk is held by tensors that are equal to those of the checkpoint before.
--
-- The step is global_step of the checkpoint's trainer_state.json, which has epoch, loss and learning rate; else the
-- number in its name: after step, checkpoint, iter or epoch, or else the last one. A checkpoint without a number is the
-- last. A change is the norm of the difference divided by the norm of what it was before, over all tensors of the same
-- name and shape. Several runs below the path are told apart by the directory that their checkpoints are in, and so are
-- models that are saved together. A tensor is read once with the one before it and once with the first, unless it is
-- equal to these.
--
-- @param path path required   the folder of a run, or a pattern of checkpoints
-- @param page flag            one HTML page instead of the text, of at most 300 kB, for wide and narrow screens
-- @param format enum text|json|csv  how to print the tables
-- @table run(run, step, model, epoch, loss, learning_rate, nan_loss, tensors, nbytes, n_nan, n_inf, norm,
--    change_previous, change_first, changed, added, removed, reshaped, equal_nbytes, status, error)   one row per
--    checkpoint, in order. nan_loss is the first step whose loss the trainer noted as NaN; changed counts the tensors
--    that differ from the checkpoint before; equal_nbytes is what the others take
-- @table run_tensors(run, step, name, numbering, layer, pattern, dtype, nbytes, n_nan, n_inf, norm, change_previous,
--    change_first, is_equal)   one row per tensor of each checkpoint; is_equal says that it is that of the one before
-- @table run_layers(run, step, numbering, layer, norm, change_previous, change_first)   one row per layer of each
-- @table run_faults(run, step, name, n_nan, n_inf, first_nan, first_inf)   where NaN or infinities come up: each tensor
--    once, at its first checkpoint that has them
-- @table run_frozen(run, pattern, tensors, of, nbytes)   what is equal in all checkpoints, by pattern: so many tensors
--    of how many, and their bytes in each checkpoint
-- @status 1                   when a checkpoint has NaN or infinities, or cannot be read
-- @example safetensors-sql run training
-- @example safetensors-sql run training --page --output run.html

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL),
  format TEXT CONSTRAINT ":format is text, json or csv" CHECK (format IN ('text', 'page', 'json', 'csv'))
);
INSERT INTO parameters SELECT :path, coalesce(:format, iif(:page, 'page', 'text')) WHERE safetensors_parameters(':path', ':page', ':format');

DROP TABLE IF EXISTS temp.run_models;
CREATE TEMP TABLE run_models AS
  SELECT model, status, error, rtrim(model, replace(model, '/', '')) AS directory
  FROM safetensors_models(:path) WHERE status <> 'empty' AND kind <> 'optimizer';
DROP TABLE IF EXISTS temp.needs;
CREATE TEMP TABLE needs(models CONSTRAINT ":path has a checkpoint" CHECK (models > 0));
INSERT INTO needs(models) SELECT count(*) FROM run_models;

-- What the trainer wrote beside the checkpoint. Python writes NaN and Infinity, which are no JSON.
DROP TABLE IF EXISTS temp.run_states;
CREATE TEMP TABLE run_states(model TEXT PRIMARY KEY, step INTEGER, epoch REAL, history TEXT) WITHOUT ROWID;
INSERT OR IGNORE INTO run_states
  SELECT model, json_extract(state, '$.global_step'), json_extract(state, '$.epoch'), json_extract(state, '$.log_history')
  FROM (SELECT model, replace(replace(replace(replace(state, ':NaN', ':null'), ': NaN', ': null'), ': Infinity', ': 9e999'), ': -Infinity', ': -9e999') AS state
        FROM (SELECT model, CAST(coalesce(readfile(model || '/trainer_state.json'), iif(
                       count(*) OVER (PARTITION BY directory) = 1 AND (model LIKE '%.safetensors' OR model LIKE '%.json'),
                       readfile(directory || 'trainer_state.json'), NULL)) AS TEXT) AS state
              FROM run_models))
  WHERE json_valid(state);

-- The number in a name, and the directory that has what is so numbered.
DROP TABLE IF EXISTS temp.run_steps;
CREATE TEMP TABLE run_steps AS
  WITH common AS (SELECT safetensors_common(model) AS text, count(*) AS n FROM run_models),
  names AS (
    SELECT m.rowid AS place, m.model, m.status, m.error, m.directory,
           CASE WHEN n > 1 THEN substr(m.model, length(text) + 1)
                ELSE substr(m.model, length(rtrim(rtrim(directory, '/'), replace(directory, '/', ''))) + 1) END AS name
    FROM run_models AS m, common
  ),
  bare AS (
    SELECT *, replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(
                name, '.safetensors', ''), '/', ''), '0', ''), '1', ''), '2', ''), '3', ''), '4', ''), '5', ''), '6', ''),
                '7', ''), '8', ''), '9', '') || './safetensors' AS others
    FROM names
  ),
  -- Words, the most telling first, and what follows the last of them; then any number of the first part that has one.
  found AS (
    SELECT b.place, w.key AS choice, instr(lower(name), w.value) AS at,
           ltrim(substr(name, instr(lower(name), w.value) + length(w.value)), '=_- .') AS rest
    FROM bare AS b JOIN json_each('["step","checkpoint","ckpt","iter","epoch"]') AS w
    WHERE instr(lower(name), w.value) > 0
    UNION ALL
    SELECT b.place, 9, length(name) - length(tail) + 1, substr(part, length(rtrim(part, '0123456789')) + 1)
    FROM (SELECT *, rtrim(iif(instr(tail, '/') > 0, substr(tail, 1, instr(tail, '/') - 1),
                              iif(tail GLOB '*.safetensors', substr(tail, 1, length(tail) - 12), tail)), others) AS part
          FROM (SELECT *, ltrim(name, others) AS tail FROM bare)) AS b
  ),
  chosen AS (SELECT *, row_number() OVER (PARTITION BY place ORDER BY choice) AS rank FROM found WHERE rest GLOB '[0-9]*')
  -- Before the part with the number: the directory of the run. Behind it: which of the models that are saved together.
  SELECT n.place, n.model, n.status, n.error, coalesce(s.step, CAST(c.rest AS INTEGER)) AS step, s.epoch, s.history,
         CASE WHEN c.at IS NOT NULL
              THEN substr(n.model, 1, length(n.model) - length(n.name))
                   || rtrim(substr(n.name, 1, c.at - 1), replace(substr(n.name, 1, c.at - 1), '/', ''))
              WHEN n.model LIKE '%.safetensors' OR n.model LIKE '%.json' THEN n.directory ELSE n.model || '/' END AS run,
         CASE WHEN c.at IS NULL THEN iif(n.model LIKE '%.safetensors' OR n.model LIKE '%.json', substr(n.model, length(n.directory) + 1), '')
              WHEN instr(substr(n.name, c.at), '/') > 0
              THEN substr(n.name, c.at + instr(substr(n.name, c.at), '/')) ELSE '' END AS part
  FROM names AS n LEFT JOIN chosen AS c ON c.place = n.place AND c.rank = 1 LEFT JOIN run_states AS s ON s.model = n.model;
UPDATE run_steps SET run = run || part
WHERE run IN (SELECT s.run FROM run_steps AS s GROUP BY s.run, s.step HAVING count(DISTINCT s.part) > 1);
DROP TABLE IF EXISTS temp.run_order;
CREATE TEMP TABLE run_order(run, number, step, model, epoch, history, status, error, PRIMARY KEY (run, number));
INSERT INTO run_order
  SELECT run, row_number() OVER (PARTITION BY run, status IN ('ok', 'missing') ORDER BY step IS NULL, step, place)
              * iif(status IN ('ok', 'missing'), 1, -1), step, model, epoch, history, status, error
  FROM run_steps;

-- Of a checkpoint that is not whole, the rest is read.
DROP TABLE IF EXISTS temp.run_setting;
CREATE TEMP TABLE run_setting AS
  SELECT safetensors_config('errors') AS errors, safetensors_config('errors', 'skip') FROM (
    SELECT 1 FROM run_order WHERE status <> 'ok' LIMIT 1);
DROP TABLE IF EXISTS temp.run_weights;
CREATE TEMP TABLE run_weights(
  run, number, name, numbering, layer, pattern, dtype, shape, numel, nbytes, ref, is_number, n_nan, n_inf, norm,
  previous_nan_both, previous_nan_one, previous_is_equal, previous_max, previous_before, previous_diff,
  first_before, first_diff, PRIMARY KEY (run, name, number)) WITHOUT ROWID;
INSERT OR IGNORE INTO run_weights(run, number, name, numbering, layer, pattern, dtype, shape, numel, nbytes, ref, is_number)
  SELECT o.run, o.number, w.name, iif(w.layer IS NULL, NULL, substr(w.pattern, 1, max(0, instr(w.pattern, '#') - 2))), w.layer,
         w.pattern, w.dtype, w.shape, w.numel, w.nbytes, w.ref,
         w.role = 'weight' AND w.dtype NOT GLOB '[IU][0-9]*' AND w.dtype <> 'BOOL'
  FROM run_order AS o JOIN safetensors_weights(o.model) AS w WHERE o.number > 0 AND w.copy_of IS NULL;

-- Against the checkpoint before. This has the norm, too; NaN and infinities are only counted where there are any.
DROP TABLE IF EXISTS temp.run_compared;
CREATE TEMP TABLE run_compared AS
  SELECT b.run, b.number, b.name, c.n_nan, c.n_nan_one, c.n_diff = 0 AND c.n_nan_one = 0 AND a.dtype = b.dtype AS is_equal, c.max_abs_diff, c.l2_a, c.l2_b, c.l2_diff
  FROM run_weights AS b JOIN run_weights AS a ON a.run = b.run AND a.number = b.number - 1 AND a.name = b.name AND a.shape = b.shape
  JOIN tensor_compare(a.ref, b.ref) AS c;
UPDATE run_weights SET previous_nan_both = c.n_nan, previous_nan_one = c.n_nan_one, previous_is_equal = c.is_equal,
       previous_max = c.max_abs_diff, previous_before = c.l2_a, previous_diff = c.l2_diff, norm = c.l2_b, n_nan = 0, n_inf = 0
FROM run_compared AS c WHERE c.run = run_weights.run AND c.number = run_weights.number AND c.name = run_weights.name;
DROP TABLE IF EXISTS temp.run_stats;
CREATE TEMP TABLE run_stats AS
  SELECT w.run, w.number, w.name, s.n_nan, s.n_inf, s.l2 FROM run_weights AS w JOIN tensor_stats(w.ref) AS s
  WHERE w.previous_is_equal IS NULL OR w.previous_nan_both > 0 OR w.previous_nan_one > 0 OR w.previous_max = 9e999;
UPDATE run_weights SET n_nan = s.n_nan, n_inf = s.n_inf, norm = s.l2
FROM run_stats AS s WHERE s.run = run_weights.run AND s.number = run_weights.number AND s.name = run_weights.name;
-- An infinity that stays where it is makes no difference: it is counted where the tensor before has one.
DROP TABLE IF EXISTS temp.run_infinite;
CREATE TEMP TABLE run_infinite AS
  SELECT w.run, w.number, w.name, s.n_nan, s.n_inf FROM run_weights AS w JOIN tensor_stats(w.ref) AS s
  WHERE w.n_inf = 0 AND EXISTS (SELECT 1 FROM run_weights AS a WHERE a.run = w.run AND a.name = w.name AND a.number < w.number AND a.n_inf > 0);
UPDATE run_weights SET n_nan = s.n_nan, n_inf = s.n_inf
FROM run_infinite AS s WHERE s.run = run_weights.run AND s.number = run_weights.number AND s.name = run_weights.name;

-- Against the first. What is equal to the one before is as far from the first as that; the second has been compared.
DROP TABLE IF EXISTS temp.run_first;
CREATE TEMP TABLE run_first AS
  SELECT b.run, b.number, b.name, c.l2_a, c.l2_diff
  FROM run_weights AS b JOIN run_weights AS a ON a.run = b.run AND a.number = 1 AND a.name = b.name AND a.shape = b.shape
  JOIN tensor_compare(iif(b.number > 2 AND b.previous_is_equal IS NOT 1, a.ref, NULL), b.ref) AS c
  WHERE b.number > 2 AND b.previous_is_equal IS NOT 1;
UPDATE run_weights SET first_before = previous_before, first_diff = previous_diff WHERE number = 2;
UPDATE run_weights SET first_before = c.l2_a, first_diff = c.l2_diff
FROM run_first AS c WHERE c.run = run_weights.run AND c.number = run_weights.number AND c.name = run_weights.name;
DROP TABLE IF EXISTS temp.run_last;
CREATE TEMP TABLE run_last AS
  SELECT run, number, name, max(iif(first_diff IS NULL, NULL, number)) OVER (PARTITION BY run, name ORDER BY number) AS last
  FROM run_weights;
UPDATE run_weights SET first_before = a.first_before, first_diff = a.first_diff
FROM run_last AS l JOIN run_weights AS a ON a.run = l.run AND a.name = l.name AND a.number = l.last
WHERE l.run = run_weights.run AND l.number = run_weights.number AND l.name = run_weights.name
  AND run_weights.first_diff IS NULL AND run_weights.number > 2 AND run_weights.previous_is_equal;

-- Where NaN and infinities come up: in steps that double until one is passed, and then by halves.
DROP TABLE IF EXISTS temp.run_bad;
CREATE TEMP TABLE run_bad AS
  SELECT run, name, min(number) AS number, n_nan, n_inf, ref, numel FROM run_weights WHERE n_nan + n_inf > 0 GROUP BY run, name;
DROP TABLE IF EXISTS temp.run_places;
CREATE TEMP TABLE run_places AS
  WITH RECURSIVE wanted(id, ref, numel, infinite) AS (
    SELECT rowid, ref, numel, 0 FROM run_bad WHERE n_nan > 0 UNION ALL SELECT rowid, ref, numel, 1 FROM run_bad WHERE n_inf > 0
  ),
  steps(id, ref, numel, infinite, passed, lo, hi) AS (
    SELECT id, ref, numel, infinite, numel <= 4096, 0, min(4096, numel) FROM wanted
    UNION ALL
    SELECT id, ref, numel, infinite,
           passed OR iif(infinite, s.n_inf, s.n_nan) > 0 OR hi + 2 * (hi - lo) >= numel,
           CASE WHEN iif(infinite, s.n_inf, s.n_nan) > 0 THEN lo WHEN passed THEN (lo + hi) / 2 ELSE hi END,
           CASE WHEN iif(infinite, s.n_inf, s.n_nan) > 0 THEN iif(passed, (lo + hi) / 2, hi)
                WHEN passed THEN hi ELSE min(numel, hi + 2 * (hi - lo)) END
    FROM steps JOIN tensor_stats(tensor_slice(tensor_reshape(ref, json_array(numel)),
                                              printf('%d:%d', lo, iif(passed, (lo + hi) / 2, hi)))) AS s
    WHERE NOT (passed AND hi - lo <= 4096)
  )
  SELECT id, infinite, (
    SELECT e.coord FROM tensor_elements(ref) AS e
    WHERE e.idx >= lo AND e.idx < hi AND (iif(infinite, abs(e.value) = 9e999, e.value IS NULL) OR e.value LIKE '[%null%')
    ORDER BY e.idx LIMIT 1) AS coord
  FROM steps WHERE passed AND hi - lo <= 4096;
UPDATE run_setting SET errors = safetensors_config('errors', errors);
-- If nothing can be read of any, this raises why the first cannot.
INSERT INTO needs(models)
SELECT 1 + count(*) FROM run_models AS m JOIN safetensors_tensors(m.model) AS t
WHERE NOT EXISTS (SELECT 1 FROM run_weights);
DROP TABLE IF EXISTS temp.run_faults;
CREATE TEMP TABLE run_faults AS
  SELECT b.run, o.step, b.name, b.n_nan, b.n_inf, (SELECT coord FROM run_places WHERE id = b.rowid AND NOT infinite) AS first_nan,
         (SELECT coord FROM run_places WHERE id = b.rowid AND infinite) AS first_inf
  FROM run_bad AS b JOIN run_order AS o ON o.run = b.run AND o.number = b.number ORDER BY b.run, b.number, b.n_nan + b.n_inf DESC, b.name;

DROP TABLE IF EXISTS temp.run_tensors;
CREATE TEMP TABLE run_tensors AS
  SELECT w.run, o.step, w.name, w.numbering, w.layer, w.pattern, w.dtype, w.nbytes, w.n_nan, w.n_inf, w.norm,
         w.previous_diff / nullif(w.previous_before, 0) AS change_previous, w.first_diff / nullif(w.first_before, 0) AS change_first,
         w.previous_is_equal AS is_equal
  FROM run_weights AS w JOIN run_order AS o ON o.run = w.run AND o.number = w.number ORDER BY w.run, w.number, w.name;
DROP TABLE IF EXISTS temp.run_layers;
CREATE TEMP TABLE run_layers AS
  SELECT w.run, o.step, w.numbering, w.layer, sqrt(total(w.norm * w.norm)) AS norm,
         sqrt(sum(previous_diff * previous_diff)) / nullif(sqrt(total(previous_before * previous_before)), 0) AS change_previous,
         sqrt(sum(first_diff * first_diff)) / nullif(sqrt(total(first_before * first_before)), 0) AS change_first
  FROM run_weights AS w JOIN run_order AS o ON o.run = w.run AND o.number = w.number WHERE is_number
  GROUP BY w.run, w.number, w.numbering, w.layer ORDER BY w.run, w.number, w.numbering, w.layer;
DROP TABLE IF EXISTS temp.run;
CREATE TEMP TABLE run AS
  SELECT o.run, o.step, o.model, coalesce(o.epoch, l.epoch) AS epoch, l.loss, l.learning_rate,
         (SELECT min(json_extract(e.value, '$.step')) FROM json_each(o.history) AS e
          WHERE json_type(e.value, '$.loss') = 'null' AND json_extract(e.value, '$.step') <= o.step) AS nan_loss, w.tensors, w.nbytes, w.n_nan, w.n_inf,
         w.norm, w.change_previous, w.change_first, w.changed, iif(o.number > 1, w.tensors - w.had, NULL) AS added,
         iif(o.number > 1, p.tensors - w.had, NULL) AS removed, iif(o.number > 1, w.had - w.compared, NULL) AS reshaped, w.equal_nbytes,
         o.status, o.error
  FROM run_order AS o
  LEFT JOIN (
    SELECT w.run, w.number, count(*) AS tensors, sum(w.nbytes) AS nbytes, total(w.n_nan) AS n_nan, total(w.n_inf) AS n_inf,
           sqrt(total(iif(w.is_number, w.norm * w.norm, 0))) AS norm,
           sqrt(sum(iif(w.is_number, w.previous_diff * w.previous_diff, NULL)))
           / nullif(sqrt(total(iif(w.is_number, w.previous_before * w.previous_before, 0))), 0) AS change_previous,
           sqrt(sum(iif(w.is_number, w.first_diff * w.first_diff, NULL)))
           / nullif(sqrt(total(iif(w.is_number, w.first_before * w.first_before, 0))), 0) AS change_first,
           sum(w.previous_is_equal = 0) AS changed, count(w.previous_is_equal) AS compared, count(a.name) AS had,
           sum(iif(w.previous_is_equal, w.nbytes, 0)) AS equal_nbytes
    FROM run_weights AS w LEFT JOIN run_weights AS a ON a.run = w.run AND a.name = w.name AND a.number = w.number - 1
    GROUP BY w.run, w.number) AS w ON w.run = o.run AND w.number = o.number
  LEFT JOIN (SELECT run, number, count(*) AS tensors FROM run_weights GROUP BY run, number) AS p
    ON p.run = o.run AND p.number = o.number - 1
  LEFT JOIN (
    -- The last entry of each kind up to this step.
    SELECT o.run, o.number, max(iif(e.value -> '$.loss' IS NULL, -1, e.key)) AS place,
           json_extract(e.value, '$.loss') AS loss, json_extract(e.value, '$.learning_rate') AS learning_rate,
           json_extract(e.value, '$.epoch') AS epoch
    FROM run_order AS o JOIN json_each(o.history) AS e
    WHERE ifnull(json_extract(e.value, '$.step'), 0) <= o.step GROUP BY o.run, o.number) AS l ON l.run = o.run AND l.number = o.number
  ORDER BY o.run, o.step IS NULL, o.step, abs(o.number);
DROP TABLE IF EXISTS temp.run_frozen;
CREATE TEMP TABLE run_frozen AS
  SELECT run, pattern, sum(frozen) AS tensors, count(*) AS of, sum(iif(frozen, nbytes, 0)) AS nbytes
  FROM (SELECT w.run, w.name, w.pattern, w.nbytes, count(*) = n.checkpoints AND total(w.previous_is_equal) = n.checkpoints - 1 AS frozen
        FROM run_weights AS w JOIN (SELECT run, max(number) AS checkpoints FROM run_order GROUP BY run) AS n ON n.run = w.run
        WHERE n.checkpoints > 1 GROUP BY w.run, w.name)
  GROUP BY run, pattern HAVING sum(frozen) > 0 ORDER BY run, sum(iif(frozen, nbytes, 0)) DESC, pattern;

CREATE TEMP VIEW IF NOT EXISTS as_text AS SELECT 1 FROM parameters WHERE format = 'text';
.mode list
.headers off
SELECT safetensors_print(format, 'run', 'run_tensors', 'run_layers', 'run_faults', 'run_frozen') FROM parameters WHERE format IN ('json', 'csv');

DROP TABLE IF EXISTS temp.run_common;
CREATE TEMP TABLE run_common AS
  SELECT iif(count(*) > 1, safetensors_common(model), '') AS common, safetensors_common(run) AS common_run, count(DISTINCT run) AS runs FROM run;

-- All runs in words, and each.
DROP TABLE IF EXISTS temp.run_said;
CREATE TEMP TABLE run_said(text);
INSERT INTO run_said
SELECT printf('%,d runs, %,d checkpoints: ', runs, count(*)) || CASE
  WHEN total(n_nan + n_inf > 0) > 0
  THEN printf('%,d %s NaN or infinities.', total(n_nan + n_inf > 0), iif(total(n_nan + n_inf > 0) = 1, 'has', 'have')) ELSE iif(total(status = 'ok') > 0, 'all values are finite.', 'none has values.') END
  || iif(total(status <> 'ok') > 0, printf(' %,d cannot be read, or %s not whole.', total(status <> 'ok'), iif(total(status <> 'ok') = 1, 'is', 'are')), '')
FROM run, run_common HAVING runs > 1;
INSERT INTO run_said
SELECT l.value FROM run_common, (
  SELECT r.run, count(*) AS n, sum(status = 'ok') AS good, min(step) AS first, max(step) AS last, min(nan_loss) AS nan_loss, total(nbytes) AS nbytes,
         total(equal_nbytes) AS equal, (SELECT f.step FROM run_faults AS f WHERE f.run = r.run ORDER BY f.rowid LIMIT 1) AS bad_step,
         (SELECT count(*) FROM run_faults AS f WHERE f.run = r.run) AS bad,
         (SELECT ifnull('at ' || ifnull(first_nan, first_inf) || ' of ', 'in ') || safetensors_label(f.name)
          FROM run_faults AS f WHERE f.run = r.run ORDER BY f.rowid LIMIT 1) AS bad_place,
         (SELECT sum(tensors) FROM run_frozen AS f WHERE f.run = r.run) AS frozen,
         (SELECT l.change_first FROM run AS l WHERE l.run = r.run AND l.change_first IS NOT NULL ORDER BY l.rowid DESC LIMIT 1) AS drift,
         (SELECT l.change_previous FROM run AS l WHERE l.run = r.run AND l.change_previous IS NOT NULL ORDER BY l.rowid DESC LIMIT 1) AS pace,
         max(tensors) AS tensors, total(added + removed + reshaped) AS structure
  FROM run AS r GROUP BY r.run ORDER BY total(n_nan + n_inf) > 0 DESC, total(status <> 'ok') > 0 DESC, min(r.rowid)) AS n, json_each(json_array(
  iif(runs > 1, char(10) || safetensors_label(run, common_run) || ':', NULL),
  printf('%,d checkpoint%s', n, iif(n = 1, '', 's')) || iif(last IS NULL, '', iif(first = last, printf(' of step %d', first), printf(', steps %d to %d', first, last)))
  || iif(bad > 0, iif(n = 1, ': NaN or infinities.', printf(': NaN or infinities from %s on.', ifnull('step ' || bad_step, 'the last one'))), iif(good > 0, ': all values are finite.', '.')),
  iif(bad > 0, iif(bad > 1, printf('In %,d tensors; the first is ', bad), 'The first is ') || bad_place || '.', NULL),
  iif(nan_loss IS NULL, NULL, printf('The loss is NaN from step %d on.', nan_loss)),
  iif(good < n, printf('error: %,d checkpoint%s cannot be read, or not whole.', n - good, iif(n - good = 1, '', 's')), NULL),
  iif(drift IS NULL, NULL, printf('From the first to the last they move by %.3g of the norm; at the end by %.3g.', drift, pace)),
  iif(structure > 0, 'warning: names or shapes of tensors change on the way.', NULL),
  iif(good > 1, printf('%,d of %,d tensors never change%s. Equal tensors hold %s of %s.', ifnull(frozen, 0), tensors, iif(frozen = 1, 's', ''),
      safetensors_pretty(CAST(equal AS INTEGER), 'B'), safetensors_pretty(CAST(nbytes AS INTEGER), 'B')), NULL)
)) AS l WHERE l.value IS NOT NULL;
SELECT text FROM as_text, run_said;
SELECT safetensors_label(model, common) || ':' || char(10) || '  '
       || safetensors_label(replace(replace(ifnull(substr(error, 14), status), model || ': ', ''), common, '...'))
FROM run, run_common, as_text WHERE status <> 'ok' LIMIT 20;

SELECT char(10) || '== Where NaN and infinities come up' FROM as_text WHERE EXISTS (SELECT 1 FROM run_faults);
.mode column --wrap 0
.headers on
SELECT printf('%8s', ifnull(step, '-')) AS "    step", printf('%8s', printf('%,d', n_nan)) AS "     nan", printf('%8s', printf('%,d', n_inf)) AS "     inf",
       coalesce(first_nan, first_inf, '-') AS first, iif(runs > 1, safetensors_label(run, common_run) || '#', '') || safetensors_label(name) AS tensor
FROM run_faults AS f, run_common, as_text ORDER BY f.rowid LIMIT 20;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 20) FROM run_faults, as_text HAVING count(*) > 20;

SELECT char(10) || '== Checkpoints' FROM as_text;
.mode column --wrap 0
.headers on
SELECT printf('%7s', ifnull(step, '-')) AS "   step", printf('%5s', iif(epoch IS NULL, '-', printf('%.3g', epoch))) AS epoch,
       printf('%7s', CASE WHEN loss IS NOT NULL THEN printf('%.4g', loss) WHEN nan_loss IS NOT NULL THEN 'NaN' ELSE '-' END) AS "   loss",
       printf('%7s', iif(learning_rate IS NULL, '-', printf('%.3g', learning_rate))) AS "     lr",
       printf('%7s', iif(status = 'ok', printf('%,d', n_nan + n_inf), status)) AS "nan+inf",
       printf('%8s', iif(norm IS NULL, '-', printf('%.4g', norm))) AS "    norm",
       printf('%8s', iif(change_previous IS NULL, '-', printf('%.3g', change_previous))) AS " vs prev",
       printf('%8s', iif(change_first IS NULL, '-', printf('%.3g', change_first))) AS "vs first",
       safetensors_label(model, common) AS checkpoint
FROM run AS r, run_common, as_text ORDER BY r.rowid LIMIT 1000;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 1000) FROM run, as_text HAVING count(*) > 1000;

SELECT char(10) || '== Change from the first to the last, by layer' FROM as_text WHERE EXISTS (SELECT 1 FROM run_layers WHERE change_first IS NOT NULL);
.mode column --wrap 0
.headers on
SELECT printf('%9.4g', first_norm) AS "    first", printf('%9.4g', last_norm) AS "     last", printf('%9.3g', change_first) AS "   change",
       substr('####################', 1, CAST(round(20 * change_first / nullif(max(change_first) OVER (PARTITION BY run), 0)) AS INTEGER)) AS relative,
       iif(runs > 1, safetensors_label(run, common_run) || '#', '')
       || ifnull(safetensors_label(iif(numbering <> '', numbering || '.', '') || layer), '-') AS layer
FROM (SELECT l.*, max(l.rowid) AS place, (SELECT f.norm FROM run_layers AS f WHERE f.run = l.run AND f.numbering IS l.numbering AND f.layer IS l.layer ORDER BY f.rowid LIMIT 1) AS first_norm,
             l.norm AS last_norm
      FROM run_layers AS l GROUP BY run, numbering, layer), run_common, as_text
WHERE change_first IS NOT NULL ORDER BY run, numbering, layer LIMIT 200;
.mode list
.headers off

SELECT char(10) || '== Never changed' FROM as_text WHERE EXISTS (SELECT 1 FROM run_frozen);
.mode column --wrap 0
.headers on
SELECT printf('%7d', tensors) AS tensors, printf('%7d', of) AS "     of", printf('%8s', safetensors_pretty(nbytes, 'B')) AS "   bytes",
       iif(runs > 1, safetensors_label(run, common_run) || '#', '') || safetensors_label(pattern) AS pattern
FROM run_frozen AS f, run_common, as_text ORDER BY f.rowid LIMIT 20;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 20) FROM run_frozen, as_text HAVING count(*) > 20;

-- The page: the verdict, where NaN comes up, curves over the steps, a map of the change by layer and step, all checkpoints.
CREATE TEMP VIEW IF NOT EXISTS as_page AS SELECT 1 FROM parameters WHERE format = 'page';
SELECT safetensors_page(title) || printf('<header><h1>%s</h1><p class="note"><code>%s</code></p></header>', safetensors_html(title), safetensors_html(path))
FROM as_page, (SELECT path, ifnull(nullif(substr(given, length(rtrim(given, replace(given, '/', ''))) + 1), ''), 'Run') AS title FROM (SELECT path, rtrim(path, '/') AS given FROM parameters WHERE path IS NOT NULL LIMIT 1));
SELECT printf('<div class="verdict %s"><b>%s</b><span>', iif(bad, 'error', 'ok'), iif(bad, '&#10005; Something is wrong', '&#10003; Nothing is wrong'))
       || (SELECT group_concat(safetensors_html(trim(text, char(10))), iif(text GLOB '*:', ' ', '<br>')) FROM run_said) || '</span></div>'
FROM as_page, (SELECT EXISTS (SELECT 1 FROM run_faults) OR EXISTS (SELECT 1 FROM run WHERE status <> 'ok') AS bad);
SELECT '<h2>Cannot be read</h2><ul>' || group_concat(printf('<li><code>%s</code>: %s</li>', safetensors_html(substr(model, 1 + length(common))), safetensors_html(ifnull(replace(error, model || ': ', ''), status))), '') || '</ul>'
FROM as_page, run_common, (SELECT * FROM run WHERE status <> 'ok' LIMIT 20) HAVING count(*) > 0;
SELECT '<h2>Where NaN and infinities come up</h2><table class="list"><thead><tr><th>tensor</th><th class="n">step</th><th class="n">NaN</th><th class="n">infinite</th><th>first at</th></tr></thead><tbody>'
       || group_concat(printf('<tr><td><code>%s</code></td><td class="n" data-is="step">%s</td><td class="n" data-is="NaN">%,d</td><td class="n" data-is="infinite">%,d</td><td data-is="first at">%s</td></tr>',
                              iif(runs > 1, safetensors_html(substr(run, 1 + length(common_run))) || ': ', '') || safetensors_html(name), ifnull(step, '-'), n_nan, n_inf, ifnull(first_nan, first_inf)), '')
       || '</tbody></table>' || iif(n > 20, printf('<p class="note">and %,d more</p>', n - 20), '')
FROM as_page, run_common, (SELECT *, count(*) OVER () AS n FROM run_faults ORDER BY rowid LIMIT 20) HAVING count(*) > 0;

-- Curves: of at most six runs and 400 points each, finite values only; a dashed line where the first NaN is.
DROP TABLE IF EXISTS temp.run_points;
CREATE TEMP TABLE run_points AS
WITH numbered AS (
  SELECT *, row_number() OVER run - 1 AS i, count(*) OVER (PARTITION BY run) AS of, dense_rank() OVER (ORDER BY run) AS nth,
         row_number() OVER (PARTITION BY run, n_nan + n_inf > 0 ORDER BY rowid) = 1 AND n_nan + n_inf > 0 AS is_bad
  FROM (SELECT rowid, * FROM run) WINDOW run AS (PARTITION BY run ORDER BY rowid)
),
measured AS (
  SELECT run, nth, i, of, step, is_bad, 1 AS chart, 'loss' AS what, loss AS value, NULL AS low FROM numbered
  UNION ALL SELECT run, nth, i, of, step, is_bad, 2, 'norm of all weights', norm, NULL FROM numbered
  UNION ALL SELECT run, nth, i, of, step, is_bad, 3, 'change from the one before, %', 100 * change_previous, 0 FROM numbered
  UNION ALL SELECT run, nth, i, of, step, is_bad, 4, 'change from the first, %', 100 * change_first, 0 FROM numbered
)
SELECT *, 100.0 * i / max(1, of - 1) AS x, ifnull(low, min(value) OVER chart) AS lo, max(value) OVER chart AS hi, count(value) OVER chart AS values_of
FROM measured WHERE nth <= 6 AND (value IS NULL OR abs(value) < 9e999) AND (i % (of / 400 + 1) = 0 OR i = of - 1 OR is_bad) WINDOW chart AS (PARTITION BY run, chart);
SELECT '<h2>Over the steps</h2>' || iif(runs > 6, printf('<p class="note">Of %,d runs the first six.</p>', runs), '') FROM as_page, run_common WHERE EXISTS (SELECT 1 FROM run_points WHERE values_of > 0 AND of > 1);
SELECT iif(chart = min(chart) OVER (PARTITION BY run), iif(runs > 1, '<h3>' || safetensors_html(substr(run, 1 + length(common_run))) || '</h3>', '') || '<div class="grid two">', '')
       || printf('<div class="card"><b>%s</b><div class="axis"><span>%.4g</span></div><svg class="line" viewBox="0 0 100 40" preserveAspectRatio="none" role="img" aria-label="%s"><path vector-effect="non-scaling-stroke" d="M%s"></path>%s</svg>',
                 what, hi, what, points, iif(bad IS NULL, '', printf('<path class="mark" vector-effect="non-scaling-stroke" d="M%.1f,0V40"></path>', bad)))
       || printf('<div class="axis"><span>%.4g</span></div><div class="axis"><span>step %s</span><span>%s</span></div></div>', lo, ifnull(first_step, '-'), ifnull(last_step, '-'))
       || iif(chart = max(chart) OVER (PARTITION BY run), '</div>', '')
FROM as_page, run_common, (
  SELECT DISTINCT run, chart, what, lo, hi, min(step) OVER chart AS first_step, max(step) OVER chart AS last_step, max(iif(is_bad, x, NULL)) OVER chart AS bad,
         group_concat(printf('%.1f,%.1f', x, 40 - 40 * ifnull((value - lo) / nullif(hi - lo, 0), 0.5)), 'L') FILTER (WHERE value IS NOT NULL) OVER (
           chart ORDER BY i ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) || iif(count(value) OVER chart = 1, 'l0,0', '') AS points
  FROM run_points WHERE values_of > 0 AND of > 1 WINDOW chart AS (PARTITION BY run, chart))
ORDER BY run, chart;
SELECT '<p class="note">The dashed line is where NaN or infinities come up.</p>' FROM as_page WHERE EXISTS (SELECT 1 FROM run_points WHERE is_bad AND values_of > 0 AND of > 1);

-- The map: a row per layer of the first run, a column per checkpoint, at most 12 that lie evenly
-- (8 where layers have long names, as there are several numberings).
DROP TABLE IF EXISTS temp.run_cells;
CREATE TEMP TABLE run_cells AS
WITH faults AS (
  SELECT run, step, numbering, layer, total(n_nan) AS nan, total(n_inf) AS inf FROM run_tensors WHERE n_nan + n_inf > 0 GROUP BY run, step, numbering, layer
),
numbered AS (
  SELECT l.*, ifnull(f.nan, 0) AS nan, ifnull(f.inf, 0) AS inf, 100 * change_previous AS percent, dense_rank() OVER (PARTITION BY l.run ORDER BY l.step IS NULL, l.step) AS i,
         dense_rank() OVER (ORDER BY l.run, l.numbering IS NULL, l.numbering, l.layer IS NULL, l.layer) AS place
  FROM run_layers AS l LEFT JOIN faults AS f ON f.run = l.run AND f.step IS l.step AND f.numbering IS l.numbering AND f.layer IS l.layer
)
SELECT run, step, place, iif(numbering <> '' AND many, numbering || '.', '') || ifnull(layer, 'others') AS label, i,
       CASE WHEN nan + inf > 0 THEN 'bad' WHEN percent IS NULL OR percent = 0 THEN 'h0' WHEN percent < 0.01 THEN 'h1' WHEN percent < 0.1 THEN 'h2' WHEN percent < 1 THEN 'h3'
            WHEN percent < 3 THEN 'h4' WHEN percent < 10 THEN 'h5' WHEN percent < 30 THEN 'h6' WHEN percent < 100 THEN 'h7' ELSE 'h8' END AS class,
       CASE WHEN nan > 0 THEN 'NaN' WHEN inf > 0 THEN 'inf' WHEN percent IS NULL THEN '' WHEN percent = 0 THEN '=' WHEN percent < 0.01 THEN '&lt;.01'
            WHEN percent < 0.095 THEN ltrim(printf('%.2f', percent), '0') WHEN percent < 0.95 THEN ltrim(printf('%.1f', percent), '0')
            WHEN percent < 9.95 THEN printf('%.1f', percent) WHEN percent < 999 THEN printf('%.0f', percent) ELSE '&gt;999' END AS text, every, many
FROM (SELECT *, (max(i) OVER () - 2) / iif(many, 8, 12) + 1 AS every, min(150, 60000 / (400 + 6 * max(length(numbering)) OVER ())) AS room
      FROM numbered, (SELECT count(DISTINCT numbering) > 1 AS many FROM run_layers WHERE numbering <> '') WHERE run = (SELECT min(run) FROM numbered))
WHERE i > 1 AND (i - 2) % every = 0 AND place <= room;
SELECT printf('<h2>Change by layer</h2><p>From the checkpoint before, in percent of the layer''s norm%s.</p>', iif(max(every) > 1, ', of every ' || CASE max(every) WHEN 2 THEN '2nd' WHEN 3 THEN '3rd' ELSE max(every) || 'th' END || ' checkpoint', ''))
       || '<div class="key"><span><i class="h0">=</i>equal</span><span><i class="h2"></i>under 0.1</span>'
       || '<span><i class="h3"></i>under 1</span><span><i class="h4"></i>under 3</span><span><i class="h5"></i>under 10</span><span><i class="h6"></i>under 30</span>'
       || '<span><i class="h7"></i>under 100</span><span><i class="h8"></i>more</span><span><i class="bad">NaN</i>not finite</span></div>'
       || iif(max(many), '<table class="map turned">', '<table class="map">') || '<thead><tr><th>layer</th>'
       || (SELECT group_concat(printf('<th><span>%s</span></th>', ifnull(step, 'last')), '') FROM (SELECT DISTINCT i, step FROM run_cells ORDER BY i)) || '</tr></thead><tbody>'
FROM as_page, run_cells HAVING count(*) > 0;
SELECT printf('<tr><th>%s</th>', safetensors_html(label)) || cells || '</tr>'
FROM as_page, (SELECT DISTINCT r.place, r.label, group_concat(printf('<td class="%s">%s</td>', ifnull(d.class, 'h0'), ifnull(d.text, '')), '') OVER (
                 PARTITION BY r.place ORDER BY c.i ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS cells
               FROM (SELECT DISTINCT place, label FROM run_cells) AS r JOIN (SELECT DISTINCT i FROM run_cells) AS c
               LEFT JOIN run_cells AS d ON d.place = r.place AND d.i = c.i) ORDER BY place;
SELECT '</tbody></table>' || iif(rows > shown, printf('<p class="note">%,d more layers are left out.</p>', rows - shown), '')
       || iif(runs > 1, '<p class="note">Of the first run.</p>', '')
FROM as_page, run_common, (SELECT count(DISTINCT place) AS shown FROM run_cells),
  (SELECT count(*) AS rows FROM (SELECT DISTINCT numbering, layer FROM run_layers WHERE run = (SELECT min(run) FROM run_layers)))
WHERE shown > 0;

SELECT '<h2>Checkpoints</h2><table class="list"><thead><tr><th>checkpoint</th><th class="n">step</th><th class="n">loss</th><th class="n">learning rate</th><th class="n">norm</th><th class="n">change</th>'
       || '<th class="n">from the first</th><th class="n">bytes that are new</th></tr></thead><tbody>' FROM as_page;
DROP TABLE IF EXISTS temp.run_rows;
CREATE TEMP TABLE run_rows AS
SELECT *, sum(length(CAST(html AS BLOB))) OVER (ORDER BY place) AS bytes
FROM (SELECT r.rowid AS place, printf('<tr><td><code>%s</code>%s</td><td class="n" data-is="step">%s</td><td class="n"%s>%s</td><td class="n"%s>%s</td><td class="n"%s>%s</td><td class="n"%s>%s</td><td class="n"%s>%s</td><td class="n"%s>%s</td></tr>',
        safetensors_html(replace(substr(model, 1 + length(common)), '/model.safetensors', '')),
        CASE WHEN status <> 'ok' THEN '<br><small class="error">' || safetensors_html(status) || '</small>' WHEN n_nan + n_inf > 0 THEN printf('<br><small class="error">%,d NaN, %,d infinite</small>', n_nan, n_inf) ELSE '' END,
        ifnull(step, '-'), iif(loss IS NULL, '', ' data-is="loss"'), iif(loss IS NULL, '', printf('%.4g', loss)), iif(learning_rate IS NULL, '', ' data-is="rate"'), iif(learning_rate IS NULL, '', printf('%.3g', learning_rate)),
        iif(norm IS NULL, '', ' data-is="norm"'), iif(norm IS NULL, '', printf('%.4g', norm)), iif(change_previous IS NULL, '', ' data-is="change"'), iif(change_previous IS NULL, '', printf('%.3g%%', 100 * change_previous)),
        iif(change_first IS NULL, '', ' data-is="from the first"'), iif(change_first IS NULL, '', printf('%.3g%%', 100 * change_first)),
        iif(nbytes IS NULL, '', ' data-is="new bytes"'), iif(nbytes IS NULL, '', safetensors_pretty(CAST(nbytes - ifnull(equal_nbytes, 0) AS INTEGER), 'B'))) AS html
      FROM run AS r, run_common);
SELECT html FROM as_page, run_rows WHERE bytes <= 90000 ORDER BY place;
SELECT printf('<tr><td class="soft" colspan="8">and %,d more</td></tr>', count(*)) FROM as_page, run_rows WHERE bytes > 90000 HAVING count(*) > 0;
SELECT '</tbody></table>' FROM as_page;
SELECT '<h2>Never changed</h2><table class="list"><thead><tr><th>module</th><th class="n">weights</th><th class="n">size</th></tr></thead><tbody>'
       || group_concat(printf('<tr><td><code>%s</code></td><td class="n">%,d of %,d</td><td class="n">%s</td></tr>',
                              iif(runs > 1, safetensors_html(substr(run, 1 + length(common_run))) || ': ', '') || safetensors_html(pattern), tensors, of, safetensors_pretty(nbytes, 'B')), '')
       || '</tbody></table>' || iif(n > 20, printf('<p class="note">and %,d more</p>', n - 20), '')
FROM as_page, run_common, (SELECT *, count(*) OVER () AS n FROM run_frozen ORDER BY rowid LIMIT 20) HAVING count(*) > 0;
SELECT '<footer><p class="note">' || safetensors_version() || '</p></footer></body></html>' FROM as_page;

DROP TABLE IF EXISTS temp.verdict;
CREATE TEMP TABLE verdict(bad, unread);
CREATE TEMP TRIGGER verdict_is_no BEFORE INSERT ON verdict BEGIN
  SELECT RAISE(ABORT, 'a checkpoint has NaN or infinities') WHERE new.bad > 0;
  SELECT RAISE(ABORT, 'a checkpoint cannot be read, or is not whole') WHERE new.unread > 0;
END;
INSERT INTO verdict SELECT (SELECT count(*) FROM run_faults), (SELECT count(*) FROM run WHERE status <> 'ok');
