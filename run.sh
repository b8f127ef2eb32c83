#!/usr/bin/env bash
# Starts the whole stack on this machine. ./run.sh --help says how.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$root/build/install.sh"
. "$root/build/processes.sh"

usage() {
  cat <<'TEXT'
Usage: ./run.sh              start everything and show its output; Ctrl+C stops it
       ./run.sh --detach     start everything in the background; returns when all of it is healthy
       ./run.sh status       each resource with state, pid and health (exit code: 0 all well, 1 not, 3 nothing runs)
       ./run.sh stop         stop everything that was started from here
       ./run.sh --help       this text

Environment:
  AIBACKEND_API_PORT   port of the API                               (default 5080)
  AIBACKEND_WEB_PORT   port of the web site                          (default 5081)
  AIBACKEND_STATE_DIR  data, logs and the development key            (default .local/ beside this script)
  OPENAI_API_KEY, OPENAI_BASE_URL, OPENAI_MODEL, ANTHROPIC_API_KEY, ANTHROPIC_BASE_URL, ANTHROPIC_MODEL, AIBACKEND_PROVIDERS__…
                       the model providers to use; with none of them a simulator answers, and says that it does

Missing packages (redis-server, postgresql) are installed with apt-get, through sudo when you are not root. The .NET 10 SDK
must be there. Output of the stack goes to stderr; stdout gets the three lines that say where it is.
TEXT
}

state=${AIBACKEND_STATE_DIR:-$root/.local}
case $state in /*) ;; *) state=$PWD/$state ;; esac
status_file=$state/status.json
# Tests run what they were built with: AIBACKEND_BUILT names that configuration, and nothing is built then.
program=$root/AiBackend.AppHost/bin/local/${AIBACKEND_BUILT:-Release}/net10.0/AiBackend.AppHost.dll
built=$root/AiBackend.AppHost/bin/local/Release/built

# What a host says about itself; see StatusFile.cs for the form.
stack_state() { sed -n "s/^\"state\":\"\([a-z]*\)\",\"pid\":$1,\$/\1/p" "$status_file" 2>/dev/null || true; }
resources() {
  sed -n 's/^{"name":"\([^"]*\)","state":"\([^"]*\)","pid":\([0-9]*\),"health":"\([^"]*\)","exit_code":\([^,]*\),"restarts":\([0-9]*\),"url":"\([^"]*\)".*/\1 \2 \3 \4 \5 \6 \7/p' "$status_file"
}
url_of() { resources | while read -r name _ _ _ _ _ url; do [ "$name" != "$1" ] || echo "$url"; done; }

say_where() {
  printf 'API  %s\nWeb  %s\nKey  %s\n' "$(url_of api)" "$(url_of web)" "$state/dev-api-key"
}

not_well() {
  resources | while read -r name state _ health exit_code _; do
    case $state:$health:$exit_code in Running:healthy:*) ;; Finished:*:0) ;; *) echo "$name" ;; esac
  done
}

# is_current: whether no source is newer than the start of the last build, and no folder of sources newer than its end, which
# is when the build has made its own folders in them.
is_current() {
  [ -e "$program" ] && [ -e "$built.from" ] && [ -e "$built" ] &&
    [ -z "$(find "$root"/AiBackend.* "$root"/build "$root"/Directory.*.props "$root"/global.json "$root"/.editorconfig "$root"/docs/problems.md \
      \( -name bin -o -name obj -o -name AiBackend.Tests -o -name AiBackend.Bench \) -prune -o \
      -type f -newer "$built.from" -print -quit -o -type d -newer "$built" -print -quit)" ]
}

build() {
  local output
  if is_current; then
    return
  fi
  say "Building (Release)…"
  mkdir -p "${built%/*}"
  rm -f "$built"
  touch "$built.from"
  # Without build servers, which would outlive this script by minutes, and without analyzers, which are ./test.sh's concern.
  output=$(
    cd "$root"
    export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 UseAspire=false MSBUILDDISABLENODEREUSE=1
    dotnet build AiBackend.AppHost -c Release --nologo -v quiet \
      -p:RestoreLockedMode=true -p:RunAnalyzers=false -p:UseSharedCompilation=false 2>&1
  ) || fail "the build failed:"$'\n'"$output"
  touch "$built"
}

prepare() {
  require_dotnet
  install_missing $(missing_servers)
  [ -n "${AIBACKEND_BUILT:-}" ] || build
  [ -d "$state" ] || mkdir -p -m 711 "$state"
}

