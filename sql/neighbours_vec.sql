-- Which rows of an embedding are nearest to one of them? With sqlite-vec (its loadable extension
-- vec0, from npm's sqlite-vec-linux-x64 or its releases), which takes F32 blobs as vectors.
--
--   sqlite3 -cmd ".load build/safetensors" -cmd ".load ./vec0" \
--           -cmd ".param set :path model.safetensors" \
--           -cmd ".param set :name model.embed_tokens.weight" -cmd ".param set :token 42" \
--           < sql/neighbours_vec.sql
--
-- tensor_cast makes F32 of whatever the embedding is stored in; F32 itself is not copied.

.bail on
CREATE TEMP TABLE IF NOT EXISTS needs_path_name_token(value CONSTRAINT ":path, :name and :token are set"
  CHECK (value IS NOT NULL));
INSERT INTO needs_path_name_token VALUES (:path), (:name), (:token);

.mode column
.headers on

WITH wanted AS MATERIALIZED (
  SELECT tensor_cast(tensor_ref(:path, :name, :token), 'F32') AS vector
),
embedding AS (SELECT json_extract(tensor_shape(tensor_ref(:path, :name)), '$[0]') AS rows),
distances AS (
  SELECT r.i AS token, vec_distance_cosine(tensor_cast(r.ref, 'F32'), w.vector) AS distance
  FROM wanted AS w, embedding, tensor_rows(tensor_ref(:path, :name)) AS r
  WHERE r.i <> (rows + CAST(:token AS INTEGER)) % rows
)
SELECT token, printf('%.6f', 1 - distance) AS cosine FROM distances
WHERE distance IS NOT NULL ORDER BY distance, token LIMIT 10;
