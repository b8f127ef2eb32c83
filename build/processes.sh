# Sourced by run.sh and test.sh: finds and ends processes by the ledger the local host keeps in a state directory (one line a
# process: pid, start time, name; the first line names the boot), so that only what was started from there is ever ended.

# started_at PID: the tick since boot at which the process started; nothing when there is none, or only a zombie.
started_at() {
  local stat
  { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 0
  stat=${stat##*) }
  set -- $stat
  [ "$1" = Z ] || [ "$1" = X ] || echo "${20}"
}

# listed STATE_DIR: the ledger's lines that stand for processes still alive.
listed() {
  local pid start name
  [ -r "$1/processes" ] || return 0
  [ "$(head -n 1 "$1/processes" 2>/dev/null)" = "boot $(cat /proc/sys/kernel/random/boot_id)" ] || return 0
  tail -n +2 "$1/processes" 2>/dev/null | while read -r pid start name; do
    [ "$(started_at "$pid")" != "$start" ] || echo "$pid $start $name"
  done
}

# host_pid STATE_DIR: the pid of the running host, if there is one.
host_pid() { listed "$1" | while read -r pid _ name; do [ "$name" != host ] || echo "$pid"; done; }

# until_gone STATE_DIR SECONDS: waits for all listed processes to end; false when time is up.
until_gone() {
  local deadline=$((SECONDS + $2))
  while [ -n "$(listed "$1")" ]; do
    [ $SECONDS -lt $deadline ] || return 1
    sleep 0.1
  done
}

# end_listed STATE_DIR: ends what a host that is gone left running.
end_listed() {
  local pid start name
  [ -n "$(listed "$1")" ] || return 0
  listed "$1" | while read -r pid start name; do
    case $name in postgres) kill -INT "$pid" ;; *) kill -TERM "$pid" ;; esac 2>/dev/null
    kill -CONT "$pid" 2>/dev/null
  done || true
  until_gone "$1" 5 || listed "$1" | while read -r pid start name; do kill -KILL -- "-$pid" "$pid" 2>/dev/null; done || true
  until_gone "$1" 5
}
