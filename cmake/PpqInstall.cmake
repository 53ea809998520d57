# `cmake --install build --prefix P`: component library (headers, libppq.a, the CMake package), component program (ppq_torch).
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/ppq_torch")
install(TARGETS ppq ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT library)
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/ppq" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT library)
configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/ppq_torchConfig.cmake.in" "${PROJECT_BINARY_DIR}/ppq_torchConfig.cmake"
  INSTALL_DESTINATION "${package_dir}" PATH_VARS CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_INCLUDEDIR)
write_basic_package_version_file("${PROJECT_BINARY_DIR}/ppq_torchConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/ppq_torchConfig.cmake" "${PROJECT_BINARY_DIR}/ppq_torchConfigVersion.cmake"
  "${PROJECT_SOURCE_DIR}/cmake/PpqLibraries.cmake" DESTINATION "${package_dir}" COMPONENT library)

set_target_properties(ppq_torch PROPERTIES INSTALL_RPATH_USE_LINK_PATH ON)
install(TARGETS ppq_torch RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}" COMPONENT program)
