#!/bin/sh
# Ask the app from outside whether it could trade now, and fail loudly where it could not or does not answer: whoever runs
# this tells the owner (GitHub by mail, cron likewise). Outside trading hours nothing is due, so any hour will do.
# Needs an `az login`, or WATCH_URL and WATCH_KEY_FILE: the app's address, and a file that holds a function key.
# Usage: AZURE_RESOURCE_GROUP=... AZURE_FUNCTION_NAME=... infra/watch.sh
set -eu
tries=${GATEHOUSE_WATCH_TRIES:-3}

if [ -n "${WATCH_URL:-}" ]; then
  : "${WATCH_KEY_FILE:?}"
  url=$WATCH_URL
  key=$(cat "$WATCH_KEY_FILE")
else
  : "${AZURE_RESOURCE_GROUP:?}" "${AZURE_FUNCTION_NAME:?}"
  host=$(az functionapp show --resource-group "$AZURE_RESOURCE_GROUP" --name "$AZURE_FUNCTION_NAME" \
    --query properties.defaultHostName --output tsv)
  key=$(az functionapp keys list --resource-group "$AZURE_RESOURCE_GROUP" --name "$AZURE_FUNCTION_NAME" \
    --query functionKeys.default --output tsv)
  url=https://$host
fi

answer=$(mktemp)
trap 'rm -f "$answer"' EXIT
trap 'exit 1' INT TERM
try=0
while [ "$try" -lt "$tries" ]; do
  try=$((try + 1))
  # The key goes by standard input: neither an argument nor a log shows it. The first call may have to wait for a start.
  status=$(printf 'header = "x-functions-key: %s"\n' "$key" |
    curl --silent --max-time 60 --output "$answer" --write-out '%{http_code}' --config - "$url/api/health/ready") || true
  if [ "$status" = 200 ]; then
    echo "the app is ready (try $try)"
    exit 0
  fi
  test "$try" -eq "$tries" || sleep "${GATEHOUSE_WATCH_PAUSE_S:-20}"
done
echo "the app is not ready: HTTP ${status:-000} after $tries tries" >&2
# What is wrong, and nothing else: the answer tells the account's equity too.
grep -o '"fault": *"[^"][^"]*"' "$answer" >&2 || true
exit 1
