#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# consumer.sh - installs weft into a fresh folder and builds an outside project against it, once by
# find_package and once by pkg-config
#
#   consumer.sh <build folder> <library folder below the prefix> <C compiler>
set -euo pipefail
build=$1
libdir=$2
cc=$3
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix

expect() {
    local program=$1 wanted=$2 got
    got=$("$program") || { echo "$program exited with $?: $got"; exit 1; }
    [ "$got" = "$wanted" ] || { echo "$program printed '$got', not '$wanted'"; exit 1; }
    echo "$(basename "$program"): $got"
}

cmake --install "$build" --prefix "$prefix" >"$work/install.log"

echo "find_package"
cmake -S "$here/consumer" -B "$work/cmake" -DCMAKE_PREFIX_PATH="$prefix" \
    -DCMAKE_C_COMPILER="$cc" >"$work/configure.log" || { cat "$work/configure.log"; exit 1; }
cmake --build "$work/cmake" >"$work/build.log" || { cat "$work/build.log"; exit 1; }
expect "$work/cmake/consumer" "6 * 7 = 42"
if [ -e "$work/cmake/consumer_http" ]; then
    expect "$work/cmake/consumer_http" "http refused: Invalid argument"
fi

echo "pkg-config"
export PKG_CONFIG_PATH=$prefix/$libdir/pkgconfig
by_pkg_config() {
    local package=$1 source=$2 program=$3
    local flags
    flags=$(pkg-config --static --cflags --libs "$package")
    # shellcheck disable=SC2086
    "$cc" -std=c11 -Wall -Werror -o "$program" "$here/consumer/$source" $flags \
        -Wl,-rpath,"$prefix/$libdir"
}
by_pkg_config weft consumer.c "$work/by_pkg_config"
expect "$work/by_pkg_config" "6 * 7 = 42"
if [ -e "$work/cmake/consumer_http" ]; then
    by_pkg_config weft-http consumer_http.c "$work/http_by_pkg_config"
    expect "$work/http_by_pkg_config" "http refused: Invalid argument"
fi
