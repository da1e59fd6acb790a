#pragma once

// Arguments: the "--name value" pairs of a bench's command line. What nobody asked for is an error.

#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

namespace terrace::bench {

class Arguments {
 public:
  Arguments(int argc, char** argv) : program_(argv[0]) {
    for (int i = 1; i < argc; i += 2) {
      const std::string name = argv[i];
      if (name.rfind("--", 0) != 0 || i + 1 >= argc)
        Fail("expected --name value at '" + name + "'");
      values_[name.substr(2)] = argv[i + 1];
    }
  }

  std::string Text(const std::string& name, const std::string& otherwise) {
    const auto found = values_.find(name);
    if (found == values_.end()) return otherwise;
    const std::string value = found->second;
    values_.erase(found);
    return value;
  }

  double Number(const std::string& name, double otherwise) {
    const std::string text = Text(name, "");
    if (text.empty()) return otherwise;
    char* end = nullptr;
    const double number = std::strtod(text.c_str(), &end);
    if (*end != '\0') Fail("--" + name + " needs a number, not '" + text + "'");
    return number;
  }

  size_t Count(const std::string& name, size_t otherwise) {
    return static_cast<size_t>(Number(name, static_cast<double>(otherwise)));
  }

  // Call after the last question.
  void RejectUnknown() const {
    if (!values_.empty()) Fail("unknown option --" + values_.begin()->first);
  }

  [[noreturn]] void Fail(const std::string& message) const {
    std::fprintf(stderr, "%s: %s\n", program_.c_str(), message.c_str());
    std::exit(2);
  }

 private:
  std::string program_;
  std::map<std::string, std::string> values_;
};

}  // namespace terrace::bench
