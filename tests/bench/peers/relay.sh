#!/bin/bash
# relay.sh start|stop - the floor: bench-load's own relay, one thread, on $PORT (5122).
. "$(dirname "$0")/common.sh"
PORT=${PORT:-5122} D=$RUN/relay

start() {
    mkdir -p "$D"
    # shellcheck disable=SC2046
    setsid $(pinned) "$LOAD" relay --port "$PORT" >"$D/out" 2>&1 </dev/null &
    echo $! >"$D/pid"
    wait_for_port "$PORT"
}

serve "$@"
