-- Is this checkpoint intact?
--
-- Says how many findings there are of each kind, and what the first of them are, the errors first, and fails if there
-- is an error: the exit status is for CI. Warnings are about what loads but should still be changed. The script reads
-- only headers and indexes. A directory is searched to any depth, and each model in it is checked by itself. Where
-- nothing could be read, because the path is wrong or may not be read, it fails with that error instead of a verdict.
-- ext/docs/reference.md explains the codes.
--
-- @param path path required   the checkpoint: a file, an index, a directory or a pattern
-- @param format enum text|json|csv|junit|sarif   how to print the tables
-- @table findings(severity, code, file, tensor, offset, message)   one row per finding, the errors first
-- @table checked(rule, level, file, tensor, message)   the same as junit and sarif print it, and a row that is ok for
--    each model without a finding
-- @table checked_models(model, kind, errors, warnings)   one row per model
-- @status 1                   when there is an error
-- @example safetensors-sql check model.safetensors

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL),
  format TEXT CONSTRAINT ":format is text, json, csv, junit or sarif"
    CHECK (format IN ('text', 'json', 'csv', 'junit', 'sarif'))
);
INSERT INTO parameters SELECT :path, ifnull(:format, 'text') WHERE safetensors_parameters(':path', ':format');

DROP TABLE IF EXISTS temp.check_models;
CREATE TEMP TABLE check_models AS
  SELECT m.model, m.kind, m.files FROM parameters AS p, safetensors_models(p.path) AS m;
DROP TABLE IF EXISTS temp.check_findings;
CREATE TEMP TABLE check_findings AS
  SELECT m.model, c.severity, c.code, c.file, c.tensor, c.offset, c.message
  FROM check_models AS m, safetensors_check(m.model) AS c ORDER BY c.severity, m.rowid, c.rowid;
-- If there is no model, or a single one that cannot be looked at, this raises the error and ends the script.
INSERT INTO check_models(model)
SELECT t.name
FROM parameters AS p, (SELECT max(code) AS code FROM check_findings HAVING count(*) = 1) AS f,
  safetensors_tensors(iif(f.code IN ('missing-file', 'unreadable'), p.path, NULL)) AS t
WHERE (SELECT count(*) FROM check_models) = 1;
INSERT INTO check_models(model)
SELECT t.name FROM parameters AS p, safetensors_tensors(iif(EXISTS (SELECT 1 FROM check_models), NULL, p.path)) AS t;

DROP TABLE IF EXISTS temp.findings;
CREATE TEMP TABLE findings AS
  SELECT severity, code, file, tensor, offset, message FROM check_findings AS c ORDER BY c.rowid;
DROP TABLE IF EXISTS temp.checked_models;
CREATE TEMP TABLE checked_models AS
  SELECT m.model, m.kind, total(c.severity = 'error') AS errors, total(c.severity = 'warning') AS warnings
  FROM check_models AS m LEFT JOIN check_findings AS c ON c.model = m.model GROUP BY m.rowid;
UPDATE checked_models SET errors = CAST(errors AS INTEGER), warnings = CAST(warnings AS INTEGER);
DROP TABLE IF EXISTS temp.checked;
CREATE TEMP TABLE checked AS SELECT code AS rule, severity AS level, file, tensor, message FROM findings;
INSERT INTO checked
  SELECT 'intact', 'ok', model, NULL, 'nothing is wrong with it' FROM checked_models WHERE errors + warnings = 0;

CREATE TEMP VIEW IF NOT EXISTS as_text AS SELECT 1 FROM parameters WHERE format = 'text';
.mode list
.headers off
SELECT safetensors_print(format, 'findings', 'checked', 'checked_models') FROM parameters WHERE format IN ('json', 'csv');
SELECT safetensors_print(format, 'checked') FROM parameters WHERE format IN ('junit', 'sarif');

SELECT CASE WHEN models = 1 AND e + w = 0 THEN printf('Intact: 0 errors, 0 warnings in %,d file%s.', files, iif(files = 1, '', 's'))
            WHEN models = 1 THEN printf('%,d error%s, %,d warning%s in %,d file%s.', e, iif(e = 1, '', 's'), w, iif(w = 1, '', 's'),
                                        files, iif(files = 1, '', 's'))
            WHEN e + w = 0 THEN printf('All %,d models in %,d folder%s are intact: 0 errors, 0 warnings in %,d files.', models, folders,
                                              iif(folders = 1, '', 's'), files)
            WHEN e = 0 THEN printf('None of %,d models in %,d folder%s has errors: 0 errors, %,d warning%s in %,d files.', models, folders,
                                   iif(folders = 1, '', 's'), w, iif(w = 1, '', 's'), files)
            ELSE printf('%,d of %,d models in %,d folder%s %s errors: %,d error%s, %,d warning%s in %,d files.', broken, models, folders,
                        iif(folders = 1, '', 's'), iif(broken = 1, 'has', 'have'),
                        e, iif(e = 1, '', 's'), w, iif(w = 1, '', 's'), files) END
FROM as_text, (SELECT count(*) AS models, sum(errors) AS e, sum(warnings) AS w, sum(errors > 0) AS broken FROM checked_models),
  (SELECT sum(files) AS files, count(DISTINCT rtrim(model, replace(model, '/', ''))) AS folders FROM check_models);

SELECT char(10) || 'severity        n  models  code' FROM as_text WHERE EXISTS (SELECT 1 FROM findings);
SELECT printf('%-8s  %,7d  %,6d  %s', severity, count(*), count(DISTINCT model), code)
FROM as_text, check_findings AS c GROUP BY c.severity, c.code ORDER BY c.severity, count(*) DESC, c.code;

-- The first three of each kind.
SELECT '' FROM as_text WHERE EXISTS (SELECT 1 FROM findings);
SELECT severity || ': ' || safetensors_label(ifnull(file, 'BLOB'), common)
       || ifnull(':' || offset, '') || ': ' || ifnull('tensor "' || safetensors_label(tensor) || '": ', '') || safetensors_label(message)
       || ' [' || code || ']' || iif(n = 3 AND of > 3, printf(char(10) || '  and %,d more of %s', of - 3, code), '')
FROM as_text, (SELECT *, row_number() OVER (PARTITION BY c.severity, c.code ORDER BY c.rowid) AS n,
                      count(*) OVER (PARTITION BY c.severity, c.code) AS of, min(c.rowid) OVER (PARTITION BY c.severity, c.code) AS at
               FROM check_findings AS c),
  (SELECT iif(count(DISTINCT file) > 1, safetensors_common(file), '') AS common FROM check_findings)
WHERE n <= 3 ORDER BY severity, at, n;

DROP TABLE IF EXISTS temp.verdict;
CREATE TEMP TABLE verdict(broken, models);
CREATE TEMP TRIGGER verdict_is_no BEFORE INSERT ON verdict WHEN new.broken > 0 BEGIN
  SELECT RAISE(ABORT, 'the checkpoint has errors') WHERE new.models = 1;
  SELECT RAISE(ABORT, 'some of the models have errors');
END;
INSERT INTO verdict SELECT sum(errors > 0), count(*) FROM checked_models;
