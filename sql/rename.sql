-- Renames tensors by a map of names.
--
-- A map is data: a CSV file with the columns from and to, or a JSON file: {"from": "to", ...}, [["from", "to"], ...]
-- or [{"from": ..., "to": ...}, ...]. In both names * stands for any text and # for a whole number, in the same order;
-- the first rule that matches a whole name counts. A third column, pass, makes steps: each pass goes over the names
-- that the one before has made, and a name with no rule in a pass goes through. With --reverse it is read from right to
-- left.
--
--   model.layers.#.attention.wo.*,model.layers.#.self_attn.o_proj.*
--
-- These maps are here (the other direction with --reverse):
--
--   kohya-diffusers   LoRA: lora_unet_..., lora_te_... to unet. and text_encoder.
--   kohya-peft        LoRA of a UNet: lora_unet_... to base_model.model.
--   diffusers-peft    LoRA: unet., transformer. to base_model.model.
--   down-up           LoRA: lora_down and lora_up to lora_A and lora_B
--   sd-unet           UNet of SD 1.x and 2: original to diffusers
--   sdxl-unet         UNet of SDXL: original to diffusers
--   wan, ltx-video    transformers of Wan and LTX-Video: original to diffusers
--   whisper           Whisper: OpenAI's names to those of transformers
--   mlx-vlm           vision models: mlx-vlm, older transformers to newer
--   mamba, bert       original names to those of transformers
--
-- Only names change. Where a conversion also changes values (joined projections, the order of rotary embeddings), no
-- map of names does it. An alpha of an adapter keeps its value and gets a name, which PEFT does not read: lora-convert
-- writes it to where it is read, and knows more modules than these maps.
--
-- Names that no rule matches stay, and are told. If two tensors would have one name, nothing is written.
--
-- @param path path required   the model
-- @param out path required    the file or the index to write, which is replaced if it is there
-- @param map text required    a CSV or JSON file, or one of the maps that are here
-- @param reverse flag         read the map from right to left
-- @param unmatched enum keep|drop|refuse   what becomes of a tensor whose name no rule matches
-- @param limit integer 5000000000   the most bytes of tensors in a shard, for an index
-- @param format enum text|json|csv  how to print the tables
-- @table name_changes(name, new_name, rule, status)   one row per tensor: renamed, same (a rule gives the same name),
--    unmatched, dropped or collision
-- @table name_rules(rule, pass, source, target, tensors)   one row per rule, and how many names it changed
-- @status 1                   when two tensors would have one name, no rule matches any, or --unmatched refuse and one
--    is not matched; then nothing is written
-- @writes out
-- @example safetensors-sql rename model.safetensors renamed.safetensors map.csv
-- @example safetensors-sql rename ldm.safetensors unet.safetensors sd-unet --unmatched drop

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL),
  out TEXT CONSTRAINT ":out is set" CHECK (out IS NOT NULL)
    CONSTRAINT ":out is on this machine, as nothing is written to addresses" CHECK (out NOT LIKE '%://%'),
  map TEXT CONSTRAINT ":map is set" CHECK (map IS NOT NULL),
  reverse INTEGER,
  unmatched TEXT CONSTRAINT ":unmatched is keep, drop or refuse" CHECK (unmatched IN ('keep', 'drop', 'refuse')),
  "limit" INTEGER CONSTRAINT ":limit is a number of bytes" CHECK (typeof("limit") = 'integer')
    CONSTRAINT ":limit is greater than 0" CHECK ("limit" > 0),
  format TEXT CONSTRAINT ":format is text, json or csv" CHECK (format IN ('text', 'json', 'csv'))
);
INSERT INTO parameters
  SELECT :path, :out, :map, ifnull(:reverse, 0), ifnull(:unmatched, 'keep'), ifnull(:limit, 5000000000), ifnull(:format, 'text')
  WHERE safetensors_parameters(':path', ':out', ':map', ':reverse', ':unmatched', ':limit', ':format');

