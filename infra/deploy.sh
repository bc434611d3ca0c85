#!/bin/sh
# Deploy dist/app.zip, try it, and go back to the package before it where it does not answer. Needs an `az login`.
# Then the repository's parameter sets are put among the proposals: none is accepted, none takes another's place.
# GATEHOUSE_CODE_REVISION, if given, is what decisions and journal name as the code from then on.
# Usage: AZURE_RESOURCE_GROUP=... AZURE_FUNCTION_NAME=... AZURE_STORAGE_ACCOUNT=... infra/deploy.sh
set -eu
: "${AZURE_RESOURCE_GROUP:?}" "${AZURE_FUNCTION_NAME:?}" "${AZURE_STORAGE_ACCOUNT:?}"
package=${1:-dist/app.zip}
container=app-package
tries=${GATEHOUSE_SMOKE_TRIES:-12}
test -f "$package" || { echo "$package is missing: run make package" >&2; exit 1; }

blob() { az storage blob "$@" --account-name "$AZURE_STORAGE_ACCOUNT" --container-name "$container" --auth-mode login; }

propose() {
  container=parameters
  wrong=0
  for file in "${GATEHOUSE_PARAMETER_FILES:-$(dirname "$0")/parameters}"/*.json; do
    test -f "$file" || continue
    name=$(basename "$file")
    if blob download --name "$name" --file "$previous" --output none 2> /dev/null; then
      cmp -s "$file" "$previous" && continue
      echo "parameter set $name is stored with other content: a set is never changed, give the file another name" >&2
      wrong=1
    elif blob upload --name "$name" --file "$file" --overwrite false --output none; then
      echo "parameter set $name is proposed: a person may accept it"
    else
      wrong=1
    fi
  done
  return "$wrong"
}

# The package brings its libraries: a remote build is cut off after a minute, and would install twice as much.
deploy() {
  az functionapp deployment source config-zip --resource-group "$AZURE_RESOURCE_GROUP" --name "$AZURE_FUNCTION_NAME" \
    --src "$1" --build-remote false --output none
  # At night it may be stopped (infra/scheduled_stop.bicep), and could not answer.
  az functionapp start --resource-group "$AZURE_RESOURCE_GROUP" --name "$AZURE_FUNCTION_NAME" --output none
}

set_revision() {
  az functionapp config appsettings set --resource-group "$AZURE_RESOURCE_GROUP" --name "$AZURE_FUNCTION_NAME" \
    --settings "GATEHOUSE_CODE_REVISION=$1" --output none
}

smoke() {
  host=$(az functionapp show --resource-group "$AZURE_RESOURCE_GROUP" --name "$AZURE_FUNCTION_NAME" \
    --query properties.defaultHostName --output tsv)
  key=$(az functionapp keys list --resource-group "$AZURE_RESOURCE_GROUP" --name "$AZURE_FUNCTION_NAME" \
    --query functionKeys.default --output tsv)
  try=0
  while [ "$try" -lt "$tries" ]; do
    try=$((try + 1))
    # The key goes by standard input: neither an argument nor a log shows it. An answer proves settings, identity,
    # storage and broker at once.
    if printf 'header = "x-functions-key: %s"\n' "$key" |
      curl --silent --fail --max-time 60 --config - "https://$host/api/status" > /dev/null; then
      echo "$AZURE_FUNCTION_NAME answers (try $try)"
      return 0
    fi
    sleep "${GATEHOUSE_SMOKE_PAUSE_S:-10}"
  done
  return 1
}

previous=$(mktemp)
trap 'rm -f "$previous"' EXIT
trap 'exit 1' INT TERM
newest=$(blob list --query "sort_by(@, &properties.lastModified)[-1].name" --output tsv)
if [ -n "$newest" ]; then
  blob download --name "$newest" --file "$previous" --output none
fi

revision=$(az functionapp config appsettings list --resource-group "$AZURE_RESOURCE_GROUP" \
  --name "$AZURE_FUNCTION_NAME" --query "[?name=='GATEHOUSE_CODE_REVISION'].value" --output tsv)

deploy "$package"
set_revision "${GATEHOUSE_CODE_REVISION:-}"
if smoke; then
  propose
  exit
fi
echo "$AZURE_FUNCTION_NAME does not answer with the new package" >&2
if [ -z "$newest" ]; then
  echo "there is no package before it" >&2
  exit 1
fi
deploy "$previous"
set_revision "$revision"
smoke && echo "went back to the package before it" >&2
exit 1
