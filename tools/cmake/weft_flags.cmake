# SPDX-License-Identifier: Apache-2.0
# weft_flags.cmake - compile and link flags as interface targets
#
# wf_flags     everything built in this tree: language, warnings, hardening, sanitizers.
# wf_exported  what a program that links weft needs too: frame pointers, so that stacks can be
#              walked without tables, and stack probes, so that a large frame meets the guard.
include(CheckCCompilerFlag)
include(CheckLinkerFlag)

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

check_c_compiler_flag(-fstack-clash-protection WEFT_HAS_STACK_CLASH_PROTECTION)

set(WEFT_STACK_FLAGS -fno-omit-frame-pointer)
if(WEFT_HAS_STACK_CLASH_PROTECTION)
    list(APPEND WEFT_STACK_FLAGS -fstack-clash-protection)
endif()

add_library(wf_flags INTERFACE)
target_compile_definitions(wf_flags INTERFACE
    _GNU_SOURCE
    WEFT_TRACE=$<BOOL:${WEFT_TRACE}>
    WF_JEMALLOC=${WEFT_USE_JEMALLOC})
target_include_directories(wf_flags INTERFACE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/include)
target_compile_options(wf_flags INTERFACE
    ${WEFT_STACK_FLAGS}
    -fvisibility=hidden
    -fmacro-prefix-map=${PROJECT_SOURCE_DIR}/=
    $<$<COMPILE_LANGUAGE:C>:-Wall;-Wextra;-Wpedantic;-Wshadow;-Wmissing-prototypes;-Wvla>
    $<$<AND:$<COMPILE_LANGUAGE:C>,$<BOOL:${WEFT_WERROR}>>:-Werror>)
target_link_options(wf_flags INTERFACE -Wl,-z,relro,-z,now)
if(WEFT_SANITIZE)
    # Kept frames make the reports readable.
    target_compile_options(wf_flags INTERFACE -g)
else()
    target_compile_options(wf_flags INTERFACE
        $<$<CONFIG:RelWithDebInfo,Release>:-fstack-protector-strong>)
    target_compile_definitions(wf_flags INTERFACE
        $<$<CONFIG:RelWithDebInfo,Release>:_FORTIFY_SOURCE=2>)
endif()

# Lock ranks are checked where speed is not measured.
if(WEFT_SANITIZE OR CMAKE_BUILD_TYPE STREQUAL "Debug")
    target_compile_definitions(wf_flags INTERFACE WF_LOCK_DEBUG=1)
endif()

if(WEFT_SANITIZE STREQUAL "address")
    set(WEFT_SANITIZE_FLAGS -fsanitize=address,undefined -fno-sanitize-recover=undefined)
elseif(WEFT_SANITIZE STREQUAL "thread")
    set(WEFT_SANITIZE_FLAGS -fsanitize=thread)
elseif(WEFT_SANITIZE)
    message(FATAL_ERROR "WEFT_SANITIZE is '${WEFT_SANITIZE}': use address, thread or nothing")
endif()
