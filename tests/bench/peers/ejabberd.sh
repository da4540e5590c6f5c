#!/bin/bash
# ejabberd.sh start|stop - Debian's ejabberd on $PORT (5422), mnesia, no shapers.
# Erlang's schedulers don't wait busily: that would count against it.
. "$(dirname "$0")/common.sh"
PORT=${PORT:-5422} D=$RUN/ejabberd

start() {
    make_certificate
    rm -rf "$D"
    mkdir -p "$D/spool" "$D/log"
    local format=plain
    if [ "$AUTH" = hashed ]; then format=scram; fi
    cat >"$D/ejabberd.yml" <<CFG
hosts: [localhost]
loglevel: error
log_rotate_count: 0
certfiles: ["$RUN/tls/both.pem"]
auth_method: internal
auth_password_format: $format
registration_timeout: infinity
listen:
  - port: $PORT
    ip: "127.0.0.1"
    module: ejabberd_c2s
    max_stanza_size: 262144
    shaper: none
    access: all
    starttls: true
    backlog: 4096
shaper_rules:
  max_user_sessions: 100
  max_user_offline_messages: infinity
modules:
  mod_disco: {}
  mod_roster: {}
  mod_offline: {access_max_user_messages: max_user_offline_messages}
  mod_ping: {}
  mod_stream_mgmt: {}
  mod_register: {access: all, ip_access: all, welcome_message: {subject: "", body: ""}}
CFG
    cd "$D"
    export ERL_LIBS=/usr/lib/$(uname -m)-linux-gnu EJABBERD_CONFIG_PATH=$D/ejabberd.yml \
        EJABBERD_LOG_PATH=$D/log/ejabberd.log ERL_CRASH_DUMP=/dev/null ERL_MAX_ETS_TABLES=20000 HOME=$D
    # shellcheck disable=SC2046
    setsid $(pinned) erl +K true +P 1000000 +Q 65536 +sbwt none +sbwtdcpu none +sbwtdio none -noinput -noshell \
        -mnesia dir "\"$D/spool\"" -s ejabberd >"$D/out" 2>&1 </dev/null &
    echo $! >"$D/pid"
    wait_for_port "$PORT"
    sleep 1   # it listens before its modules are there
    register "$D/register"
}

serve "$@"
