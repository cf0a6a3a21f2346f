-- What is this model made of, for a bill of materials?
--
-- Writes a CycloneDX 1.6 document (ECMA-424) in JSON: the model as a component of the type machine-learning-model, with
-- the digest of its content, and a component of the type data or file for each of its files, with SHA-256. Licence,
-- architecture and base model come from what lies beside the weights: config.json and the head of README.md. All bytes
-- of the files are read.
--
-- @param path path required   the checkpoint: a directory, a file, an index, a pattern or hf://NAME
-- @param out path             the file to write; without it, the document is printed
-- @param title text           the name of the model; by default that of the directory or file
-- @param version text         its version
-- @param replace flag         replace a file that is there
-- @param format enum text|json|csv   how to print the table; text: the document itself, if it is not written
-- @table sbom(document)       the document, in one row
-- @writes out
-- @example safetensors-sql sbom model_directory --out model.cdx.json

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL),
  out TEXT CONSTRAINT ":out is on this machine, as nothing is written to addresses" CHECK (out NOT LIKE '%://%'),
  title TEXT, version TEXT, "replace" INTEGER,
  format TEXT CONSTRAINT ":format is text, json or csv" CHECK (format IN ('text', 'json', 'csv')),
  there INTEGER CONSTRAINT ":out is not there, or :replace is set" CHECK (there IS NULL OR "replace")
);
INSERT INTO parameters
SELECT :path, :out, :title, :version, ifnull(:replace, 0), ifnull(:format, 'text'), length(readfile(:out))
WHERE safetensors_parameters(':path', ':out', ':title', ':version', ':replace', ':format');

DROP TABLE IF EXISTS temp.sbom_files;
CREATE TEMP TABLE sbom_files AS
  WITH files AS (SELECT file, max(iif(claim = 'hub list' AND algorithm = 'sha256' AND file LIKE '%://%', expected, NULL)) AS published
                 FROM safetensors_verify(:path) WHERE ifnull(file <> :out, 1) GROUP BY file),
       directory AS (
         SELECT iif(d <> '' AND NOT EXISTS (SELECT 1 FROM files WHERE substr(file, 1, length(d)) <> d), d, '') AS d
         FROM (SELECT iif(EXISTS (SELECT 1 FROM files WHERE substr(file, 1, length(:path) + 1) = rtrim(:path, '/') || '/'),
                          rtrim(:path, '/') || '/', rtrim(min(file), replace(min(file), '/', ''))) AS d FROM files))
  SELECT f.file AS path, substr(f.file, 1 + length(d)) AS file, iif(is_index, 'index', s.status) AS status,
         iif(is_index, length(readfile(f.file)), s.size) AS size,
         iif(s.status = 'missing', NULL, ifnull(f.published, safetensors_digest(f.file, 'sha256'))) AS sha256
  FROM (SELECT *, file LIKE '%.safetensors.index.json' AS is_index FROM files) AS f, directory
  LEFT JOIN safetensors_files(iif(is_index, NULL, f.file)) AS s;

DROP TABLE IF EXISTS temp.needs;
CREATE TEMP TABLE needs(files CONSTRAINT ":path has files" CHECK (files > 0));
INSERT INTO needs SELECT count(*) FROM sbom_files;

-- What is said about the model beside its weights. The head of README.md is YAML; its plain lines are enough.
DROP TABLE IF EXISTS temp.sbom_notes;
CREATE TEMP TABLE sbom_notes AS
  WITH text(config, readme) AS (
    SELECT (SELECT iif(path LIKE '%://%', (SELECT m.config FROM safetensors_models(:path) AS m LIMIT 1), CAST(readfile(path) AS TEXT))
            FROM sbom_files WHERE file = 'config.json' AND size < 16777216),
           (SELECT char(10) || replace(substr(CAST(readfile(path) AS TEXT), 1, 4096), char(13), '') FROM sbom_files
            WHERE file = 'README.md' AND size < 16777216))
  SELECT iif(json_valid(config), coalesce(config ->> '$.architectures[0]', config ->> '$.model_type', config ->> '$._class_name'), NULL) AS architecture,
         nullif(trim(substr(readme, instr(readme, char(10) || 'license: ') + 10,
                     instr(substr(readme, instr(readme, char(10) || 'license: ') + 10) || char(10), char(10)) - 1), ' "'''), '') AS licence,
         nullif(trim(substr(readme, instr(readme, char(10) || 'base_model: ') + 13,
                     instr(substr(readme, instr(readme, char(10) || 'base_model: ') + 13) || char(10), char(10)) - 1), ' "'''), '') AS base,
         instr(readme, char(10) || 'license: ') > 0 AND substr(readme, 2, 3) = '---' AS has_licence,
         instr(readme, char(10) || 'base_model: ') > 0 AND substr(readme, 2, 3) = '---' AS has_base
  FROM text;

DROP TABLE IF EXISTS temp.sbom_model;
CREATE TEMP TABLE sbom_model AS
  SELECT coalesce(p.title, nullif(rtrim(replace(r, rtrim(r, replace(r, '/', '')), ''), '/'), ''), 'model') AS name,
         safetensors_digest(p.path, 'content') AS content, t.tensors, t.numel, t.dtypes
  FROM parameters AS p, (SELECT rtrim(:path, '/') AS r),
    (SELECT count(*) AS tensors, total(numel) AS numel, group_concat(DISTINCT dtype) AS dtypes FROM safetensors_tensors(:path)) AS t;

