# What `cmake --install` copies: the program, the libraries with everything that builds against them, MPI
# modules, recipes, documents. The components are program, library (shared) and development.
# Paths in the two package files are relative to where these lie, so `--prefix` may move everything.
include(CMakePackageConfigHelpers)
set(SQZ_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/squeezenet)

# `cmake --build DIR --target installable` builds all of it and no test.
add_custom_target(installable DEPENDS squeezenet help_files squeezenet_static squeezenet_shared)

install(TARGETS squeezenet RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT program)
install(TARGETS squeezenet_static squeezenet_shared EXPORT squeezenetTargets
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library NAMELINK_COMPONENT development
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
foreach(mpi ${SQZ_MPIS})
  install(TARGETS squeezenet_${mpi} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/squeezenet COMPONENT program)
  add_dependencies(installable squeezenet_${mpi})
endforeach()
install(DIRECTORY include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development
        FILES_MATCHING PATTERN "squeezenet*.h")
install(DIRECTORY configs/ DESTINATION ${CMAKE_INSTALL_DATADIR}/squeezenet/configs COMPONENT program)
file(GLOB pages CONFIGURE_DEPENDS README.md CHANGELOG.md SECURITY.md)
install(FILES LICENSE ${pages} DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT program)
# A directory of their own: both have a README.md, and README.md's links point into docs/.
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT program)

# What cmake/help_files.cmake has written.
install(DIRECTORY ${SQZ_HELP_DIR}/man1 DESTINATION ${CMAKE_INSTALL_MANDIR} COMPONENT program)
install(FILES ${SQZ_HELP_DIR}/completion/squeezenet
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions COMPONENT program)
install(FILES ${SQZ_HELP_DIR}/completion/_squeezenet
        DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions COMPONENT program)
install(FILES ${SQZ_HELP_DIR}/completion/squeezenet.fish
        DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d COMPONENT program)

# find_package(squeezenet) gives squeezenet::squeezenet (shared) and squeezenet::static.
install(EXPORT squeezenetTargets NAMESPACE squeezenet:: DESTINATION ${SQZ_CMAKE_DIR} COMPONENT development)
configure_package_config_file(cmake/squeezenetConfig.cmake.in squeezenetConfig.cmake
  INSTALL_DESTINATION ${SQZ_CMAKE_DIR})
# As the SONAME: a program built against 0.2 may not run with 0.3; from 1.0 on, one major version is enough.
if(PROJECT_VERSION_MAJOR EQUAL 0)
  set(compatibility SameMinorVersion)
else()
  set(compatibility SameMajorVersion)
endif()
write_basic_package_version_file(squeezenetConfigVersion.cmake COMPATIBILITY ${compatibility})
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/squeezenetConfig.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/squeezenetConfigVersion.cmake
        DESTINATION ${SQZ_CMAKE_DIR} COMPONENT development)

file(RELATIVE_PATH SQZ_PREFIX_FROM_PC ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
configure_file(cmake/squeezenet.pc.in squeezenet.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/squeezenet.pc
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)
