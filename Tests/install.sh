# Installs what a script needs and the machine lacks. Sourced, not run: `. Tests/install.sh; need yaml tool …`.
# Says what it could not install, and ends the script then.

# need WHAT…: yaml, sqlite, zlib, zstd, ssh-keygen, or a program that is named like its package.
need() {
    missing=""
    for what in "$@"; do
        present "$what" || missing="$missing $what"
    done
    [ -z "$missing" ] && return 0
    echo "Installing:$missing" >&2
    if command -v apt-get >/dev/null 2>&1; then
        packages=""
        for what in $missing; do
            case "$what" in
                yaml) packages="$packages libyaml-dev pkg-config" ;;
                sqlite) packages="$packages libsqlite3-dev" ;;
                zstd) packages="$packages libzstd-dev pkg-config" ;;
                zlib) packages="$packages zlib1g-dev pkg-config" ;;
                nginx) packages="$packages nginx-light" ;;
                flock) packages="$packages util-linux" ;;
                ssh-keygen) packages="$packages openssh-client" ;;
                pip) packages="$packages python3-pip" ;;
                *) packages="$packages $what" ;;
            esac
        done
        run="apt-get"
        [ "$(id -u)" -eq 0 ] || run="sudo apt-get"
        export DEBIAN_FRONTEND=noninteractive
        $run update -qq >/dev/null 2>&1
        # shellcheck disable=SC2086
        $run install -y -qq --no-install-recommends $packages >/dev/null 2>&1
    elif command -v brew >/dev/null 2>&1; then
        for what in $missing; do
            case "$what" in
                yaml) brew install -q libyaml pkg-config ;;
                zstd) brew install -q zstd pkg-config ;;
                zlib) brew install -q zlib pkg-config ;;
                *) brew install -q "$what" ;;
            esac
        done
    fi
    lacking=""
    for what in $missing; do
        present "$what" || lacking="$lacking $what"
    done
    if [ -n "$lacking" ]; then
        echo "Could not install:$lacking. Install it by hand and run this again." >&2
        exit 1
    fi
}

present() {
    case "$1" in
        yaml) pkg-config --exists yaml-0.1 2>/dev/null ;;
        sqlite) [ "$(uname)" = Darwin ] || [ -e /usr/include/sqlite3.h ] || pkg-config --exists sqlite3 2>/dev/null ;;
        zstd) pkg-config --exists libzstd 2>/dev/null ;;
        zlib) pkg-config --exists zlib 2>/dev/null ;;
        strace) [ "$(uname)" = Darwin ] || command -v strace >/dev/null 2>&1 ;;
        pip) python3 -m pip --version >/dev/null 2>&1 ;;
        *) command -v "$1" >/dev/null 2>&1 ;;
    esac
}
