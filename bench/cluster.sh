# The private cluster: made in a directory of its own, listening on a unix
# socket in that directory only, removed at the end (KEEP=1 leaves it up).
# The machine's other clusters are never touched.
#
#   BENCH_NO_EXTENSION=1   no preload, no CREATE EXTENSION: machine limits only
#   WORKERS=n              durable.max_workers while the engine runs
#   BENCH_SETTINGS         more lines for postgresql.conf

BENCH_DB=bench
BENCH_ROLE=${BENCH_ROLE:-bench}        # the application's role, an ordinary one

cluster_settings() {
    cat <<-CONF
	listen_addresses = ''
	shared_buffers = 1GB
	fsync = on
	synchronous_commit = on
	wal_level = replica
	max_wal_size = 8GB
	checkpoint_timeout = 30min
	max_worker_processes = 24
	autovacuum = on
	CONF
    [ -n "${BENCH_NO_EXTENSION:-}" ] || echo "shared_preload_libraries = 'durable'"
    [ -z "${WORKERS:-}" ] || echo "durable.max_workers = $WORKERS"
    [ -z "${BENCH_SETTINGS:-}" ] || printf '%s\n' "$BENCH_SETTINGS"
}

cluster_start() {
    export BENCH_DIR PGHOST PGPORT PGDATABASE PGUSER
    BENCH_DIR=$(mktemp -d /var/tmp/durable-bench.XXXXXX)
    PGHOST=$BENCH_DIR PGPORT=5432 PGDATABASE=$BENCH_DB PGUSER=postgres

    initdb -D "$BENCH_DIR/data" -U postgres -A trust --no-locale -E UTF8 >"$BENCH_DIR/initdb.log" 2>&1 ||
        die "initdb: $(cat "$BENCH_DIR/initdb.log")"
    { cluster_settings; echo "unix_socket_directories = '$BENCH_DIR'"; } >>"$BENCH_DIR/data/postgresql.conf"
    pg_ctl -D "$BENCH_DIR/data" -l "$BENCH_DIR/log" -w start >/dev/null ||
        { tail -20 "$BENCH_DIR/log" >&2; rm -rf "$BENCH_DIR"; BENCH_DIR=; die "the cluster does not start"; }

    psql -qXd postgres -v ON_ERROR_STOP=1 <<-SQL
	SELECT 'CREATE ROLE $BENCH_ROLE LOGIN' WHERE '$BENCH_ROLE' <> 'postgres' \gexec
	CREATE DATABASE $BENCH_DB OWNER $BENCH_ROLE;
	CREATE DATABASE machine;
	SQL
    machine_prepare
    [ -n "${BENCH_NO_EXTENSION:-}" ] || extension_create
    [ -n "${BENCH_QUIET:-}" ] || cluster_describe
}

extension_create() {
    sql "CREATE EXTENSION durable"
    app_file "$BENCH_HOME/workflows.sql"
}

cluster_describe() {
    echo "$(postgres --version), $(nproc) cores, $(awk '/MemTotal/ { printf "%.0f GB", $2 / 1048576 }' /proc/meminfo), $(uname -sr), $(date -u +%FT%TZ)"
    echo "settings: $(cluster_settings | paste -sd ';' | sed 's/;/; /g')"
    echo
}

# What the server complained about, so that a fast run of errors is not taken for a fast run.
cluster_report_log() {
    local n
    n=$(grep -cE '(ERROR|FATAL|PANIC|WARNING):' "$BENCH_DIR/log" || true)
    [ "$n" = 0 ] || { note "server log: $n errors or warnings, the most frequent:"
        grep -oE '(ERROR|FATAL|PANIC|WARNING):.*' "$BENCH_DIR/log" | sort | uniq -c | sort -rn | head -5 >&2; }
}

cluster_stop() {
    [ -n "${BENCH_DIR:-}" ] || return 0
    if [ -n "${KEEP:-}" ]; then
        note "left up: psql -h $BENCH_DIR -U postgres $BENCH_DB; remove: pg_ctl -D $BENCH_DIR/data stop; rm -r $BENCH_DIR"
        return 0
    fi
    pg_ctl -D "$BENCH_DIR/data" -m immediate -w stop >/dev/null 2>&1 || true
    rm -rf "$BENCH_DIR"
    unset BENCH_DIR
}

# sql: as superuser, for looking and switching. app: as the application's role.
sql()      { psql -qXAt -v ON_ERROR_STOP=1 -d "$BENCH_DB" -c "$1"; }
app()      { psql -qXAt -v ON_ERROR_STOP=1 -d "$BENCH_DB" -U "$BENCH_ROLE" -c "$1"; }
app_file() { psql -qXAt -v ON_ERROR_STOP=1 -d "$BENCH_DB" -U "$BENCH_ROLE" -f "$1"; }

# --- the engine's switch ---------------------------------------------------

engine_stop() {
    local i
    sql "ALTER SYSTEM SET durable.max_workers = 0"
    sql "SELECT pg_reload_conf()" >/dev/null
    for i in $(seq 100); do
        [ "$(sql "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'durable worker'")" != 0 ] || return 0
        sleep 0.1
    done
    note "durable.max_workers = 0, yet after ${i}00 ms workers are still there"
}

engine_start() {
    sql "ALTER SYSTEM RESET durable.max_workers"
    sql "SELECT pg_reload_conf()" >/dev/null
}

# --- the poller: one open session, so that looking costs no connection -------
# It holds no snapshot between two questions. Every ask is one transaction of
# the bench database and is counted, to be subtracted from what is measured.

ASKED=0
poller_start() {
    [ -z "${BENCH_NO_EXTENSION:-}" ] || return 0
    local d=$BENCH_DIR/poller.$$
    mkdir "$d"; mkfifo "$d/in" "$d/out" "$d/never"
    psql -qXAt -d "$BENCH_DB" <"$d/in" >"$d/out" 2>>"$BENCH_DIR/poller.log" &
    POLLER=$!
    exec {POLL_IN}>"$d/in" {POLL_OUT}<"$d/out" {NEVER}<>"$d/never"
    rm -r "$d"
}

poller_stop() {
    [ -n "${POLLER:-}" ] || return 0
    exec {POLL_IN}>&- {POLL_OUT}<&- {NEVER}>&-
    kill "$POLLER" 2>/dev/null || true
    wait "$POLLER" 2>/dev/null || true
    POLLER=
}

# ask QUERY: one row into ANSWER, columns joined by |
ask() {
    ASKED=$((ASKED + 1))
    echo "$1;" >&"$POLL_IN"
    read -r -t 600 ANSWER <&"$POLL_OUT" || die "no answer to: $1 $(tail -3 "$BENCH_DIR/poller.log")"
}

# nap SECONDS, without a process
nap() { read -r -t "$1" -u "$NEVER" || true; }

# wait_drained TIMEOUT: until no run is open. By the highest run_id, so that a
# look is one index probe and does not walk over what was finished before it.
wait_drained() {
    local until=$((SECONDS + $1))
    while :; do
        ask "SELECT count(*) FROM (SELECT FROM durable.execution ORDER BY run_id DESC LIMIT 1) x"
        [ "$ANSWER" != 0 ] || return 0
        if [ $SECONDS -gt $until ]; then
            ask "SELECT count(*) FROM durable.execution"
            note "after $1 s $ANSWER runs are still open; wf_stuck says:"
            sql "SELECT * FROM wf_stuck LIMIT 3" >&2 || true
            BENCH_FAILED=1
            return 1
        fi
        nap 0.05
    done
}
