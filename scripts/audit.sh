#!/usr/bin/env bash
# Dependency audit: licences, sources, and who among our own crates may use whom (deny.toml).
# Known vulnerabilities are checked as well where the advisory database can be reached; where it
# cannot, that is said, and the rest still decides.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$PWD/.tools/bin:$PATH"
cargo deny --log-level warn check bans licenses sources

said=$(timeout 120 cargo deny --log-level warn check advisories 2>&1) && status=0 || status=$?
if [ "$status" = 0 ]; then
  echo "audit: no known vulnerabilities"
elif printf '%s' "$said" | grep -qi 'failed to fetch advisory database' || [ "$status" = 124 ]; then
  echo "audit: NOT CHECKED for known vulnerabilities: the advisory database cannot be reached from here"
else
  printf '%s\n' "$said"
  exit 1
fi
