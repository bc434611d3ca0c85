#!/bin/sh
# Build an image and see that it starts.
# Usage: infra/image.sh training|dashboard TAG
set -eu
cd "$(dirname "$0")/.."
name=${1:?training or dashboard}
tag=${2:?tag}
docker build --file "$name/Dockerfile" --tag "$tag" .
case "$name" in
  training) docker run --rm "$tag" --help ;;
  dashboard) docker run --rm --entrypoint python "$tag" -c "import dashboard" ;;
esac
