# Shared by the scripts beside this one. All that a server writes is below $RUN.
# Environment: RUN, LOAD (bench-load), USERS (accounts to make: user0@localhost with password pass0 …), PIN (cores for
#   taskset), AUTH=plain|hashed (how passwords are kept), PORT.
set -euo pipefail
RUN=${RUN:-/tmp/tambo-bench}
LOAD=${LOAD:-$(cd "$(dirname "$0")/../../.." && pwd)/build/release/bin/bench-load}
USERS=${USERS:-2000}
PIN=${PIN:-}
AUTH=${AUTH:-plain}
mkdir -p "$RUN"

pinned() { if [ -n "$PIN" ]; then echo "taskset -c $PIN"; fi; }
all_descriptors() { ulimit -n "$(ulimit -Hn)"; }

make_certificate() {   # ECDSA P-256, as tambo's
    if [ -s "$RUN/tls/both.pem" ]; then return; fi
    mkdir -p "$RUN/tls"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 365 -subj /CN=localhost \
        -addext subjectAltName=DNS:localhost -keyout "$RUN/tls/key.pem" -out "$RUN/tls/cert.pem" 2>/dev/null
    cat "$RUN/tls/cert.pem" "$RUN/tls/key.pem" >"$RUN/tls/both.pem"
    chmod -R a+rX "$RUN/tls"
}

wait_for_port() {
    local deadline=$((SECONDS + 60))
    until (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; do
        [ $SECONDS -lt $deadline ] || { echo "nothing listens on $1" >&2; return 1; }
        sleep 0.1
    done
}

register() { "$LOAD" register --port "$PORT" --n "$USERS" --concurrency 100 >"$1" 2>&1 || { cat "$1" >&2; return 1; }; }

stop_pid() {   # stop_pid FILE
    local pid deadline=$((SECONDS + 15))
    pid=$(cat "$1" 2>/dev/null) || return 0
    kill -TERM "$pid" 2>/dev/null || true
    while kill -0 "$pid" 2>/dev/null; do
        if [ $SECONDS -ge $deadline ]; then kill -KILL "$pid" 2>/dev/null || true; fi
        sleep 0.1
    done
    rm -f "$1"
}

# Each script defines `start`, which leaves a pid in $D/pid.
serve() {
    case ${1:-} in
        start) all_descriptors; start; cat "$D/pid" ;;
        stop) stop_pid "$D/pid" ;;
        *) echo "usage: $0 start|stop" >&2; exit 2 ;;
    esac
}