-- The maps that are here.
DROP TABLE IF EXISTS temp.rename_maps;
CREATE TEMP TABLE rename_maps(map, pass, source, target);
INSERT INTO rename_maps VALUES
  ('down-up', 1, '*.lora_down.weight', '*.lora_A.weight'), ('down-up', 1, '*.lora_up.weight', '*.lora_B.weight'),
  ('down-up', 1, '*.lora.down.weight', '*.lora_A.weight'), ('down-up', 1, '*.lora.up.weight', '*.lora_B.weight'), ('down-up', 1, '*.alpha', '*.alpha'),
  ('diffusers-peft', 1, 'unet.*', 'base_model.model.*'), ('diffusers-peft', 1, 'transformer.*', 'base_model.model.*'),
  ('bert', 1, '*.LayerNorm.gamma', '*.LayerNorm.weight'), ('bert', 1, '*.LayerNorm.beta', '*.LayerNorm.bias'), ('bert', 1, '*', '*'),
  ('mamba', 1, 'backbone.embedding.weight', 'backbone.embeddings.weight'), ('mamba', 1, 'backbone.*', 'backbone.*'), ('mamba', 1, 'lm_head.*', 'lm_head.*'),
  ('mlx-vlm', 1, 'language_model.model.*', 'model.language_model.*'), ('mlx-vlm', 1, 'language_model.lm_head.*', 'lm_head.*'),
  ('mlx-vlm', 1, 'vision_tower.*', 'model.vision_tower.*'), ('mlx-vlm', 1, 'multi_modal_projector.*', 'model.multi_modal_projector.*'),
  ('mlx-vlm', 1, 'audio_tower.*', 'model.audio_tower.*'),
  ('ltx-video', 1, 'model.diffusion_model.*', '*'), ('ltx-video', 2, 'patchify_proj.*', 'proj_in.*'), ('ltx-video', 2, 'adaln_single.*', 'time_embed.*'),
  ('ltx-video', 2, 'transformer_blocks.#.*.q_norm.*', 'transformer_blocks.#.*.norm_q.*'), ('ltx-video', 2, 'transformer_blocks.#.*.k_norm.*', 'transformer_blocks.#.*.norm_k.*'),
  ('ltx-video', 2, 'transformer_blocks.*', 'transformer_blocks.*'), ('ltx-video', 2, 'caption_projection.*', 'caption_projection.*'),
  ('ltx-video', 2, 'scale_shift_table', 'scale_shift_table'), ('ltx-video', 2, 'proj_out.*', 'proj_out.*'),
  ('wan', 1, 'head.modulation', 'scale_shift_table'), ('wan', 1, 'head.head.*', 'proj_out.*'), ('wan', 1, 'patch_embedding.*', 'patch_embedding.*'),
  ('wan', 1, 'time_embedding.0.*', 'condition_embedder.time_embedder.linear_1.*'), ('wan', 1, 'time_embedding.2.*', 'condition_embedder.time_embedder.linear_2.*'),
  ('wan', 1, 'text_embedding.0.*', 'condition_embedder.text_embedder.linear_1.*'), ('wan', 1, 'text_embedding.2.*', 'condition_embedder.text_embedder.linear_2.*'),
  ('wan', 1, 'time_projection.1.*', 'condition_embedder.time_proj.*'), ('wan', 1, 'img_emb.proj.0.*', 'condition_embedder.image_embedder.norm1.*'),
  ('wan', 1, 'img_emb.proj.1.*', 'condition_embedder.image_embedder.ff.net.0.proj.*'), ('wan', 1, 'img_emb.proj.3.*', 'condition_embedder.image_embedder.ff.net.2.*'),
  ('wan', 1, 'img_emb.proj.4.*', 'condition_embedder.image_embedder.norm2.*'), ('wan', 1, 'img_emb.emb_pos', 'condition_embedder.image_embedder.pos_embed'),
  ('wan', 1, 'blocks.#.modulation', 'blocks.#.scale_shift_table'), ('wan', 1, 'blocks.#.norm3.*', 'blocks.#.norm2.*'), ('wan', 1, 'blocks.#.norm2.*', 'blocks.#.norm3.*'),
  ('wan', 1, 'blocks.#.norm1.*', 'blocks.#.norm1.*'), ('wan', 1, 'blocks.#.ffn.0.*', 'blocks.#.ffn.net.0.proj.*'), ('wan', 1, 'blocks.#.ffn.2.*', 'blocks.#.ffn.net.2.*'),
  ('wan', 1, 'blocks.#.cross_attn.k_img.*', 'blocks.#.attn2.add_k_proj.*'), ('wan', 1, 'blocks.#.cross_attn.v_img.*', 'blocks.#.attn2.add_v_proj.*'),
  ('wan', 1, 'blocks.#.cross_attn.norm_k_img.*', 'blocks.#.attn2.norm_added_k.*'),
  ('whisper', 1, '*coder.blocks.#.*', 'model.*coder.layers.#.*'), ('whisper', 1, 'encoder.ln_post.*', 'model.encoder.layer_norm.*'),
  ('whisper', 1, 'decoder.ln.*', 'model.decoder.layer_norm.*'), ('whisper', 1, 'decoder.token_embedding.*', 'model.decoder.embed_tokens.*'),
  ('whisper', 1, '*coder.positional_embedding', 'model.*coder.embed_positions.weight'), ('whisper', 1, 'encoder.conv#.*', 'model.encoder.conv#.*'),
  ('whisper', 2, '*.attn_ln.*', '*.self_attn_layer_norm.*'), ('whisper', 2, '*.cross_attn_ln.*', '*.encoder_attn_layer_norm.*'), ('whisper', 2, '*.mlp_ln.*', '*.final_layer_norm.*'),
  ('whisper', 2, '*.mlp.0.*', '*.fc1.*'), ('whisper', 2, '*.mlp.2.*', '*.fc2.*');
