# For modules in the source tree and outside of it.
set(TAMBO_CMAKE_DIR ${CMAKE_CURRENT_LIST_DIR})

# tambo_add_module(NAME SOURCES… [LIBRARIES …] [OUTPUT FOLDER]): a shared object that can be swapped under load.
#
# The flags are what keeps an image unloadable (man 7 tambo-modules): no unique symbols, one export, nothing undefined.
# No RPATH: libtambo is there before any module.
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
                          BUILD_WITH_INSTALL_RPATH ON INSTALL_RPATH "" LIBRARY_OUTPUT_DIRECTORY ${arg_OUTPUT})
    find_program(TAMBO_LINT lint-module PATHS ${TAMBO_CMAKE_DIR}/.. ${TAMBO_CMAKE_DIR}/../../../bin NO_DEFAULT_PATH)
    if(TAMBO_LINT AND NOT TAMBO_SANITIZE)
        add_custom_command(TARGET module_${name} POST_BUILD
                           COMMAND ${TAMBO_LINT} --for $<TARGET_FILE:${kernel}> $<TARGET_FILE:module_${name}> VERBATIM)
    endif()
endfunction()

# tambo_add_play(FILE [MODULES FOLDER]): performs a play with the modules in FOLDER besides those of tambo, and again for
# each of them, swapped after each line (tambo-play(1)).
function(tambo_add_play file)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "MODULES" "")
    if(NOT arg_MODULES)
        set(arg_MODULES ${CMAKE_BINARY_DIR}/modules)
    endif()
    if(TARGET tambo-play)
        set(player tambo-play)
    else()
        set(player ${TAMBO_PLAY})
    endif()
    get_filename_component(name ${file} NAME_WE)
    get_filename_component(file ${file} ABSOLUTE)
    add_test(NAME play.${name} COMMAND ${player} --swap --modules ${arg_MODULES} ${file})
endfunction()
