#include "exporters/join_outputs.h"

#include <nlohmann/json.hpp>

namespace ppq {
namespace {

/// As a dictionary's entry, whatever characters the name has.
std::string entry(const std::string& name) {
  return "outputs[" + nlohmann::json(name).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "]";
}

std::string listed_numbers(const std::vector<int64_t>& numbers) {
  std::string text;
  for (const int64_t number : numbers) text += (text.empty() ? "" : ", ") + std::to_string(number);
  return text;
}

std::string tuple(const std::vector<int64_t>& numbers) { return "(" + listed_numbers(numbers) + ",)"; }

std::string sizes_of(const std::string& value, const std::vector<int64_t>& sizes) {
  std::string text;
  for (size_t i = 0; i < sizes.size(); ++i)
    text += (i ? ", " : "") + (sizes[i] == 0 ? value + ".shape[" + std::to_string(i) + "]" : std::to_string(sizes[i]));
  return text;
}

std::string expression(const OutputSplit::Step& step) {
  const std::string value = entry(step.inputs[0]);
  if (step.op == "Concat") {
    std::string all;
    for (const std::string& input : step.inputs) all += (all.empty() ? "" : ", ") + entry(input);
    return "np.concatenate([" + all + "], axis=" + std::to_string(step.numbers[0]) + ")";
  }
  if (step.op == "Transpose") return value + ".transpose(" + listed_numbers(step.numbers) + ")";
  if (step.op == "Reshape") return value + ".reshape(" + sizes_of(value, step.numbers) + ")";
  if (step.op == "Flatten") return value + ".reshape(int(np.prod(" + value + ".shape[:" + std::to_string(step.numbers[0]) + "])), -1)";
  if (step.op == "Squeeze")
    return step.numbers.empty() ? "np.squeeze(" + value + ")" : "np.squeeze(" + value + ", " + tuple(step.numbers) + ")";
  if (step.op == "Unsqueeze") return "np.expand_dims(" + value + ", " + tuple(step.numbers) + ")";
  return value;
}

}  // namespace

std::vector<std::string> join_lines(const OutputSplit& split) {
  std::vector<std::string> lines;
  for (const OutputSplit::Step& step : split.steps) lines.push_back(entry(step.output) + " = " + expression(step));
  return lines;
}

std::string join_guide(const Graph& graph, const std::vector<OutputSplit>& splits) {
  if (splits.empty()) return "";
  std::string
      text =
          "\n## Joining the outputs\n\nThe network ends before what joins these outputs, so that each part has a scale of its own:\n\n"
          "| output | parts, in order |\n| --- | --- |\n",
      code = "import numpy as np\n";
  for (const OutputSplit& split : splits) {
    std::string parts;
    for (const std::string& part : split.parts) {
      const Value* value = graph.find_value(part);
      parts += (parts.empty() ? "`" : ", `") + part + "`" + (value && value->shape ? " " + to_string(*value->shape) : "");
    }
    text += "| `" + split.output + "` | " + parts + " |\n";
    for (const std::string& line : join_lines(split)) code += line + "\n";
  }
  return text +
         "\nOn the host, with the dequantized outputs in the dictionary `outputs`, each in the layout of quantized.onnx (a device may give "
         "4-dimensional ones channels-last):\n\n```python\n" +
         code + "```\n";
}

}  // namespace ppq
