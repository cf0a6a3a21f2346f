"use strict";
const { existsSync } = require("node:fs");
const { join } = require("node:path");
const { arch, platform } = require("node:process");

function getLoadablePath() {
  const file = join(__dirname, `${platform}-${arch}`, "safetensors.so");
  if (!existsSync(file)) {
    throw new Error(
      `sqlite-safetensors: this package has no library for ${platform}-${arch}; build one with "make npm" there`
    );
  }
  return file;
}

function load(db) {
  db.loadExtension(getLoadablePath());
}

module.exports = { getLoadablePath, load };
