#!/bin/bash
# prosody.sh start|stop - Debian's Prosody on $PORT (5322), epoll, files, no limits.
. "$(dirname "$0")/common.sh"
PORT=${PORT:-5322} D=$RUN/prosody

make_accounts() {
    python3 - "$D/data/localhost/accounts" "$USERS" <<'PY'
import sys
folder, count = sys.argv[1], int(sys.argv[2])
for i in range(count):
    with open(f"{folder}/user{i}.dat", "w", encoding="ascii") as file:
        file.write('return {\n\t["password"] = "pass%d";\n};\n' % i)
PY
}

start() {
    make_certificate
    rm -rf "$D"
    mkdir -p "$D/data/localhost/accounts"
    if [ "$AUTH" = plain ]; then make_accounts; fi
    cat >"$D/prosody.cfg.lua" <<CFG
run_as_root = true
daemonize = false
data_path = "$D/data"
pidfile = "$D/prosody.pid"
log = { warn = "$D/prosody.log" }
network_backend = "epoll"
network_settings = { tcp_backlog = 4096 }
interfaces = { "127.0.0.1" }
c2s_ports = { $PORT }
c2s_direct_tls_ports = {}
s2s_ports = {}
modules_enabled = { "roster"; "saslauth"; "tls"; "disco"; "ping"; "smacks"; "offline"; "register_ibr" }
modules_disabled = { "s2s"; "admin_socket" }
allow_registration = true
registration_throttle_max = nil
authentication = "internal_$AUTH"
storage = "internal"
allow_unencrypted_plain_auth = true
c2s_require_encryption = false
ssl = { certificate = "$RUN/tls/cert.pem"; key = "$RUN/tls/key.pem" }
VirtualHost "localhost"
CFG
    # shellcheck disable=SC2046
    setsid $(pinned) prosody --config "$D/prosody.cfg.lua" -F >"$D/out" 2>&1 </dev/null &
    echo $! >"$D/pid"
    wait_for_port "$PORT"
    if [ "$AUTH" = hashed ]; then register "$D/register"; fi
}

serve "$@"
