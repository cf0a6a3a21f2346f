-- Which rows of an embedding are nearest to one of them? Cosine similarity in plain SQL.
--
--   sqlite3 -cmd ".load build/safetensors" -cmd ".param set :path model.safetensors" \
--           -cmd ".param set :name model.embed_tokens.weight" -cmd ".param set :token 42" \
--           < sql/neighbours.sql
--
-- One pass over the embedding for each run; neighbours_vec.sql does it faster with sqlite-vec.

.mode column
.headers on

WITH wanted AS MATERIALIZED (
  SELECT idx, value FROM tensor_elements(tensor_ref(:path, :name, :token))
),
scored AS (
  SELECT r.i AS token,
         (SELECT sum(e.value * w.value) / sqrt(sum(e.value * e.value) * sum(w.value * w.value))
          FROM tensor_elements(r.ref) AS e JOIN wanted AS w ON w.idx = e.idx) AS cosine
  FROM tensor_rows(tensor_ref(:path, :name)) AS r
)
SELECT token, printf('%.6f', cosine) AS cosine FROM scored
WHERE token <> CAST(:token AS INTEGER) AND scored.cosine IS NOT NULL
ORDER BY scored.cosine DESC, token LIMIT 10;
.mode list
.headers off
SELECT 'None: :path, :name and :token must name a row that is not all zeros.'
WHERE NOT EXISTS (SELECT 1 FROM tensor_elements(tensor_ref(:path, :name, :token)) WHERE value <> 0);
