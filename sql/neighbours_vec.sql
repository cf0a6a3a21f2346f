-- Which rows of an embedding are nearest, by sqlite-vec?
--
-- The same question as that of neighbours.sql, with sqlite-vec: its loadable extension vec0, from npm's
-- sqlite-vec-linux-x64 or its releases, which takes F32 blobs as vectors. tensor_cast converts any dtype of the
-- embedding to F32, and does not copy F32 itself.
--
-- @param path path required   the checkpoint
-- @param name text required   the embedding's name
-- @param token integer required   the row; -1 is the last one
-- @param vec0 path            sqlite-vec's extension, to be loaded; without it, it must be loaded already
-- @table neighbours(token, cosine)   every other row, the nearest first
-- @example safetensors-sql neighbours-vec model.safetensors model.embed_tokens.weight 42 --vec0 ./vec0

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL),
  name TEXT CONSTRAINT ":name is set" CHECK (name IS NOT NULL),
  token INTEGER CONSTRAINT ":token is set" CHECK (token IS NOT NULL)
    CONSTRAINT ":token is a whole number" CHECK (typeof(token) = 'integer'),
  vec0 TEXT
);
INSERT INTO parameters VALUES (:path, :name, :token, :vec0);

DROP TABLE IF EXISTS temp.needs;
CREATE TEMP TABLE needs(
  functions CONSTRAINT "sqlite-vec is loaded, or :vec0 names its extension" CHECK (functions > 0),
  named CONSTRAINT ":name is the name of a tensor that can be read" CHECK (named > 0)
);
INSERT INTO needs(functions) SELECT 1 WHERE iif(:vec0 IS NULL, 1, load_extension(:vec0) IS NULL);
INSERT INTO needs(functions) SELECT count(*) FROM pragma_function_list WHERE name = 'vec_distance_cosine';
INSERT INTO needs(named) SELECT count(*) FROM parameters AS p, safetensors_tensors(p.path) AS t WHERE t.name = p.name;

DROP TABLE IF EXISTS temp.neighbours;
CREATE TEMP TABLE neighbours AS
  WITH wanted AS MATERIALIZED (
    SELECT ref, token, tensor_cast(tensor_ref(path, name, token), 'F32') AS vector,
           json_extract(tensor_shape(ref), '$[0]') AS rows
    FROM (SELECT path, name, tensor_ref(path, name) AS ref, token FROM parameters)
  )
  SELECT r.i AS token, 1 - vec_distance_cosine(tensor_cast(r.ref, 'F32'), w.vector) AS cosine
  FROM wanted AS w, tensor_rows(w.ref) AS r WHERE r.i <> (w.rows + w.token) % w.rows ORDER BY cosine DESC, r.i;

.mode column
.headers on

SELECT token, printf('%.6f', cosine) AS cosine FROM neighbours AS n
WHERE n.cosine IS NOT NULL ORDER BY n.rowid LIMIT 10;
