-- Which models, and which tensors, are there more than once?
--
-- Compares whole models first: those with the same tensors, names and bytes are copies, whatever their files are
-- called, how they are sharded and what their metadata say. Then it looks for equal tensors in what remains, within a
-- model (tied weights) and across models. Only tensors that have the same size as another one are read, once each.
--
-- Of the copies of a model the first by name is kept; what the files of the others take can be freed. Links to one file
-- free nothing.
--
-- @alias dups
-- @param path path required   a folder (to any depth), a pattern, or one checkpoint
-- @param format enum text|json|csv  how to print the tables
-- @table duplicate_models(set_number, model, size, frees, keep, kind, files)   one row per model that has copies: the
--    one to keep, and what each of the others frees
-- @table duplicates(set_number, copies, nbytes, wasted, models, all_zero, hash)   one row per set of equal tensors in
--    what remains
-- @table duplicate_tensors(set_number, name, dtype, shape, nbytes, model, file)   the tensors of these sets
-- @table duplicates_unread(model, status, error)   what cannot be read
-- @status 1                   when a model cannot be read
-- @example safetensors-sql duplicates adapters

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL),
  format TEXT CONSTRAINT ":format is text, json or csv" CHECK (format IN ('text', 'json', 'csv'))
);
INSERT INTO parameters SELECT :path, ifnull(:format, 'text') WHERE safetensors_parameters(':path', ':format');

DROP TABLE IF EXISTS temp.duplicate_found;
CREATE TEMP TABLE duplicate_found AS
  SELECT row_number() OVER (ORDER BY m.rowid) AS n, m.model, m.kind, m.files, m.status, m.error, m.tensors, m.nbytes
  FROM safetensors_models(:path) AS m;
DROP TABLE IF EXISTS temp.duplicates_unread;
CREATE TEMP TABLE duplicates_unread AS SELECT model, status, error FROM duplicate_found WHERE status IN ('missing', 'invalid');
-- If there is no model, or a single one that cannot be read, this raises the error and ends the script.
INSERT INTO parameters(path)
SELECT t.name FROM (SELECT count(*) = 0 OR (count(*) = 1 AND count(error) = 1) AS none FROM duplicate_found),
  safetensors_tensors(iif(none, :path, NULL)) AS t;

DROP TABLE IF EXISTS temp.verdict;
CREATE TEMP TABLE verdict(tensors DEFAULT 1, unread DEFAULT 0);
CREATE TEMP TRIGGER verdict_is_no BEFORE INSERT ON verdict BEGIN
  SELECT RAISE(ABORT, 'there are no tensors') WHERE new.tensors = 0;
  SELECT RAISE(ABORT, 'a model cannot be read') WHERE new.unread > 0;
END;
INSERT INTO verdict(tensors) SELECT total(tensors) + count(error) FROM duplicate_found;

-- The files of each model. A model whose every file is one of another has the same places.
DROP TABLE IF EXISTS temp.duplicate_files;
CREATE TEMP TABLE duplicate_files AS
  SELECT m.n, f.file, f.size, f.device || ':' || f.inode AS place
  FROM duplicate_found AS m, safetensors_files(m.model) AS f WHERE m.status IN ('ok', 'empty');
CREATE INDEX temp.duplicate_files_by_file ON duplicate_files(file);

-- What has the size of another tensor is read, once for each place on the disk.
DROP TABLE IF EXISTS temp.duplicate_listed;
CREATE TEMP TABLE duplicate_listed AS
  SELECT m.n, t.name, t.dtype, t.shape, t.nbytes, t.file, t.ref, f.place || ':' || t.offset AS place
  FROM duplicate_found AS m, safetensors_tensors(m.model) AS t
  JOIN duplicate_files AS f ON f.file = t.file AND f.n = m.n WHERE m.status IN ('ok', 'empty');
CREATE INDEX temp.duplicate_listed_by_place ON duplicate_listed(place);
DROP TABLE IF EXISTS temp.duplicate_hashes;
CREATE TEMP TABLE duplicate_hashes(place TEXT, nbytes INTEGER, hash TEXT, PRIMARY KEY (place, nbytes)) WITHOUT ROWID;
INSERT INTO duplicate_hashes
  SELECT place, nbytes, iif(nbytes = 0, '', tensor_hash(ref))
  FROM (SELECT place, nbytes, min(ref) AS ref
        FROM duplicate_listed WHERE nbytes IN (SELECT nbytes FROM duplicate_listed GROUP BY nbytes HAVING count(*) > 1) GROUP BY place, nbytes);

