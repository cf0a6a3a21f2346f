-- Which rows of an embedding are nearest, by sqlite-vec?
--
-- The same question as that of neighbours.sql, with sqlite-vec: its loadable extension vec0, from npm's
-- sqlite-vec-linux-x64 or its releases, which takes F32 blobs as vectors. tensor_cast converts any dtype of the
-- embedding to F32, and does not copy F32 itself.
--
-- Rows that are all zero have no direction and are never neighbours; nor are rows with NaN or infinities, which are
-- counted. An embedding that is packed is unpacked first.
--
-- @param path path required   the checkpoint
-- @param name text required   the embedding's name
-- @param token integer required   the row; -1 is the last one
-- @param vec0 path            sqlite-vec's extension, to be loaded; without it, it must be loaded already
-- @param format enum text|json|csv  how to print the tables
-- @table near_by_vec(token, cosine)   every other row, the nearest first; NULL where it has no direction
-- @status 1                   when the row itself has no direction, or NaN or infinities
-- @example safetensors-sql neighbours-vec model.safetensors model.embed_tokens.weight 42 --vec0 ./vec0

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL),
  name TEXT CONSTRAINT ":name is set" CHECK (name IS NOT NULL),
  token INTEGER CONSTRAINT ":token is set" CHECK (token IS NOT NULL)
    CONSTRAINT ":token is a whole number" CHECK (typeof(token) = 'integer'),
  vec0 TEXT,
  format TEXT CONSTRAINT ":format is text, json or csv" CHECK (format IN ('text', 'json', 'csv'))
);
INSERT INTO parameters SELECT :path, :name, :token, :vec0, ifnull(:format, 'text')
WHERE safetensors_parameters(':path', ':name', ':token', ':vec0', ':format');

DROP TABLE IF EXISTS temp.needs;
CREATE TEMP TABLE needs(
  functions CONSTRAINT "sqlite-vec is loaded, or :vec0 names its extension" CHECK (functions > 0),
  named CONSTRAINT ":name is the name of a tensor that can be read" CHECK (named > 0),
  one CONSTRAINT ":path is one checkpoint, not several that have :name" CHECK (one < 2),
  rank CONSTRAINT ":name has two or more dimensions" CHECK (rank > 1),
  token CONSTRAINT ":token is one of the rows" CHECK (token)
);
INSERT INTO needs(functions) SELECT 1 WHERE iif(:vec0 IS NULL, 1, load_extension(:vec0) IS NULL);
INSERT INTO needs(functions) SELECT count(*) FROM pragma_function_list WHERE name = 'vec_distance_cosine';

-- The embedding: a tensor, or the packed weight of that name.
DROP TABLE IF EXISTS temp.near_by_vec_of;
CREATE TEMP TABLE near_by_vec_of AS
  SELECT ifnull(w.ref, t.ref) AS ref, ifnull(w.shape, t.shape) AS shape
  FROM parameters AS p JOIN safetensors_tensors(p.path) AS t ON t.name = p.name
  LEFT JOIN safetensors_weights(p.path) AS w ON w.name = p.name AND w.scheme NOT IN ('none', 'unknown');
INSERT INTO near_by_vec_of
  SELECT w.ref, w.shape FROM parameters AS p JOIN safetensors_weights(p.path) AS w ON w.name = p.name
  WHERE w.ref IS NOT NULL AND NOT EXISTS (SELECT 1 FROM near_by_vec_of);
INSERT INTO needs(named, one) SELECT count(*), count(*) FROM near_by_vec_of;
INSERT INTO needs(rank) SELECT json_array_length(shape) FROM near_by_vec_of;
INSERT INTO needs(token)
  SELECT p.token BETWEEN -(o.shape ->> '$[0]') AND (o.shape ->> '$[0]') - 1 FROM parameters AS p, near_by_vec_of AS o;

