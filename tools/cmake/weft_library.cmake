# SPDX-License-Identifier: Apache-2.0
# weft_library.cmake - helpers for libraries, programs and folders

# weft_add_library(<name>): a library whose sources arrive by target_sources from its folders.
function(weft_add_library name)
    add_library(${name})
    target_link_libraries(${name} PRIVATE $<BUILD_INTERFACE:wf_flags>)
    target_include_directories(${name} PUBLIC
        $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
        $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    if(WEFT_EXPORT_FLAGS)
        target_compile_options(${name} INTERFACE ${WEFT_STACK_FLAGS})
    endif()
    if(WEFT_SANITIZE_FLAGS)
        target_compile_options(${name} PUBLIC ${WEFT_SANITIZE_FLAGS})
        target_link_options(${name} PUBLIC ${WEFT_SANITIZE_FLAGS})
    endif()
    set_target_properties(${name} PROPERTIES
        VERSION ${PROJECT_VERSION}
        SOVERSION ${PROJECT_VERSION_MAJOR}
        LINKER_LANGUAGE C)
endfunction()

# weft_add_program(<name> <source...>): a program of this tree (example, bench, tool), linked with
# the core library. More libraries are added by target_link_libraries(<name> PRIVATE ...).
function(weft_add_program name)
    add_executable(${name} ${ARGN})
    target_link_libraries(${name} PRIVATE wf_flags weft)
endfunction()

# weft_add_folders(<folder...>): add_subdirectory for each folder that has a CMakeLists.txt.
function(weft_add_folders)
    foreach(folder IN LISTS ARGN)
        if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/CMakeLists.txt)
            add_subdirectory(${folder})
        endif()
    endforeach()
endfunction()
