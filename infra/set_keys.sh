#!/bin/sh
# Put the Alpaca keys into Key Vault and have the app read them. Asks for both; nothing is shown, logged or left in a file.
# Usage: infra/set_keys.sh, after `azd provision`, by whoever ran it.
set -eu
value_of() { azd env get-value "$1"; }
vault=$(value_of AZURE_KEY_VAULT_NAME)
group=$(value_of AZURE_RESOURCE_GROUP)
app=$(value_of AZURE_FUNCTION_NAME)

file=$(mktemp)
trap 'rm -f "$file"; stty echo' EXIT
trap 'exit 1' INT TERM
chmod 600 "$file"
stty -echo
for name in alpaca-key-id alpaca-secret-key; do
  printf '%s: ' "$name" >&2
  IFS= read -r key
  echo >&2
  test -n "$key" || { echo "$name: expected a value" >&2; exit 1; }
  # From a file: an argument would be seen in the list of processes.
  printf '%s' "$key" > "$file"
  az keyvault secret set --vault-name "$vault" --name "$name" --file "$file" --encoding utf-8 --output none
done
az functionapp restart --resource-group "$group" --name "$app"
echo "Both keys are in $vault; $app reads them from now on." >&2
