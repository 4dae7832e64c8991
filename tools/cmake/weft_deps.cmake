# SPDX-License-Identifier: Apache-2.0
# weft_deps.cmake - finds the libraries that weft stands on

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)

pkg_check_modules(URING REQUIRED IMPORTED_TARGET liburing>=2.3)

# A sanitizer brings its own allocator; jemalloc beside it would hide what it looks for.
if(WEFT_SANITIZE)
    set(WEFT_USE_JEMALLOC 0)
else()
    set(WEFT_USE_JEMALLOC 1)
    pkg_check_modules(JEMALLOC REQUIRED IMPORTED_TARGET jemalloc)
endif()

# llhttp installs a CMake package and a pkg-config file, but which of them depends on the packager;
# the header and the library are what counts.
if(WEFT_HTTP)
    find_path(LLHTTP_INCLUDE_DIR llhttp.h)
    find_library(LLHTTP_LIBRARY NAMES llhttp)
    if(NOT LLHTTP_INCLUDE_DIR OR NOT LLHTTP_LIBRARY)
        message(FATAL_ERROR "llhttp is missing: run tools/setup, or configure with -DWEFT_HTTP=OFF")
    endif()
    add_library(weft::llhttp UNKNOWN IMPORTED)
    set_target_properties(weft::llhttp PROPERTIES
        IMPORTED_LOCATION ${LLHTTP_LIBRARY}
        INTERFACE_INCLUDE_DIRECTORIES ${LLHTTP_INCLUDE_DIR})
endif()

if(WEFT_BUILD_TESTS)
    pkg_check_modules(CHECK REQUIRED IMPORTED_TARGET check)
endif()
