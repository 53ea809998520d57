target_sources(test_cuda PRIVATE
  "${CMAKE_CURRENT_SOURCE_DIR}/cuda/backend.cpp"
  "${CMAKE_CURRENT_SOURCE_DIR}/cuda/shim/shim.cpp"
  "${CMAKE_CURRENT_SOURCE_DIR}/cuda/shim/shim_backend.cpp")
# As the device: no fused multiply-add. Kernels read floats as integers of the same size.
set_source_files_properties("${CMAKE_CURRENT_SOURCE_DIR}/cuda/shim/shim_backend.cpp" PROPERTIES
  COMPILE_OPTIONS "-ffp-contract=off;-fno-strict-aliasing")
