#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# headers_alone.sh - each public header compiles by itself as C11, C17 and C++17, and twice in one
# unit
#
#   headers_alone.sh <include folder> <C compiler>
set -uo pipefail
include=$1
cc=$2
cxx=g++
command -v $cxx >/dev/null || { echo "skipped: no C++ compiler"; exit 77; }

warnings=(-Wall -Wextra -Wpedantic -Wshadow -Werror)
failed=0
try() {
    local header=$1; shift
    printf '#include <%s>\n#include <%s>\n' "$header" "$header" |
        "$@" "${warnings[@]}" -I"$include" -fsyntax-only - || {
        echo "FAILED: $header with $*"
        failed=1
    }
}
count=0
for path in "$include"/weft/*.h; do
    header=weft/$(basename "$path")
    try "$header" "$cc" -std=c11 -x c
    try "$header" "$cc" -std=c17 -x c
    try "$header" "$cc" -std=gnu11 -x c
    try "$header" $cxx -std=c++17 -x c++
    count=$((count + 1))
done
echo "$count headers"
[ $count -gt 0 ] && [ $failed -eq 0 ]