DROP TABLE IF EXISTS temp.sbom;
CREATE TEMP TABLE sbom AS
  WITH model(component) AS (
    SELECT json_patch(json_object(
             'type', 'machine-learning-model', 'bom-ref', 'model', 'name', m.name,
             'hashes', json_array(json_object('alg', 'SHA-256', 'content', m.content)),
             'properties', json_array(
               json_object('name', 'safetensors:digest', 'value', 'content'),
               json_object('name', 'safetensors:tensors', 'value', CAST(m.tensors AS TEXT)),
               json_object('name', 'safetensors:elements', 'value', printf('%.0f', m.numel)),
               json_object('name', 'safetensors:dtypes', 'value', ifnull(m.dtypes, '')))),
           json_patch(iif(p.version IS NULL, '{}', json_object('version', p.version)),
             json_patch(iif(n.has_licence AND n.licence IS NOT NULL, json_object('licenses', json_array(json_object('license', json_object('name', n.licence)))), '{}'),
               json_patch(iif(n.architecture IS NULL, '{}', json_object('modelCard', json_object('modelParameters',
                 json_object('modelArchitecture', n.architecture)))),
                 iif(n.has_base AND n.base IS NOT NULL, json_object('pedigree', json_object('ancestors', json_array(
                   json_object('type', 'machine-learning-model', 'name', n.base)))), '{}')))))
    FROM parameters AS p, sbom_model AS m, sbom_notes AS n)
  SELECT json_object(
           '$schema', 'http://cyclonedx.org/schema/bom-1.6.schema.json', 'bomFormat', 'CycloneDX', 'specVersion', '1.6',
           'serialNumber', 'urn:uuid:' || substr(u, 1, 8) || '-' || substr(u, 9, 4) || '-4' || substr(u, 14, 3) || '-a' || substr(u, 18, 3)
                           || '-' || substr(u, 21, 12),
           'version', 1,
           'metadata', json_object('timestamp', strftime('%Y-%m-%dT%H:%M:%SZ', 'now'), 'component', json(component)),
           'components', (
             SELECT json_group_array(json_object(
               'type', iif(status = 'ok', 'data', 'file'), 'bom-ref', 'file:' || file, 'name', file,
               'hashes', json_array(json_object('alg', 'SHA-256', 'content', sha256)),
               'properties', json_array(json_object('name', 'size', 'value', CAST(size AS TEXT)))))
             FROM sbom_files WHERE sha256 IS NOT NULL),
           'dependencies', json_array(json_object('ref', 'model', 'dependsOn', (
             SELECT json_group_array('file:' || file) FROM sbom_files WHERE sha256 IS NOT NULL)))) AS document
  FROM model, (SELECT lower(hex(randomblob(16))) AS u);

-- What could control a terminal is escaped; it stands nowhere but in strings.
UPDATE sbom SET document = (
  WITH RECURSIVE hidden(n, code) AS (
    SELECT row_number() OVER () - 1, value
    FROM (SELECT value FROM json_each('[173,1564,6158,8203,8204,8205,8206,8207,8232,8233,8234,8235,8236,8237,8238,8294,8295,8296,8297,65279]')
          UNION ALL SELECT * FROM (WITH RECURSIVE c(i) AS (VALUES (127) UNION ALL SELECT i + 1 FROM c WHERE i < 159) SELECT i FROM c))),
  safe(n, text) AS (
    SELECT 0, document UNION ALL SELECT s.n + 1, replace(s.text, char(h.code), printf('\u%04x', h.code)) FROM safe AS s JOIN hidden AS h ON h.n = s.n)
  SELECT text FROM safe ORDER BY n DESC LIMIT 1);

DROP TABLE IF EXISTS temp.sbom_made;
CREATE TEMP TABLE sbom_made AS SELECT writefile(p.out, s.document || char(10)) AS size FROM parameters AS p, sbom AS s WHERE p.out IS NOT NULL;

CREATE TEMP VIEW IF NOT EXISTS as_text AS SELECT 1 FROM parameters WHERE format = 'text';
.mode list
.headers off
SELECT safetensors_print(format, 'sbom') FROM parameters WHERE format <> 'text';

SELECT document FROM as_text, sbom WHERE (SELECT out IS NULL FROM parameters);
SELECT printf('%s: %,d %s, %s, in %s.', safetensors_label(m.name), f.n, iif(f.n = 1, 'file', 'files'), safetensors_pretty(f.bytes, 'B'),
              safetensors_label(p.out))
FROM as_text, parameters AS p, sbom_model AS m, (SELECT count(*) AS n, total(size) AS bytes FROM sbom_files WHERE sha256 IS NOT NULL) AS f
WHERE p.out IS NOT NULL;
SELECT 'warning: ' || safetensors_label(file) || ' is missing.' FROM as_text, parameters AS p, sbom_files WHERE sha256 IS NULL AND p.out IS NOT NULL;
