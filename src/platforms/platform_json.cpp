#include "platforms/platform_json.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "graph/composites.h"
#include "observers/observer.h"
#include "ppq/error.h"
#include "ppq/graph.h"

namespace ppq::platforms {
namespace {

using Json = nlohmann::ordered_json;

template <class T>
using Words = std::vector<std::pair<const char*, T>>;

const Words<SlotRole> kRoles = {{"data", SlotRole::Data}, {"constant", SlotRole::Constant}, {"weight", SlotRole::Weight},
                                {"bias", SlotRole::Bias}, {"bound", SlotRole::Bound},       {"output", SlotRole::Output}};
const Words<SlotRule::Treatment> kTreatments = {
    {"quantized", SlotRule::Treatment::Quantized}, {"passive", SlotRule::Treatment::Passive}, {"float", SlotRule::Treatment::Float}};
const Words<Granularity> kGranularities = {
    {"per-tensor", Granularity::PerTensor}, {"per-channel", Granularity::PerChannel}, {"per-block", Granularity::PerBlock}};
const Words<Rounding> kRoundings = {{"half-even", Rounding::HalfEven},
                                    {"half-up", Rounding::HalfUp},
                                    {"half-down", Rounding::HalfDown},
                                    {"half-to-zero", Rounding::HalfTowardsZero},
                                    {"half-away", Rounding::HalfFarFromZero},
                                    {"nearest", Rounding::ToNearInt},
                                    {"up", Rounding::Up},
                                    {"down", Rounding::Down}};
const Words<NumberFormat> kFormats = {{"integer", NumberFormat::Linear}, {"minifloat", NumberFormat::Floating}};
const Words<AlignmentGroup> kGroups = {{"elementwise", AlignmentGroup::Elementwise},
                                       {"concat", AlignmentGroup::Concat},
                                       {"pooling", AlignmentGroup::Pooling},
                                       {"resize", AlignmentGroup::Resize}};

/// What a Conv must be for a rule; fields that are not given do not matter.
struct Shape {
  std::vector<int64_t> kernel;
  std::optional<int64_t> stride, dilation, group;
  std::optional<bool> depthwise;

  bool fits(const Node& node) const {
    const at::Tensor weight = node.constant_input(1);
    if (!weight.defined() || weight.dim() < 3) return false;
    const auto all = [&](const char* name, std::optional<int64_t> wanted) {
      const std::vector<int64_t> values = node.attributes.get_ints(name);
      return !wanted || (values.empty() ? *wanted == 1 : std::count(values.begin(), values.end(), *wanted) == std::ssize(values));
    };
    const int64_t groups = node.attributes.get_int("group", 1);
    // Of a Conv: as many groups as output channels, and one input channel each.
    const bool one_by_one = groups > 1 && weight.size(1) == 1;
    return (kernel.empty() || weight.sizes().slice(2) == at::IntArrayRef(kernel)) && all("strides", stride) && all("dilations", dilation) &&
           (!group || groups == *group) && (!depthwise || one_by_one == *depthwise);
  }
};

/// Reads one object; everything wrong is noted with its place.
class Reader {
 public:
  Reader(const Json& json, std::string path, std::vector<std::string>& errors) : json_(json), path_(std::move(path)), errors_(errors) {
    if (!json_.is_object()) wrong("", json_, "an object");
  }

  void wrong(const std::string& key, const Json& got, const std::string& expected) {
    errors_.push_back(place(key) + ": got " + got.dump() + ", expected " + expected);
  }
  void refuse(const std::string& key, const std::string& problem) { errors_.push_back(place(key) + ": " + problem); }

  const Json* find(const char* key) {
    known_.push_back(key);
    if (!json_.is_object()) return nullptr;
    const auto it = json_.find(key);
    return it == json_.end() ? nullptr : &*it;
  }

