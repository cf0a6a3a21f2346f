-- Which rows of an embedding are nearest to one of them? With sqlite-vec (its loadable extension
-- vec0, from npm's sqlite-vec-linux-x64 or its releases), which takes F32 blobs as vectors.
--
--   sqlite3 -cmd ".load build/safetensors" -cmd ".load ./vec0" \
--           -cmd ".param set :path model.safetensors" \
--           -cmd ".param set :name model.embed_tokens.weight" -cmd ".param set :token 42" \
--           < sql/neighbours_vec.sql
--
-- tensor_cast makes F32 of whatever the embedding is stored in; F32 itself is not copied.

.mode column
.headers on

WITH wanted AS MATERIALIZED (
  SELECT tensor_cast(tensor_ref(:path, :name, :token), 'F32') AS vector
)
SELECT r.i AS token,
       printf('%.6f', 1 - vec_distance_cosine(tensor_cast(r.ref, 'F32'), w.vector)) AS cosine
FROM wanted AS w, tensor_rows(tensor_ref(:path, :name)) AS r
WHERE r.i <> CAST(:token AS INTEGER)
ORDER BY vec_distance_cosine(tensor_cast(r.ref, 'F32'), w.vector), r.i LIMIT 10;
