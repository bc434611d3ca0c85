#!/bin/sh
# Put the secrets into Key Vault and have the app read them. Nothing is shown, logged or left in a file.
# Usage: infra/set_keys.sh [NAME ...], after `azd provision`, by whoever ran it. Without names all of them:
#   alpaca-key-id, alpaca-secret-key   asked for
#   gatehouse-notice-channels          asked for, NAME: URL | SEVERITY; empty: no notices are sent
#   gatehouse-link-key                 made here; a new one ends all links that are out
# And only where it is named, since it is read only where GATEHOUSE_LANGUAGE_URL is set:
#   gatehouse-language-keys            asked for, split by blanks; empty: the service wants none
set -eu
all='alpaca-key-id alpaca-secret-key gatehouse-notice-channels gatehouse-link-key'
test $# -gt 0 || set -- $all
all="$all gatehouse-language-keys"
for name in "$@"; do
  case " $all " in
    *" $name "*) ;;
    *) echo "$name: expected one of $all" >&2; exit 1 ;;
  esac
done
value_of() { azd env get-value "$1"; }
vault=$(value_of AZURE_KEY_VAULT_NAME)
group=$(value_of AZURE_RESOURCE_GROUP)
app=$(value_of AZURE_FUNCTION_NAME)

file=$(mktemp)
trap 'rm -f "$file"; stty echo' EXIT
trap 'exit 1' INT TERM
chmod 600 "$file"
stty -echo
for name in "$@"; do
  if [ "$name" = gatehouse-link-key ]; then
    key=$(openssl rand -hex 32)
  else
    printf '%s: ' "$name" >&2
    IFS= read -r key
    echo >&2
  fi
  case $name in
    gatehouse-notice-channels | gatehouse-language-keys) key=${key:-none} ;;
  esac
  test -n "$key" || { echo "$name: expected a value" >&2; exit 1; }
  # From a file: an argument would be seen in the list of processes.
  printf '%s' "$key" > "$file"
  az keyvault secret set --vault-name "$vault" --name "$name" --file "$file" --encoding utf-8 --output none
done
az functionapp restart --resource-group "$group" --name "$app"
echo "$vault holds them; $app reads them from now on." >&2