  void read(const char* key, std::string& member) {
    const Json* value = find(key);
    if (!value) return;
    if (!value->is_string() || value->get<std::string>().empty()) return wrong(key, *value, "a word");
    member = value->get<std::string>();
  }
  void read(const char* key, bool& member) {
    const Json* value = find(key);
    if (!value) return;
    if (!value->is_boolean()) return wrong(key, *value, "true or false");
    member = value->get<bool>();
  }
  bool read(const char* key, double& member) {
    const Json* value = find(key);
    if (!value) return false;
    if (!value->is_number()) return wrong(key, *value, "a number"), false;
    member = value->get<double>();
    return true;
  }
  template <class Number>
  bool read_whole(const char* key, Number& member, double least, double most) {
    double number = 0;
    if (!read(key, number)) return false;
    if (number != std::trunc(number) || number < least || number > most) {
      char text[64];
      std::snprintf(text, sizeof text, "a whole number, %.0f to %.0f", least, most);
      wrong(key, Json(number), text);
      return false;
    }
    member = static_cast<Number>(number);
    return true;
  }
  void read(const char* key, std::vector<std::string>& member) {
    const Json* value = find(key);
    if (!value) return;
    if (!value->is_array() || !std::all_of(value->begin(), value->end(), [](const Json& item) { return item.is_string(); }))
      return wrong(key, *value, "a list of words");
    member = value->get<std::vector<std::string>>();
  }
  bool read(const char* key, std::set<std::string>& member) {
    std::vector<std::string> list;
    const bool given = json_.is_object() && json_.contains(key);
    read(key, list);
    if (given) member = {list.begin(), list.end()};
    return given;
  }
  template <class T>
  bool read(const char* key, T& member, const Words<T>& words) {
    std::string word;
    read(key, word);
    if (word.empty()) return false;
    return match(key, word, member, words);
  }
  template <class T>
  bool match(const std::string& key, const std::string& word, T& member, const Words<T>& words) {
    std::vector<std::string> names;
    for (const auto& [name, value] : words) {
      if (word == name) return member = value, true;
      names.push_back(name);
    }
    refuse(key, "got '" + word + "', " + did_you_mean(word, names));
    return false;
  }

  std::string place(const std::string& key) const { return path_.empty() ? key : key.empty() ? path_ : path_ + "." + key; }

  /// After all keys: what nobody asked for.
  void finish() {
    if (!json_.is_object()) return;
    for (const auto& [key, value] : json_.items())
      if (std::find(known_.begin(), known_.end(), key) == known_.end()) refuse(key, "no such key, " + did_you_mean(key, known_));
  }

 private:
  const Json& json_;
  std::string path_;
  std::vector<std::string>& errors_;
  std::vector<std::string> known_;
};

class PlatformReader {
 public:
  PlatformReader(const Json& json, std::string where) : json_(json), where_(std::move(where)) {}

