# SPDX-License-Identifier: Apache-2.0
# weft_install.cmake - what `cmake --install` copies: headers, libraries, package files
include(CMakePackageConfigHelpers)

set(weft_installed weft)
set(WEFT_WITH_HTTP 0)
if(WEFT_HTTP)
    list(APPEND weft_installed weft_http)
    set(WEFT_WITH_HTTP 1)
endif()
install(TARGETS ${weft_installed} EXPORT weft-targets
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/weft DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
    FILES_MATCHING PATTERN "*.h")

set(weft_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/weft)
install(EXPORT weft-targets NAMESPACE weft:: DESTINATION ${weft_package_dir})
configure_package_config_file(tools/cmake/weft-config.cmake.in weft-config.cmake
    INSTALL_DESTINATION ${weft_package_dir})
write_basic_package_version_file(weft-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES
    ${CMAKE_CURRENT_BINARY_DIR}/weft-config.cmake
    ${CMAKE_CURRENT_BINARY_DIR}/weft-config-version.cmake
    DESTINATION ${weft_package_dir})

# The package files find their prefix from where they lie, so an installed tree can be moved.
file(RELATIVE_PATH WEFT_PC_UP /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" WEFT_PC_UP ${WEFT_PC_UP})
set(WEFT_PC_REQUIRES liburing)
if(WEFT_USE_JEMALLOC)
    string(APPEND WEFT_PC_REQUIRES " jemalloc")
endif()
set(WEFT_PC_CFLAGS)
if(WEFT_EXPORT_FLAGS)
    list(JOIN WEFT_STACK_FLAGS " " WEFT_PC_CFLAGS)
endif()
configure_file(tools/cmake/weft.pc.in weft.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/weft.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
if(WEFT_HTTP)
    configure_file(tools/cmake/weft-http.pc.in weft-http.pc @ONLY)
    install(FILES ${CMAKE_CURRENT_BINARY_DIR}/weft-http.pc
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endif()
