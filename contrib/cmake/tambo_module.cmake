# tambo_add_module(NAME SOURCES… [LIBRARIES …] [OUTPUT FOLDER]): a shared object that can be swapped under load.
#
# The flags are what keeps an image unloadable (man 7 tambo-modules): no unique symbols, one export, nothing undefined.
set(TAMBO_CMAKE_DIR ${CMAKE_CURRENT_LIST_DIR})

function(tambo_add_module name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "OUTPUT" "SOURCES;LIBRARIES")
    if(NOT arg_OUTPUT)
        set(arg_OUTPUT ${CMAKE_BINARY_DIR}/modules)
    endif()
    if(TARGET tambo)
        set(kernel tambo)
    else()
        set(kernel tambo::tambo)
    endif()
    add_library(module_${name} MODULE ${arg_SOURCES} ${arg_UNPARSED_ARGUMENTS})
    target_compile_options(module_${name} PRIVATE -fno-gnu-unique -fvisibility=hidden -fvisibility-inlines-hidden)
    target_link_options(module_${name} PRIVATE -Wl,-z,now -Wl,--exclude-libs,ALL
                        -Wl,--version-script=${TAMBO_CMAKE_DIR}/module.map)
    if(NOT TAMBO_SANITIZE)
        target_link_options(module_${name} PRIVATE -Wl,-z,defs)
    endif()
    target_link_libraries(module_${name} PRIVATE ${kernel} ${arg_LIBRARIES})
    set_target_properties(module_${name} PROPERTIES PREFIX "" OUTPUT_NAME ${name} NO_SONAME ON
                          LIBRARY_OUTPUT_DIRECTORY ${arg_OUTPUT})
    find_program(TAMBO_LINT lint-module PATHS ${TAMBO_CMAKE_DIR}/.. ${TAMBO_CMAKE_DIR}/../../../bin NO_DEFAULT_PATH)
    if(TAMBO_LINT AND NOT TAMBO_SANITIZE)
        add_custom_command(TARGET module_${name} POST_BUILD COMMAND ${TAMBO_LINT} $<TARGET_FILE:module_${name}> VERBATIM)
    endif()
endfunction()
