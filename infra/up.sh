#!/bin/sh
# What `azd up` does once the resources stand: ask for the keys if they are not there, build the package, deploy and try it.
# azd gives the templates' outputs as environment variables.
set -eu
: "${AZURE_KEY_VAULT_NAME:?}"
cd "$(dirname "$0")/.."
# The last one that set_keys.sh writes: where it is, all are.
if ! az keyvault secret show --vault-name "$AZURE_KEY_VAULT_NAME" --name gatehouse-link-key --output none 2> /dev/null; then
  infra/set_keys.sh
fi
make package
exec infra/deploy.sh
