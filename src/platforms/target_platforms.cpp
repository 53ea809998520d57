#include "ppq/platform.h"

namespace ppq {

const std::vector<std::pair<const char*, TargetPlatform>>& target_platforms() {
  using enum TargetPlatform;
  static const std::vector<std::pair<const char*, TargetPlatform>> table = {{"MNN_INT8", MNN_INT8},
                                                                            {"TRT_INT8", TRT_INT8},
                                                                            {"NCNN_INT8", NCNN_INT8},
                                                                            {"OPENVINO_INT8", OPENVINO_INT8},
                                                                            {"TENGINE_INT8", TENGINE_INT8},
                                                                            {"TRT_FP8", TRT_FP8},
                                                                            {"ASC_INT8", ASC_INT8},
                                                                            {"TRT_INT8_INPUT_ONLY", TRT_INT8_INPUT_ONLY},
                                                                            {"PPL_CUDA_INT8", PPL_CUDA_INT8},
                                                                            {"PPL_CUDA_INT4", PPL_CUDA_INT4},
                                                                            {"PPL_CUDA_FP16", PPL_CUDA_FP16},
                                                                            {"PPL_CUDA_MIX", PPL_CUDA_MIX},
                                                                            {"PPL_CUDA_FP8", PPL_CUDA_FP8},
                                                                            {"PPL_DSP_INT8", PPL_DSP_INT8},
                                                                            {"SNPE_INT8", SNPE_INT8},
                                                                            {"PPL_DSP_TI_INT8", PPL_DSP_TI_INT8},
                                                                            {"QNN_DSP_INT8", QNN_DSP_INT8},
                                                                            {"QNN_HTP_INT8", QNN_HTP_INT8},
                                                                            {"QNN_HTP_A16W8", QNN_HTP_A16W8},
                                                                            {"QNN_HTP_V85_INT8", QNN_HTP_V85_INT8},
                                                                            {"QNN_ENPU_INT8", QNN_ENPU_INT8},
                                                                            {"HOST_INT8", HOST_INT8},
                                                                            {"NXP_INT8", NXP_INT8},
                                                                            {"FPGA_INT8", FPGA_INT8},
                                                                            {"ESPDL_INT8", ESPDL_INT8},
                                                                            {"ESPDL_INT16", ESPDL_INT16},
                                                                            {"ESPDL_S3_INT8", ESPDL_S3_INT8},
                                                                            {"ESPDL_S3_INT16", ESPDL_S3_INT16},
                                                                            {"ESPDL_C_INT8", ESPDL_C_INT8},
                                                                            {"ESPDL_C_INT16", ESPDL_C_INT16},
                                                                            {"RKNN_INT8", RKNN_INT8},
                                                                            {"RKNN_INT8_C", RKNN_INT8_C},
                                                                            {"METAX_INT8_C", METAX_INT8_C},
                                                                            {"METAX_INT8_T", METAX_INT8_T},
                                                                            {"HEXAGON_INT8", HEXAGON_INT8},
                                                                            {"GRAPHCORE_FP8", GRAPHCORE_FP8},
                                                                            {"FP32", FP32},
                                                                            {"FP16", FP16},
                                                                            {"BF16", BF16},
                                                                            {"FP8", FP8},
                                                                            {"INT8", INT8},
                                                                            {"SOI", SOI},
                                                                            {"UNSPECIFIED", UNSPECIFIED},
                                                                            {"BOUNDARY", BOUNDARY},
                                                                            {"ONNX", ONNX},
                                                                            {"CAFFE", CAFFE},
                                                                            {"NATIVE", NATIVE},
                                                                            {"ONNXRUNTIME", ONNXRUNTIME},
                                                                            {"EXTENSION", EXTENSION}};
  return table;
}

}  // namespace ppq
