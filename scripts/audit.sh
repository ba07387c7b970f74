#!/usr/bin/env bash
# Dependency audit: licences, sources, and who among our own crates may use whom (deny.toml).
# Known vulnerabilities are checked as well where the advisory database can be reached; where it
# cannot, that is said, and the rest still decides.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$PWD/.tools/bin:$PATH"
cargo deny --log-level warn check bans licenses sources

database=https://github.com/rustsec/advisory-db
if GIT_TERMINAL_PROMPT=0 timeout 20 git ls-remote --quiet --exit-code "$database" HEAD >/dev/null 2>&1; then
  cargo deny --log-level warn check advisories
else
  echo "audit: NOT CHECKED for known vulnerabilities: $database cannot be reached from here"
fi
