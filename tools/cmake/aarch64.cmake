# SPDX-License-Identifier: Apache-2.0
# aarch64.cmake - toolchain: gcc's aarch64 cross compiler, qemu-user to run the results
#
# Only libc is linked dynamically, from the cross compiler's own tree. The other libraries are the
# static ones that tools/setup unpacked: without making the machine multi-arch.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_ASM_COMPILER aarch64-linux-gnu-gcc)

set(WEFT_AARCH64_ROOT /usr/local/share/weft/aarch64 CACHE PATH "Where tools/setup unpacked to")
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES WEFT_AARCH64_ROOT)
set(ENV{PKG_CONFIG_LIBDIR} ${WEFT_AARCH64_ROOT}/usr/lib/aarch64-linux-gnu/pkgconfig)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${WEFT_AARCH64_ROOT})

set(CMAKE_FIND_ROOT_PATH ${WEFT_AARCH64_ROOT} /usr/aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)

find_program(WEFT_QEMU NAMES qemu-aarch64-static qemu-aarch64)
if(WEFT_QEMU)
    set(CMAKE_CROSSCOMPILING_EMULATOR ${WEFT_QEMU} -L /usr/aarch64-linux-gnu)
endif()
