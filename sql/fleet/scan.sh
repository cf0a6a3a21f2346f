#!/bin/sh
# scan.sh NODE FOLDER PART [duplicates|all]
#
# Refreshes the catalogue of one machine, PART, from what is in FOLDER; with a fourth word it also reads the tensors,
# as `fleet content` does. It works in a copy, which takes the place of PART when it is complete: whoever reads PART
# meanwhile has the old one, and whatever is killed, PART is whole. PART may be on a file system of the network, which
# all machines see: it is never in WAL mode, and nobody but this node writes it.
#
# It runs safetensors-sql; with EXTENSION=build/safetensors it runs sqlite3 and loads that.
set -eu
usage='usage: scan.sh NODE FOLDER PART [duplicates|all]'
node=${1:?"$usage"} folder=${2:?"$usage"} part=${3:?"$usage"} reads=${4:-}
here=$(cd "$(dirname "$0")" && pwd)

quoted() { # as a word of SQL
  printf "'%s'" "$(printf '%s' "$1" | sed "s/'/''/g")"
}

parameter() { # NAME VALUE: the dot-command that sets it, whatever is in it
  printf '.param set :%s "%s"' "$1" "$(quoted "$2" | sed 's/\\/\\\\/g; s/"/\\"/g')"
}

verb() { # VERB DATABASE [NAME VALUE]...: the parameters in the order of the verb's arguments, then --options
  name=$1 database=$2
  shift 2
  if [ -n "${EXTENSION:-}" ]; then
    pairs=$# at=0
    while [ "$at" -lt "$pairs" ]; do
      set -- "$@" -cmd "$(parameter "$1" "$2")"
      shift 2
      at=$((at + 2))
    done
    sqlite3 -batch -bail -cmd ".load $(quoted "$EXTENSION")" "$@" "$database" < "$here/$name.sql"
  else
    pairs=$# at=0
    while [ "$at" -lt "$pairs" ]; do
      case $1 in node | path) set -- "$@" "$2" ;; *) set -- "$@" "--$1" "$2" ;; esac
      shift 2
      at=$((at + 2))
    done
    safetensors-sql fleet "$name" "$@" --database "$database"
  fi
}

statement() { # DATABASE SQL
  if [ -n "${EXTENSION:-}" ]; then sqlite3 -batch -bail "$1" "$2"; else safetensors-sql sql "$2" --database "$1" --csv; fi
}

# What runs of this machine have left that were killed. A name has the process in it.
machine=$(uname -n)
for left in "$part.$machine."*.tmp; do
  process=${left#"$part.$machine."}
  process=${process%.tmp}
  if [ -e "$left" ] && ! kill -0 "$process" 2> /dev/null; then rm -f "$left" "$left-journal"; fi
done

copy=$part.$machine.$$.tmp
trap 'rm -f "$copy" "$copy-journal"' EXIT
trap 'exit 1' HUP INT TERM
rm -f "$copy" "$copy-journal"
if [ -e "$part" ]; then statement "$part" "VACUUM INTO $(quoted "$copy")" > /dev/null; fi
statement "$copy" 'PRAGMA journal_mode = DELETE' > /dev/null
verb catalog "$copy" node "$node" path "$folder"
if [ -n "$reads" ]; then verb content "$copy" node "$node" reads "$reads"; fi
mv -f "$copy" "$part"
