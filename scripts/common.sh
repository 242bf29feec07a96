# Sourced by scripts/test and scripts/demo, on Debian and as root: installs
# missing packages, builds and installs the extension from a copy of the
# checkout that belongs to the postgres user, and runs private clusters. All
# state lives in .NAME in the checkout (or in /var/tmp, with .NAME a link to it,
# where postgres cannot enter the checkout). The machine's own clusters are
# never touched. PG_MAJOR in the environment chooses another PostgreSQL.
# shellcheck shell=bash

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
PG_VERSION=${PG_MAJOR:-15}
PG_BIN=/usr/lib/postgresql/$PG_VERSION/bin
MAKE_ARGS=(with_llvm=no COPT=-Werror "PG_CONFIG=$PG_BIN/pg_config")
# shellcheck disable=SC2034
PACKAGES=(make gcc libc6-dev libpq-dev "postgresql-$PG_VERSION" "postgresql-client-$PG_VERSION"
    "postgresql-server-dev-$PG_VERSION")

# The caller's own server is not ours to talk to.
unset PGHOST PGHOSTADDR PGPORT PGUSER PGDATABASE PGDATA PGOPTIONS PGSERVICE PGAPPNAME

die() {
    echo "${0##*/}: $*" >&2
    exit 1
}

# Runs a command as postgres, from / because it may not enter our directory.
as_postgres() {
    (cd / && HOME=/ runuser -u postgres -- "$@")
}

# -- packages -----------------------------------------------------------------