INSERT INTO rename_maps
  SELECT 'wan', 1, printf('blocks.#.%s.%s.*', a.column1, c.column1), printf('blocks.#.%s.%s.*', a.column2, c.column2)
  FROM (VALUES ('self_attn', 'attn1'), ('cross_attn', 'attn2')) AS a,
    (VALUES ('q', 'to_q'), ('k', 'to_k'), ('v', 'to_v'), ('o', 'to_out.0'), ('norm_q', 'norm_q'), ('norm_k', 'norm_k')) AS c
  UNION ALL
  SELECT 'whisper', 2, printf('*.%s.%s.*', a.column1, c.column1), printf('*.%s.%s.*', a.column2, c.column2)
  FROM (VALUES ('attn', 'self_attn'), ('cross_attn', 'encoder_attn')) AS a,
    (VALUES ('query', 'q_proj'), ('key', 'k_proj'), ('value', 'v_proj'), ('out', 'out_proj')) AS c;

-- UNets: where each block is, and then the layers in it. Of SD 1.x and 2 four levels, of SDXL three.
WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 11),
  unets(map, levels, above, below) AS (VALUES ('sd-unet', 4, 0, 2), ('sdxl-unet', 3, 1, 2)), -- levels with attention, counted from the input
  blocks AS (
    SELECT u.*, n, (n - 1) / 3 AS level, (n - 1) % 3 AS place, n / 3 AS up, n % 3 AS up_place, u.levels - 1 - n / 3 AS up_level FROM unets AS u, numbers AS n
  )
INSERT INTO rename_maps
  SELECT map, 1, 'model.diffusion_model.' || source || '.*', target || '.*' FROM (
    SELECT map, printf('input_blocks.%d.0', n) AS source, printf('down_blocks.%d.resnets.%d', level, place) AS target FROM blocks
    WHERE n BETWEEN 1 AND 3 * levels - 1 AND place < 2
    UNION ALL SELECT map, printf('input_blocks.%d.1', n), printf('down_blocks.%d.attentions.%d', level, place) FROM blocks
    WHERE n BETWEEN 1 AND 3 * levels - 1 AND place < 2 AND level BETWEEN above AND below
    UNION ALL SELECT map, printf('input_blocks.%d.0.op', n), printf('down_blocks.%d.downsamplers.0.conv', level) FROM blocks
    WHERE n BETWEEN 1 AND 3 * levels - 1 AND place = 2
    UNION ALL SELECT map, printf('output_blocks.%d.0', n), printf('up_blocks.%d.resnets.%d', up, up_place) FROM blocks WHERE n < 3 * levels
    UNION ALL SELECT map, printf('output_blocks.%d.1', n), printf('up_blocks.%d.attentions.%d', up, up_place) FROM blocks
    WHERE n < 3 * levels AND up_level BETWEEN above AND below
    UNION ALL SELECT map, printf('output_blocks.%d.%d.conv', n, 1 + (up_level BETWEEN above AND below)), printf('up_blocks.%d.upsamplers.0.conv', up) FROM blocks
    WHERE n < 3 * levels AND up_place = 2 AND up_level > 0
    UNION ALL SELECT map, source, target FROM unets, (
      SELECT column1 AS source, column2 AS target FROM (VALUES ('input_blocks.0.0', 'conv_in'), ('out.0', 'conv_norm_out'), ('out.2', 'conv_out'),
        ('middle_block.0', 'mid_block.resnets.0'), ('middle_block.1', 'mid_block.attentions.0'), ('middle_block.2', 'mid_block.resnets.1'),
        ('time_embed.0', 'time_embedding.linear_1'), ('time_embed.2', 'time_embedding.linear_2'),
        ('label_emb.0.0', 'add_embedding.linear_1'), ('label_emb.0.2', 'add_embedding.linear_2'))))
  ORDER BY map, source NOT GLOB '*.conv', source; -- the convolution of an upsampler before what its name begins with
