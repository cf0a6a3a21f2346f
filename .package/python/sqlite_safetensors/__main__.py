"""`python -m sqlite_safetensors` is the program safetensors-sql."""

import os
import subprocess
import sys

from . import program_path


def main() -> None:
    command = [program_path(), *sys.argv[1:]]
    if os.name == "nt":
        sys.exit(subprocess.call(command))
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
