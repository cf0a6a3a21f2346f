#!/usr/bin/env node
// Runs the program of the package for this machine as if it had been called itself: with these arguments, which no shell
// reads, with these files and terminal, and to the same end.
"use strict";
const { spawn } = require("node:child_process");
const { isatty } = require("node:tty");

let path;
try {
  path = require("./index.cjs").getProgramPath();
} catch (error) {
  console.error(error.message);
  process.exit(3);
}

const child = spawn(path, process.argv.slice(2), { stdio: "inherit" });
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => {
    // A terminal sends its interrupts to the program, too.
    if (signal !== "SIGINT" || !isatty(0)) child.kill(signal);
  });
}
child.on("error", (error) => {
  console.error(error.message);
  process.exit(3);
});
child.on("exit", (status, signal) => {
  if (signal === null) process.exit(status);
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
});
