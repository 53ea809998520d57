#include "job/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "job/fingerprint.h"
#include "ppq/onnx.h"
#include "support/thrown.h"

namespace ppq {
namespace {

using test::thrown;
using testing::ElementsAre;
using testing::HasSubstr;

template <class Value>
Value read(const std::vector<std::string>& words, const std::string& option = "--x") {
  Value value{};
  read_words(value, words, option);
  return value;
}

using Size = std::optional<std::pair<int64_t, int64_t>>;
using Shapes = std::vector<std::pair<std::string, std::vector<int64_t>>>;

TEST(OptionWords, AreReadAsTheyAreWritten) {
  EXPECT_THAT(words_of(true), ElementsAre("true"));
  EXPECT_EQ(read<bool>({"true"}), true);
  EXPECT_THAT(words_of(int64_t{-3}), ElementsAre("-3"));
  EXPECT_EQ(read<int64_t>({"-3"}), -3);
  EXPECT_THAT(words_of(std::string()), ElementsAre()) << "not given";
  EXPECT_EQ(read<std::string>({"a", "b"}), "b") << "the last one counts";
  EXPECT_THAT(words_of(std::vector<double>{123.675, 0.017, 1}), ElementsAre("123.675", "0.017", "1"));
  EXPECT_THAT(read<std::vector<double>>({"123.675", "-1e-3"}), ElementsAre(123.675, -1e-3));
  EXPECT_THAT(words_of(Size({224, 160})), ElementsAre("224x160"));
  EXPECT_EQ(read<Size>({"224x160"}), Size({224, 160}));
  EXPECT_EQ(read<Size>({"227"}), Size({227, 227}));
  EXPECT_THAT(words_of(Shapes{{"x", {1, 3}}, {"", {2}}}), ElementsAre("x:1x3", "2"));
  EXPECT_EQ(read<Shapes>({"x:1x3", "2"}), (Shapes{{"x", {1, 3}}, {"", {2}}}));
  for (const Layout layout : {Layout::Auto, Layout::NCHW, Layout::NHWC}) EXPECT_EQ(read<Layout>(words_of(layout), "--layout"), layout);
  EXPECT_EQ(read<std::optional<int64_t>>({"256"}), 256);
}

TEST(OptionWords, WhatCannotBeReadNamesItsOption) {
  const auto message = [](auto kind, const std::string& word) {
    const Error error = thrown([&] { read<decltype(kind)>({word}); });
    EXPECT_EQ(error.kind(), ErrorKind::Usage);
    return std::string(error.what());
  };
  EXPECT_EQ(message(int64_t{}, "12a"), "[--x] got '12a', expected a number");
  EXPECT_EQ(message(int64_t{}, "99999999999999999999"), "[--x] got '99999999999999999999', expected a number");
  EXPECT_EQ(message(std::string(), ""), "[--x] got '', expected a value") << "a variable of the shell that is not set";
  EXPECT_EQ(message(bool{}, "yes"), "[--x] got 'yes', expected true or false");
  EXPECT_THAT(message(std::vector<double>{}, "1.5x"), HasSubstr("'1.5x'"));
  EXPECT_THAT(message(Size{}, "1x2x3"), HasSubstr("HEIGHTxWIDTH"));
  EXPECT_THAT(message(Shapes{}, "x:1xx2"), HasSubstr("1x3x224x224"));
  EXPECT_THAT(message(Layout{}, "auto"), HasSubstr("nchw or nhwc")) << "raw files have no layout to look at";
}

TEST(DataOptions, ThatCannotBeAreUsageErrors) {
  DataOptions options;
  check_data_options(options);
  options.std = {1, 0};
  EXPECT_EQ(thrown([&] { check_data_options(options); }).kind(), ErrorKind::Usage);
  options.std = {}, options.color = "blue";
  EXPECT_THAT(thrown([&] { check_data_options(options); }).what(), HasSubstr("'blue'"));
  options.color = "", options.resize_shorter = 0;
  EXPECT_THAT(thrown([&] { check_data_options(options); }).what(), HasSubstr("--resize-shorter"));
}

TEST(Bytes, HaveUnits) {
  EXPECT_EQ(parse_bytes("512M"), size_t{512} << 20);
  EXPECT_EQ(parse_bytes("1.5k"), 1536u);
  for (const char* wrong : {"", "0", "-1G", "4T", "G"}) EXPECT_EQ(thrown([&] { parse_bytes(wrong); }).kind(), ErrorKind::Usage) << wrong;
}

/// Makes any value another one.
void alter(bool& value) { value = !value; }
void alter(int64_t& value) { value += 1; }
void alter(std::string& value) { value += "x"; }
void alter(std::vector<std::string>& value) { value.push_back("x"); }
void alter(std::vector<double>& value) { value.push_back(0.5); }
void alter(Layout& value) { value = value == Layout::NHWC ? Layout::NCHW : Layout::NHWC; }
void alter(std::optional<int64_t>& value) { value = value.value_or(7) + 1; }
void alter(Size& value) { value = {3, 4}; }
void alter(Shapes& value) { value.push_back({"y", {5}}); }

TEST(Fingerprint, ChangesWithEveryOptionThatBearsOnTheNumbers) {
  const auto graph = read_onnx_text(R"(<ir_version: 8, opset_import: ["" : 17]> g (float[1,2] x) => (float[1,2] y) { y = Relu(x) })");
  const DatasetPtr samples = make_dataset(std::vector<at::Tensor>{at::ones({1, 2})});
  const JobOptions plain;
  const auto of = [&](const JobOptions& options) { return fingerprint(options, {*graph, *samples, "{}", "cpu"}); };
  std::set<std::string> names;
  visit_options(plain, [&](const OptionFacts& facts, const auto&) { EXPECT_TRUE(names.insert(facts.name).second) << facts.name; });
  EXPECT_GE(names.size(), 38u);
  for (const std::string& name : names) {
    JobOptions other;
    Bears bears = Bears::Nothing;
    visit_options(other, [&](const OptionFacts& facts, auto& value) {
      if (facts.name == name) alter(value), bears = facts.bears;
    });
    if (bears == Bears::Contents) continue;  // below
    EXPECT_EQ(of(other) != of(plain), bears != Bears::Nothing) << name;
  }
  EXPECT_NE(fingerprint(plain, {*graph, *samples, "{\"a\": 1}", "cpu"}), of(plain));
  EXPECT_NE(fingerprint(plain, {*graph, *samples, "{}", "cuda:0"}), of(plain));
  const DatasetPtr more = make_dataset(std::vector<at::Tensor>{at::ones({1, 2}), at::ones({1, 2})});
  EXPECT_NE(fingerprint(plain, {*graph, *more, "{}", "cpu"}), of(plain));
  const auto other = read_onnx_text(R"(<ir_version: 8, opset_import: ["" : 17]> g (float[1,2] x) => (float[1,2] y) { y = Neg(x) })");
  EXPECT_NE(fingerprint(plain, {*other, *samples, "{}", "cpu"}), of(plain));
}

}  // namespace
}  // namespace ppq
