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
    if(TARGET module_headers)
        target_precompile_headers(module_${name} REUSE_FROM module_headers)
    endif()
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

# tambo_link_modules(TARGET NAMES…): these modules become part of the program, which gives linked_modules() to its server
# (man 3 tambo-embed). For programs in this tree that link tambo_inside, the static library. Nothing is compiled anew:
# each module's objects become one, whose only name is its entry's, as with a shared object.
function(tambo_link_modules target)
    set(declarations "")
    set(entries "")
    foreach(name IN LISTS ARGN)
        set(object ${CMAKE_CURRENT_BINARY_DIR}/linked/${name}.o)
        add_custom_command(OUTPUT ${object}
            COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_CURRENT_BINARY_DIR}/linked
            COMMAND ${CMAKE_LINKER} -r --force-group-allocation -o ${object} $<TARGET_OBJECTS:module_${name}>
            COMMAND ${CMAKE_OBJCOPY} --redefine-sym tambo_module=tambo_module_${name}
                    --keep-global-symbol=tambo_module_${name} ${object}
            DEPENDS module_${name} COMMAND_EXPAND_LISTS VERBATIM)
        target_sources(${target} PRIVATE ${object})
        set_source_files_properties(${object} PROPERTIES EXTERNAL_OBJECT TRUE GENERATED TRUE)
        get_target_property(libraries module_${name} LINK_LIBRARIES)
        list(REMOVE_ITEM libraries tambo)
        target_link_libraries(${target} PRIVATE ${libraries})
        string(APPEND declarations "extern \"C\" const tambo::Descriptor* tambo_module_${name}();\n")
        string(APPEND entries "    add(tambo_module_${name}());\n")
    endforeach()
    file(CONFIGURE OUTPUT linked_${target}.cpp CONTENT "// Made by tambo_link_modules().
#include <tambo/module.hpp>
#include <tambo/server.hpp>

@declarations@
std::vector<tambo::HostModule> tambo::linked_modules() {
    std::vector<HostModule> all;
    const auto add = [&](const Descriptor* d) {
        all.push_back({d->name, d->version, [d] { return std::unique_ptr<Module>{d->create()}; }, true});
    };
@entries@    return all;
}
" @ONLY)
    target_sources(${target} PRIVATE ${CMAKE_CURRENT_BINARY_DIR}/linked_${target}.cpp)
endfunction()
