#!/usr/bin/env bash
# The conversation of `make demo`: the demo plugin, sandboxed, in the simulated Discord.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$PWD/.tools/bin:$PATH"
bailey=${CARGO_TARGET_DIR:-target}/debug/bailey
arguments=(dev examples/plugins/demo --conversation examples/plugins/demo/conversation.jsonl)
[ "${DEMO_ONCE:-}" = 1 ] && arguments+=(--once)
if [ "$(id -u)" != 0 ] && command -v systemd-run >/dev/null && systemctl --user show-environment >/dev/null 2>&1; then
  # An ordinary user may set memory and process limits only inside a cgroup handed to them.
  exec systemd-run --user --scope --quiet -p Delegate=yes "$bailey" "${arguments[@]}"
fi
exec "$bailey" "${arguments[@]}"
