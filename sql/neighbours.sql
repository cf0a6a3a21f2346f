-- Which rows of an embedding are nearest to one of them? Cosine similarity in plain SQL.
--
--   sqlite3 -cmd ".load build/safetensors" -cmd ".param set :path model.safetensors" \
--           -cmd ".param set :name model.embed_tokens.weight" -cmd ".param set :token 42" \
--           < sql/neighbours.sql
--
-- One pass over the embedding for each run; neighbours_vec.sql does it faster with sqlite-vec.

.bail on
CREATE TEMP TABLE IF NOT EXISTS needs_path_name_token(value CONSTRAINT ":path, :name and :token are set"
  CHECK (value IS NOT NULL));
INSERT INTO needs_path_name_token VALUES (:path), (:name), (:token);

DROP TABLE IF EXISTS temp.neighbours;
CREATE TEMP TABLE neighbours AS
  WITH wanted AS MATERIALIZED (
    SELECT idx, value FROM tensor_elements(tensor_ref(:path, :name, :token))
  ),
  embedding AS (SELECT json_extract(tensor_shape(tensor_ref(:path, :name)), '$[0]') AS rows)
  SELECT r.i AS token,
         (SELECT sum(e.value * w.value) / sqrt(sum(e.value * e.value) * sum(w.value * w.value))
          FROM tensor_elements(r.ref) AS e JOIN wanted AS w ON w.idx = e.idx) AS cosine
  FROM embedding, tensor_rows(tensor_ref(:path, :name)) AS r
  WHERE EXISTS (SELECT 1 FROM wanted) AND r.i <> (rows + CAST(:token AS INTEGER)) % rows;

.mode column
.headers on

SELECT token, printf('%.6f', cosine) AS cosine FROM neighbours AS n
WHERE n.cosine IS NOT NULL ORDER BY n.cosine DESC, token LIMIT 10;
.mode list
.headers off
SELECT 'None: all elements of this row, or of every other, are 0.'
WHERE NOT EXISTS (SELECT 1 FROM neighbours WHERE cosine IS NOT NULL);
.mode column
.headers on