INSERT INTO rename_maps
  SELECT u.column1, 2, printf('*.resnets.#.%s.*', c.column1), printf('*.resnets.#.%s.*', c.column2)
  FROM (VALUES ('sd-unet'), ('sdxl-unet')) AS u, (VALUES ('in_layers.0', 'norm1'), ('in_layers.2', 'conv1'), ('emb_layers.1', 'time_emb_proj'),
    ('out_layers.0', 'norm2'), ('out_layers.3', 'conv2'), ('skip_connection', 'conv_shortcut')) AS c;

-- Names of kohya: what the file begins and ends with, then the blocks, then the layers.
INSERT INTO rename_maps
  SELECT m.map, 1, printf('%s*%s', c.column1, e.column1), printf('%s*%s', iif(m.map = 'kohya-peft', 'base_model.model.', c.column2), e.column2)
  FROM (SELECT 'kohya-diffusers' AS map UNION ALL SELECT 'kohya-peft') AS m,
    (VALUES ('lora_unet_', 'unet.'), ('lora_te_', 'text_encoder.'), ('lora_te1_', 'text_encoder.'), ('lora_te2_', 'text_encoder_2.'), ('lora_transformer_', 'transformer.')) AS c,
    (VALUES ('.lora_down.weight', '.lora_A.weight'), ('.lora_up.weight', '.lora_B.weight'), ('.alpha', '.alpha')) AS e
  WHERE m.map = 'kohya-diffusers' OR c.column1 IN ('lora_unet_', 'lora_transformer_');
INSERT INTO rename_maps
  SELECT m.map, r.column1, r.column2, r.column3 FROM (SELECT 'kohya-diffusers' AS map UNION ALL SELECT 'kohya-peft') AS m, (VALUES
    (2, '*.down_blocks_#_attentions_#_*', '*.down_blocks.#.attentions.#.*'), (2, '*.up_blocks_#_attentions_#_*', '*.up_blocks.#.attentions.#.*'),
    (2, '*.mid_block_attentions_#_*', '*.mid_block.attentions.#.*'), (2, '*.down_blocks_#_resnets_#_*', '*.down_blocks.#.resnets.#.*'),
    (2, '*.up_blocks_#_resnets_#_*', '*.up_blocks.#.resnets.#.*'), (2, '*.mid_block_resnets_#_*', '*.mid_block.resnets.#.*'),
    (2, '*.down_blocks_#_downsamplers_0_conv.*', '*.down_blocks.#.downsamplers.0.conv.*'), (2, '*.up_blocks_#_upsamplers_0_conv.*', '*.up_blocks.#.upsamplers.0.conv.*'),
    (2, '*.text_model_encoder_layers_#_*', '*.text_model.encoder.layers.#.*'), (2, '*.single_transformer_blocks_#_*', '*.single_transformer_blocks.#.*'),
    (3, '*.transformer_blocks_#_*', '*.transformer_blocks.#.*'), (3, '*.self_attn_*', '*.self_attn.*'), (3, '*.mlp_fc#.*', '*.mlp.fc#.*'),
    (4, '*.attn#_to_out_0.*', '*.attn#.to_out.0.*'), (4, '*.attn_to_out_0.*', '*.attn.to_out.0.*'), (4, '*.attn#_to_*', '*.attn#.to_*'), (4, '*.attn_*', '*.attn.*'),
    (4, '*.ff_net_0_proj.*', '*.ff.net.0.proj.*'), (4, '*.ff_net_2.*', '*.ff.net.2.*')) AS r;

