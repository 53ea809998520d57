// report.html: what is in it, read as text, and how it looks, in a browser.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "analysis/html.h"
#include "analysis/report.h"
#include "analysis/report_parts.h"
#include "core/file.h"
#include "data/npy.h"
#include "ppq/job.h"
#include "ppq/onnx.h"
#include "support/browser.h"
#include "support/share.h"

namespace ppq {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

Measure measure_of(double snr) {
  Measure measure;
  measure.noise = snr * 100, measure.signal = 100, measure.quantized = 100, measure.product = 99, measure.count = 50;
  return measure;
}

TensorError tensor_of(const std::string& name, double snr) {
  TensorError error;
  error.name = name, error.op = name + "_op", error.type = "Conv";
  error.scale = {0.015625}, error.offset = {128}, error.minimum = {-2}, error.maximum = {1.984375};
  error.graphwise = measure_of(snr), error.layerwise_snr = snr / 7;
  return error;
}

/// A little of everything that a report can hold.
Report full_report() {
  Report report;
  report.version = "1.2.3", report.model = "folder/m<b>.onnx", report.platform = "qnn_dsp_int8", report.device = "cpu";
  report.setting_json = R"({"chosen": "<this>"})";
  report.calibration_samples = 1234, report.calibration_seconds = 617, report.batch_size = 5;
  report.timing = {{"load", 1}, {"calibrate", 6.5}, {"analyze", 2}, {"total", 9.75}};
  report.peak_rss_bytes = size_t{300} << 20, report.peak_device_bytes = size_t{5000} << 20;
  report.work.simulated_forwards = 4321;
  report.errors.samples = 77, report.evaluated_on = "separate samples";
  report.errors.outputs = {{"scores", measure_of(0.0123)}, {"kinds", Measure{}}, {"found", Measure{}}};
  report.errors.unlike = {"found"};
  report.errors.agreement = {{"scores", 0.9375}};
  report.errors.parts["scores"] = {{"boxes", {{1, 0, 4}}, measure_of(0.011)}, {"confidence", {{1, 4, 80}}, measure_of(0.44)}};
  report.errors.tensors = {tensor_of("quiet", 0.0004), tensor_of("loud & \"wild\"", 0.35), tensor_of("middle", 0.02)};
  report.errors.tensors[1].clipped = 0.0625;
  report.histograms = {{"loud & \"wild\"", -3, 3, {1, 20, 300, 20, 1, 0}, {0, 22, 299, 21, 0, 0}}};
  PassRecord idle{"fold-constants", 3, 0.25}, calibrate{"calibrate", 40, 6.5}, bias{"correct-bias", 7, 1.5};
  calibrate.error_after = 0.08, bias.error_before = 0.08, bias.error_after = 0.02;
  bias.decision = "kept: better on samples held back", bias.effects = {{"loud", 0.5, 0.05}, {"same", 0.1, 0.1}};
  report.passes = {idle, calibrate, bias};
  report.encodings_written = 7, report.encodings_missing = {"lost", "gone"};
  report.missing_reasons = {{"lost", "it has no elements"}};
  report.warnings = {{"", "careful <here>"}, {"bias-range", "it grew", {"wide_weight"}, {{"growth", 3.5}}, "--keep-float 'a<b'"}};
  report.options = {{"--calib-steps", "100"}}, report.preprocessing = {{"--mean", "1,2,3"}};
  report.inputs = {"image: [1, 3, 8, 8], min -2, mean 0, max 2 in the first sample"};
  report.nodes = 12, report.quantized_nodes = 11;
  return report;
}

std::string section(const std::string& html, const std::string& id) {
  const size_t begin = html.find("<section id=\"" + id + "\">");
  return begin == std::string::npos ? "" : html.substr(begin, html.find("</section>", begin) - begin);
}

/// A search that moved as many layers, named after `word`.
MixedPrecision mixed_of(const std::string& word, size_t layers) {
  MixedPrecision mixed;
  mixed.budget = "noise=0.001", mixed.options = "--bits '" + word + "=16'";
  for (size_t i = 0; i < layers; ++i) mixed.layers.push_back({{word + std::to_string(i), "Conv", {}, 0.02, 0.01, 0.25}, i % 2 == 1});
  mixed.before = {0, 0.0321, 0.75, 0}, mixed.after = {layers, 0.00076, 0.96875, 0.1875};
  mixed.curve = {mixed.before, {1, 0.0054, 0.875, 0.0625}, mixed.after};
  return mixed;
}

TEST(ReportHtml, MixedPrecisionAndWhatLayersCost) {
  Report report = full_report();
  EXPECT_THAT(section(to_html(report), "mixed"), IsEmpty());
  EXPECT_THAT(section(to_html(report), "layers"), IsEmpty());
  report.mixed = mixed_of("conv<a>", 3);
  report.sensitivity = {{"first", "Gemm", {"first"}, 0.125, 0.1, 0.5}, {"second", "Conv", {"second"}, 0.0625, 0, 0.25}};
  const std::string html = to_html(report), mixed = section(html, "mixed"), layers = section(html, "layers");
  EXPECT_THAT(mixed, AllOf(HasSubstr("noise=0.001"), HasSubstr("not met by 3 layers"), HasSubstr("--bits 'conv&lt;a&gt;=16'"),
                           HasSubstr("3.21 %"), HasSubstr("0.54 %"), HasSubstr("0.076 %"), HasSubstr("18.8 %"), HasSubstr("float")));
  EXPECT_THAT(layers, AllOf(HasSubstr("first"), HasSubstr("12.5 %"), HasSubstr(html::escaped(advice(report.sensitivity[0])))));
  EXPECT_LT(layers.find("first"), layers.find("second"));
  report.mixed->met = true, report.mixed->layers.clear();
  EXPECT_THAT(section(to_html(report), "mixed"), HasSubstr("met as it is"));
}

TEST(ReportHtml, OpensOfflineAndEscapesNames) {
  Report report = full_report();
  report.errors.tensors[0].name = "<script>alert(1)</script>";
  report.errors.outputs[0].first = "\"><img onerror=x>";
  const std::string html = to_html(report);
  for (const char* outside : {"http:", "https:", "src=", "<link", "@import", "<script", "url(", "<img", "<here>", "<this>"})
    EXPECT_THAT(html, Not(HasSubstr(outside)));
  EXPECT_THAT(html, AllOf(HasSubstr("&lt;script&gt;alert(1)&lt;/script&gt;"), HasSubstr("loud &amp; &quot;wild&quot;"),
                          HasSubstr("m&lt;b&gt;.onnx")));
  EXPECT_TRUE(html.starts_with("<!doctype html>"));
  EXPECT_TRUE(html.ends_with("</body></html>\n"));
}

TEST(ReportHtml, SectionsStandByImportance) {
  const std::string html = to_html(full_report());
  size_t before = html.find("class=\"cards\"");
  for (const char* id : {"warnings", "try", "errors", "worst", "passes", "outputs", "tensors", "missing", "run", "settings"}) {
    const size_t here = html.find("<section id=\"" + std::string(id) + "\">");
    ASSERT_NE(here, std::string::npos) << id;
    EXPECT_GT(here, before) << id;
    before = here;
  }
}

TEST(ReportHtml, HoldsWhatIsKnown) {
  const std::string html = to_html(full_report());
  const std::string cards = html.substr(0, html.find("<section"));
  EXPECT_THAT(cards, AllOf(HasSubstr("1.23 %"), HasSubstr("19.1 dB"), HasSubstr("93.8 %"), HasSubstr("44 %"), HasSubstr("1,234"),
                           HasSubstr("11 of 12")));
  EXPECT_THAT(section(html, "warnings"),
              AllOf(HasSubstr("bias-range"), HasSubstr("it grew"), HasSubstr("wide_weight"), HasSubstr("growth <b>3.5</b>"),
                    HasSubstr("<code>--keep-float 'a&lt;b'</code>"), HasSubstr("careful &lt;here&gt;")));
  EXPECT_THAT(section(html, "worst"),
              AllOf(HasSubstr("class=\"floats\""), HasSubstr("class=\"band\""), HasSubstr("6.25 % of the values clipped"),
                    HasSubstr("-2 … 1.98"), HasSubstr("35 %"), HasSubstr("5 %")));
  EXPECT_THAT(section(html, "passes"), AllOf(HasSubstr("8 % → 2 %"), HasSubstr("÷ 4"), HasSubstr("kept: better"), HasSubstr("50 % → 5 %"),
                                             HasSubstr("fold-constants"), Not(HasSubstr("10 % → 10 %"))));
  EXPECT_THAT(section(html, "outputs"),
              AllOf(HasSubstr("confidence"), HasSubstr("axis 1: 4–83"), HasSubstr("differ in shape"), HasSubstr("not of float type")));
  EXPECT_THAT(section(html, "tensors"), AllOf(HasSubstr("quiet"), HasSubstr("0.04 %"), HasSubstr("middle"), HasSubstr("0.0156")));
  EXPECT_THAT(section(html, "missing"),
              AllOf(HasSubstr("it has no elements"), HasSubstr("lost"), HasSubstr("no reason known"), HasSubstr("gone")));
  EXPECT_THAT(section(html, "run"),
              AllOf(HasSubstr("9.75 s"), HasSubstr("6.5 s"), HasSubstr("300 MB"), HasSubstr("4.88 GB"), HasSubstr("2 a second"),
                    HasSubstr("77 separate samples"), HasSubstr("--mean"), HasSubstr("1,2,3"), HasSubstr("min -2"), HasSubstr("4,321")));
  EXPECT_THAT(section(html, "settings"), AllOf(HasSubstr("--calib-steps"), HasSubstr("&quot;chosen&quot;")));
}

TEST(ReportHtml, AnEmptyReportHasNoEmptySections) {
  const std::string html = to_html(Report{"1", "m.onnx", "p", "cpu", "{}"});
  for (const char* id : {"warnings", "try", "errors", "worst", "passes", "outputs", "tensors", "missing", "settings"})
    EXPECT_THAT(section(html, id), IsEmpty());
}

TEST(ReportSuggestions, AreRemediesThenWhatIsClippedThenWhatIsNoisyAlone) {
  Report report = full_report();
  report.errors.tensors[1].op = "it's", report.errors.tensors[1].layerwise_snr = 0.01;
  std::vector<std::string> options;
  for (const Suggestion& one : suggestions(report)) options.push_back(one.options);
  EXPECT_THAT(options, testing::ElementsAre("--keep-float 'a<b'", "--observer minmax", "--bits 'it'\\''s=16'", "--bits 'middle_op=16'"));
  report.errors.outputs = {{"scores", measure_of(0.001)}};
  EXPECT_EQ(suggestions(report).size(), 1u) << "quiet outputs leave the remedy of the warning";
  report.warnings.pop_back();
  EXPECT_THAT(section(to_html(report), "try"), IsEmpty()) << "a warning without a remedy";
  report.warnings.clear();
  EXPECT_THAT(section(to_html(report), "try"), IsEmpty()) << "a noisy part";
  report.errors.parts.clear();
  EXPECT_THAT(section(to_html(report), "try"), HasSubstr("Nothing stands out"));
}

TEST(HtmlText, FiguresAndNames) {
  EXPECT_EQ(html::share(0.01234), "1.23 %");
  EXPECT_EQ(html::share(12.345), "1234 %");
  EXPECT_EQ(html::share(3e-9), "3e-07 %");
  EXPECT_EQ(html::share(INFINITY), "∞ %");
  EXPECT_EQ(html::figure(NAN), "–");
  EXPECT_EQ(html::figure(-0.0), "0");
  EXPECT_EQ(html::cosine(0.999987), "0.99999");
  EXPECT_EQ(html::count(1234567), "1,234,567");
  EXPECT_EQ(html::count(999), "999");
  EXPECT_EQ(html::seconds(0.0421), "42.1 ms");
  EXPECT_EQ(html::seconds(3725), "62 min 5 s");
  EXPECT_EQ(html::escaped("a\x01\n<"), "a&#xFFFD;\n&lt;");
  EXPECT_EQ(html::shortened("ääääää", 6), "ä…ä") << "cut between characters";
  EXPECT_EQ(html::shortened("short", 6), "short");
}

/// Finds what does not fit: elements beyond the window or their parents, text that is cut or covers other text, and what came from
/// elsewhere.
const char* const kLook = R"(
const found = [], root = document.documentElement, wide = root.clientWidth;
document.querySelectorAll('details').forEach(d => d.open = true);
const say = (what, e) => found.length < 20 && found.push(what + ': ' + e.tagName + '.' + (e.getAttribute('class') || '') + ' ' + e.textContent.slice(0, 60));
const styles = new Map(), style = e => styles.get(e) || (styles.set(e, getComputedStyle(e)), styles.get(e));
const scrolls = e => { for (; e; e = e.parentElement) if (e.classList.contains('scroll')) return true; return false; };
if (root.scrollWidth > wide) found.push('the page is ' + root.scrollWidth + ' wide');
for (const e of document.body.querySelectorAll('*')) {
  if (e.tagName == 'SCRIPT') continue;
  const box = e.getBoundingClientRect(), parent = e.parentElement.getBoundingClientRect();
  if (box.width == 0) continue;
  const drawn = e instanceof SVGElement && e.tagName != 'svg';
  if (!drawn && e.scrollWidth > e.clientWidth + 1 && style(e).display != 'inline' && style(e).overflowX != 'visible' && !(e.classList.contains('scroll') && wide < 900)) say('wider than its box', e);
  if (scrolls(e.parentElement) && wide < 900) continue;
  if (box.right > wide + 1 || box.left < -1) say('outside the window', e);
  if (!drawn && !['inline', 'contents'].includes(style(e.parentElement).display) && (box.right > parent.right + 1 || box.left < parent.left - 1)) say('outside its parent', e);
}
for (const svg of document.querySelectorAll('svg')) {
  const frame = svg.getBoundingClientRect(), texts = [...svg.querySelectorAll('text')].map(t => [t, t.getBoundingClientRect()]);
  for (const [t, box] of texts) {
    if (box.left < frame.left - 2 || box.right > frame.right + 2 || box.top < frame.top - 3 || box.bottom > frame.bottom + 3) say('cut by its chart', t);
    for (const [u, other] of texts)
      if (u !== t && Math.min(box.right, other.right) - Math.max(box.left, other.left) > 1 && Math.min(box.bottom, other.bottom) - Math.max(box.top, other.top) > 4) say('covers ' + u.textContent, t);
  }
}
if (document.scripts.length != 1) found.push('scripts');
if (performance.getEntriesByType('resource').length) found.push('something from elsewhere');
if (matchMedia('(width < 100px)').matches) found.push('no window');
document.body.textContent = JSON.stringify({found, height: root.scrollHeight, sections: document.querySelectorAll('section').length, wide});
document.body.textContent = document.body.textContent;
)";

