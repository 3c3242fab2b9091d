#!/usr/bin/env bash
# Writes src/plain/types.ts from the contract and src/google from the error details of google.rpc.
# Offline: buf comes from the repository's environment, the plugins from node_modules. An argument
# names another folder to write into.
set -euo pipefail
here="$(cd "$(dirname "$0")/.." && pwd)"
root="$(cd "$here/../.." && pwd)"
out="${1:-$here}"
export PATH="$root/.venv/bin:$PATH"
google="$(python -c 'import google.rpc, os; print(os.path.dirname(os.path.dirname(list(google.rpc.__path__)[0])))')"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

cd "$root"
buf generate --template "{\"version\": \"v2\", \"inputs\": [{\"directory\": \".\", \"paths\": [\"proto/mnemon\"]}],
  \"plugins\": [{\"local\": [\"node\", \"$here/tools/protoc-gen-plain.mjs\"], \"strategy\": \"all\",
  \"out\": \"$out/src/plain\", \"opt\": [\"target=ts\"], \"exclude_types\": [\"buf.validate\"]}]}"

mkdir -p "$work/google/rpc"
cp "$google"/google/rpc/{status,error_details}.proto "$work/google/rpc/"
cd "$work"
buf generate --template "{\"version\": \"v2\", \"inputs\": [{\"directory\": \".\"}],
  \"plugins\": [{\"local\": [\"node\", \"$here/node_modules/.bin/protoc-gen-es\"],
  \"out\": \"$out/src\", \"opt\": [\"target=ts\", \"import_extension=js\"]}]}"
