# What keeps a module in memory, or kills the server when it has left, beside what does not (man 7 tambo-modules).
# The good ones are built as every module is, so lint-module has nothing against them; the bad ones by hand.
set(unloadable ${CMAKE_BINARY_DIR}/unloadable)
set(unloadable_sources ${CMAKE_CURRENT_SOURCE_DIR}/modules/unloadable)

add_library(foreign SHARED foreign.cpp)
target_include_directories(foreign PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})
target_link_libraries(foreign PUBLIC Boost::headers)
add_library(lonely SHARED ${unloadable_sources}/lonely.cpp)
set_target_properties(lonely PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${unloadable})

add_executable(unloadable unloadable.cpp)
target_compile_definitions(unloadable PRIVATE TAMBO_BINARY_DIR="${CMAKE_BINARY_DIR}" TAMBO_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
target_link_libraries(unloadable PRIVATE player foreign GTest::gtest_main)
# An RPATH of the old kind holds for what modules need, too: they have none of their own.
target_link_options(unloadable PRIVATE -Wl,--disable-new-dtags)
set_target_properties(unloadable PROPERTIES BUILD_RPATH ${unloadable})

function(add_good name)
    tambo_add_module(${name}_good SOURCES ${unloadable_sources}/${name}.cpp OUTPUT ${unloadable} LIBRARIES foreign ${ARGN})
    target_compile_definitions(module_${name}_good PRIVATE NAME="${name}_good")
    add_dependencies(unloadable module_${name}_good)
endfunction()

function(add_bad name source)
    add_library(${name} MODULE ${unloadable_sources}/${source}.cpp)
    target_compile_definitions(${name} PRIVATE BAD NAME="${name}" ${ARGN})
    target_compile_options(${name} PRIVATE -fno-gnu-unique)
    target_link_libraries(${name} PRIVATE tambo foreign)
    set_target_properties(${name} PROPERTIES PREFIX "" NO_SONAME ON LIBRARY_OUTPUT_DIRECTORY ${unloadable})
    add_dependencies(unloadable ${name})
endfunction()

foreach(name closures errors threads handlers services frames)
    add_good(${name})
    add_bad(${name}_bad ${name})
endforeach()
add_bad(errors_code errors CODE)
add_bad(handlers_signal handlers SIGNAL)
add_bad(pinned_on_purpose closures)
target_link_options(pinned_on_purpose PRIVATE -Wl,-z,nodelete)
add_good(library lonely)

# Not modules at all: what the compiler makes of a static.
function(add_plain name)
    add_library(${name} MODULE ${unloadable_sources}/statics.cpp)
    target_compile_definitions(${name} PRIVATE ${ARGN})
    set_target_properties(${name} PROPERTIES PREFIX "" NO_SONAME ON LIBRARY_OUTPUT_DIRECTORY ${unloadable})
    add_dependencies(unloadable ${name})
endfunction()
add_plain(unique INLINE)
add_plain(not_unique INLINE)
target_compile_options(not_unique PRIVATE -fno-gnu-unique)
add_plain(thread_string THREAD)
add_plain(thread_number)

gtest_discover_tests(unloadable TEST_PREFIX reload. DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 120)
