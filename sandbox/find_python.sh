#!/bin/sh
# Print a Python 3.13: from PATH (of an environment's the one it was made from: it may be made anew), else from pyenv or uv where one of them has it; nothing where there is none.
base_of() { "$1" -c 'import sys; print(sys._base_executable)'; }
is_313() { [ "$("$1" -c 'import sys; print(*sys.version_info[:2])' 2>/dev/null)" = "3 13" ]; }

for candidate in python3.13 python3 python; do
  found=$(command -v "$candidate" 2>/dev/null) && is_313 "$found" && base_of "$found" && exit 0
done
for found in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.13*/bin/python3.13; do
  [ -x "$found" ] && is_313 "$found" && echo "$found" && exit 0
done
found=$(uv python find 3.13 2>/dev/null) && is_313 "$found" && echo "$found" && exit 0
exit 0
