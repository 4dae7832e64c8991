# SPDX-License-Identifier: Apache-2.0
# weft_install.cmake - what `cmake --install` copies: headers, libraries, package files
include(CMakePackageConfigHelpers)

set(weft_installed weft)
if(WEFT_HTTP)
    list(APPEND weft_installed weft_http)
endif()
install(TARGETS ${weft_installed} EXPORT weft-targets
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/weft DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
    FILES_MATCHING PATTERN "*.h")
