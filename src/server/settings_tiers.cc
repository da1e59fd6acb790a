#include "server/settings_tiers.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "server/settings_file.h"
#include "server/settings_names.h"
#include "server/settings_value.h"

namespace terrace::server {
namespace {

// One element of the file: where it is, and where each of its values is, by normal name.
struct Element {
  Position at;
  std::map<std::string, Position> values;

  bool has(std::string_view name) const { return values.contains(NormalName(name)); }

  Position place(std::string_view name) const {
    const auto found = values.find(NormalName(name));
    return found == values.end() ? at : found->second;
  }
};

std::string Quoted(std::string_view name) { return "'" + std::string(name) + "'"; }

class TierReader {
 public:
  TierReader(Settings& settings, ErrorList& errors) : settings_(settings), errors_(errors) {}

  void Read(const Document& document) {
    settings_.regionals.clear();
    settings_.origins.clear();
    settings_.routes.clear();
    // Routes refer to the other two, so those come first wherever they stand in the file.
    ForEach(document, "regional", [this](const DocumentSection& section) { Regional(section); });
    ForEach(document, "origin", [this](const DocumentSection& section) { Origin(section); });
    ForEach(document, "route", [this](const DocumentSection& section) { Route(section); });
    WarnOfUnused();
  }

 private:
  template <typename Visitor>
  void ForEach(const Document& document, std::string_view name, Visitor visit) {
    for (const DocumentSection& section : document.sections) {
      if (section.name != name) continue;
      if (section.is_element) {
        visit(section);
      } else {
        errors_.Error(section.at,
                      "write [[" + section.name + "]] in double brackets: there may be several");
      }
    }
  }

  // Assigns the values of a section. field_of(row) is the field of a row, or nullopt when the row
  // does not apply; it then has reported why.
  template <typename Row, typename FieldOf>
  Element Assignments(const DocumentSection& section, std::span<const Row> rows, FieldOf field_of) {
    Element element{section.at, {}};
    for (const DocumentValue& value : section.values) {
      const std::string normal = NormalName(value.name);
      const auto row = std::ranges::find_if(
          rows, [&normal](const Row& each) { return NormalName(each.info.name) == normal; });
      if (row == rows.end()) {
        std::vector<std::string_view> names;
        for (const Row& each : rows) names.push_back(each.info.name);
        errors_.Error(value.name_at, "unknown setting " + Quoted(value.name) + " of a [[" +
                                         section.name + "]]" + DidYouMean(value.name, names));
      } else if (!element.values.emplace(normal, value.value_at).second) {
        errors_.Error(value.name_at, Quoted(value.name) + " is set twice");
      } else if (const auto field = field_of(*row, value)) {
        Assign(row->info, *field, value, errors_);
      }
    }
    return element;
  }

  void Regional(const DocumentSection& section) {
    RegionalSettings regional;
    const Element element =
        Assignments(section, RegionalRows(), [&regional](const auto& row, const DocumentValue&) {
          return std::optional<Field>(row.field(regional));
        });
    CheckName("regional", regional.options.name, element, regional_at_);
    CheckConnection(regional.options, element);
    CheckBreaker(regional.breaker, element);
    settings_.regionals.push_back(std::move(regional));
  }

  void Origin(const DocumentSection& section) {
    OriginSettings origin;
    bool kind_known = false;
    // The kind decides what the other names mean, so it is read before them.
    for (const OriginRow& row : OriginRows()) {
      if (row.info.name != "kind") continue;
      for (const DocumentValue& value : section.values) {
        if (NormalName(value.name) != "kind") continue;
        ErrorList reported_later("");
        kind_known = Assign(row.info, row.fields[0](origin), value, reported_later);
      }
    }
    const auto kind = static_cast<size_t>(origin.kind);
    const Element element = Assignments(
        section, OriginRows(),
        [&](const OriginRow& row, const DocumentValue& value) -> std::optional<Field> {
          if (row.fields[kind] != nullptr) return row.fields[kind](origin);
          if (kind_known) {
            errors_.Error(value.name_at,
                          Quoted(value.name) + " has no meaning for an origin of " + "this kind");
          }
          return std::nullopt;
        });
    origin.http.name = origin.directory.name = origin.redis.name = origin.name;
    CheckName("origin", origin.name, element, origin_at_);
    if (!element.has("kind")) {
      errors_.Error(element.at, "an [[origin]] needs a kind: \"http\", \"directory\" or \"redis\"");
    } else if (kind_known) {
      CheckOriginKind(origin, element);
    }
    CheckBreaker(origin.breaker, element);
    settings_.origins.push_back(std::move(origin));
  }

  void CheckOriginKind(const OriginSettings& origin, const Element& element) {
    switch (origin.kind) {
      case OriginKind::kHttp:
        if (!element.has("url")) {
          errors_.Error(element.at, "an [[origin]] of kind http needs a url");
        } else if (const auto error = tiers::CheckUrlTemplate(origin.http.url); !error.empty()) {
          errors_.Error(element.place("url"), "'url': " + error);
        }
        break;
      case OriginKind::kDirectory:
        if (origin.directory.path.empty()) {
          errors_.Error(element.place("path"), "an [[origin]] of kind directory needs a path");
        }
        break;
      case OriginKind::kRedis:
        CheckConnection(origin.redis, element);
        break;
    }
  }

