#include "server/settings_names.h"

#include <algorithm>
#include <cstddef>
#include <vector>

namespace terrace::server {
namespace {

// Damerau's and Levenshtein's distance: how many bytes to insert, delete, replace or swap with
// their neighbour. Swaps count once because that is how fingers slip.
size_t EditDistance(std::string_view a, std::string_view b) {
  // cost[i][j] is the distance of the first i bytes of a and the first j bytes of b.
  std::vector<std::vector<size_t>> cost(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) {
    for (size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        cost[i][j] = i + j;
        continue;
      }
      const size_t replaced = cost[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      cost[i][j] = std::min({replaced, cost[i - 1][j] + 1, cost[i][j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
      }
    }
  }
  return cost[a.size()][b.size()];
}

struct Refusal {
  std::string_view prefix;  // of the normal name
  std::string_view reason;
};

constexpr Refusal kRefusals[] = {
    {"rename-command", "commands cannot be renamed; take them away with ACL rules instead"},
    {"replicaof", "Terrace is not a replica of a Redis; name the Redis in a [[regional]]"},
    {"slaveof", "Terrace is not a replica of a Redis; name the Redis in a [[regional]]"},
    {"masterauth", "the password of a Redis below belongs to its [[regional]]"},
    {"masteruser", "the user of a Redis below belongs to its [[regional]]"},
    {"repl-", "there is no replication from a Redis master"},
    {"cluster-", "Terrace is not a node of a Redis Cluster"},
    {"tls-", "there is no TLS on the client side; put a TLS proxy in front"},
    {"loadmodule", "Redis modules cannot be loaded"},
    {"include", "there is one configuration file; files cannot include others"},
};

}  // namespace

std::string NormalName(std::string_view name) {
  std::string normal(name);
  for (char& c : normal) {
    if (c == '_') c = '-';
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return normal;
}

std::string_view Suggest(std::string_view name, std::span<const std::string_view> candidates) {
  constexpr size_t kNameBytesMax = 100;
  if (name.size() > kNameBytesMax) return {};
  const std::string normal = NormalName(name);
  // One slip in three letters is a typing error; more than that is another word.
  size_t best_distance = std::max<size_t>(1, normal.size() / 3) + 1;
  std::string_view best;
  for (const std::string_view candidate : candidates) {
    const size_t distance = EditDistance(normal, NormalName(candidate));
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

std::string DidYouMean(std::string_view name, std::span<const std::string_view> candidates) {
  const std::string_view suggestion = Suggest(name, candidates);
  if (suggestion.empty()) return "";
  return " (did you mean '" + std::string(suggestion) + "'?)";
}

std::string_view WhyNotSupported(std::string_view name) {
  const std::string normal = NormalName(name);
  for (const Refusal& refusal : kRefusals) {
    if (normal.starts_with(refusal.prefix)) return refusal.reason;
  }
  return {};
}

}  // namespace terrace::server
