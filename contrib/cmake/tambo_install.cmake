# What `cmake --install` puts where: programs, modules, the SDK with its CMake and pkg-config packages, man pages, the
# commented ini, the systemd unit. Modules go where the library looks for them: LIBDIR/tambo/{modules,plugins}.
include(CMakePackageConfigHelpers)

set(TAMBO_MODULE_DIR ${CMAKE_INSTALL_LIBDIR}/tambo/modules)
set(TAMBO_PLUGIN_DIR ${CMAKE_INSTALL_LIBDIR}/tambo/plugins)
set(TAMBO_PLAY ${CMAKE_INSTALL_BINDIR}/tambo-play)
set(TAMBO_PACKAGE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/tambo)

install(TARGETS tambo EXPORT tambo_targets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS tambod tamboctl tambo-play funxmpp-cli funxmpp-proxy RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})

# tambo_install_modules(FOLDER DESTINATION): every module that was defined in FOLDER or below.
function(tambo_install_modules folder destination)
    get_property(targets DIRECTORY ${folder} PROPERTY BUILDSYSTEM_TARGETS)
    foreach(target IN LISTS targets)
        get_target_property(type ${target} TYPE)
        if(type STREQUAL MODULE_LIBRARY)
            install(TARGETS ${target} LIBRARY DESTINATION ${destination})
        endif()
    endforeach()
    get_property(folders DIRECTORY ${folder} PROPERTY SUBDIRECTORIES)
    foreach(below IN LISTS folders)
        tambo_install_modules(${below} ${destination})
    endforeach()
endfunction()
tambo_install_modules(${PROJECT_SOURCE_DIR}/modules ${TAMBO_MODULE_DIR})
tambo_install_modules(${PROJECT_SOURCE_DIR}/plugins ${TAMBO_PLUGIN_DIR})

# The SDK.
install(DIRECTORY ${PROJECT_SOURCE_DIR}/kernel/include/tambo DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        FILES_MATCHING PATTERN *.hpp)
install(EXPORT tambo_targets NAMESPACE tambo:: FILE tamboTargets.cmake DESTINATION ${TAMBO_PACKAGE_DIR})
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/tamboConfig.cmake.in ${PROJECT_BINARY_DIR}/package/tamboConfig.cmake
                              INSTALL_DESTINATION ${TAMBO_PACKAGE_DIR} PATH_VARS TAMBO_MODULE_DIR TAMBO_PLUGIN_DIR
                              TAMBO_PLAY)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/package/tamboConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/package/tamboConfig.cmake ${PROJECT_BINARY_DIR}/package/tamboConfigVersion.cmake
              ${CMAKE_CURRENT_LIST_DIR}/tambo_module.cmake ${CMAKE_CURRENT_LIST_DIR}/module.map
        DESTINATION ${TAMBO_PACKAGE_DIR})
install(PROGRAMS ${PROJECT_SOURCE_DIR}/contrib/lint-module DESTINATION ${TAMBO_PACKAGE_DIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/contrib/module-template DESTINATION ${CMAKE_INSTALL_DATADIR}/tambo
        USE_SOURCE_PERMISSIONS)
# Relative to the file itself, since the prefix may come with `cmake --install --prefix`.
file(RELATIVE_PATH prefix_from_pc /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
string(REGEX REPLACE "/$" "" prefix_from_pc "${prefix_from_pc}")
configure_file(${CMAKE_CURRENT_LIST_DIR}/tambo.pc.in ${PROJECT_BINARY_DIR}/package/tambo.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/package/tambo.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# For the operator.
install(FILES ${PROJECT_SOURCE_DIR}/contrib/completion/tamboctl
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
file(GLOB pages CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/man/*.[1-8])
foreach(page IN LISTS pages)
    string(REGEX REPLACE ".*\\." "" chapter ${page})
    install(FILES ${page} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${chapter})
endforeach()
# An ini that is there is the operator's. The prefix may come with `cmake --install --prefix`, so it is looked up then.
install(CODE "
    set(folder \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_SYSCONFDIR}/tambo\")
    if(IS_ABSOLUTE \"${CMAKE_INSTALL_SYSCONFDIR}\")
        set(folder \"${CMAKE_INSTALL_SYSCONFDIR}/tambo\")
    elseif(CMAKE_INSTALL_PREFIX STREQUAL \"/usr\")   # as GNUInstallDirs has it
        set(folder /etc/tambo)
    endif()
    if(NOT EXISTS \"\$ENV{DESTDIR}\${folder}/tambo.ini\")
        file(INSTALL \"${PROJECT_SOURCE_DIR}/etc/tambo.ini\" DESTINATION \"\${folder}\")
    endif()
    file(READ \"${PROJECT_SOURCE_DIR}/etc/tambo.service\" unit)
    string(REPLACE /usr/bin/tambod \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}/tambod\" unit \"\${unit}\")
    string(REPLACE /etc/tambo/ \"\${folder}/\" unit \"\${unit}\")
    file(WRITE \"${PROJECT_BINARY_DIR}/package/tambo.service\" \"\${unit}\")
    file(INSTALL \"${PROJECT_BINARY_DIR}/package/tambo.service\" \"${PROJECT_SOURCE_DIR}/etc/tambo.socket\"
         DESTINATION \"\${CMAKE_INSTALL_PREFIX}/lib/systemd/system\")")
