#include "tiers/route.h"

#include <algorithm>
#include <utility>

namespace terrace::tiers {

std::string_view AuthorityName(Authority authority) {
  switch (authority) {
    case Authority::kRegional:
      return "forward";
    case Authority::kSpill:
      return "spill";
    case Authority::kLocal:
      return "local";
  }
  return "";
}

RouteTable::RouteTable(std::vector<std::unique_ptr<Route>> routes) : routes_(std::move(routes)) {
  for (size_t i = 0; i < routes_.size(); ++i) {
    routes_[i]->index = static_cast<uint16_t>(i);
    by_length_.push_back(routes_[i].get());
    any_tiers_ |= routes_[i]->has_tiers();
  }
  std::stable_sort(by_length_.begin(), by_length_.end(), [](const Route* a, const Route* b) {
    return a->prefix.size() > b->prefix.size();
  });
}

const Route* RouteTable::Match(std::string_view key) const {
  for (const Route* route : by_length_) {
    if (key.starts_with(route->prefix)) return route;
  }
  return nullptr;
}

}  // namespace terrace::tiers
