#include "server/relayed_reply.h"

#include <array>
#include <charconv>
#include <cstdint>

namespace terrace::server {
namespace {

enum class Form : uint8_t {
  kPlain,        // as in RESP2, but for the nulls
  kSet,          // the whole is a set
  kMapOfPairs,   // an array of pairs is a map
  kScore,        // a bulk string is a double
  kMemberScore,  // every second element is a double
  kPairs,        // the same, and each two elements are an array
  kPopped,       // a name, and an array of arrays of member and score
  kPlaces,       // arrays of a member, perhaps with an array of two coordinates
};

struct Translated {
  std::string_view command;
  Form form;
};
constexpr auto kTranslated = std::to_array<Translated>({
    {"georadius", Form::kPlaces},
    {"georadiusbymember", Form::kPlaces},
    {"spop", Form::kSet},
    {"xreadgroup", Form::kMapOfPairs},
    {"zadd", Form::kScore},
    {"zincrby", Form::kScore},
    {"zmpop", Form::kPopped},
    {"zpopmax", Form::kMemberScore},
    {"zpopmin", Form::kMemberScore},
});

Form FormOf(std::string_view command, size_t argument_count) {
  for (const Translated& translated : kTranslated) {
    if (translated.command != command) continue;
    // With a count, members and scores come in pairs.
    const bool has_count = argument_count > 2;
    return translated.form == Form::kMemberScore && has_count ? Form::kPairs : translated.form;
  }
  return Form::kPlain;
}

// Walks through a reply of RESP2 and writes it as one of RESP3.
class Translator {
 public:
  Translator(std::string_view bytes, resp::Reply* reply) : rest_(bytes), reply_(reply) {}

  void Whole(Form form) {
    if (rest_[0] == '$' && form == Form::kScore) return Score();
    if (rest_[0] != '*' || rest_[1] == '-') return Plain();
    switch (form) {
      case Form::kPlain:
      case Form::kScore:
        return Plain();
      case Form::kSet: {
        const int64_t count = TakeHead();
        reply_->Set(static_cast<size_t>(count));
        return Elements(count);
      }
      case Form::kMapOfPairs: {
        const int64_t count = TakeHead();
        reply_->Map(static_cast<size_t>(count));
        for (int64_t i = 0; i < count; ++i) Elements(TakeHead());
        return;
      }
      case Form::kMemberScore: {
        const int64_t count = TakeHead();
        reply_->Array(static_cast<size_t>(count));
        for (int64_t i = 0; i < count; i += 2) MemberAndScore();
        return;
      }
      case Form::kPairs: {
        const int64_t count = TakeHead();
        reply_->Array(static_cast<size_t>(count / 2));
        for (int64_t i = 0; i < count; i += 2) {
          reply_->Array(2);
          MemberAndScore();
        }
        return;
      }
      case Form::kPopped:
        reply_->Array(static_cast<size_t>(TakeHead()));
        Plain();
        return Arrays([this](int64_t) { MemberAndScore(); });
      case Form::kPlaces:
        if (!rest_.empty() && !HoldsArrays()) return Plain();
        return Arrays([this](int64_t count) {
          for (int64_t i = 0; i < count; ++i) Coordinates();
        });
    }
  }

 private:
  // Does the array at the front begin with an array?
  bool HoldsArrays() const {
    const size_t first = rest_.find("\r\n") + 2;
    return first < rest_.size() && rest_[first] == '*';
  }

  // Takes the line of a head and returns its number.
  int64_t TakeHead() {
    int64_t number = 0;
    std::from_chars(rest_.data() + 1, rest_.data() + rest_.size(), number);
    rest_.remove_prefix(rest_.find("\r\n") + 2);
    return number;
  }
  std::string_view TakeBulk() {
    const auto size = static_cast<size_t>(TakeHead());
    const std::string_view bytes = rest_.substr(0, size);
    rest_.remove_prefix(size + 2);
    return bytes;
  }

  // Whatever comes next, with nothing but its nulls changed.
  void Plain() {
    const bool is_null = rest_.size() > 1 && rest_[1] == '-' && rest_[0] != ':' && rest_[0] != '-';
    if (rest_[0] == '$' && !is_null) return reply_->Bulk(TakeBulk());
    if (rest_[0] == '*' && !is_null) {
      const int64_t count = TakeHead();
      reply_->Array(static_cast<size_t>(count));
      return Elements(count);
    }
    if ((rest_[0] == '$' || rest_[0] == '*') && is_null) {
      TakeHead();
      return reply_->Null();
    }
    const size_t size = rest_.find("\r\n") + 2;
    reply_->Raw(rest_.substr(0, size));
    rest_.remove_prefix(size);
  }
  void Elements(int64_t count) {
    for (int64_t i = 0; i < count; ++i) Plain();
  }

  void Score() {
    if (rest_.starts_with("$-")) return Plain();
    const std::string_view text = TakeBulk();
    reply_->Raw(",");
    reply_->Raw(text);
    reply_->Raw("\r\n");
  }
  void MemberAndScore() {
    Plain();
    Score();
  }
  void Coordinates() {
    if (rest_[0] != '*' || rest_[1] == '-') return Plain();
    const int64_t count = TakeHead();
    reply_->Array(static_cast<size_t>(count));
    for (int64_t i = 0; i < count; ++i) Score();
  }

  // An array of arrays, whose contents are written by the function.
  template <typename Contents>
  void Arrays(const Contents& contents) {
    const int64_t count = TakeHead();
    reply_->Array(static_cast<size_t>(count));
    for (int64_t i = 0; i < count; ++i) {
      const int64_t size = TakeHead();
      reply_->Array(static_cast<size_t>(size));
      contents(size);
    }
  }

  std::string_view rest_;
  resp::Reply* const reply_;
};

}  // namespace

void WriteRelayed(std::string_view command, size_t argument_count, std::string_view bytes,
                  resp::Reply& reply) {
  if (bytes.starts_with("-")) return reply.Error(bytes.substr(1, bytes.find('\r') - 1));
  if (reply.protocol() < 3) return reply.Raw(bytes);
  Translator(bytes, &reply).Whole(FormOf(command, argument_count));
}

}  // namespace terrace::server