-- The rules of the map that is asked for. What is no map of these is a file.
DROP TABLE IF EXISTS temp.needs;
CREATE TEMP TABLE needs(
  map CONSTRAINT ":map is a CSV or JSON file, or one of kohya-diffusers, kohya-peft, diffusers-peft, down-up, sd-unet, sdxl-unet, wan, ltx-video, whisper, mlx-vlm, mamba, bert"
    CHECK (map),
  rules CONSTRAINT ":map has a rule: two names, from and to" CHECK (rules > 0),
  tensors CONSTRAINT ":path has a tensor" CHECK (tensors > 0)
);
DROP TABLE IF EXISTS temp.rename_text;
CREATE TEMP TABLE rename_text AS
  SELECT replace(replace(CAST(t AS TEXT), char(13), ''), char(65279), '') AS text, ltrim(CAST(t AS TEXT), char(65279) || ' ' || char(9, 10, 13)) GLOB '[[{]*' AS is_json
  FROM (SELECT iif(EXISTS (SELECT 1 FROM rename_maps AS m WHERE m.map = p.map), '', readfile(p.map)) AS t FROM parameters AS p);
INSERT INTO needs(map) SELECT text IS NOT NULL AND (NOT is_json OR json_valid(text)) FROM rename_text;
DROP TABLE IF EXISTS temp.rename_rules;
CREATE TEMP TABLE rename_rules(rule INTEGER PRIMARY KEY, pass, source, target, glob);
INSERT INTO rename_rules(pass, source, target)
  SELECT m.pass, m.source, m.target FROM parameters AS p, rename_maps AS m WHERE m.map = p.map ORDER BY m.rowid;
INSERT INTO rename_rules(pass, source, target)
  SELECT CASE j.type WHEN 'object' THEN j.value ->> '$.pass' WHEN 'array' THEN j.value ->> '$[2]' END,
         CASE j.type WHEN 'object' THEN j.value ->> '$.from' WHEN 'array' THEN j.value ->> '$[0]' ELSE j.key END,
         CASE j.type WHEN 'object' THEN j.value ->> '$.to' WHEN 'array' THEN j.value ->> '$[1]' ELSE j.value END
  FROM (SELECT text FROM rename_text WHERE is_json) AS t, json_each(t.text) AS j ORDER BY j.id;