running_already() {
  local host
  host=$(host_pid "$state")
  [ -n "$host" ] || return 1
  say "Already running (pid $host) with its state in $state."
}

start_foreground() {
  if running_already; then
    fail "stop that one first (./run.sh stop), or start another beside it with AIBACKEND_STATE_DIR, AIBACKEND_API_PORT and AIBACKEND_WEB_PORT."
  fi
  prepare
  AIBACKEND_STATE_DIR=$state DOTNET_ENVIRONMENT=Development dotnet "$program" >&2 &
  local host=$!
  trap 'kill -TERM $host 2>/dev/null || true' INT TERM HUP
  while kill -0 "$host" 2>/dev/null; do
    if [ "$(stack_state "$host")" = ready ]; then
      say_where
      break
    fi
    sleep 0.2 &
    wait $! || true
  done
  # A signal ends the wait, not the host.
  local code=0
  while :; do
    wait "$host" && code=0 || code=$?
    kill -0 "$host" 2>/dev/null || break
  done
  exit "$code"
}

start_detached() {
  if running_already; then
    say_where
    return
  fi
  prepare
  mkdir -p -m 700 "$state/logs"
  touch "$state/logs/started"
  AIBACKEND_STATE_DIR=$state DOTNET_ENVIRONMENT=Development setsid nohup dotnet "$program" --AiBackend:LocalHost:Console=false \
    >"$state/logs/console.log" 2>&1 </dev/null &
  local host=$! deadline=$((SECONDS + 180))
  say "Starting…"
  while kill -0 "$host" 2>/dev/null; do
    if [ "$(stack_state "$host")" = ready ]; then
      say_where
      return
    fi
    if [ $SECONDS -ge $deadline ]; then
      for name in $(not_well); do
        say "--- $name is not healthy; its last lines:"
        tail -n 15 "$state/logs/$name.log" >&2 2>/dev/null || true
      done
      stop
      fail "not everything was healthy after three minutes. Logs: $state/logs"
    fi
    sleep 0.2
  done
  # What the host has said since this start; its log may be older than that.
  [ ! "$state/logs/host.log" -nt "$state/logs/started" ] || tail -n 40 "$state/logs/host.log" >&2
  cat "$state/logs/console.log" >&2
  fail "the stack did not start. Logs: $state/logs"
}

stop() {
  local host
  host=$(host_pid "$state")
  if [ -z "$(listed "$state")" ]; then
    say "Nothing is running from $state."
    return
  fi
  if [ -n "$host" ]; then
    say "Stopping…"
    local started deadline=$((SECONDS + 12))
    started=$(started_at "$host")
    kill -TERM "$host" 2>/dev/null || true
    # Not by the list of processes: the host removes it a moment before it ends.
    while [ -n "$started" ] && [ "$(started_at "$host")" = "$started" ]; do
      [ $SECONDS -lt $deadline ] || kill -KILL "$host" 2>/dev/null || true
      sleep 0.1
    done
  fi
  # Nothing is left after a clean stop; a host that was killed leaves its children.
  end_listed "$state" || fail "some processes did not end: $(listed "$state" | cut -d' ' -f1,3 | tr '\n' ';')"
  say "Stopped."
}

status() {
  if [ -z "$(host_pid "$state")" ]; then
    if [ -n "$(listed "$state")" ]; then
      say "The host was killed and left these running; ./run.sh stop ends them:"
      listed "$state" | while read -r pid _ name; do printf '%-12s %-12s %8s  %s\n' "$name" "orphaned" "$pid" -; done
      exit 1
    fi
    say "Nothing is running from $state."
    exit 3
  fi
  printf '%-12s %-13s %8s  %-10s %s\n' RESOURCE STATE PID HEALTH ADDRESS
  resources | while read -r name state pid health exit_code restarts url; do
    [ "$pid" != 0 ] || pid=-
    [ "$state" != Finished ] || state="Finished($exit_code)"
    [ "$restarts" = 0 ] || url="$url (restarted $restarts times)"
    printf '%-12s %-13s %8s  %-10s %s\n' "$name" "$state" "$pid" "$health" "$url"
  done
  [ -z "$(not_well)" ]
}

case ${1:-} in
  "") start_foreground ;;
  --detach | -d) start_detached ;;
  stop) stop ;;
  status) status ;;
  --help | -h | help) usage ;;
  *)
    usage >&2
    fail "unknown argument: $1"
    ;;
esac
