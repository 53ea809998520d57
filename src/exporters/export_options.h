#pragma once

#include <map>
#include <string>
#include <vector>

namespace ppq {

/// What exporters are told, by the names of their options. An exporter reads its own and leaves the rest.
class ExportOptions {
 public:
  /// `said` is what errors call the place: "--encodings", where that is how the user gave it.
  void set(const std::string& name, const std::string& value, const std::string& said = "");
  struct Given {
    std::string value, said;
  };
  const std::map<std::string, Given>& given() const { return given_; }

 private:
  std::map<std::string, Given> given_;
};

/// Sees every option of an exporter once: its name, the member that holds its default, what it may be, one line of help.
class OptionVisitor {
 public:
  virtual ~OptionVisitor() = default;
  virtual void field(const char* name, std::string& member, const std::vector<std::string>& choices, const char* summary) = 0;
  virtual void field(const char* name, bool& member, const char* summary) = 0;
};

/// Takes what was given into the members. Throws Usage with candidates for values that an option cannot have.
class OptionReader final : public OptionVisitor {
 public:
  explicit OptionReader(const ExportOptions& options) : options_(options) {}
  void field(const char* name, std::string& member, const std::vector<std::string>& choices, const char* summary) override;
  void field(const char* name, bool& member, const char* summary) override;
  const std::vector<std::string>& names() const { return names_; }

 private:
  const ExportOptions& options_;
  std::vector<std::string> names_;
};

// An exporter's options are a struct with `void visit(OptionVisitor&)`.

template <class Options>
Options read_options(const ExportOptions& given) {
  Options options;
  OptionReader reader(given);
  options.visit(reader);
  return options;
}

/// For ExporterRow::options.
template <class Options>
void visit_options(OptionVisitor& visitor) {
  Options options;
  options.visit(visitor);
}

}  // namespace ppq
