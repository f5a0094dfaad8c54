# Sourced by the other scripts: finds a Python, gets uv, and offers `sync`. Needs only Python 3.11+ with venv or pip.
# Sets ROOT, UV, VENV and PYTHON (the interpreter of the environment, once `sync` has run).

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)"
TOOLS="$ROOT/.tools"
VENV="$ROOT/.venv"
PYTHON="$VENV/bin/python"
UV_VERSION="0.13.9"

# An activated environment, or one that the caller's shell names, is not the project's.
unset VIRTUAL_ENV PYTHONHOME PYTHONPATH
export UV_PROJECT_ENVIRONMENT="$VENV"

say() { printf '\033[1m== %s\033[0m\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# Prints the path of a Python that the project supports; UV_PYTHON overrides the choice.
find_python() {
    local name path
    for name in "${UV_PYTHON:-}" python3 python3.14 python3.13 python3.12 python3.11 python; do
        [ -n "$name" ] || continue
        # A shim may exist and still not start; sys.executable is the real thing behind it.
        path="$("$name" -c 'import sys; print(sys.executable if sys.version_info >= (3, 11) else "")' 2>/dev/null)" || continue
        [ -n "$path" ] && printf '%s\n' "$path" && return 0
    done
    return 1
}

is_uv() { [ -x "$1" ] && case "$("$1" --version 2>/dev/null)" in "uv ${UV_VERSION%.*}."*) true ;; *) false ;; esac; }

# Sets UV: one on PATH of the same minor version, else a private one under .tools/.
get_uv() {
    local venv="$TOOLS/uv-$UV_VERSION" flat="$TOOLS/uv-$UV_VERSION-flat" log="$TOOLS/setup.log"
    for UV in "$(command -v uv || true)" "$venv/bin/uv" "$flat/bin/uv"; do
        is_uv "$UV" && return 0
    done
    mkdir -p "$TOOLS" 2>/dev/null || die "cannot write to $ROOT: run this as the user who owns the checkout"
    say "installing uv $UV_VERSION into .tools"
    UV="$venv/bin/uv"
    if "$BASE_PYTHON" -m venv "$venv" >"$log" 2>&1 &&
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "uv==$UV_VERSION" >>"$log" 2>&1 && is_uv "$UV"; then
        return 0
    fi
    rm -rf "$venv"
    # Debian splits venv from Python: pip alone will do as well.
    UV="$flat/bin/uv"
    if "$BASE_PYTHON" -m pip install --quiet --disable-pip-version-check --upgrade --target "$flat" "uv==$UV_VERSION" >>"$log" 2>&1 && is_uv "$UV"; then
        return 0
    fi
    cat "$log" >&2
    die "could not install uv $UV_VERSION with $BASE_PYTHON: it needs the venv or the pip module (on Debian: apt-get install python3-venv)"
}

# sync [uv sync options]: lays the environment as uv.lock says. --inexact keeps what another script has put there.
sync() {
    "$UV" sync --project "$ROOT" --locked --inexact --quiet --all-packages --python "$BASE_PYTHON" "$@" ||
        die "the environment could not be laid; if uv.lock is out of date, run in $ROOT: '$UV' lock"
}

# browser: sees to it that the browser tests find a chromium: that of the system, Debian's, or playwright's own below .tools/.
browser() {
    local name log="$TOOLS/browser.log"
    "$PYTHON" -c 'import playwright' 2>/dev/null || "$UV" pip install --quiet --python "$PYTHON" 'playwright>=1.60' ||
        die "playwright could not be installed"
    export PLAYWRIGHT_BROWSERS_PATH="$TOOLS/browsers"
    for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome; do
        if [ -n "$name" ] && command -v "$name" >/dev/null; then
            CHROMIUM="$(command -v "$name")"
            export CHROMIUM
            return 0
        fi
    done
    mkdir -p "$TOOLS"
    say "installing chromium for the browser tests"
    if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null &&
        { apt-get update && apt-get install -y --no-install-recommends chromium; } >"$log" 2>&1; then
        CHROMIUM="$(command -v chromium)"
        export CHROMIUM
        return 0
    fi
    # Of its own accord it takes the one that it has downloaded.
    "$PYTHON" -m playwright install chromium >>"$log" 2>&1 && return 0
    cat "$log" >&2
    die "the browser tests need chromium: install it, or name one with CHROMIUM=/path/to/chromium"
}

has_crates() { compgen -G "$ROOT/crates/*/Cargo.toml" >/dev/null; }

BASE_PYTHON="$(find_python)" ||
    die "Python 3.11 or newer is needed, and none was found on PATH; install one, or name it with UV_PYTHON=/path/to/python"
# Without a home to write to, the tools keep what they cache here.
[ -w "${HOME:-/nonexistent}" ] || { mkdir -p "$TOOLS/home" 2>/dev/null || true; export HOME="$TOOLS/home"; }
export UV_PYTHON_DOWNLOADS=never
get_uv
export UV
