# Counters, CPU, pgbench, percentiles.

# --- what was spent ----------------------------------------------------------
# counters NAME: the cluster's counters now. spent NAME1 NAME2 KEY: the difference.
# xact leaves out the poller's own transactions.

COUNTERS="
SELECT d.xact_commit, pg_current_wal_insert_lsn() - '0/0', (SELECT wal_sync FROM pg_stat_wal),
       t.ins, t.dead, pg_stat_force_next_flush()
FROM pg_stat_database d,
     (SELECT coalesce(sum(n_tup_ins), 0) AS ins, coalesce(sum(n_tup_upd + n_tup_del), 0) AS dead
      FROM pg_stat_all_tables WHERE schemaname = 'durable') t
WHERE d.datname = current_database()"

counters() {
    local -a f
    ask "SELECT pg_stat_force_next_flush()"
    ask "${COUNTERS//$'\n'/ }"
    IFS='|' read -ra f <<<"$ANSWER"
    declare -gA "$1"
    local -n to=$1
    to=([xact]=$((f[0] - ASKED)) [wal]=${f[1]} [flush]=${f[2]} [ins]=${f[3]} [dead]=${f[4]} [cpu]=$(cluster_cpu_us))
}

spent() {
    local -n from=$1 to=$2
    echo $((to[$3] - from[$3]))
}

# Runs closed so far, by the statistics: no scan of a table that is in use.
# (closed may be partitioned or not.)
CLOSED="coalesce(sum(n_tup_ins), 0) FROM pg_stat_all_tables WHERE relid = 'durable.closed'::regclass OR relid IN (SELECT relid FROM pg_partition_tree('durable.closed'))"

closed_count() { ask "SELECT $CLOSED"; CLOSED_COUNT=$ANSWER; }

# Statistics come up to seconds late: wait until they tell of COUNT closed runs.
wait_statistics() {
    local i
    for i in $(seq 120); do
        closed_count
        [ "$CLOSED_COUNT" -lt "$1" ] || break
        nap 0.1
    done
    [ "$CLOSED_COUNT" -ge "$1" ] || note "statistics tell of $CLOSED_COUNT closed runs after ${i}00 ms, not of $1: figures per workflow may be low"
    nap 1.2
}

# --- CPU ---------------------------------------------------------------------

postmaster_pid() { head -1 "$BENCH_DIR/data/postmaster.pid"; }

# Microseconds of user and system time of the whole cluster: its living
# processes, and the dead ones by what the postmaster has inherited.
cluster_cpu_us() {
    local pm
    pm=$(postmaster_pid)
    # shellcheck disable=SC2046
    cat $(printf '/proc/%s/stat ' "$pm" $(pgrep -P "$pm")) 2>/dev/null |
        awk -v pm="$pm" -v hz="$(getconf CLK_TCK)" '
            { t += $14 + $15; if ($1 == pm) t += $16 + $17 }
            END { printf "%.0f", t * 1000000 / hz }'
}

# Living processes of the engine: those titled "postgres: durable ...".
engine_pids() {
    local pid
    for pid in $(pgrep -P "$(postmaster_pid)"); do
        if tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -q '^postgres: durable'; then echo "$pid"; fi
    done
}

# engine_cpu: per engine process "pid ticks wakeups" (wakeups: voluntary context switches)
engine_cpu() {
    local pid
    for pid in $(engine_pids); do
        echo "$pid $(awk '{ print $14 + $15 }' "/proc/$pid/stat") $(awk '/^voluntary/ { print $2 }' "/proc/$pid/status")"
    done 2>/dev/null
}

# Share of the machine's time that went to its neighbours, between two calls.
cpu_times() { awk '/^cpu / { print $9, $2 + $3 + $4 + $5 + $6 + $7 + $8 + $9 }' /proc/stat; }
steal_between() { awk -v a="$1" -v b="$2" 'BEGIN { split(a, x); split(b, y); t = y[2] - x[2]; printf "%.1f", (t > 0 ? 100 * (y[1] - x[1]) / t : 0) }'; }

# --- pgbench -------------------------------------------------------------------

# tps DB ROLE ARGUMENTS...: transactions per second without connection time
tps() {
    local db=$1 role=$2 out
    shift 2
    out=$(pgbench -n -M prepared -U "$role" "$@" "$db" 2>&1) || die "pgbench: $out"
    ! grep -qE 'aborted|number of failed transactions: [1-9]' <<<"$out" || die "pgbench: $out"
    awk '/^tps/ { print $3 }' <<<"$out"
}

# latencies FILE DB ROLE ARGUMENTS...: sorted microseconds per transaction into FILE
latencies() {
    local file=$1 db=$2 role=$3
    shift 3
    rm -f "$BENCH_DIR"/latency.*
    tps "$db" "$role" -l --log-prefix="$BENCH_DIR/latency" "$@" >/dev/null
    awk '{ print $3 }' "$BENCH_DIR"/latency.* | sort -n >"$file"
    rm -f "$BENCH_DIR"/latency.*
}

# percentile FILE P: of sorted numbers, nearest rank
percentile() { awk -v p="$2" '{ a[NR] = $1 } END { i = int(NR * p / 100 + 0.999999); if (i < 1) i = 1; print a[i] }' "$1"; }

median() { sort -n | awk '{ a[NR] = $1 } END { print NR % 2 ? a[(NR + 1) / 2] : (a[NR / 2] + a[NR / 2 + 1]) / 2 }'; }