# install_packages PACKAGE...: those that are missing.
install_packages() {
    local package missing=()
    for package in "$@"; do
        [[ $(dpkg-query -W -f='${Status}' "$package" 2>/dev/null) == *' installed' ]] || missing+=("$package")
    done
    [[ $EUID == 0 ]] || die "run me as root (I install packages and the extension, and become postgres)"
    ((${#missing[@]})) || return 0
    echo "Installing ${missing[*]}"
    if [[ " ${missing[*]} " == *" postgresql-$PG_VERSION "* ]]; then
        without_main_cluster apt_install "${missing[@]}"
    else
        apt_install "${missing[@]}"
    fi
}

apt_install() {
    local log
    log=$(mktemp)
    local install=(apt-get install -y -q --no-install-recommends -o DPkg::Lock::Timeout=300 "$@")
    export DEBIAN_FRONTEND=noninteractive
    if ! "${install[@]}" >"$log" 2>&1 </dev/null; then
        apt-get update -q >>"$log" 2>&1 || true
        "${install[@]}" >>"$log" 2>&1 </dev/null || { tail -n 20 "$log" >&2; die "cannot install $*"; }
    fi
    rm -f "$log"
}

# Runs a command while Debian's server package would not create a cluster.
without_main_cluster() {
    local conf=/etc/postgresql-common/createcluster.conf
    apt_install postgresql-common
    cp -a "$conf" "$conf.durable"
    echo 'create_main_cluster = false' >>"$conf"
    "$@"
    mv "$conf.durable" "$conf"
}

# -- directories ----------------------------------------------------------------

# fresh_dir NAME: makes .NAME anew, postgres' own, and prints its real path.
fresh_dir() {
    local link=$ROOT/.$1 dir
    remove_dir "$1"
    if as_postgres test -x "$ROOT"; then
        dir=$link
        mkdir "$dir"
    else
        dir=$(mktemp -d "/var/tmp/durable-$1.XXXXXX")
        ln -s "$dir" "$link"
    fi
    chown postgres: "$dir"
    chmod 700 "$dir"
    echo "$dir"
}

# remove_dir NAME: stops what runs in .NAME and removes it.
remove_dir() {
    local link=$ROOT/.$1 dir
    [[ -e $link || -L $link ]] || return 0
    dir=$(readlink -f "$link")
    [[ $dir == "$link" || $dir == "/var/tmp/durable-$1."* ]] || die "$link leads to $dir, which is not mine"
    stop_servers "$dir"
    if [[ -L $dir/socket ]]; then
        rm -rf "$(readlink "$dir/socket")"
    fi
    rm -rf "$dir" "$link"
}

# -- build ------------------------------------------------------------------------

# copy_tree DIR: the checkout without build products, owned by postgres.
copy_tree() {
    local version
    version=$(sed -n "s/^default_version = '\(.*\)'/\1/p" "$ROOT/durable.control")
    as_postgres mkdir -p "$1"
    tar -C "$ROOT" -cf - --exclude=./.git --exclude=./.test --exclude=./.test-sanitized --exclude=./.demo --exclude=./tmp_check \
        --exclude='./tmp_check_*' --exclude=./results --exclude=./output_iso --exclude='./regression.*' \
        --exclude="./durable--$version.sql" --exclude='*.o' --exclude='*.so' --exclude='*.bc' --exclude='*.a' . |
        as_postgres tar -C "$1" -xf -
}

# build_and_install DIR LOG: of a copied tree.
build_and_install() {
    as_postgres make -j"$(nproc)" -C "$1" "${MAKE_ARGS[@]}" >"$2" 2>&1 </dev/null &&
        make -C "$1" "${MAKE_ARGS[@]}" install >>"$2" 2>&1 </dev/null
}

# -- servers ------------------------------------------------------------------------

free_port() {
    local port
    for port in $(shuf -i 20000-32000 -n 100); do
        grep -qs ":$(printf %04X "$port") " /proc/net/tcp /proc/net/tcp6 && continue
        grep -qs "PGSQL\.$port\$" /proc/net/unix && continue
        echo "$port"
        return
    done
    die "no free port"
}

# init_server DIR: a cluster in DIR/data, with the settings on standard input
# added. Exports PGHOST, PGPORT and PGUSER, so that psql finds it.
init_server() {
    local dir=$1
    PGHOST=$dir
    if ((${#dir} > 85)); then            # a socket's path has 107 characters
        PGHOST=$(mktemp -d /tmp/durable.XXXXXX)
        chown postgres: "$PGHOST"
        ln -s "$PGHOST" "$dir/socket"
    fi
    PGPORT=$(free_port)
    export PGHOST PGPORT PGUSER=postgres PGCLIENTENCODING=UTF8
    as_postgres "$PG_BIN/initdb" -D "$dir/data" -A trust -U postgres -E UTF8 --no-locale >"$dir/initdb.log" 2>&1 ||
        { cat "$dir/initdb.log" >&2; die "initdb failed"; }
    {
        echo "listen_addresses = ''"
        echo "unix_socket_directories = '$PGHOST'"
        echo "port = $PGPORT"
        cat
    } >>"$dir/data/postgresql.conf"
}

start_server() {
    as_postgres "$PG_BIN/pg_ctl" start -w -t 60 -D "$1/data" -l "$1/server.log" >/dev/null 2>&1 </dev/null ||
        { tail -n 20 "$1/server.log" >&2; die "the server did not start, see $1/server.log"; }
}

# server_processes DIR: pids of all server processes, orphans too, whose data
# directory lies in DIR (it is their working directory).
server_processes() {
    local cwd pid
    # shellcheck disable=SC2044
    for cwd in $(find /proc/[0-9]*/cwd -maxdepth 0 -lname "$1/*" 2>/dev/null); do
        pid=${cwd//[^0-9]/}
        if [[ $(cat "/proc/$pid/comm" 2>/dev/null) == postgres* ]]; then
            echo "$pid"
        fi
    done
}

# wait_for_servers DIR SECONDS: until none of them is left.
wait_for_servers() {
    local end=$((SECONDS + $2))
    while [[ -n $(server_processes "$1") ]]; do
        ((SECONDS < end)) || return 1
        sleep 0.05
    done
}

# stop_servers DIR: at once, whatever they do.
stop_servers() {
    local signal pids
    for signal in QUIT KILL; do
        mapfile -t pids < <(server_processes "$1")
        ((${#pids[@]})) || return 0
        kill -s "$signal" "${pids[@]}" 2>/dev/null || true
        wait_for_servers "$1" 10 && return 0
    done
    die "cannot stop the server in $1"
}

run_psql() {
    timeout 120 "$PG_BIN/psql" -X -q -v ON_ERROR_STOP=1 "$@"
}
