# Sourced after common.sh by what runs tests and counts them: the last line is
# "N passed, N failed" and the exit status follows it, however the script ends.
# The tests are those of the tree $TREE, logs go to $WORK.
# shellcheck shell=bash

passed=0 failed=0 finished=no running=

pass() { passed=$((passed + 1)); printf 'ok      %-10s %s\n' "$1" "$2"; }
fail() { failed=$((failed + 1)); printf 'FAILED  %-10s %s\n' "$1" "$2"; }

# Always the last thing that happens, however the script ends.
finish() {
    trap - EXIT
    [[ -z $running ]] || kill "$running" 2>/dev/null || true
    [[ -z ${WORK-} ]] || (stop_servers "$WORK") || true
    [[ $finished == yes ]] || fail test "ended before all tests were run"
    echo "$passed passed, $failed failed"
    ((failed == 0 && passed > 0)) && exit 0
    exit 1
}
trap finish EXIT
trap 'exit 130' INT TERM

# limited SECONDS OUT ERR COMMAND...: as postgres, killed when it takes longer. In
# the background, so that an interrupt reaches us at once; the redirections are
# in there too, or an interrupt's last words would go to the log.
limited() {
    local status=0
    (cd / && HOME=/ exec timeout -k 10 "$1" runuser -u postgres -- "${@:4}") </dev/null >>"$2" 2>>"$3" &
    running=$!
    wait "$running" || status=$?
    running=
    return "$status"
}

show() { # TITLE, text on standard input
    echo "---- $1"
    sed 's/^/    /'
    echo "----"
}

make_variable() { # NAME: its value in our Makefile
    # shellcheck disable=SC2016
    as_postgres make -s -C "$TREE" "${MAKE_ARGS[@]}" --no-print-directory --eval='print-%: ; @echo $($*)' "print-$1"
}

# pg_regress and pg_isolation_regress say "test NAME ... ok" up to 15 and
# "ok 1 - NAME" from 16 on; prove says "test/t/NAME.pl .. ok".
regress_results() {
    awk '/ \.\.\. (ok|FAILED|failed)/ { print / \.\.\. ok/ ? "ok" : "failed", $1 == "test" ? $2 : $1 }
         /^ok +[0-9]+ +[-+] /         { print "ok", $4 }
         /^not ok +[0-9]+ +[-+] /     { print "failed", $5 }'
}
prove_results() {
    sed -nE -e 's,^(.*/)?([^/ ]+)\.pl \.+ (ok|skipped).*,\3 \2,p;t' -e 's,^(.*/)?([^/ ]+)\.pl \.+ .*,failed \2,p'
}

conformance_results() {
    sed -nE -e 's/^ok (.*)/ok \1/p' -e 's/^not ok (.*)/failed \1/p'
}

# run_kind KIND SECONDS RESULTS NAME...: makes check-KIND and counts each NAME,
# and what else the function RESULTS finds in the output. No result is a failure.
run_kind() {
    local kind=$1 seconds=$2 results=$3 status=0 before=$failed name result
    local -A of=()
    shift 3
    (($#)) || { echo "none    $kind"; return 0; }
    limited "$seconds" "$WORK/$kind.log" "$WORK/$kind.err" \
        make -C "$TREE" "${MAKE_ARGS[@]}" "PROVE_FLAGS=${PROVE_FLAGS-}" "check-$kind" || status=$?
    stop_servers "$TREE"
    for name in "$@"; do of[$name]=none; done
    while read -r result name; do of[$name]=$result; done < <("$results" <"$WORK/$kind.log")
    for name in $(printf '%s\n' "${!of[@]}" | sort); do
        case ${of[$name]} in
            ok) pass "$kind" "$name" ;;
            skipped) printf 'skipped %-10s %s\n' "$kind" "$name" ;;
            none) fail "$kind" "$name (no result)" ;;
            *) fail "$kind" "$name" ;;
        esac
        [[ $kind != tap || ${of[$name]} =~ ^(ok|skipped)$ ]] || show_file "$TREE/tmp_check/log/regress_log_$name" 40
    done
    ((status == 124 || status == 137)) && fail "$kind" "time limit of $seconds s"
    ((status && failed == before)) && fail "$kind" "make ended with status $status"
    ((failed == before)) || show_failure "$kind"
}

show_failure() {
    case $1 in
        regress) [[ ! -s $TREE/regression.diffs ]] || head -n 200 "$TREE/regression.diffs" | show regression.diffs ;;
        isolation) [[ ! -s $TREE/output_iso/regression.diffs ]] ||
            head -n 200 "$TREE/output_iso/regression.diffs" | show output_iso/regression.diffs ;;
    esac
    show_file "$WORK/$1.log" 20
    show_file "$WORK/$1.err" 40
}

show_file() { # FILE LINES: its end
    [[ ! -s $1 ]] || tail -n "$2" "$1" | show "${1#"$WORK"/}"
}

# no_findings KIND LOG...: work that stood still in a test is a bug, see src/process/patrol.c
no_findings() {
    local kind=$1 found
    shift
    found=$(grep -h -A 1 'durable patrol: ' "$@" 2>/dev/null || true)
    if [[ -z $found ]]; then
        pass "$kind" "(nothing for the patrol)"
    else
        fail "$kind" "(the patrol found something)"
        head -n 40 <<<"$found" | show "$kind: patrol"
    fi
}
