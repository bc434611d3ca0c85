#!/bin/sh
# Refuse, in one sentence that says what to do, where no Python 3.13 was found.
[ -n "$1" ] || {
  echo "Gatehouse needs Python 3.13, the newest that Azure Functions runs: get it with 'uv python install 3.13'" \
    "or 'pyenv install 3.13' or from python.org, then type the same command again." >&2
  exit 1
}
