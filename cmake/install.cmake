install(TARGETS squeezenet squeezenet_static squeezenet_shared
        RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR}
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES include/squeezenet.h include/squeezenet_train.h include/squeezenet_tools.h
              include/squeezenet_ranks.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY configs/ DESTINATION ${CMAKE_INSTALL_DATADIR}/squeezenet/configs)
# squeezenet.pc finds its prefix from where it lies, so that `cmake --install --prefix` may move it.
file(RELATIVE_PATH SQZ_PREFIX_FROM_PC ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
configure_file(cmake/squeezenet.pc.in squeezenet.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/squeezenet.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
