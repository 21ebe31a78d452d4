# Sourced by bin/understudy and bin/test: makes .venv beside bin/, once for each state of a lock file.
#
# A stamp holds the lock file's hash and this folder, and is written last: an install that failed or was cut off starts
# again from nothing, a changed lock file installs what changed, a folder that moved is set up anew.
# shellcheck shell=bash

root=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/.." && pwd -P)
venv=$root/.venv

# What would send modules or packages elsewhere; the index and its certificates stay as the user has them.
unset PYTHONPATH PYTHONHOME PIP_TARGET PIP_PREFIX PIP_ROOT PIP_CONSTRAINT PIP_REQUIREMENT PIP_REQUIRE_HASHES
export PIP_USER=0

say() { printf '%s\n' "$*" >&2; }

# set_up LOCK: returns at once if .venv has been made from this lock file.
set_up() {
    local lock=$root/$1 stamp=$venv/.made-from-$1
    is_made "$lock" "$stamp" && return
    exec 9<"$root"
    flock 9 # of two first uses, the second waits here and finds the work done
    if ! is_made "$lock" "$stamp"; then
        say "setting up .venv (once) ..."
        make "$lock" "$stamp"
    fi
    exec 9<&-
}

is_made() {
    local lock=$1 stamp=$2
    [[ -x $venv/bin/python && -r $stamp && $(<"$stamp") == "$(state_of "$lock")" ]]
}

state_of() {
    local hash
    hash=$(sha256sum <"$1")
    printf '%s %s' "${hash%% *}" "$root"
}

make() {
    local lock=$1 stamp=$2 packages
    if [[ -e $venv/.incomplete ]] || ! can 'import pip' "$venv/bin/python"; then
        local python
        python=$(find_python)
        rm -rf -- "$venv"
        mkdir -- "$venv"
        touch -- "$venv/.incomplete"
        "$python" -I -m venv -- "$venv"
    fi
    rm -f -- "$stamp"
    touch -- "$venv/.incomplete"
    if ! "$venv/bin/python" -I -m pip install -qq --disable-pip-version-check --no-input --only-binary :all: \
        --require-hashes --requirement "$lock"; then
        say "understudy: .venv could not be set up from $lock; what pip says stands above. The next start tries again."
        exit 1
    fi
    packages=$("$venv/bin/python" -I -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    printf '%s\n' "$root" >"$packages/understudy.pth"
    rm -- "$venv/.incomplete"
    state_of "$lock" >"$stamp"
}

# can STATEMENTS PYTHON: whether that python exists, is new enough, and can execute the statements.
can() {
    "$2" -I -c "import sys; sys.version_info >= (3, 11) or sys.exit(1); $1" >/dev/null 2>&1
}

# find_python: prints the real path of the interpreter to use, $PYTHON if that is set. 3.14 is not the first choice: there
# is no libtorrent for it yet, so the built-in download client would be missing.
find_python() {
    local candidate usable='' candidates=(python3.13 python3.12 python3.11 python3.14 python3)
    [[ -z ${PYTHON:-} ]] || candidates=("$PYTHON")
    for candidate in "${candidates[@]}"; do
        can '' "$candidate" || continue
        can 'import ensurepip, venv' "$candidate" && { real_path "$candidate"; return; }
        usable=${usable:-$candidate}
    done
    if [[ -z $usable ]]; then
        candidate=${PYTHON:-python3}
        say "understudy: needs Python 3.11 or later, found $("$candidate" --version 2>/dev/null || echo "no $candidate")." \
            "Install one, or name it: PYTHON=/path/to/python3.11 $0"
        exit 1
    fi
    install_venv_module "$usable"
    real_path "$usable"
}

# Not a link that may lead to another version after the next upgrade of the system.
real_path() { "$1" -I -c 'import os, sys; print(os.path.realpath(sys.executable))'; }

# Debian splits venv and ensurepip off its python3.
install_venv_module() {
    local package
    package=$("$1" -I -c 'import sys; print("python{}.{}-venv".format(*sys.version_info))')
    if ((EUID == 0)) && command -v apt-get >/dev/null; then
        install_packages "$package" || true
        can 'import ensurepip, venv' "$1" && return
    fi
    say "understudy: $1 has no venv module. Install it, then start again: apt-get install -y $package"
    exit 1
}

# install_packages NAME...: with apt, quietly; the package lists are fetched only if an install fails without.
install_packages() {
    local install=(apt-get install -y -qq --no-install-recommends "$@")
    export DEBIAN_FRONTEND=noninteractive
    "${install[@]}" >/dev/null 2>&1 || { apt-get update -qq >/dev/null 2>&1 && "${install[@]}" >/dev/null 2>&1; }
}