ALTER TABLE near_by_vec_of ADD COLUMN norm;
ALTER TABLE near_by_vec_of ADD COLUMN bad;
UPDATE near_by_vec_of SET (norm, bad) = (
  SELECT s.l2, s.n_nan + s.n_inf FROM parameters AS p, tensor_stats(tensor_data(near_by_vec_of.ref, p.token), tensor_dtype(near_by_vec_of.ref)) AS s);
DROP TABLE IF EXISTS temp.near_by_vec_rows;
CREATE TEMP TABLE near_by_vec_rows AS
  WITH wanted AS MATERIALIZED (
    SELECT ref, token, tensor_cast(tensor_data(ref, token), tensor_dtype(ref), 'F32') AS vector, shape ->> '$[0]' AS rows
    FROM near_by_vec_of, parameters WHERE norm > 0 AND bad = 0
  )
  SELECT token, iif(abs(cosine) <= 2, cosine, NULL) AS cosine, cosine IS NULL OR abs(cosine) > 2 AS not_finite
  FROM (SELECT r.i AS token, 1 - vec_distance_cosine(tensor_cast(r.ref, 'F32'), w.vector) AS cosine
        FROM wanted AS w, tensor_rows(w.ref) AS r WHERE r.i <> (w.rows + w.token) % w.rows)
  ORDER BY 2 DESC, token;
DROP TABLE IF EXISTS temp.near_by_vec;
CREATE TEMP TABLE near_by_vec AS SELECT token, cosine FROM near_by_vec_rows ORDER BY rowid;

CREATE TEMP VIEW IF NOT EXISTS as_text AS SELECT 1 FROM parameters WHERE format = 'text';
.mode list
.headers off
SELECT safetensors_print(format, 'near_by_vec') FROM parameters WHERE format <> 'text';

SELECT printf('error: row %d %s: no row is near to it.', iif(p.token < 0, o.shape ->> '$[0]', 0) + p.token,
              iif(o.bad > 0, 'has NaN or infinities', 'has no direction, as all its elements are 0'))
FROM as_text, parameters AS p, near_by_vec_of AS o WHERE o.bad > 0 OR o.norm = 0;
SELECT printf('Of %,d other rows, %,d %s NaN or infinities and %s left out.', (SELECT count(*) FROM near_by_vec), n, iif(n = 1, 'has', 'have'), iif(n = 1, 'is', 'are'))
FROM as_text, (SELECT total(not_finite) AS n FROM near_by_vec_rows) WHERE n > 0;
SELECT printf('The rows that are nearest to row %d, of %,d others, by cosine:',
              iif(p.token < 0, o.shape ->> '$[0]', 0) + p.token, (SELECT count(*) FROM near_by_vec))
FROM as_text, parameters AS p, near_by_vec_of AS o WHERE EXISTS (SELECT 1 FROM near_by_vec WHERE cosine IS NOT NULL);
.mode column
.headers on

SELECT printf('%9d', token) AS "    token", printf('%.6f', cosine) AS cosine
FROM as_text, near_by_vec AS n WHERE n.cosine IS NOT NULL ORDER BY n.rowid LIMIT 10;
.mode list
.headers off
SELECT 'None: every other row is all zero, or has NaN or infinities.' FROM as_text
WHERE NOT EXISTS (SELECT 1 FROM near_by_vec WHERE cosine IS NOT NULL) AND (SELECT norm > 0 AND norm < 1e999 AND bad = 0 FROM near_by_vec_of);

DROP TABLE IF EXISTS temp.verdict;
CREATE TEMP TABLE verdict(norm, bad);
CREATE TEMP TRIGGER verdict_is_bad BEFORE INSERT ON verdict WHEN new.bad > 0 BEGIN
  SELECT RAISE(ABORT, 'row :token has NaN or infinities');
END;
CREATE TEMP TRIGGER verdict_is_no BEFORE INSERT ON verdict WHEN new.norm = 0 BEGIN
  SELECT RAISE(ABORT, 'row :token has no direction: all its elements are 0');
END;
INSERT INTO verdict SELECT norm, bad FROM near_by_vec_of;
.mode column
.headers on
