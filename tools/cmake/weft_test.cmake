# SPDX-License-Identifier: Apache-2.0
# weft_test.cmake - registers tests: CTest name `kind.subject`, label = kind, exit 77 = skipped

set(WEFT_TEST_KINDS unit api model stress sim fuzz real build bench)

# Seconds a test program may take; sanitizers are slow.
if(WEFT_SANITIZE)
    set(WEFT_TEST_TIMEOUT 240)
else()
    set(WEFT_TEST_TIMEOUT 60)
endif()

set(WEFT_TEST_ENVIRONMENT
    "CK_FORK=no"
    "ASAN_OPTIONS=abort_on_error=1:detect_leaks=1:detect_stack_use_after_return=0"
    "UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1"
    "TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:history_size=4")

# An emulator is slower still.
if(CMAKE_CROSSCOMPILING)
    set(WEFT_TEST_TIMEOUT 240)
    list(APPEND WEFT_TEST_ENVIRONMENT "WEFT_TEST_SMALL=1" "WEFT_TEST_TIMEOUT=60")
endif()

# weft_test_command(<kind> <subject> COMMAND <command...> [TIMEOUT n] [LABELS l...] [SERIAL])
# A test that is any command: a script, an example with its expected output, a small bench run.
# Further labels: `slow` keeps it out of the quick check, `ring` tells that it needs io_uring,
# `native` that it cannot run under an emulator.
function(weft_test_command kind subject)
    cmake_parse_arguments(arg "SERIAL" "TIMEOUT" "COMMAND;LABELS" ${ARGN})
    if(NOT kind IN_LIST WEFT_TEST_KINDS)
        message(FATAL_ERROR "test ${kind}.${subject}: kinds are ${WEFT_TEST_KINDS}")
    endif()
    if(NOT arg_TIMEOUT)
        set(arg_TIMEOUT ${WEFT_TEST_TIMEOUT})
    endif()
    add_test(NAME ${kind}.${subject} COMMAND ${arg_COMMAND})
    set_tests_properties(${kind}.${subject} PROPERTIES
        LABELS "${kind};${arg_LABELS}"
        SKIP_RETURN_CODE 77
        TIMEOUT ${arg_TIMEOUT}
        ENVIRONMENT "${WEFT_TEST_ENVIRONMENT}")
    # What loads every core or measures gets the machine for itself.
    if(arg_SERIAL OR kind MATCHES "^(stress|real|bench)$")
        set_tests_properties(${kind}.${subject} PROPERTIES RUN_SERIAL ON)
    endif()
endfunction()

# weft_test(<kind> <subject> <source...> [LIBS lib...] [ARGS arg...] [TIMEOUT n] [LABELS l...]
#           [SERIAL])
# Makes the program <kind>_<subject> from the sources, links it with weft, the check framework and
# tests/support (which has main), and registers it. Does nothing when tests are not built.
function(weft_test kind subject)
    if(NOT WEFT_BUILD_TESTS)
        return()
    endif()
    cmake_parse_arguments(arg "SERIAL" "TIMEOUT" "LIBS;ARGS;LABELS" ${ARGN})
    set(program ${kind}_${subject})
    add_executable(${program} ${arg_UNPARSED_ARGUMENTS})
    target_link_libraries(${program} PRIVATE wf_flags wf_test_support weft ${arg_LIBS})
    set(serial)
    if(arg_SERIAL)
        set(serial SERIAL)
    endif()
    weft_test_command(${kind} ${subject} COMMAND ${program} ${arg_ARGS}
        TIMEOUT ${arg_TIMEOUT} LABELS ${arg_LABELS} ${serial})
endfunction()
