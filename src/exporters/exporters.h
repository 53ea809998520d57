#pragma once

#include "exporters/exporter.h"

namespace ppq::exporters {

// One function an exporter, in the exporter's own file.
ExporterRow encodings();
ExporterRow onnx();
ExporterRow onnx_qdq();
ExporterRow onnx_qoperator();
ExporterRow ncnn_table();
ExporterRow tensorrt_json();
ExporterRow ppq_json();
ExporterRow ppl_cuda_json();
ExporterRow tengine_scale();
ExporterRow mnn_json();
ExporterRow ascend_record();
ExporterRow nxp();
ExporterRow snpe_json();

}  // namespace ppq::exporters
