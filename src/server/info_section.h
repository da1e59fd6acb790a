#pragma once

// What the sections of INFO are written with, and those that have files of their own.

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

namespace terrace::commands {
struct Call;
}

namespace terrace::server {

// Text of one section, line by line. Names stand in Redis's order, as far as Redis has them.
class Section {
 public:
  explicit Section(std::string* text) : text_(text) {}
  void Line(std::string_view name, const std::string& value) {
    text_->append(name).append(":").append(value).append("\r\n");
  }
  // Whole lines.
  void Text(const std::string& lines) { text_->append(lines); }
  template <typename Integer>
  void Number(std::string_view name, Integer value) {
    Line(name, std::to_string(value));
  }
  void Fraction(std::string_view name, double value) {
    char digits[32];
    std::snprintf(digits, sizeof(digits), "%.2f", value);
    Line(name, digits);
  }

 private:
  std::string* text_;
};

// "1.50M", as Redis writes bytes for people.
std::string Human(uint64_t bytes);

void MemorySection(commands::Call& call, Section& section);
void KeyspaceSection(commands::Call& call, Section& section);
void TiersSection(commands::Call& call, Section& section);

}  // namespace terrace::server
