#!/usr/bin/env bash
# Installs what is missing to build, run and test Bailey on Debian 12 or Ubuntu 24.04 or newer, and says
# what it does. Needs a Rust toolchain; everything else comes from the distribution's packages and
# from the Python package index. Running it again is cheap.
#
#   scripts/setup.sh          what `make demo` needs
#   scripts/setup.sh test     and what `make test` needs
#   scripts/setup.sh bench    what `make bench` needs
set -euo pipefail
cd "$(dirname "$0")/.."
purpose=${1:-demo}

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

command -v cargo >/dev/null || fail "no Rust toolchain found. Install one (rustup.rs), then run this again."

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else fail "need root for: $*. Run it as root, or install sudo."; fi
}

# --- distribution packages --------------------------------------------------------------------
postgresql_is_there() {
  local postgres
  for postgres in /usr/lib/postgresql/*/bin/postgres; do
    [ -x "$postgres" ] || continue
    [ "$("$postgres" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')" -ge 15 ] && return 0
  done
  return 1
}

missing=()
want() { dpkg -s "$1" >/dev/null 2>&1 || missing+=("$1"); }
want build-essential     # the linker, and a C compiler for zstd, ring and PostgreSQL's parser
want libclang-dev        # reads that parser's C headers when it is built
want ca-certificates
want python3             # the Python that plugins run on
want python3-venv        # where uv is installed from the Python package index
postgresql_is_there || missing+=(postgresql)
[ "$purpose" = demo ] || want redis-server # short-lived state shared by several hosts is tested on it
if [ "$purpose" = test ] && [ "$(uname -m)" = x86_64 ]; then
  # The sandbox is also tried on another kernel, in an emulated machine: scripts/virtual-machine.sh.
  want qemu-system-x86
  want busybox-static
  want cpio
fi
if [ "$purpose" = test ]; then
  # Runs a foreign bot against the simulated Discord. Whatever Node.js is there will do.
  command -v node >/dev/null || missing+=(nodejs)
  command -v npm >/dev/null || missing+=(npm)
fi
[ "$purpose" = demo ] || want docker.io    # the other sandbox; the tests start a daemon of their own

if [ ${#missing[@]} -gt 0 ]; then
  command -v apt-get >/dev/null || fail "please install: ${missing[*]} (no apt-get on this system)"
  say "installing with apt-get: ${missing[*]}"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi
postgresql_is_there || fail "PostgreSQL 15 or newer is needed; this system's package is older."

# --- uv, which resolves the requirements of plugins --------------------------------------------
uv_version=0.13.9
if [ ! -x .tools/bin/uv ] || [ "$(.tools/bin/uv --version | cut -d' ' -f2)" != "$uv_version" ]; then
  say "installing uv $uv_version into .tools"
  rm -rf .tools/uv && mkdir -p .tools/bin
  /usr/bin/python3 -m venv .tools/uv
  .tools/uv/bin/pip install --quiet --disable-pip-version-check "uv==$uv_version"
  ln -sf ../uv/bin/uv .tools/bin/uv
fi

# --- for `make check` and `make test` ----------------------------------------------------------
cargo_deny_version=0.20.2
if [ "$purpose" = test ] && [ "$(.tools/bin/cargo-deny --version 2>/dev/null | cut -d' ' -f2)" != "$cargo_deny_version" ]; then
  say "building cargo-deny $cargo_deny_version into .tools (a few minutes, once)"
  cargo install --quiet --locked --debug --no-default-features --root .tools "cargo-deny@$cargo_deny_version"
fi
cargo_fuzz_version=0.13.2
if [ "$purpose" = test ] && [ "$(.tools/bin/cargo-fuzz --version 2>/dev/null | cut -d' ' -f2)" != "$cargo_fuzz_version" ]; then
  say "building cargo-fuzz $cargo_fuzz_version into .tools (a minute, once)"
  cargo install --quiet --locked --debug --root .tools "cargo-fuzz@$cargo_fuzz_version"
fi
say "ready"
