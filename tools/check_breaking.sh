#!/usr/bin/env bash
# Compares the contract with that of main: on a branch with main's tip, on main itself with the commit
# before. Until 1.0.0 a break is allowed if CHANGELOG.md says so in a line that begins "- BREAKING".
set -euo pipefail
cd "$(dirname "$0")/.."
base=$(git rev-parse --verify --quiet origin/main || git rev-parse --verify --quiet main || true)
if [ "$base" = "$(git rev-parse HEAD)" ]; then
    base=$(git rev-parse --verify --quiet HEAD~1 || true)
fi
if [ -z "$base" ] || ! git cat-file -e "$base:buf.yaml" 2>/dev/null; then
    echo "contract: nothing to compare with"
    exit 0
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
git archive "$base" buf.yaml proto | tar -x -C "$folder"
if .venv/bin/buf breaking --against "$folder"; then
    exit 0
fi
if git diff "$base" -- CHANGELOG.md | grep -q '^+- BREAKING'; then
    echo "contract: breaks main, and the changelog says so"
    exit 0
fi
echo "contract: breaks main; say so in CHANGELOG.md with a line that begins '- BREAKING'"
exit 1