  void Route(const DocumentSection& section) {
    RouteSettings route;
    const Element element = Assignments(
        section, RouteRows(),
        [&](const auto& row, const DocumentValue& value) -> std::optional<Field> {
          if (row.info.name == "write" && (value.text == "behind" || value.text == "around")) {
            errors_.Error(value.value_at, "'write': this version does not have \"" + value.text +
                                              "\"; it has \"forward\", \"spill\" and \"local\"");
            return std::nullopt;
          }
          return row.field(route);
        });
    if (!element.has("prefix")) {
      errors_.Error(element.at, "a [[route]] needs a prefix; \"\" is every key");
    } else if (const auto [other, is_new] = route_at_.emplace(route.prefix, element.at); !is_new) {
      errors_.Error(element.place("prefix"), "the route of line " +
                                                 std::to_string(other->second.line) +
                                                 " has the same prefix \"" + route.prefix + "\"");
    }
    CheckReference("regional", route.regional, element, regional_at_);
    CheckReference("origin", route.origin, element, origin_at_);
    if (!element.has("write") && !route.regional.empty()) route.write = WriteMode::kForward;
    CheckWriteMode(route, element);
    CheckTimeouts(route, element);
    settings_.routes.push_back(std::move(route));
  }

  void CheckWriteMode(const RouteSettings& route, const Element& element) {
    if (route.write == WriteMode::kLocal && !route.regional.empty()) {
      errors_.Error(element.place("write"),
                    "write = \"local\" leaves the regional tier nothing to do; use \"forward\" or "
                    "\"spill\", or drop 'regional'");
    }
    if (route.write != WriteMode::kLocal && route.regional.empty()) {
      errors_.Error(element.place("write"), "this write mode needs a 'regional'");
    }
  }

  // A part that may take longer than the whole is cut to it; saying so explicitly is a mistake.
  void CheckTimeouts(RouteSettings& route, const Element& element) {
    for (const auto& [name, part_ms] :
         {std::pair<std::string_view, int64_t*>{"regional_timeout", &route.regional_timeout_ms},
          {"origin_timeout", &route.origin_timeout_ms}}) {
      if (*part_ms <= route.timeout_ms) continue;
      if (element.has(name)) {
        errors_.Error(element.place(name),
                      Quoted(name) + " is longer than 'timeout', which bounds the whole");
      }
      *part_ms = route.timeout_ms;
    }
  }

  void CheckName(std::string_view section, const std::string& name, const Element& element,
                 std::map<std::string, Position>& known) {
    if (name.empty()) {
      errors_.Error(element.place("name"), "a [[" + std::string(section) + "]] needs a name");
    } else if (const auto [other, is_new] = known.emplace(name, element.place("name")); !is_new) {
      errors_.Error(element.place("name"), "the " + std::string(section) + " of line " +
                                               std::to_string(other->second.line) +
                                               " has the same name " + Quoted(name));
    }
  }

  void CheckReference(std::string_view what, const std::string& name, const Element& element,
                      const std::map<std::string, Position>& known) {
    if (name.empty()) return;
    used_.insert(std::string(what) + " " + name);
    if (known.contains(name)) return;
    std::vector<std::string_view> names;
    for (const auto& [known_name, at] : known) names.push_back(known_name);
    errors_.Error(element.place(what), "there is no [[" + std::string(what) + "]] named " +
                                           Quoted(name) + DidYouMean(name, names));
  }

  void CheckConnection(const tiers::RegionalOptions& options, const Element& element) {
    if (options.host.empty() && options.unix_socket.empty()) {
      errors_.Error(element.place("host"), "it needs a host or a unix_socket");
    }
    if (!options.unix_socket.empty() && (element.has("host") || element.has("port"))) {
      errors_.Error(element.place("unix_socket"), "give host and port, or unix_socket, not both");
    }
    if (!options.username.empty() && options.password.empty()) {
      errors_.Error(element.place("username"), "a username needs a password");
    }
    if (options.reconnect_delay_min_ms > options.reconnect_delay_max_ms) {
      errors_.Error(element.place("reconnect_delay_min"),
                    "'reconnect_delay_min' is longer than 'reconnect_delay_max'");
    }
  }

  void CheckBreaker(const tiers::BreakerOptions& breaker, const Element& element) {
    if (breaker.open_ms > breaker.open_max_ms) {
      errors_.Error(element.place("breaker.open_ms"),
                    "'breaker.open_ms' is longer than 'breaker.open_max_ms'");
    }
  }

  void WarnOfUnused() {
    const auto warn = [this](const std::string& what, const std::map<std::string, Position>& all) {
      for (const auto& [name, at] : all) {
        if (used_.contains(what + " " + name)) continue;
        errors_.Warning(at, "no [[route]] uses the " + what + " " + Quoted(name));
      }
    };
    warn("regional", regional_at_);
    warn("origin", origin_at_);
  }

  Settings& settings_;
  ErrorList& errors_;
  // Where each was defined, by name or prefix.
  std::map<std::string, Position> regional_at_;
  std::map<std::string, Position> origin_at_;
  std::map<std::string, Position> route_at_;
  std::set<std::string> used_;  // "regional near"
};

}  // namespace

void ReadTiers(const Document& document, Settings& settings, ErrorList& errors) {
  TierReader(settings, errors).Read(document);
}

}  // namespace terrace::server
