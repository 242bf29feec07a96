# Sourced after common.sh: PostgreSQL from Debian's source package, built with
# assertions, AddressSanitizer and UndefinedBehaviorSanitizer, once; kept in
# $SANITIZED_CACHE (/var/cache/durable), by version and flags. The server itself
# has to be built so: the sanitizers' libraries preloaded into the stock server
# hang it. Nothing of the machine's own PostgreSQL or of /etc/apt is touched.
# shellcheck shell=bash

SANITIZED_CACHE=${SANITIZED_CACHE:-/var/cache/durable}
SANITIZE_FLAGS="-O1 -g1 -fno-omit-frame-pointer -fno-common -fsanitize=address,undefined,float-cast-overflow -fno-sanitize-recover=undefined"
SANITIZE_CONFIGURE=(--enable-cassert --with-perl --with-python --with-libxml --without-readline --without-zlib)
SANITIZE_PACKAGES=(dpkg-dev bison flex libperl-dev python3-dev libxml2-dev bzip2)

# No leak reports: a process of PostgreSQL leaves its memory to the kernel.
export ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=0:abort_on_error=1:print_stacktrace=1:disable_coredump=1
export UBSAN_OPTIONS=print_stacktrace=1:abort_on_error=1

# The directory of the build, whether it is there or not.
sanitized_dir() {
    local version key
    version=$(dpkg-query -W -f='${Version}' "postgresql-$PG_VERSION")
    key=$(printf '%s\n' "$SANITIZE_FLAGS" "${SANITIZE_CONFIGURE[@]}" "$(gcc -dumpfullversion)" | sha256sum | cut -c 1-12)
    echo "$SANITIZED_CACHE/postgresql-$version-$key"
}

# apt_sources ARGUMENT...: apt-get with the source packages of the very mirrors
# that this machine takes its packages from, in an apt directory of its own.
APT_DIR=$SANITIZED_CACHE/apt
APT_SOURCES=(-o "Dir::Etc::sourcelist=$APT_DIR/sources.list" -o "Dir::Etc::sourceparts=$APT_DIR/sources.list.d"
    -o "Dir::State::lists=$APT_DIR/lists" -o "Dir::Cache=$APT_DIR/cache" -o Acquire::Languages=none -o APT::Sandbox::User=root)
apt_sources() { apt-get -q "${APT_SOURCES[@]}" "$@"; }

copy_apt_sources() {
    local dir=$APT_DIR file
    rm -rf "$dir"
    mkdir -p "$dir"/{sources.list.d,lists/partial,cache}
    : >"$dir/sources.list"
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [[ ! -e $file ]] || sed -nE 's/^[[:space:]]*deb([[:space:]])/deb-src\1/p' "$file" >>"$dir/sources.list"
    done
    for file in /etc/apt/sources.list.d/*.sources; do
        [[ ! -e $file ]] || sed -E 's/^Types:.*/Types: deb-src/' "$file" >"$dir/sources.list.d/${file##*/}"
    done
}

# fetch_source DIR: unpacked, with Debian's patches, in DIR/source.
fetch_source() {
    local version
    copy_apt_sources
    apt_sources update || true          # a mirror without sources is none of ours
    cd "$1"
    # The version installed first; the mirror may not have it, or no longer.
    for version in $(dpkg-query -W -f='${Version}' "postgresql-$PG_VERSION") $(source_versions); do
        apt_sources source --download-only "postgresql-$PG_VERSION=$version" || continue
        dpkg-source --no-check -x "postgresql-$PG_VERSION"_*.dsc source
        return
    done
    return 1
}

# source_versions: what the mirrors offer, newest first.
source_versions() {
    apt-cache "${APT_SOURCES[@]}" showsrc --only-source "postgresql-$PG_VERSION" | sed -n 's/^Version: //p' | sort -rV
}

# build_sanitized: prints nothing but errors; some ten minutes on two cores.
build_sanitized() {
    local dir work
    dir=$(sanitized_dir)
    [[ ! -e $dir/.complete ]] || return 0
    install_packages "${SANITIZE_PACKAGES[@]}"
    mkdir -p "$dir"
    exec 9>"$dir.lock"
    flock 9
    if [[ ! -e $dir/.complete ]]; then
        work=$dir.build
        rm -rf "$work" "$dir"
        mkdir -p "$work" "$dir"
        (
            fetch_source "$work" && cd "$work/source" &&
                ./configure --prefix="$dir/pgsql" "${SANITIZE_CONFIGURE[@]}" CFLAGS="$SANITIZE_FLAGS" LDFLAGS="-fsanitize=address,undefined" &&
                make -j"$(nproc)" && make install && make -C contrib -j"$(nproc)" install
        ) >"$dir.log" 2>&1 </dev/null || { tail -n 20 "$dir.log" >&2; die "cannot build PostgreSQL, see $dir.log"; }
        rm -rf "$work"
        touch "$dir/.complete"
    fi
    exec 9>&-
}