-- Equal models have equal lists of names, dtypes, shapes and hashes; one with a tensor of a size of its own has no copy.
DROP TABLE IF EXISTS temp.duplicate_contents;
CREATE TEMP TABLE duplicate_contents(n INTEGER PRIMARY KEY, content TEXT, first INTEGER);
INSERT INTO duplicate_contents(n, content)
  SELECT n, tensor_sha256(CAST(group_concat(line, char(10)) AS BLOB), 'U8')
  FROM (SELECT l.n, json_array(l.name, l.dtype, l.shape, h.hash) AS line, h.hash
        FROM duplicate_listed AS l LEFT JOIN duplicate_hashes AS h ON h.place = l.place AND h.nbytes = l.nbytes ORDER BY l.n, l.name, l.file)
  GROUP BY n HAVING count(*) = count(hash);
CREATE INDEX temp.duplicate_contents_by_content ON duplicate_contents(content);
UPDATE duplicate_contents SET first = (SELECT min(c.n) FROM duplicate_contents AS c WHERE c.content = duplicate_contents.content);

DROP TABLE IF EXISTS temp.duplicate_models;
CREATE TEMP TABLE duplicate_models AS
  SELECT dense_rank() OVER (ORDER BY total DESC, first) AS set_number, model, size, frees, n = first AS keep, kind, files
  FROM (SELECT s.*, sum(frees) OVER (PARTITION BY first) AS total
        FROM (SELECT c.n, c.first, m.model, m.kind, m.files,
                     (SELECT sum(size) FROM (SELECT DISTINCT f.place, f.size FROM duplicate_files AS f WHERE f.n = c.n)) AS size,
                     iif(c.n = c.first, 0, (SELECT total(size) FROM (
                       SELECT DISTINCT f.place, f.size FROM duplicate_files AS f WHERE f.n = c.n
                         AND NOT EXISTS (SELECT 1 FROM duplicate_files AS o WHERE o.place = f.place AND o.n < f.n)))) AS frees
              FROM duplicate_contents AS c JOIN duplicate_found AS m USING (n)
              WHERE c.first IN (SELECT first FROM duplicate_contents GROUP BY first HAVING count(*) > 1)) AS s)
  ORDER BY set_number, n;
UPDATE duplicate_models SET frees = CAST(frees AS INTEGER);

-- Equal tensors in what remains.
DROP TABLE IF EXISTS temp.duplicates;
CREATE TEMP TABLE duplicates AS
  SELECT row_number() OVER (ORDER BY nbytes * (places - 1) DESC, copies DESC, first) AS set_number, copies, nbytes, nbytes * (places - 1) AS wasted, models,
         iif(nbytes <= 100000000, hash = tensor_hash(zeroblob(nbytes), 'U8'), NULL) AS all_zero, hash
  FROM (SELECT count(*) AS copies, l.nbytes, count(DISTINCT l.n) AS models, h.hash, count(DISTINCT l.place) AS places, min(l.rowid) AS first
        FROM duplicate_listed AS l JOIN duplicate_hashes AS h USING (place, nbytes)
        WHERE l.nbytes > 0 AND l.n NOT IN (SELECT n FROM duplicate_contents WHERE n <> first)
        GROUP BY h.hash, l.nbytes HAVING count(*) > 1);
DROP TABLE IF EXISTS temp.duplicate_tensors;
CREATE TEMP TABLE duplicate_tensors AS
  SELECT d.set_number, l.name, l.dtype, l.shape, l.nbytes, m.model, l.file
  FROM duplicates AS d JOIN duplicate_hashes AS h ON h.hash = d.hash AND h.nbytes = d.nbytes
  JOIN duplicate_listed AS l ON l.place = h.place AND l.nbytes = h.nbytes JOIN duplicate_found AS m ON m.n = l.n
  WHERE l.n NOT IN (SELECT n FROM duplicate_contents WHERE n <> first) ORDER BY d.set_number, l.rowid;

CREATE TEMP VIEW IF NOT EXISTS as_text AS SELECT 1 FROM parameters WHERE format = 'text';
.mode list
.headers off
SELECT safetensors_print(format, 'duplicate_models', 'duplicates', 'duplicate_tensors', 'duplicates_unread') FROM parameters WHERE format <> 'text';

