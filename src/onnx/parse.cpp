#include "onnx/parse.h"

#include <google/protobuf/stubs/common.h>
#if GOOGLE_PROTOBUF_VERSION >= 4022000
#include <absl/log/globals.h>
#else
#include <google/protobuf/stubs/logging.h>
#endif
#include <onnx/defs/parser.h>

#include <algorithm>
#include <limits>
#include <mutex>

#include "ppq/error.h"

namespace ppq {
namespace {

constexpr int kMaxTextDepth = 100;

/// Our errors say what is wrong; protobuf's own lines on stderr would only double them.
void silence_protobuf() {
  static std::once_flag once;
  std::call_once(once, [] {
#if GOOGLE_PROTOBUF_VERSION >= 4022000
    absl::SetStderrThreshold(absl::LogSeverityAtLeast::kInfinity);
#else
    google::protobuf::SetLogHandler(nullptr);
#endif
  });
}

bool looks_like_text(std::string_view bytes) {
  const std::string_view head = bytes.substr(0, 4096);
  return std::all_of(head.begin(), head.end(), [](unsigned char c) { return c >= 0x20 || c == '\n' || c == '\r' || c == '\t'; });
}

/// onnx's parser recurses at each bracket.
void check_depth(std::string_view text, const std::string& where) {
  int depth = 0;
  for (const char c : text) {
    if (c == '{' || c == '(' || c == '[' || c == '<') ++depth;
    if (c == '}' || c == ')' || c == ']' || c == '>') depth = std::max(0, depth - 1);
    if (depth > kMaxTextDepth) throw Error(ErrorKind::Model, where, "brackets are nested deeper than " + std::to_string(kMaxTextDepth));
  }
}

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

}  // namespace

onnx::ModelProto parse_model_text(std::string_view text, const std::string& where) {
  silence_protobuf();
  check_depth(text, where);
  onnx::ModelProto model;
  onnx::Common::Status status;
  try {
    const std::string copy(text);
    onnx::OnnxParser parser(copy.c_str());
    status = parser.Parse(model);
    if (status.IsOK() && !parser.EndOfInput())
      throw Error(ErrorKind::Model, where, "text goes on after the end of the model", "one file holds one model");
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    throw Error(ErrorKind::Model, where, "is not an ONNX model in text form: " + one_line(error.what()));
  }
  if (!status.IsOK())
    throw Error(ErrorKind::Model, where,
                "is not an ONNX model: neither a protobuf nor text in ONNX's syntax (" + one_line(status.ErrorMessage()) + ")",
                "give a .onnx file, or text as onnx.printer.to_text writes it");
  return model;
}

onnx::ModelProto parse_model(std::string_view bytes, const std::string& where) {
  silence_protobuf();
  if (bytes.empty()) throw Error(ErrorKind::Model, where, "is empty", "export or copy the model again");
  if (bytes.size() > static_cast<size_t>(std::numeric_limits<int32_t>::max()))
    throw Error(ErrorKind::Model, where,
                "is larger than protobuf can read: got " + std::to_string(bytes.size()) + " bytes, expected less than 2147483648",
                "save the weights as external data (onnx.save_model(…, save_as_external_data=True))");
  if (looks_like_text(bytes)) return parse_model_text(bytes, where);
  onnx::ModelProto model;
  if (!model.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    // A ModelProto begins with its IR version.
    if (bytes[0] == 0x08 && model.has_ir_version() && (model.has_graph() || model.has_producer_name()))
      throw Error(ErrorKind::Model, where,
                  "is truncated or damaged: protobuf cannot read all of its " + std::to_string(bytes.size()) + " bytes",
                  "copy or export the model again");
    throw Error(ErrorKind::Model, where, "is not an ONNX model: it is no protobuf message", "give a .onnx file");
  }
  if (!model.has_graph()) throw Error(ErrorKind::Model, where, "is not an ONNX model: it holds no graph", "give a .onnx file");
  return model;
}

}  // namespace ppq
