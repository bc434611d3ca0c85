#!/bin/sh
# Ask for each new parameter proposal in a pull request: read parameters and reports, have tools/retrospective.py write
# file and body, push a branch, ask. What was asked for once is not asked for again. Needs an `az login` and gh's GH_TOKEN.
# Usage: AZURE_STORAGE_ACCOUNT=... GITHUB_REPOSITORY=owner/name infra/retrospective.sh
set -eu
: "${AZURE_STORAGE_ACCOUNT:?}" "${GITHUB_REPOSITORY:?}"
python=${PYTHON:-.venv/bin/python}
base=$(git rev-parse HEAD)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

copy() {
  mkdir -p "$work/copies/$1"
  az storage blob download-batch --account-name "$AZURE_STORAGE_ACCOUNT" --auth-mode login --source "$1" --pattern "$2" \
    --destination "$work/copies/$1" --output none
}
copy parameters '*.json'
copy reports 'weekly/*.json'
copy reports 'backtests/*.json'

"$python" -m tools.retrospective --copies "$work/copies" --known infra/parameters --out "$work/out" > "$work/told"
tee -a "${GITHUB_STEP_SUMMARY:-/dev/null}" < "$work/told"

for folder in "$work"/out/*/; do
  test -d "$folder" || continue
  name=$(basename "$folder") # a set's name: a-z, 0-9, dots and dashes, checked before anything was written
  branch=parameters/$name
  if [ "$(gh pr list --repo "$GITHUB_REPOSITORY" --head "$branch" --state all --json number --jq length)" != 0 ]; then
    echo "$name was asked for before"
    continue
  fi
  git checkout --quiet -B "$branch" "$base"
  mkdir -p infra/parameters
  cp "$folder/$name.json" infra/parameters/
  git add "infra/parameters/$name.json"
  git -c user.name=gatehouse -c user.email=gatehouse@users.noreply.github.com \
    commit --quiet --message "Propose parameter set $name"
  # gh answers git's question for a password: no argument and no file holds the token.
  git -c credential.helper= -c credential.helper='!gh auth git-credential' \
    push --quiet --force "https://github.com/$GITHUB_REPOSITORY" "HEAD:refs/heads/$branch"
  gh pr create --repo "$GITHUB_REPOSITORY" --head "$branch" --title "Propose parameter set $name" \
    --body-file "$folder/body.md"
done