DROP TABLE IF EXISTS temp.duplicate_common;
CREATE TEMP TABLE duplicate_common AS
  SELECT safetensors_common(rtrim(model, replace(model, '/', ''))) AS common, count(*) AS n FROM duplicate_found;

SELECT CASE WHEN copies > 0
            THEN printf('%,d of %,d models %s of another: %s can be freed.', copies, n, iif(copies = 1, 'is a copy', 'are copies'), safetensors_pretty(frees, 'B'))
            WHEN n > 1 THEN printf('No two of %,d models have the same content.', n) ELSE '' END || iif(n > 1, ' ', '') ||
       CASE WHEN sets = 0 THEN iif(copies > 0, 'In the others no two tensors have the same bytes.', 'No two tensors have the same bytes.')
            ELSE printf('%s%,d tensors are in %,d set%s of equal ones, which hold %s more than once.', iif(copies > 0, 'In what remains ', ''),
                        tensors, sets, iif(sets = 1, '', 's'), safetensors_pretty(wasted, 'B')) END ||
       iif(unread > 0, printf(' %,d model%s cannot be read.', unread, iif(unread = 1, '', 's')), '')
FROM (SELECT count(*) - total(keep) AS copies, total(frees) AS frees FROM duplicate_models),
  (SELECT count(*) AS sets, total(copies) AS tensors, total(wasted) AS wasted FROM duplicates),
  (SELECT count(*) AS unread FROM duplicates_unread), duplicate_common, as_text;

SELECT char(10) || '== Cannot be read' FROM as_text WHERE EXISTS (SELECT 1 FROM duplicates_unread);
SELECT safetensors_label(substr(error, 14)) FROM duplicates_unread AS u, as_text ORDER BY u.rowid LIMIT 20;
SELECT printf('and %,d more', count(*) - 20) FROM duplicates_unread, as_text HAVING count(*) > 20;

SELECT char(10) || '== Models with the same content' FROM as_text WHERE EXISTS (SELECT 1 FROM duplicate_models);
.mode column --wrap 0
.headers on
SELECT m.set_number AS "set", CASE WHEN m.keep THEN 'keep' WHEN m.frees = 0 THEN 'link' ELSE 'copy' END AS what, m.kind,
       printf('%8s', safetensors_pretty(m.size, 'B')) AS "   bytes", iif(m.keep, '', printf('%8s', safetensors_pretty(m.frees, 'B'))) AS "   frees",
       safetensors_label(m.model, common) AS model
FROM duplicate_models AS m, duplicate_common, as_text ORDER BY m.rowid LIMIT 40;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 40) FROM duplicate_models, as_text HAVING count(*) > 40;

SELECT char(10) || '== Sets of equal tensors' FROM as_text WHERE EXISTS (SELECT 1 FROM duplicates);
.mode column --wrap 0
.headers on
SELECT d.set_number AS "set", printf('%6d', d.copies) AS copies, printf('%8s', safetensors_pretty(d.nbytes, 'B')) AS "    each",
       printf('%8s', safetensors_pretty(d.wasted, 'B')) AS "  wasted", printf('%6d', d.models) AS models, iif(d.all_zero, 'all zero', '') AS note
FROM duplicates AS d, as_text ORDER BY d.set_number LIMIT 20;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 20) FROM duplicates, as_text HAVING count(*) > 20;

SELECT char(10) || '== Their tensors' FROM as_text WHERE EXISTS (SELECT 1 FROM duplicates);
.mode column --wrap 0
.headers on
SELECT t.set_number AS "set", t.dtype, safetensors_label(iif(length(t.shape) > 20, substr(t.shape, 1, 17) || '...', t.shape)) AS shape,
       iif(n > 1, safetensors_label(t.model, common) || '#', '') || safetensors_label(t.name) AS tensor
FROM (SELECT *, row_number() OVER (PARTITION BY set_number ORDER BY rowid) AS i FROM duplicate_tensors) AS t, duplicate_common, as_text
WHERE t.set_number <= 20 AND t.i <= 5 ORDER BY t.set_number, t.i;
.mode list
.headers off
SELECT printf('and %,d more in sets of more than 5', sum(copies - 5)) FROM duplicates, as_text WHERE set_number <= 20 AND copies > 5 HAVING count(*) > 0;

INSERT INTO verdict(unread) SELECT count(*) FROM duplicates_unread;
.mode column
.headers on
