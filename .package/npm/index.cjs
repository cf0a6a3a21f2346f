"use strict";
const { existsSync } = require("node:fs");
const { dirname, join } = require("node:path");
const { arch, platform, report } = require("node:process");

const LIBRARY = { darwin: "safetensors.dylib", win32: "safetensors.dll" }[platform] ?? "safetensors.so";
const PROGRAM = platform === "win32" ? "safetensors-sql.exe" : "safetensors-sql";

// The C library of this process, as its report says it.
function libc() {
  report.excludeNetwork = true; // else it looks up the names of hosts, which takes seconds
  return report.getReport().header.glibcVersionRuntime === undefined ? "musl" : "gnu";
}

// A file of the package for this machine, which npm installs as an optional dependency.
function platformFile(file) {
  const machine = platform === "linux" ? `${platform}-${arch}-${libc()}` : `${platform}-${arch}`;
  const name = `@sqlite-safetensors/${machine}`;
  let path;
  try {
    path = join(dirname(require.resolve(`${name}/package.json`)), file);
  } catch (cause) {
    throw new Error(
      `sqlite-safetensors: the package ${name} is missing. Install without --omit=optional and --no-optional, and ` +
        `on this machine, not on another whose node_modules are copied; it is there for the machines that README lists`,
      { cause }
    );
  }
  if (!existsSync(path)) throw new Error(`sqlite-safetensors: the package ${name} has no ${file}`);
  return path;
}

function getLoadablePath() {
  return platformFile(LIBRARY);
}

function getProgramPath() {
  return platformFile(PROGRAM);
}

function load(db) {
  db.loadExtension(getLoadablePath());
}

module.exports = { getLoadablePath, getProgramPath, load };
