-- Which rows of an embedding are nearest to one of them?
--
-- By cosine similarity, in plain SQL. Each run makes one pass over the embedding. Rows that are all zero have no
-- direction and are never neighbours. Elements that are NaN are ignored.
--
-- @alias near
-- @param path path required   the checkpoint
-- @param name text required   the embedding's name
-- @param token integer required   the row; -1 is the last one
-- @table neighbours(token, cosine)   every other row, the nearest first
-- @example safetensors-sql neighbours model.safetensors model.embed_tokens.weight 42

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL),
  name TEXT CONSTRAINT ":name is set" CHECK (name IS NOT NULL),
  token INTEGER CONSTRAINT ":token is set" CHECK (token IS NOT NULL)
    CONSTRAINT ":token is a whole number" CHECK (typeof(token) = 'integer')
);
INSERT INTO parameters VALUES (:path, :name, :token);
DROP TABLE IF EXISTS temp.needs;
CREATE TEMP TABLE needs(named CONSTRAINT ":name is the name of a tensor that can be read" CHECK (named > 0));
INSERT INTO needs SELECT count(*) FROM parameters AS p, safetensors_tensors(p.path) AS t WHERE t.name = p.name;

-- The row itself is read once; every other row is passed as bytes, without a copy.
DROP TABLE IF EXISTS temp.neighbours;
CREATE TEMP TABLE neighbours AS
  WITH wanted AS MATERIALIZED (
    SELECT ref, token, tensor_data(ref, token) AS data, tensor_dtype(ref) AS dtype,
           json_extract(tensor_shape(ref), '$[0]') AS rows
    FROM (SELECT tensor_ref(path, name) AS ref, token FROM parameters)
  )
  SELECT r.i AS token, tensor_cosine(r.data, w.dtype, w.data, w.dtype) AS cosine
  FROM wanted AS w, tensor_rows(w.ref) AS r
  WHERE length(w.data) > 0 AND r.i <> (w.rows + w.token) % w.rows ORDER BY cosine DESC, r.i;

.mode column
.headers on

SELECT token, printf('%.6f', cosine) AS cosine FROM neighbours AS n
WHERE n.cosine IS NOT NULL ORDER BY n.rowid LIMIT 10;
.mode list
.headers off
SELECT 'None: all elements of this row, or of every other, are 0.'
WHERE NOT EXISTS (SELECT 1 FROM neighbours WHERE cosine IS NOT NULL);
.mode column
.headers on
