# Sourced by run.sh and test.sh: installs what a fresh Debian 12 lacks, and says so. Silent when nothing is missing.

say() { printf '%s\n' "$*" >&2; }

fail() {
  say "error: $*"
  exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

have_postgres() { have postgres || compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null; }

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif have sudo; then
    sudo "$@"
  else
    fail "this needs root, and there is no sudo: $*"
  fi
}

require_dotnet() {
  have dotnet || fail "the .NET 10 SDK is needed and 'dotnet' is not on the PATH. Get it from https://dot.net/download"
  (cd "$root" && dotnet --version >/dev/null 2>&1) ||
    fail "the .NET 10 SDK is needed; this machine has: $(dotnet --list-sdks | cut -d' ' -f1 | tr '\n' ' '). Get it from https://dot.net/download"
}

# install_missing PACKAGE…: what apt-get calls the things that were found missing.
install_missing() {
  [ $# -gt 0 ] || return 0
  have apt-get || fail "missing: $*. There is no apt-get here to install them with; install them and start again."
  say "Installing with apt-get, because it is missing here: $*"
  as_root apt-get update -q >&2 || say "apt-get update failed; trying with the package lists that are there."
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >&2 ||
    fail "apt-get could not install: $*"
}

missing_servers() {
  have redis-server || echo redis-server
  have_postgres || echo postgresql
}
