-- Which rows of an embedding are nearest to one of them?
--
-- By cosine similarity, in one pass over the embedding (tensor_nearest).
--
-- Rows that are all zero have no direction and are never neighbours; nor are rows with NaN or infinities, which are
-- counted. An embedding that is packed is unpacked first.
--
-- @alias near
-- @param path path required   the checkpoint
-- @param name text required   the embedding's name
-- @param token integer required   the row; -1 is the last one
-- @param format enum text|json|csv  how to print the tables
-- @table neighbours(token, cosine)   every other row, the nearest first; NULL where it has no direction
-- @status 1                   when the row itself has no direction, or NaN or infinities
-- @example safetensors-sql neighbours model.safetensors model.embed_tokens.weight 42

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL),
  name TEXT CONSTRAINT ":name is set" CHECK (name IS NOT NULL),
  token INTEGER CONSTRAINT ":token is set" CHECK (token IS NOT NULL)
    CONSTRAINT ":token is a whole number" CHECK (typeof(token) = 'integer'),
  format TEXT CONSTRAINT ":format is text, json or csv" CHECK (format IN ('text', 'json', 'csv'))
);
INSERT INTO parameters SELECT :path, :name, :token, ifnull(:format, 'text')
WHERE safetensors_parameters(':path', ':name', ':token', ':format');

-- The embedding: a tensor, or the packed weight of that name.
DROP TABLE IF EXISTS temp.neighbours_of;
CREATE TEMP TABLE neighbours_of AS
  SELECT ifnull(w.ref, t.ref) AS ref, ifnull(w.shape, t.shape) AS shape
  FROM parameters AS p JOIN safetensors_tensors(p.path) AS t ON t.name = p.name
  LEFT JOIN safetensors_weights(p.path) AS w ON w.name = p.name AND w.scheme NOT IN ('none', 'unknown');
INSERT INTO neighbours_of
  SELECT w.ref, w.shape FROM parameters AS p JOIN safetensors_weights(p.path) AS w ON w.name = p.name
  WHERE w.ref IS NOT NULL AND NOT EXISTS (SELECT 1 FROM neighbours_of);
DROP TABLE IF EXISTS temp.needs;
CREATE TEMP TABLE needs(
  named CONSTRAINT ":name is the name of a tensor that can be read" CHECK (named > 0),
  one CONSTRAINT ":path is one checkpoint, not several that have :name" CHECK (one < 2),
  rank CONSTRAINT ":name has two or more dimensions" CHECK (rank > 1),
  token CONSTRAINT ":token is one of the rows" CHECK (token)
);
INSERT INTO needs(named, one) SELECT count(*), count(*) FROM neighbours_of;
INSERT INTO needs(rank) SELECT json_array_length(shape) FROM neighbours_of;
INSERT INTO needs(token)
  SELECT p.token BETWEEN -(o.shape ->> '$[0]') AND (o.shape ->> '$[0]') - 1 FROM parameters AS p, neighbours_of AS o;

-- The row itself, whatever it is a slice of.
ALTER TABLE neighbours_of ADD COLUMN query;
ALTER TABLE neighbours_of ADD COLUMN norm;
ALTER TABLE neighbours_of ADD COLUMN bad;
UPDATE neighbours_of SET query = (SELECT tensor_slice(neighbours_of.ref, CAST(p.token AS TEXT)) FROM parameters AS p);
UPDATE neighbours_of SET (norm, bad) = (SELECT s.l2, s.n_nan + s.n_inf FROM tensor_stats(neighbours_of.query) AS s);
-- The nearest first, as the table gives them.
DROP TABLE IF EXISTS temp.neighbours;
CREATE TEMP TABLE neighbours AS
  SELECT n.i AS token, n.score AS cosine FROM neighbours_of AS o, parameters AS p, tensor_nearest(o.ref, o.query) AS n
  WHERE o.norm > 0 AND o.bad = 0 AND n.i <> (o.shape ->> '$[0]' + p.token) % (o.shape ->> '$[0]');

CREATE TEMP VIEW IF NOT EXISTS as_text AS SELECT 1 FROM parameters WHERE format = 'text';
.mode list
.headers off
SELECT safetensors_print(format, 'neighbours') FROM parameters WHERE format <> 'text';

SELECT printf('error: row %d %s: no row is near to it.', iif(p.token < 0, o.shape ->> '$[0]', 0) + p.token,
              iif(o.bad > 0, 'has NaN or infinities', 'has no direction, as all its elements are 0'))
FROM as_text, parameters AS p, neighbours_of AS o WHERE o.bad > 0 OR o.norm = 0;
SELECT printf('Of %,d other rows, %,d %s NaN or infinities and %s left out.', (SELECT count(*) FROM neighbours), n, iif(n = 1, 'has', 'have'), iif(n = 1, 'is', 'are'))
FROM as_text, (SELECT count(*) AS n FROM neighbours_of AS o, neighbours AS r, tensor_stats(tensor_slice(o.ref, CAST(r.token AS TEXT))) AS s
               WHERE r.cosine IS NULL AND s.n_nan + s.n_inf > 0) WHERE n > 0;
SELECT printf('The rows that are nearest to row %d, of %,d others, by cosine:',
              iif(p.token < 0, o.shape ->> '$[0]', 0) + p.token, (SELECT count(*) FROM neighbours))
FROM as_text, parameters AS p, neighbours_of AS o WHERE EXISTS (SELECT 1 FROM neighbours WHERE cosine IS NOT NULL);
.mode column
.headers on

SELECT printf('%9d', token) AS "    token", printf('%.6f', cosine) AS cosine
FROM as_text, neighbours AS n WHERE n.cosine IS NOT NULL ORDER BY n.rowid LIMIT 10;
.mode list
.headers off
SELECT 'None: every other row is all zero, or has NaN or infinities.' FROM as_text
WHERE NOT EXISTS (SELECT 1 FROM neighbours WHERE cosine IS NOT NULL) AND (SELECT norm > 0 AND norm < 1e999 AND bad = 0 FROM neighbours_of);

DROP TABLE IF EXISTS temp.verdict;
CREATE TEMP TABLE verdict(norm, bad);
CREATE TEMP TRIGGER verdict_is_bad BEFORE INSERT ON verdict WHEN new.bad > 0 BEGIN
  SELECT RAISE(ABORT, 'row :token has NaN or infinities');
END;
CREATE TEMP TRIGGER verdict_is_no BEFORE INSERT ON verdict WHEN new.norm = 0 BEGIN
  SELECT RAISE(ABORT, 'row :token has no direction: all its elements are 0');
END;
INSERT INTO verdict SELECT norm, bad FROM neighbours_of;
.mode column
.headers on
