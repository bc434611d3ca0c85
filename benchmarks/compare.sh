#!/bin/sh
# Measure a revision and this checkout, one after the other on this machine, and print the difference as Markdown.
# Usage: sh benchmarks/compare.sh REVISION
set -eu
cd "$(dirname "$0")/.."
base=${1:?revision to compare with}
python=$PWD/.venv/bin/python
work=$(mktemp -d)
trap 'git worktree remove --force "$work/base" 2> /dev/null || true; rm -rf "$work"' EXIT
git worktree add --quiet --detach "$work/base" "$base"
for name in imports features; do
  # Each twice, in turn: what the machine does beside it hits both.
  for round in 1 2; do
    (cd "$work/base" && "$python" -m benchmarks "$name" --json "$work/base-$name-$round.json" > /dev/null) || true
    "$python" -m benchmarks "$name" --json "$work/head-$name-$round.json" > /dev/null || true
  done
done
exec "$python" -m benchmarks.compare "$work"
