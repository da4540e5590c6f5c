#!/bin/bash
# tambo.sh start|stop - tambo on $PORT (5622) through contrib/serve, which also hears THREADS and DURABILITY.
. "$(dirname "$0")/common.sh"
PORT=${PORT:-5622} D=$RUN/tambo
root=$(cd "$(dirname "$0")/../../.." && pwd)

# shellcheck disable=SC2046
with_serve() { USERS='' PLAIN=1 NOLIMITS=1 $(pinned) "$root/contrib/serve" "$1" "$D" localhost $((PORT - 22)); }

case ${1:-} in
    start)
        all_descriptors
        rm -rf "$D"
        with_serve start >"$D.out" 2>&1 </dev/null || { tail -n 5 "$D.out" >&2; exit 1; }
        register "$D.register"
        with_serve pid
        ;;
    stop) with_serve stop >/dev/null 2>&1 || true ;;
    *) echo "usage: $0 start|stop" >&2; exit 2 ;;
esac