  PlatformSpec read() {
    Reader reader(json_, "", errors_);
    PlatformSpec spec = base(reader);
    reader.read("name", spec.name);
    if (spec.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_-.") != std::string::npos)
      reader.refuse("name", "got '" + spec.name + "', expected small letters, digits, '_', '-' and '.'");
    if (spec.name.empty()) reader.refuse("name", "missing, expected a word");
    spec.id = TargetPlatform::EXTENSION;
    spec.aliases.clear();
    spec.source = where_;
    spec.summary = "rules of " + where_;
    reader.read("summary", spec.summary);
    read_types(reader, spec);
    read_slots(reader, spec);
    reader.read("fused_activations", spec.fusion.activations);
    read_composites(reader, spec);
    read_aligned(reader, spec);
    // Names of higher rooms: who quantizes with them looks them up.
    reader.read("setting", spec.default_setting);
    std::vector<std::string> passes;
    reader.read("passes", passes);
    for (const std::string& pass : passes) spec.passes.push_back({pass, "", nullptr});
    reader.read("exporters", spec.exporters);
    reader.finish();
    if (spec.quant_types.empty()) reader.refuse("types", "nothing would be quantized: give types, or a platform to be like");
    if (!errors_.empty()) {
      std::string all;
      for (const std::string& error : errors_) all += (all.empty() ? "" : "; ") + error;
      throw Error(ErrorKind::Usage, where_, all, "docs/platforms.md has an example with comments");
    }
    return spec;
  }

 private:
  /// Notes what `body` throws at `key`.
  template <class Body>
  static bool check(Reader& reader, const std::string& key, const Body& body) {
    try {
      body();
      return true;
    } catch (const Error& error) {
      reader.refuse(key, error.problem() + (error.hint().empty() ? "" : ", " + error.hint()));
      return false;
    }
  }
  static PlatformSpec base(Reader& reader) {
    std::string like;
    PlatformSpec spec;
    spec.exporters = {"onnx"};
    spec.fusion.activations = {"Relu", "Clip"};
    reader.read("like", like);
    if (like.empty()) return spec;
    if (is_platform_file(like)) {
      reader.refuse("like", "got '" + like + "', expected the name of a built-in platform");
      return spec;
    }
    check(reader, "like", [&] { spec = find_platform(like); });
    spec.name.clear();
    return spec;
  }

  static void read_types(Reader& reader, PlatformSpec& spec) {
    std::set<std::string> more, less;
    if (reader.read("types", spec.quant_types)) spec.computes_if = nullptr;
    reader.read("more_types", more);
    reader.read("less_types", less);
    spec.quant_types.insert(more.begin(), more.end());
    for (const std::string& type : less)
      if (spec.quant_types.erase(type) == 0) reader.refuse("less_types", "'" + type + "' is not among the types");
  }

  static void read_composites(Reader& reader, PlatformSpec& spec) {
    if (!reader.read("composites", spec.fusion.composites)) return;
    const std::vector<std::string>& known = composite_types();
    for (const std::string& type : spec.fusion.composites)
      if (std::find(known.begin(), known.end(), type) == known.end())
        reader.refuse("composites", "got '" + type + "', expected LayerNormalization, RMSNormalization or Gelu");
  }

  void read_slots(Reader& reader, PlatformSpec& spec) {
    const Json* slots = reader.find("slots");
    if (!slots) {
      if (spec.slots.empty()) reader.refuse("slots", "missing, expected a list of rules");
      return;
    }
    if (!slots->is_array()) return reader.wrong("slots", *slots, "a list of rules");
    std::vector<SlotRule> rules;
    for (size_t i = 0; i < slots->size(); ++i) rules.push_back(read_slot((*slots)[i], "slots[" + std::to_string(i) + "]"));
    // The first that fits decides: the user's own before those of the platform.
    spec.slots.insert(spec.slots.begin(), rules.begin(), rules.end());
  }

  SlotRule read_slot(const Json& json, const std::string& path) {
    Reader reader(json, path, errors_);
    SlotRule rule;
    rule.treatment = SlotRule::Treatment::Quantized;
    if (!reader.read("role", rule.role, kRoles) && !json.contains("role")) reader.refuse("role", "missing, expected one");
    reader.read("treatment", rule.treatment, kTreatments);
    rule.exported = rule.treatment != SlotRule::Treatment::Passive;
    reader.read("types", rule.types);
    reader.read("exported", rule.exported);
    read_scheme(reader, rule);
    read_range(reader, rule);
    read_condition(reader, rule);
    reader.finish();
    return rule;
  }

  static void read_scheme(Reader& reader, SlotRule& rule) {
    QuantScheme& scheme = rule.scheme;
    NumberFormat format = NumberFormat::Linear;
    reader.read("format", format, kFormats);
    const int most_bits = rule.role == SlotRole::Bias ? 64 : 16;
    if (format == NumberFormat::Floating) {
      int exponent = 4;
      reader.read_whole("exponent_bits", exponent, 4, 5);
      scheme = rules::minifloat(exponent);
      reader.read("power_of_two", scheme.power_of_two);
    } else {
      int bits = 8;
      reader.read_whole("bits", bits, 2, most_bits);
      bool symmetric = rule.role == SlotRole::Bias, narrow = false;
      reader.read("symmetric", symmetric);
      bool is_signed = symmetric;
      reader.read("signed", is_signed);
      reader.read("narrow", narrow);
      scheme = !is_signed ? rules::unsigned_asymmetric(bits) : narrow ? rules::narrow_symmetric(bits) : rules::signed_symmetric(bits);
      scheme.symmetric = symmetric;
      if (narrow && !is_signed) reader.refuse("narrow", "goes with signed integers only");
      reader.read("power_of_two", scheme.power_of_two);
      read_limits(reader, scheme);
    }
    reader.read("granularity", scheme.granularity, kGranularities);
    const bool weight = rule.role == SlotRole::Weight, bias = rule.role == SlotRole::Bias;
    if (scheme.granularity != Granularity::PerTensor && !weight && !(bias && scheme.granularity == Granularity::PerChannel))
      reader.refuse("granularity", "scales of channels and blocks are for weights");
    const bool sized = reader.read_whole("block_size", scheme.block_size, 1, 1 << 20);
    if (sized != (scheme.granularity == Granularity::PerBlock))
      reader.refuse("block_size", "goes with granularity per-block, and it with one");
    reader.read("rounding", scheme.rounding, kRoundings);
    reader.read("min_range", scheme.min_range);
    if (!(scheme.min_range >= 0)) reader.refuse("min_range", "expected a number that is not negative");
    std::string observer;
    reader.read("observer", observer);
    if (!observer.empty() && check(reader, "observer", [&] { make_observer(observer, scheme, "a tensor"); })) scheme.observer = observer;
  }

  static void read_limits(Reader& reader, QuantScheme& scheme) {
    const double least = scheme.quant_min, most = scheme.quant_max;
    reader.read("quant_min", scheme.quant_min);
    reader.read("quant_max", scheme.quant_max);
    if (scheme.quant_min >= scheme.quant_max || scheme.quant_min < least || scheme.quant_max > most ||
        scheme.quant_min != std::trunc(scheme.quant_min) || scheme.quant_max != std::trunc(scheme.quant_max)) {
      char text[128];
      std::snprintf(text, sizeof text, "got %g to %g, expected whole numbers from %.0f to %.0f", scheme.quant_min, scheme.quant_max, least,
                    most);
      reader.refuse("quant_min", text);
    } else if (scheme.symmetric && (scheme.quant_min > 0 || scheme.quant_max < 0)) {
      reader.refuse("quant_min", "symmetric integers hold 0");
    }
  }

  static void read_range(Reader& reader, SlotRule& rule) {
    const Json* range = reader.find("range");
    if (!range) return;
    if (!range->is_array() || range->size() != 2 || !(*range)[0].is_number() || !(*range)[1].is_number() ||
        !((*range)[0].get<double>() < (*range)[1].get<double>()))
      return reader.wrong("range", *range, "two numbers, the smaller one first");
    rule.range = std::pair{(*range)[0].get<double>(), (*range)[1].get<double>()};
  }

  void read_condition(Reader& reader, SlotRule& rule) {
    const Json* when = reader.find("when");
    if (!when) return;
    Reader inner(*when, reader.place("when"), errors_);
    Shape shape;
    const auto whole = [&](const char* key, std::optional<int64_t>& member) {
      int64_t number = 0;
      if (inner.read_whole(key, number, 1, 1 << 20)) member = number;
    };
    if (const Json* kernel = inner.find("kernel")) {
      if (kernel->is_array() && !kernel->empty() &&
          std::all_of(kernel->begin(), kernel->end(), [](const Json& size) { return size.is_number_integer() && size.get<int64_t>() > 0; }))
        shape.kernel = kernel->get<std::vector<int64_t>>();
      else
        inner.wrong("kernel", *kernel, "a list of sizes");
    }
    whole("stride", shape.stride), whole("dilation", shape.dilation), whole("group", shape.group);
    bool depthwise = false;
    inner.read("depthwise", depthwise);
    if (when->is_object() && when->contains("depthwise")) shape.depthwise = depthwise;
    inner.finish();
    rule.when = [shape](const Node& node, size_t) { return shape.fits(node); };
  }

  void read_aligned(Reader& reader, PlatformSpec& spec) {
    const Json* aligned = reader.find("aligned");
    if (!aligned) return;
    if (!aligned->is_object()) return reader.wrong("aligned", *aligned, "an object: types and their groups");
    spec.fusion.aligned.clear();
    Reader inner(*aligned, "aligned", errors_);
    for (const auto& [type, group] : aligned->items()) {
      AlignmentGroup found{};
      if (inner.read(type.c_str(), found, kGroups)) spec.fusion.aligned[type] = found;
    }
  }

  const Json& json_;
  std::string where_;
  std::vector<std::string> errors_;
};

}  // namespace

bool is_platform_file(const std::string& name) { return name.find('/') != std::string::npos || name.ends_with(".json"); }

PlatformSpec platform_from_json(const std::string& text, const std::string& where) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false, /*ignore_comments=*/true);
  if (json.is_discarded()) throw Error(ErrorKind::Usage, where, "is no JSON", "docs/platforms.md has an example with comments");
  return PlatformReader(json, where).read();
}

}  // namespace ppq::platforms
