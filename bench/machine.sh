# The machine's own limits, measured in the same run and close to what is
# compared with them: the machines are shared and a speed alone means little.

machine_prepare() {
    psql -qXd machine -v ON_ERROR_STOP=1 -c "CREATE TABLE r (id bigint, v text)"
    {   # the parse of a prepared pipeline's statements is outside of it
        echo '\set id random(1, 1000000000)'
        echo '\startpipeline'
        for _ in $(seq 100); do echo "INSERT INTO r VALUES (:id, 'durable execution');"; done
        echo '\endpipeline'
    } >"$BENCH_DIR/pipeline.sql"
}

# R: rows/s of one-row INSERTs, pipelined in transactions of 100, two clients.
measure_r() { # SECONDS
    psql -qXd machine -c "TRUNCATE r"
    calc %.0f "100 * $(tps machine postgres -c 2 -j 2 -T "$1" -f "$BENCH_DIR/pipeline.sql")"
}

# One row per commit.
measure_commits() { # CLIENTS SECONDS
    psql -qXd machine -c "TRUNCATE r"
    calc %.0f "$(tps machine postgres -c "$1" -j 2 -T "$2" -f "$BENCH_HOME/insert.sql")"
}

# Two commits one after the other on one connection, microseconds, median.
measure_two_commits() { # PAIRS
    latencies "$BENCH_DIR/two" machine postgres -c 1 -t "$1" -f "$BENCH_HOME/two_commits.sql"
    percentile "$BENCH_DIR/two" 50
}

# fdatasync/s as pg_test_fsync sees it (it is cut short after that line)
measure_fdatasync() {
    local line
    line=$(stdbuf -oL pg_test_fsync -s 1 -f "$BENCH_DIR/fsync.tmp" 2>/dev/null |
        awk '/fdatasync .*ops/ { print $2; exit }') || true
    rm -f "$BENCH_DIR/fsync.tmp"
    echo "${line:-0}"
}