INSERT INTO rename_rules(pass, source, target)
  WITH RECURSIVE
    lines AS (
      SELECT j.key AS line, replace(j.value, char(1), '\') AS text
      FROM (SELECT replace(text, '\', char(1)) AS text FROM rename_text WHERE NOT is_json) AS t,
        json_each('["' || replace(substr(json_quote(t.text), 2, length(json_quote(t.text)) - 2), '\n', '","') || '"]') AS j
      WHERE trim(j.value) <> ''
    ),
    fields(line, field, value, rest) AS (
      SELECT line, 0, NULL, text || ',' FROM lines
      UNION ALL
      SELECT line, field + 1,
             iif(rest GLOB '"*', replace(substr(rest, 2, instr(substr(rest, 2), '",') - 1), '""', '"'), trim(substr(rest, 1, instr(rest, ',') - 1))),
             iif(rest GLOB '"*', substr(rest, instr(substr(rest, 2), '",') + 3), substr(rest, instr(rest, ',') + 1))
      FROM fields WHERE rest <> '' AND (rest NOT GLOB '"*' OR instr(substr(rest, 2), '",') > 0)
    )
  SELECT (SELECT value FROM fields AS f WHERE f.line = l.line AND f.field = 3), (SELECT value FROM fields AS f WHERE f.line = l.line AND f.field = 1),
         (SELECT value FROM fields AS f WHERE f.line = l.line AND f.field = 2)
  FROM lines AS l ORDER BY l.line;
DELETE FROM rename_rules WHERE rule = 1 AND source = 'from' AND target = 'to';
UPDATE rename_rules SET pass = CAST(ifnull(nullif(pass, ''), 1) AS INTEGER);
INSERT INTO needs(rules) SELECT count(*) FROM rename_rules;
INSERT INTO parameters(path)
  SELECT safetensors_refuse(printf(':map has a rule from %s to %s: expected two names with as many * and # in each, none beside another',
                                   ifnull(quote(source), 'nothing'), ifnull(quote(target), 'nothing')))
  FROM (SELECT source, target FROM rename_rules
        WHERE ifnull(source, '') = '' OR ifnull(target, '') = '' OR source GLOB '*[*#][*#]*' OR target GLOB '*[*#][*#]*'
           OR length(replace(source, '*', '')) - length(source) <> length(replace(target, '*', '')) - length(target)
           OR length(replace(source, '#', '')) - length(source) <> length(replace(target, '#', '')) - length(target) ORDER BY rule LIMIT 1);
UPDATE rename_rules SET source = target, target = source, pass = -pass FROM parameters AS p WHERE p.reverse;
UPDATE rename_rules SET glob = replace(replace(replace(replace(source, '[', char(1)), '?', '[?]'), '#', '[0-9]*'), char(1), '[[]');

-- The words of both names: literal text, which stands before, between and after the wildcards.
DROP TABLE IF EXISTS temp.rename_words;
CREATE TEMP TABLE rename_words AS
  SELECT r.rule, side, j.key AS place, j.value AS word, j.value IN ('*', '#') AND j.key % 2 AS wild,
         lead(j.value) OVER (PARTITION BY r.rule, side ORDER BY j.key) AS next, lead(j.value, 2) OVER (PARTITION BY r.rule, side ORDER BY j.key) IS NULL AS is_last,
         count(*) FILTER (WHERE j.key % 2) OVER (PARTITION BY r.rule, side, j.value ORDER BY j.key) - 1 AS nth
  FROM (SELECT rule, 'source' AS side, source AS name FROM rename_rules UNION ALL SELECT rule, 'target', target FROM rename_rules) AS r,
    json_each('["' || replace(replace(substr(json_quote(r.name), 2, length(json_quote(r.name)) - 2), '*', '","*","'), '#', '","#","') || '"]') AS j;
CREATE UNIQUE INDEX temp.rename_words_by_place ON rename_words(rule, side, place);

-- The names. A folder of several models is none, if not one alone is directly in it.
INSERT INTO parameters(path)
  SELECT safetensors_refuse(printf(':path is one model, found %d: ', n) || group_concat(safetensors_label(model), ', ') || iif(n > 8, ', ...', ''))
  FROM (SELECT model, count(*) OVER () AS n FROM (
          SELECT m.model, rtrim(m.model, replace(m.model, '/', '')) IN (rtrim(p.path, '/') || '/', p.path) OR m.model = rtrim(p.path, '/') AS top,
                 max(rtrim(m.model, replace(m.model, '/', '')) IN (rtrim(p.path, '/') || '/', p.path) OR m.model = rtrim(p.path, '/')) OVER () AS has_top
          FROM parameters AS p, safetensors_models(p.path) AS m) WHERE top = has_top LIMIT 8) HAVING n > 1;
DROP TABLE IF EXISTS temp.rename_names;
CREATE TEMP TABLE rename_names(id INTEGER PRIMARY KEY, name, new_name, rule, pattern, ref);
INSERT INTO rename_names(name, new_name, pattern, ref) SELECT t.name, t.name, t.pattern, t.ref FROM parameters AS p, safetensors_tensors(p.path) AS t;
INSERT INTO needs(tensors) SELECT count(*) FROM rename_names;

-- One pass: each rule that may match a name takes it word by word, and keeps what stood for the wildcards.
DROP TABLE IF EXISTS temp.rename_passes;
CREATE TEMP TABLE rename_passes(pass);
DROP TABLE IF EXISTS temp.rename_used;
CREATE TEMP TABLE rename_used(id, rule);
DROP VIEW IF EXISTS temp.rename_found;
CREATE TEMP VIEW rename_found AS
  WITH RECURSIVE taken(id, rule, place, rest, wild, length, texts, numbers) AS (
    SELECT n.id, r.rule, -1, n.new_name, '', 0, '[]', '[]'
    FROM rename_names AS n JOIN rename_rules AS r ON n.new_name GLOB r.glob WHERE r.pass = (SELECT pass FROM rename_passes ORDER BY rowid DESC LIMIT 1)
    UNION ALL
    SELECT t.id, t.rule, t.place + 1, substr(t.rest, t.length + 1), CASE WHEN w.wild THEN w.word WHEN w.place IS NOT NULL THEN '' END, CASE
             WHEN NOT w.wild THEN iif(substr(t.rest, t.length + 1, length(w.word)) = w.word, length(w.word), NULL)
             WHEN w.word = '#' THEN nullif(length(t.rest) - t.length - length(ltrim(substr(t.rest, t.length + 1), '0123456789')), 0)
             WHEN w.is_last THEN iif(substr(t.rest, max(1, length(t.rest) - length(w.next) + 1)) = w.next
                                     AND length(t.rest) - t.length > length(w.next), length(t.rest) - t.length - length(w.next), NULL)
             ELSE iif(instr(substr(t.rest, t.length + 1), w.next) > 1, instr(substr(t.rest, t.length + 1), w.next) - 1, NULL) END,
           iif(t.wild = '*', json_insert(t.texts, '$[#]', substr(t.rest, 1, t.length)), t.texts),
           iif(t.wild = '#', json_insert(t.numbers, '$[#]', substr(t.rest, 1, t.length)), t.numbers)
    FROM taken AS t LEFT JOIN rename_words AS w ON w.rule = t.rule AND w.side = 'source' AND w.place = t.place + 1
    WHERE t.length IS NOT NULL
  )
  SELECT t.id, min(t.rule) AS rule, t.texts, t.numbers FROM taken AS t WHERE t.rest = '' AND t.wild IS NULL GROUP BY t.id;
CREATE TEMP TRIGGER rename_pass AFTER INSERT ON rename_passes BEGIN
  INSERT INTO rename_used SELECT id, rule FROM rename_found;
  UPDATE rename_names SET rule = f.rule, new_name = (
    SELECT group_concat(piece, '') FROM (
      SELECT CASE WHEN NOT w.wild THEN w.word ELSE iif(w.word = '*', f.texts, f.numbers) ->> ('$[' || w.nth || ']') END AS piece
      FROM rename_words AS w WHERE w.rule = f.rule AND w.side = 'target' ORDER BY w.place))
  FROM rename_found AS f WHERE f.id = rename_names.id;
END;
INSERT INTO rename_passes SELECT DISTINCT pass FROM rename_rules ORDER BY pass;

-- What became of each name.
DROP TABLE IF EXISTS temp.name_changes;
CREATE TEMP TABLE name_changes AS
  SELECT n.name, iif(n.rule IS NULL AND p.unmatched = 'drop', NULL, n.new_name) AS new_name, n.rule, CASE
           WHEN n.rule IS NULL AND p.unmatched = 'drop' THEN 'dropped'
           WHEN count(*) OVER (PARTITION BY n.new_name, n.rule IS NULL AND p.unmatched = 'drop') > 1 THEN 'collision'
           WHEN n.rule IS NULL THEN 'unmatched' WHEN n.new_name = n.name THEN 'same' ELSE 'renamed' END AS status
  FROM parameters AS p, rename_names AS n ORDER BY n.id;
DROP TABLE IF EXISTS temp.name_rules;
CREATE TEMP TABLE name_rules AS
  SELECT r.rule, abs(r.pass) AS pass, r.source, r.target, (SELECT count(*) FROM rename_used AS u WHERE u.rule = r.rule) AS tensors
  FROM rename_rules AS r ORDER BY r.rule;

CREATE UNIQUE INDEX temp.rename_names_by_name ON rename_names(name);

CREATE TEMP VIEW IF NOT EXISTS as_text AS SELECT 1 FROM parameters WHERE format = 'text';
.mode list
.headers off
DROP TABLE IF EXISTS temp.rename_counts;
CREATE TEMP TABLE rename_counts AS
  SELECT total(status = 'renamed') AS renamed, total(status = 'same') AS same, total(status = 'unmatched') AS unmatched, total(status = 'dropped') AS dropped,
         total(status = 'collision') AS collisions, count(rule) AS matched, count(*) AS tensors FROM name_changes;
SELECT safetensors_print(format, 'name_changes', 'name_rules') FROM parameters, rename_counts WHERE format <> 'text' AND matched > 0;

SELECT printf('error: %,d tensors would have the name of another.', collisions) FROM as_text, rename_counts WHERE collisions > 0;
SELECT CASE WHEN c.renamed = 0 THEN 'No name changes' ELSE printf('%,d of %,d names %s', c.renamed, c.tensors, iif(c.renamed = 1, 'changes', 'change')) END
       || iif(c.unmatched > 0, printf('; no rule matches %,d, which %s', c.unmatched, iif(c.unmatched = 1, 'stays', 'stay')), '')
       || iif(c.dropped > 0, printf('; no rule matches %,d, which %s left out', c.dropped, iif(c.dropped = 1, 'is', 'are')), '') || '.'
FROM as_text, rename_counts AS c WHERE c.matched > 0 AND c.collisions = 0;

SELECT char(10) || '== Names that several tensors would have' FROM as_text, rename_counts WHERE collisions > 0;
SELECT safetensors_label(c.new_name) || char(10) || group_concat('  from ' || safetensors_label(c.name), char(10))
FROM as_text, name_changes AS c WHERE c.status = 'collision' GROUP BY c.new_name ORDER BY min(c.rowid) LIMIT 20;
SELECT char(10) || '== No rule matches' FROM as_text, rename_counts WHERE unmatched + dropped > 0 AND matched > 0;
.mode column --wrap 0
.headers on
SELECT printf('%7d', count(*)) AS tensors, safetensors_label(min(c.name)) AS first_name
FROM as_text, name_changes AS c JOIN rename_names AS n ON n.name = c.name WHERE c.status IN ('unmatched', 'dropped') AND (SELECT matched FROM rename_counts) > 0
GROUP BY n.pattern ORDER BY count(*) DESC, min(c.rowid) LIMIT 20;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 20) FROM (
  SELECT DISTINCT n.pattern FROM as_text, name_changes AS c JOIN rename_names AS n ON n.name = c.name WHERE c.status IN ('unmatched', 'dropped')) HAVING count(*) > 20;
SELECT char(10) || '== First names' FROM as_text, rename_counts WHERE renamed > 0;
SELECT safetensors_label(c.name) || char(10) || '  ' || safetensors_label(c.new_name)
FROM as_text, name_changes AS c JOIN rename_names AS n ON n.name = c.name WHERE c.status = 'renamed' GROUP BY n.pattern ORDER BY min(c.rowid) LIMIT 10;
SELECT char(10) || printf('%,d tensors are the alphas of an adapter: a program that reads none takes the rank. lora-convert writes them to where they are read.', n)
FROM as_text, (SELECT count(*) AS n FROM name_changes WHERE new_name GLOB '*.alpha' AND status = 'renamed') WHERE n > 0;

-- The verdict. It comes before anything is written.
DROP TABLE IF EXISTS temp.verdict;
CREATE TEMP TABLE verdict(collisions, matched, unmatched);
CREATE TEMP TRIGGER verdict_is_collision BEFORE INSERT ON verdict WHEN new.collisions > 0 BEGIN
  SELECT RAISE(ABORT, 'two tensors would have one name');
END;
CREATE TEMP TRIGGER verdict_is_none BEFORE INSERT ON verdict WHEN new.matched = 0 BEGIN
  SELECT RAISE(ABORT, 'no rule of :map matches a name');
END;
CREATE TEMP TRIGGER verdict_is_refused BEFORE INSERT ON verdict WHEN new.unmatched > 0 BEGIN
  SELECT RAISE(ABORT, 'no rule of :map matches some names');
END;
INSERT INTO verdict SELECT c.collisions, c.matched, iif(p.unmatched = 'refuse', c.unmatched, 0) FROM rename_counts AS c, parameters AS p;

INSERT INTO safetensors_write(path, name, data, metadata, max_shard_bytes, mode)
  SELECT p.out, c.new_name, n.ref, (SELECT json_group_object(key, value) FROM (
           SELECT key, value, min(rowid) FROM safetensors_metadata(:path) GROUP BY key ORDER BY 3)),
         iif(p.out LIKE '%.safetensors.index.json', p."limit", NULL), 'replace'
  FROM parameters AS p, name_changes AS c JOIN rename_names AS n ON n.id = c.rowid WHERE c.new_name IS NOT NULL;
SELECT 'Written to ' || safetensors_label(out) || '.' FROM as_text, parameters;
.mode column
.headers on
