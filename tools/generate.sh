#!/usr/bin/env bash
# Regenerates everything that comes from proto/: `make gen`. Offline; the tools come from lock files.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH"

# Only what generators write is removed first, so that a deleted proto leaves no stub behind.
rm -f sdk/python/mnemon/v1/*_pb2*.py sdk/python/mnemon/v1/*_pb2*.pyi
rm -rf sdk/typescript/src/gen
buf format -w proto --path proto/mnemon
buf generate 2>&1 | { grep -v '^Writing mypy to ' || true; }
# mypy-protobuf writes a service file for protos without services too.
for types in sdk/python/mnemon/v1/*_pb2_grpc.pyi; do
    [ -e "${types%i}" ] || rm "$types"
done
# The rules that the server checks requests against: the protos with their validation options.
buf build --exclude-source-info -o service/mnemon_service/server/contract.binpb

# What the clients' own types take from the contract.
.venv/bin/python sdk/python/tools/generate_types.py
.venv/bin/python sdk/python/tools/generate_sync.py
sdk/typescript/tools/generate.sh
