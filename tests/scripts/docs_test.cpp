// Every command in the README and in docs/ is run as it stands there, or is in a list that says what covers it. A new fence
// without a language, a new command that does not work, and an option that does not exist fail here.
#include <ATen/ATen.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "core/file.h"
#include "support/python.h"
#include "support/share.h"

namespace ppq::test {
namespace {

namespace fs = std::filesystem;

/// Not run from here: it installs, clones, builds or takes minutes. What covers it instead:
const std::map<std::string, std::string> kElsewhere = {
    {"scripts/test", "is what runs this test"},
    {"scripts/setup", "scripts/test runs it first"},
    {"scripts/build", "scripts/test runs it first"},
    {"scripts/demo",
     "downloads a model: its job is the README's second command, run here on a stand-in; its options and syntax are checked below"},
    {"scripts/package", "links every program once more; its syntax is checked below, its launcher in package_test"},
    {"python3 -m venv htp", "the vendor's package is installed into it"},
    {"htp/bin/pip", "installs the vendor's package"},
    {"htp/bin/python", "needs the vendor's package: make_dlc_test runs it where PPQ_QNN_PYTHON has it"},
    {"cmake --preset", "another build tree; the presets are checked below"},
};
/// Run from here on less: the same program with these arguments.
const std::map<std::string, std::string> kShorter = {
    {"scripts/bench/accuracy", "$PYTHON $ROOT/scripts/bench/accuracy --models mlperf_tiny_resnet8_cifar10"},
    {"scripts/bench/top1", "$PYTHON $ROOT/scripts/bench/top1 --models mlperf_tiny_ad_autoencoder"},
    {"scripts/bench/draws",
     "$PYTHON $ROOT/scripts/bench/draws --models mlperf_tiny_resnet8_cifar10 --counts 8 --draws 1 --neighbours --before-softmax"},
    {"scripts/bench/peers", "$PYTHON $ROOT/scripts/bench/peers --models mlperf_tiny_resnet8_cifar10"},
    {"scripts/bench/mixed",
     "$PYTHON $ROOT/scripts/bench/mixed --models mlperf_tiny_ad_autoencoder --platforms qnn_htp_int8 --budgets macs=0.5 --most 16"},
    {"scripts/bench/top1_ppq", "$PYTHON -m py_compile $ROOT/scripts/bench/top1_ppq"},
    {"scripts/bench/htp", "code=0; $PYTHON $ROOT/scripts/bench/htp --simulator $PYTHON || code=$?; [ $code = 4 ]"},
    {"scripts/bench/htp_rules.py", "code=0; $PYTHON $ROOT/scripts/bench/htp_rules.py --simulator $PYTHON || code=$?; [ $code = 4 ]"},
    {"$PYTHON scripts/bench/calibration",
     "$PYTHON $ROOT/scripts/bench/calibration --no-build --rounds 1 --device cpu --platform qnn_dsp_int8 model.onnx samples | tee "
     "bench.json && grep -q '\"host_waits_in_loop\": 0,' bench.json"},
    {"scripts/report_picture",
     "$PYTHON $ROOT/scripts/report_picture $ROOT/docs/report.json picture.svg && cmp picture.svg $ROOT/docs/report.svg"},
};
/// The vendor's programs, which are not here.
const std::vector<std::string> kVendor = {"snpe-", "qairt-", "qnn-", "adb "};

struct Fence {
  std::string language, text;
  size_t line = 0;
};

std::vector<Fence> fences(const std::string& path) {
  std::vector<Fence> all;
  std::istringstream stream(read_file(path));
  bool inside = false;
  size_t number = 0;
  for (std::string line; std::getline(stream, line);) {
    ++number;
    if (line.rfind("```", 0) == 0) {
      if (!inside) all.push_back({line.substr(3), "", number});
      inside = !inside;
    } else if (inside) {
      all.back().text += line + "\n";
    }
  }
  return all;
}

std::vector<std::string> pages() {
  std::vector<std::string> paths = {PPQ_SOURCE_DIR "/README.md", PPQ_SOURCE_DIR "/CONTRIBUTING.md"};
  for (const auto& entry : fs::recursive_directory_iterator(PPQ_SOURCE_DIR "/docs"))
    if (entry.path().extension() == ".md") paths.push_back(entry.path().string());
  std::sort(paths.begin(), paths.end());
  return paths;
}

std::vector<std::string> commands(const std::string& text) {
  std::vector<std::string> all;
  std::istringstream stream(std::regex_replace(text, std::regex(R"(\\\n\s*)"), ""));
  for (std::string line; std::getline(stream, line);) {
    line = std::regex_replace(line, std::regex(R"(\s+#.*$)"), "");
    if (!line.empty() && line[0] != '#') all.push_back(line);
  }
  return all;
}

bool starts_with(const std::string& text, const std::string& head) { return text.rfind(head, 0) == 0; }

/// The key that a command begins with, as a whole word.
const std::string* find_command(const std::map<std::string, std::string>& table, const std::string& command) {
  for (const auto& [key, value] : table)
    if (command == key || starts_with(command, key + " ")) return &value;
  return nullptr;
}

std::pair<std::string, int> shell(const std::string& command) {
  std::FILE* pipe = ::popen(("{ " + command + "\n} 2>&1 </dev/null").c_str(), "r");
  std::string output;
  char buffer[4096];
  while (const size_t n = std::fread(buffer, 1, sizeof buffer, pipe)) output.append(buffer, n);
  const int status = ::pclose(pipe);
  return {output, WIFEXITED(status) ? WEXITSTATUS(status) : -1};
}

/// What the pages' commands find in their folder: models, samples, photographs, and what a device wrote.
const char* const kFiles = R"(
import sys, os, numpy as np, onnx, subprocess
from onnx import parser
from PIL import Image
folder, program = sys.argv[1:]
os.chdir(folder)
rng = np.random.default_rng(5)
def model(name, size):
    text = f'''<ir_version: 8, opset_import: ["" : 17]> net (float[1,3,{size},{size}] image) => (float[1,6] scores)
      {{ c = Conv <pads=[1,1,1,1], strides=[2,2]> (image, w, b) r = Relu (c) d = Conv <group=4> (r, v) p = GlobalAveragePool (d) f = Flatten (p) scores = MatMul (f, m) }}'''
    net = parser.parse_model(text)
    for key, shape in (('w', (4,3,3,3)), ('b', (4,)), ('v', (4,1,3,3)), ('m', (4,6))):
        net.graph.initializer.append(onnx.numpy_helper.from_array(rng.standard_normal(shape).astype(np.float32), key))
    onnx.save(net, name)
model('model.onnx', 16)
model('efficientnet_lite0.onnx', 224)
os.makedirs('samples'); os.makedirs('photos')
for i in range(9):
    np.save(f'samples/{i:03d}.npy', rng.standard_normal((1,3,16,16)).astype(np.float32))
for i in range(3):
    Image.fromarray(rng.integers(0, 255, (300, 280, 3), dtype=np.uint8)).save(f'photos/{i}.png')
def run(*words):
    done = subprocess.run([program, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
job = ['--platform', 'qnn_dsp_int8']
run('--model', 'model.onnx', '--calib', 'samples', *job, '--output', 'before')
run('run', '--model', 'before/quantized.onnx', '--table', 'before/quantized.table', *job, '--input', 'samples', '--tensors', 'all', '--output', 'simulated')
os.rename('before/quantized.table', 'quantized.table')
# snpe-net-run writes raw float32 files, channels-last, in Result_0, Result_1, …
for folder in ('device', 'out/device_output'):
    for i, sample in enumerate(sorted(os.listdir('simulated'))):
        os.makedirs(f'{folder}/Result_{i}')
        for file in os.listdir(f'simulated/{sample}'):
            x = np.load(f'simulated/{sample}/{file}')
            (x.transpose(0, 2, 3, 1) if x.ndim == 4 else x).tofile(f'{folder}/Result_{i}/{file[:-4]}.raw')
)";

/// On a machine that lacks the devices a command names it must say so, and does its work on the CPU here.
std::string on_devices_here(const std::string& command) {
  std::smatch named;
  if (!std::regex_search(command, named, std::regex("--device cuda[0-9:,]*"))) return command;
  size_t wanted = 0;
  for (const char c : named.str())
    wanted = std::isdigit(static_cast<unsigned char>(c)) ? std::max<size_t>(wanted, static_cast<size_t>(c - '0')) : wanted;
  const size_t have = at::hasCUDA() ? at::detail::getCUDAHooks().deviceCount() : 0;
  if (wanted < have) return command;
  const std::string instead = named.prefix().str() + "--device cpu" + named.suffix().str();
  return "code=0; " + command + " || code=$?; [ $code = 4 ]\n" + instead;
}

class Docs : public testing::TestWithParam<std::string> {};

TEST_P(Docs, CommandsRunAsTheyStand) {
  PPQ_REQUIRE_PYTHON();
  const std::string page = GetParam(), folder = temporary_dir("docs");
  bool files = false;
  for (const Fence& fence : fences(page)) {
    SCOPED_TRACE(fs::path(page).filename().string() + ":" + std::to_string(fence.line));
    const std::set<std::string> kinds = {"sh", "cpp", "text", "json"};
    EXPECT_TRUE(kinds.count(fence.language)) << "got a fence of language '" << fence.language << "', expected sh, cpp, text or json";
    if (fence.language != "sh") continue;
    std::string script = "cd '" + folder + "' && PATH='" + fs::path(PPQ_BINARY).parent_path().string() +
                         "':\"$PATH\" PYTHON='" PPQ_TEST_PYTHON "' ROOT='" PPQ_SOURCE_DIR "' PPQ_BUILD='" PPQ_BUILD_DIR
                         "'\nexport PATH PPQ_BUILD\nset -e\n";
    size_t run = 0;
    for (const std::string& command : commands(fence.text)) {
      if (find_command(kElsewhere, command)) continue;
      if (std::any_of(kVendor.begin(), kVendor.end(), [&](const std::string& head) { return starts_with(command, head); })) continue;
      const std::string* shorter = find_command(kShorter, command);
      const bool real = shorter && shorter->find("--models") != std::string::npos;
      if (real && !have_shared()) continue;  // they need the real models
      ++run;
      script += (shorter ? *shorter : on_devices_here(command)) + "\n";
    }
    if (run == 0) continue;
    if (!files) run_python(kFiles, {folder, PPQ_BINARY});
    files = true;
    const auto [output, code] = shell(script);
    EXPECT_EQ(code, 0) << script << output;
  }
}

std::string test_name(const testing::TestParamInfo<std::string>& info) {
  std::string name = fs::relative(info.param, PPQ_SOURCE_DIR).string();
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return !std::isalnum(c); }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Pages, Docs, testing::ValuesIn(pages()), test_name);

TEST(DocsTest, ScriptsThatAreNotRunParse) {
  for (const char* script : {"demo", "test", "setup", "build", "package", "with_libtorch"}) {
    const auto [output, code] = shell("bash -n '" PPQ_SOURCE_DIR "/scripts/" + std::string(script) + "'");
    EXPECT_EQ(code, 0) << script << output;
  }
  const auto [usage, code] = shell("'" PPQ_SOURCE_DIR "/scripts/demo' --nonsense");
  EXPECT_EQ(code, 2);
  EXPECT_THAT(usage, testing::HasSubstr("usage: scripts/demo [--cpu|--cuda]"));
}

TEST(DocsTest, PresetsThatAreNamedExist) {
  const std::string presets = read_file(PPQ_SOURCE_DIR "/CMakePresets.json");
  const std::regex use("--preset ([a-z_-]+)");
  for (const std::string& page : pages()) {
    const std::string text = read_file(page);
    for (std::sregex_iterator it(text.begin(), text.end(), use), end; it != end; ++it)
      EXPECT_NE(presets.find("\"" + (*it)[1].str() + "\""), std::string::npos) << (*it)[1] << " in " << page;
  }
}

/// `--like-this` in running text is an option of some command or script of ours. (The vendor's have underscores.)
TEST(DocsTest, OptionsExist) {
  std::string known;
  for (const char* command : {"quantize", "run", "analyze", "compare", "export", "inspect", "list"})
    known += shell(std::string("'" PPQ_BINARY "' ") + command + " --help").first;
  known += " --help --version ";
  for (const auto& entry : fs::recursive_directory_iterator(PPQ_SOURCE_DIR "/scripts"))
    if (entry.is_regular_file()) known += read_file(entry.path().string());
  known += read_file(PPQ_SOURCE_DIR "/apps/bench/main.cpp");
  known += shell("'" PPQ_BUILD_DIR "/bin/ppq_fuzz' --help").first;
  const std::regex option("(^|[^-a-z])--([a-z][a-z0-9_-]*)");
  size_t seen = 0;
  for (const std::string& page : pages()) {
    const std::string text = read_file(page);
    for (std::sregex_iterator it(text.begin(), text.end(), option), end; it != end; ++it) {
      const std::string name = (*it)[2];
      if (name.find('_') != std::string::npos || name == "preset" || name == "build") continue;
      ++seen;
      EXPECT_NE(known.find("--" + name), std::string::npos) << "no command has --" << name << ", named in " << page;
    }
  }
  EXPECT_GT(seen, 20u);
}

/// The check itself notices what it is there for.
TEST(DocsTest, AWrongCommandIsNoticed) {
  EXPECT_EQ(commands("a \\\n  b  # why\n\n# only a comment\nc\n"), (std::vector<std::string>{"a b", "c"}));
  EXPECT_EQ(find_command(kElsewhere, "scripts/testing"), nullptr);
  EXPECT_NE(find_command(kElsewhere, "scripts/test --cpu"), nullptr);
  EXPECT_NE(shell("set -e\n'" PPQ_BINARY "' --model nowhere.onnx\ntrue").second, 0);
}

}  // namespace
}  // namespace ppq::test
