#include "server/relayed_reply.h"

#include <array>
#include <charconv>
#include <cstdint>

#include "commands/registry.h"

namespace terrace::server {
namespace {

enum class Form : uint8_t {
  kPlain,         // as in RESP2, but for the nulls
  kSet,           // the whole is a set
  kMap,           // names and values in turn are a map, and so are those of the stream family below
  kMaps,          // an array of such
  kMapOfPairs,    // an array of pairs is a map
  kScore,         // a bulk string is a double
  kScores,        // an array of such
  kMemberScore,   // every second element is a double
  kMemberScores,  // the same, and each two elements are an array
  kPairs,         // each two elements are an array
  kKeyMember,     // a key, a member and its score
  kPopped,        // a name, and an array of arrays of member and score
  kPlaces,        // arrays of a member, perhaps with an array of two coordinates
  kPositions,     // arrays of two coordinates
};

struct Translated {
  std::string_view command;
  Form form;
  // Only with this option, from this argument on.
  std::string_view option = {};
  size_t options_at = 0;
};
// options_at: behind the keys, whose number is argument 1.
constexpr size_t kBehindKeys = SIZE_MAX;

constexpr auto kTranslated = std::to_array<Translated>({
    {"bzmpop", Form::kPopped},
    {"bzpopmax", Form::kKeyMember},
    {"bzpopmin", Form::kKeyMember},
    {"geopos", Form::kPositions},
    {"georadius", Form::kPlaces},
    {"georadius_ro", Form::kPlaces},
    {"georadiusbymember", Form::kPlaces},
    {"georadiusbymember_ro", Form::kPlaces},
    {"geosearch", Form::kPlaces},
    {"hgetall", Form::kMap},
    {"hrandfield", Form::kPairs, "withvalues", 3},
    {"lcs", Form::kMap},
    {"sdiff", Form::kSet},
    {"sinter", Form::kSet},
    {"smembers", Form::kSet},
    {"spop", Form::kSet},
    {"sunion", Form::kSet},
    {"xinfo|consumers", Form::kMaps},
    {"xinfo|groups", Form::kMaps},
    {"xinfo|stream", Form::kMap},
    {"xread", Form::kMapOfPairs},
    {"xreadgroup", Form::kMapOfPairs},
    {"zadd", Form::kScore},
    {"zdiff", Form::kMemberScores, "withscores", kBehindKeys},
    {"zincrby", Form::kScore},
    {"zinter", Form::kMemberScores, "withscores", kBehindKeys},
    {"zmpop", Form::kPopped},
    {"zmscore", Form::kScores},
    {"zpopmax", Form::kMemberScore},
    {"zpopmin", Form::kMemberScore},
    {"zrandmember", Form::kMemberScores, "withscores", 3},
    {"zrange", Form::kMemberScores, "withscores", 4},
    {"zrangebyscore", Form::kMemberScores, "withscores", 4},
    {"zrank", Form::kMemberScore, "withscore", 3},
    {"zrevrange", Form::kMemberScores, "withscores", 4},
    {"zrevrangebyscore", Form::kMemberScores, "withscores", 4},
    {"zrevrank", Form::kMemberScore, "withscore", 3},
    {"zscore", Form::kScore},
    {"zunion", Form::kMemberScores, "withscores", kBehindKeys},
});

bool HasOption(const Translated& translated, commands::Args args) {
  size_t at = translated.options_at;
  if (at == kBehindKeys) {
    int64_t keys = 0;
    std::from_chars(args[1].data(), args[1].data() + args[1].size(), keys);
    at = 2 + static_cast<size_t>(keys);
  }
  for (; at < args.size(); ++at) {
    if (commands::SameName(args[at], translated.option)) return true;
  }
  return false;
}

Form FormOf(std::string_view command, commands::Args args) {
  for (const Translated& translated : kTranslated) {
    if (translated.command != command) continue;
    if (!translated.option.empty() && !HasOption(translated, args)) return Form::kPlain;
    // ZPOPMIN and ZPOPMAX with a count.
    const bool has_count = translated.option.empty() && args.size() > 2;
    return translated.form == Form::kMemberScore && has_count ? Form::kMemberScores
                                                              : translated.form;
  }
  return Form::kPlain;
}

// The size of the complete reply at the front of the bytes.
size_t SizeOfReply(std::string_view bytes) {
  size_t at = 0;
  for (int64_t missing = 1; missing > 0; --missing) {
    const char kind = bytes[at];
    int64_t number = 0;
    std::from_chars(bytes.data() + at + 1, bytes.data() + bytes.size(), number);
    at = bytes.find("\r\n", at) + 2;
    if (kind == '$' && number >= 0) at += static_cast<size_t>(number) + 2;
    if (kind == '*' && number > 0) missing += number;
  }
  return at;
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
      case Form::kMap:
        return NamesAndValues();
      case Form::kMaps: {
        const int64_t count = TakeHead();
        reply_->Array(static_cast<size_t>(count));
        for (int64_t i = 0; i < count; ++i) NamesAndValues();
        return;
      }
      case Form::kScores: {
        const int64_t count = TakeHead();
        reply_->Array(static_cast<size_t>(count));
        for (int64_t i = 0; i < count; ++i) Score();
        return;
      }
      case Form::kKeyMember:
        reply_->Array(static_cast<size_t>(TakeHead()));
        Plain();
        return MemberAndScore();
      case Form::kPositions: {
        const int64_t count = TakeHead();
        reply_->Array(static_cast<size_t>(count));
        for (int64_t i = 0; i < count; ++i) Coordinates();
        return;
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
      case Form::kMemberScores:
      case Form::kPairs: {
        const int64_t count = TakeHead();
        reply_->Array(static_cast<size_t>(count / 2));
        for (int64_t i = 0; i < count; i += 2) {
          reply_->Array(2);
          form == Form::kPairs ? Elements(2) : MemberAndScore();
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

  // A map out of names and values in turn; XINFO STREAM FULL has lists of maps within.
  void NamesAndValues() {
    const int64_t count = TakeHead();
    reply_->Map(static_cast<size_t>(count / 2));
    for (int64_t i = 0; i < count; i += 2) {
      const std::string_view name = TakeBulk();
      reply_->Bulk(name);
      const bool holds_maps = rest_[0] == '*' && (name == "groups" || name == "consumers");
      holds_maps ? Whole(Form::kMaps) : Plain();
    }
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

void WriteRelayed(std::string_view command, commands::Args args, std::string_view bytes,
                  resp::Reply& reply) {
  if (bytes.starts_with("-")) return reply.Error(bytes.substr(1, bytes.find('\r') - 1));
  if (reply.protocol() < 3) return reply.Raw(bytes);
  Translator(bytes, &reply).Whole(FormOf(command, args));
}

std::vector<std::string_view> ElementsOf(std::string_view array) {
  int64_t count = 0;
  std::from_chars(array.data() + 1, array.data() + array.size(), count);
  array.remove_prefix(array.find("\r\n") + 2);
  std::vector<std::string_view> elements;
  for (int64_t i = 0; i < count; ++i) {
    elements.push_back(array.substr(0, SizeOfReply(array)));
    array.remove_prefix(elements.back().size());
  }
  return elements;
}

}  // namespace terrace::server