void expect_fits(const std::string& html) {
  for (const int width : {1300, 800}) {
    SCOPED_TRACE(width);
    const auto seen = nlohmann::json::parse(test::show_page(html, width, kLook), nullptr, false);
    ASSERT_FALSE(seen.is_discarded());
    EXPECT_THAT(seen.at("found").get<std::vector<std::string>>(), IsEmpty());
    EXPECT_LE(seen.at("wide"), width);
    EXPECT_GT(seen.at("wide"), width - 30);
    EXPECT_GT(seen.at("height"), 1000);
  }
}

/// Two convolutions beside a branch a hundred times as wide, joined: noisy enough to have warnings and advice.
std::string small_job() {
  const std::string folder = test::temporary_dir("report");
  std::string weights;
  for (int i = 0; i < 36; ++i) weights += (i ? ", " : "") + std::to_string(std::sin(i) / 3);
  write_onnx(*read_onnx_text(R"(<ir_version: 8, opset_import: ["" : 17]> g (float[1,2,8,8] image) => (float[1,6,8,8] both)
      <float[4,2,1,1] w = {1, -2, 0.5, 3, 0.25, 1, -1, 0.125}, float[1] k = {100}, float[4,1,3,3] v = {)" +
                             weights + R"(}>
      { [stem] a = Conv (image, w) [relu] b = Relu (a) [depthwise] c = Conv <group = 4, pads = [1, 1, 1, 1]> (b, v)
        [wide] d = Mul (image, k) [join] both = Concat <axis = 1> (c, d) })"),
             folder + "/small.onnx");
  auto generator = at::make_generator<at::CPUGeneratorImpl>(3);
  for (int i = 0; i < 6; ++i) write_npy(folder + "/samples/" + std::to_string(i) + ".npy", at::randn({1, 2, 8, 8}, generator));
  JobOptions options;
  options.model = folder + "/small.onnx", options.calib = folder + "/samples", options.platform = "qnn_dsp_int8", options.device = "cpu";
  options.output = folder + "/out";
  Job(options).run();
  return folder + "/out";
}

