#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# run_aarch64.sh - cross-builds runtime/arch and runtime/fiber with their tests, runs them emulated
#
#   tests/unit/run_aarch64.sh <builddir>
#
# The tests are the same files as in the native build; tests/unit/plain stands in for the check
# framework, so that nothing but a cross compiler and qemu-user is needed. Exit: 0 passed, 1 failed,
# 77 skipped because one of the two is missing. An emulator shows neither weak memory order nor
# kernel features that it does not pass on, such as MADV_GUARD_INSTALL.
set -eu

if [ $# -ne 1 ]; then
    echo "usage: $0 <builddir>" >&2
    exit 2
fi
build=$1
root=$(cd "$(dirname "$0")/../.." && pwd)
cc=${AARCH64_CC:-aarch64-linux-gnu-gcc}
qemu=${AARCH64_QEMU:-qemu-aarch64-static}

for tool in "$cc" "$qemu"; do
    if ! command -v "$tool" >/dev/null 2>&1; then
        echo "skipped: $tool is not installed (gcc-aarch64-linux-gnu, qemu-user-static)"
        exit 77
    fi
done
mkdir -p "$build"
build=$(cd "$build" && pwd)
cd "$root"

flags="-std=gnu11 -O2 -g -D_GNU_SOURCE -DWF_TEST_STACK_PROBES=1 -Wall -Wextra -Wshadow -Werror
    -fno-omit-frame-pointer -fstack-clash-protection -funwind-tables -pthread -static
    -DWF_STACK_RESERVE_SIZE=0x40000000u -Itests/unit/plain -I. -Iinclude"
library="runtime/arch/aarch64/switch.S runtime/fiber/fiber.c runtime/fiber/guard.c
    runtime/fiber/overflow.c runtime/fiber/stack.c runtime/base/lock.c runtime/base/log.c"

# qemu-user is slow at reserving address space, hence the small reservation.
build_and_run() {
    name=$1
    extra=$2
    shift 2
    program=$build/aarch64_$name
    # shellcheck disable=SC2086 # lists of words
    "$cc" $flags $extra $library "$@" tests/unit/plain/plain_main.c -o "$program"
    echo "== aarch64 $name"
    timeout 300 "$qemu" "$program"
}

build_and_run switch "" tests/unit/switch_test.c tests/unit/switch_registers.S
build_and_run switch_fpcw -DWEFT_SAVE_FPCW=1 tests/unit/switch_test.c \
    tests/unit/switch_registers.S -lm
build_and_run fiber "" tests/unit/fiber_test.c
build_and_run stack "" tests/unit/stack_test.c
build_and_run overflow "" tests/unit/overflow_test.c
build_and_run unwind "" tests/unit/unwind_test.c
echo "aarch64: all passed"
