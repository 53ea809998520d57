add_dependencies(test_scripts ppq_torch)
set_property(SOURCE "${CMAKE_CURRENT_SOURCE_DIR}/scripts/package_test.cpp" APPEND PROPERTY COMPILE_DEFINITIONS PPQ_LIBTORCH_DIR="${PPQ_TORCH_ROOT}")