TEST(ReportInABrowser, OfASmallJobFits) {
  PPQ_REQUIRE_BROWSER();
  const std::string folder = small_job(), html = read_file(folder + "/report.html");
  EXPECT_THAT(section(html, "warnings"), HasSubstr("concat-ranges"));
  EXPECT_THAT(section(html, "worst"), HasSubstr("class=\"floats\""));
  expect_fits(html);
  const auto json = nlohmann::json::parse(read_file(folder + "/report.json"));
  ASSERT_FALSE(json.at("histograms").empty());
  for (const auto& histogram : json.at("histograms")) {
    EXPECT_EQ(histogram.at("float").size(), histogram.at("quantized").size());
    EXPECT_LT(histogram.at("low"), histogram.at("high"));
    EXPECT_TRUE(std::any_of(json.at("tensors").begin(), json.at("tensors").end(),
                            [&](const auto& tensor) { return tensor.at("name") == histogram.at("tensor"); }));
  }
}

/// Names that do not break, that are markup, that turn the direction of writing; more of everything than anybody reads.
Report hostile_report() {
  const std::vector<std::string> names = {std::string(700, 'W'),
                                          "<script>document.title='x'</script>",
                                          "\u202E\u2066right to left",
                                          "漢字の名前がとても長い層" + std::string(90, '_'),
                                          "a\nb\tc\x01 d",
                                          "\"'><style>*{width:9999px}</style>",
                                          "z\u0334\u0335\u0336\u0337",
                                          "bytes \xff\xfe",
                                          "/blocks.0/" + std::string(300, '.'),
                                          "]]></details>"};
  const auto named = [&](size_t i) { return names[i % names.size()] + std::to_string(i); };
  Report report = full_report();
  report.model = named(0), report.platform = named(0), report.device = named(0), report.evaluated_on = named(0);
  report.setting_json = "{\"" + std::string(5000, 'x') + "\": [" + std::string(3000, '1') + "]}";
  report.calibration_samples = report.nodes = report.quantized_nodes = report.errors.samples = 123456789012;
  report.timing["load"] = 123456, report.timing["tune"] = 0.0001, report.timing["total"] = 1e9;
  report.errors.outputs.clear(), report.errors.tensors.clear(), report.histograms.clear();
  for (size_t i = 0; i < 30; ++i) {
    report.errors.outputs.emplace_back(named(i), measure_of(std::pow(10.0, static_cast<double>(i) / 2 - 9)));
    report.errors.agreement[named(i)] = 1.0 / 3;
    for (size_t part = 0; part < 5; ++part)
      report.errors.parts[named(i)].push_back({named(part), {{1, 0, 1 << 20}, {2, 3, 4}}, measure_of(1e3)});
  }
  report.mixed = mixed_of(named(3), 300);
  for (size_t i = 0; i < 300; ++i)
    report.sensitivity.push_back({named(i), named(i + 1), {named(i)}, 0.5 / static_cast<double>(i + 1), 0.01, 0.001});
  for (size_t i = 0; i < 1200; ++i) {
    report.errors.tensors.push_back(tensor_of(named(i), std::pow(10.0, static_cast<double>(i * 7919 % 1200) / 100 - 10)));
    TensorError& tensor = report.errors.tensors.back();
    tensor.op = tensor.type = named(i);
    if (i % 5 == 0) tensor.scale = tensor.offset = tensor.minimum = tensor.maximum = {1e-30, 2, 3e30, 4};
    if (i % 7 == 0) tensor.graphwise.signal = 0, tensor.minimum = {-1.23456e-30}, tensor.maximum = {-3.4e38};
    if (i % 11 == 0) tensor.graphwise.noise = NAN;
    if (i % 13 == 0) tensor.layerwise_snr = -1, tensor.clipped = 0.987654;
    const double width = std::pow(10.0, static_cast<double>(i % 60) - 30);
    report.histograms.push_back(
        {tensor.name, -width / 3, width, std::vector<int64_t>(1 + i % 160, int64_t{1} << (i % 50)), std::vector<int64_t>(1 + i % 160, 3)});
  }
  for (size_t i = 0; i < 60; ++i)
    report.warnings.push_back({named(i),
                               named(i) + " " + std::string(400, 'y'),
                               {40, named(i)},
                               {{named(i), 1e-30}, {"x", NAN}},
                               "--keep-float '" + named(i) + "'"});
  for (size_t i = 0; i < 100; ++i) {
    PassRecord pass{named(i), 1234567890, 98765.4};
    pass.decision = named(i);
    if (i % 3) pass.error_before = std::pow(10.0, static_cast<double>(i % 30) - 20), pass.error_after = i % 4 ? 0 : INFINITY;
    for (size_t k = 0; k < 20; ++k) pass.effects.push_back({named(k), 1.23456e-7 * static_cast<double>(k), k % 2 ? 1234567.0 : 0});
    report.passes.push_back(pass);
  }
  for (size_t i = 0; i < 500; ++i) report.encodings_missing.push_back(named(i)), report.missing_reasons[named(i)] = named(i % 30);
  report.options = report.preprocessing = {{named(0), named(0)}, {named(1), named(1)}};
  report.inputs = {named(0), named(2)};
  return report;
}

TEST(ReportInABrowser, OfHostileNamesAndThousandsOfTensorsFits) {
  PPQ_REQUIRE_BROWSER();
  const std::string html = to_html(hostile_report());
  EXPECT_LT(html.size(), 4'000'000u);
  expect_fits(html);
  Report large = full_report();  // of usual names
  large.errors.tensors.clear();
  for (size_t i = 0; i < 1500; ++i)
    large.errors.tensors.push_back(tensor_of("/blocks." + std::to_string(i) + "/_depthwise_conv/Conv_output_0", 0.01));
  EXPECT_LT(to_html(large).size(), 1'000'000u);
}

}  // namespace
}  // namespace ppq
