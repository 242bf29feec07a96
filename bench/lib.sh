# What every measurement shares: who runs it, the figures table, arithmetic.
#
# A measurement is an executable that sources this file, calls bench_begin,
# prints its rows with `row`, and exits. Alone it starts and removes a cluster
# of its own; under bench/run (BENCH_DIR set) all use one.
#
#   lib.sh        this: environment, table, arithmetic
#   cluster.sh    the private cluster, the engine's switch, the poller session
#   measure.sh    counters, CPU, pgbench and percentiles
#   machine.sh    the machine's own limits, to which all figures are compared

set -euo pipefail
export LC_ALL=C

BENCH_HOME=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# PostgreSQL refuses to run as root: become postgres, once, for all that follows.
if [ "$(id -u)" = 0 ]; then
    cd /
    # Not runuser: it kills the shell two seconds after a signal, in the middle of the cleanup.
    exec setpriv --reuid=postgres --regid=postgres --init-groups env HOME=/var/tmp "$BENCH_HOME/$(basename "$0")" "$@"
fi

PG_BIN=${PG_BIN:-$(pg_config --bindir)}
export PATH=$PG_BIN:$PATH

note() { printf '%s\n' "-- $*" >&2; }
die()  { printf '%s\n' "bench: $*" >&2; exit 1; }

# calc FORMAT EXPRESSION: floating point, which bash has not.
calc() { awk "BEGIN { printf \"$1\", ($2) }"; }

# ratio A B: A/B to three digits, or '-' where B is nothing.
ratio() { if [ "$(calc %d "($2) > 0")" = 1 ]; then calc %.3g "($1) / ($2)"; else echo -; fi; }

# A number as it reads best: no decimals from 100 up, three digits below.
pretty() { awk -v x="$1" 'BEGIN { if (x + 0 != x) print x; else printf((x >= 100 || x == int(x)) ? "%.0f" : "%.3g", x) }'; }

# at_least X TARGET, at_most X TARGET: the verdict column.
at_least() { if [ "$(calc %d "($1) >= ($2)")" = 1 ]; then echo ok; else echo MISS; fi; }
at_most()  { if [ "$(calc %d "($1) <= ($2)")" = 1 ]; then echo ok; else echo MISS; fi; }

table_header() {
    [ -z "${BENCH_TABLE:-}" ] || return 0
    export BENCH_TABLE=started
    echo "| name | figure | unit | ratio | target | verdict |"
    echo "|---|---:|---|---|---|---|"
}

# row NAME FIGURE UNIT [RATIO [TARGET [VERDICT]]]
row() {
    printf '| %s | %s | %s | %s | %s | %s |\n' "$1" "$(pretty "$2")" "$3" "${4:--}" "${5:--}" "${6:--}"
}

# A row that states a fact that must hold. A false one makes the exit status 1.
BENCH_FAILED=0
check() { # NAME GOT WANTED
    if [ "$2" = "$3" ]; then row "$1" "$2" "" - "= $3" ok
    else row "$1" "$2" "" - "= $3" MISS; BENCH_FAILED=1; fi
}

# shellcheck source=cluster.sh
. "$BENCH_HOME/cluster.sh"
# shellcheck source=measure.sh
. "$BENCH_HOME/measure.sh"
# shellcheck source=machine.sh
. "$BENCH_HOME/machine.sh"

# bench_begin: a cluster (unless bench/run gave one), the poller, the header.
bench_begin() {
    trap bench_end EXIT
    trap 'exit 130' INT TERM
    if [ -z "${BENCH_DIR:-}" ]; then
        BENCH_OWNER=1
        cluster_start
    fi
    poller_start
    table_header
}

bench_end() {
    local status=$?
    trap - EXIT
    poller_stop
    if [ "${BENCH_OWNER:-}" = 1 ] && [ -n "$BENCH_DIR" ]; then cluster_report_log; cluster_stop; fi
    [ $status -ne 0 ] || status=$BENCH_FAILED
    exit "$status"
}
