// The keys of [[regional]], [[origin]] and [[route]].

#include "server/settings_rows.h"

namespace terrace::server {
namespace {

using enum Change;
using enum SettingType;
using tiers::BreakerOptions;
using tiers::DirectoryOriginOptions;
using tiers::HttpOriginOptions;
using tiers::RegionalOptions;

constexpr std::string_view kWriteModes[] = {"forward", "spill", "local"};
constexpr std::string_view kOriginKinds[] = {"http", "directory", "redis"};

using G = Rows<RegionalSettings>;
using GS = RegionalSettings;
constexpr auto kOptions = &GS::options;
constexpr auto kBreaker = &GS::breaker;

constexpr G::Row kRegionalRows[] = {
    G::Plain<kOptions, &RegionalOptions::name>("", "name", kString, kRestart,
                                               "What routes and INFO call it"),
    G::Plain<kOptions, &RegionalOptions::host>("", "host", kString, kRestart,
                                               "Host name or address of the Redis server"),
    G::Number<kOptions, &RegionalOptions::port>("", "port", kInt, 1, 65535, "", kRestart,
                                                "Its TCP port"),
    G::Plain<kOptions, &RegionalOptions::unix_socket>(
        "", "unix_socket", kString, kRestart, "Path of its Unix socket, instead of host and port"),
    G::Plain<kOptions, &RegionalOptions::username>("", "username", kString, kRestart,
                                                   "ACL user; empty: the default user"),
    G::Plain<kOptions, &RegionalOptions::password>("", "password", kString, kRestart,
                                                   "Password; empty: none")
        .Sensitive(),
    G::Number<kOptions, &RegionalOptions::connect_timeout_ms>(
        "", "connect_timeout", kDurationMs, 1, kIntMax, "duration", kRestart,
        "Longest time to establish a connection"),
    G::Number<kOptions, &RegionalOptions::reconnect_delay_min_ms>(
        "", "reconnect_delay_min", kDurationMs, 1, kIntMax, "duration", kRestart,
        "Pause before the first reconnect, doubled after each failure"),
    G::Number<kOptions, &RegionalOptions::reconnect_delay_max_ms>(
        "", "reconnect_delay_max", kDurationMs, 1, kIntMax, "duration", kRestart,
        "Longest pause before a reconnect"),
    G::Number<kOptions, &RegionalOptions::stall_grace_ms>(
        "", "stall_grace", kDurationMs, 1, kIntMax, "duration", kRestart,
        "A connection that is silent this long while an answer is overdue is given up"),
    G::Number<kOptions, &RegionalOptions::in_flight_max>(
        "", "in_flight_max", kInt, 1, kInt64Max, "commands", kRestart,
        "Commands sent and not yet answered; further ones get -TIER"),
    G::Number<kOptions, &RegionalOptions::queue_bytes_max>(
        "", "queue_bytes_max", kBytes, 1, kInt64Max, "bytes", kRestart,
        "Bytes of commands waiting to be sent or answered; further ones get -TIER"),
    G::Number<kOptions, &RegionalOptions::leases_max>(
        "", "leases_max", kInt, 0, kInt64Max, "connections", kRestart,
        "Connections beside the shared one, for a client each that blocks or watches on forward "
        "routes; further ones get -TIER"),
    G::Number<kOptions, &RegionalOptions::lease_idle_ms>(
        "", "lease_idle", kDurationMs, 1, kIntMax, "duration", kRestart,
        "How long such a connection is kept for the next client"),
    G::Number<kOptions, &RegionalOptions::watch_max_ms>(
        "", "watch_max", kDurationMs, 1, kIntMax, "duration", kRestart,
        "A client that watches for longer finds that its keys have changed"),
    G::Number<kBreaker, &BreakerOptions::failures_to_open>(
        "", "breaker.failures_to_open", kInt, 1, kIntMax, "failures", kRestart,
        "Consecutive failures after which it is not asked any more"),
    G::Number<kBreaker, &BreakerOptions::open_ms>("", "breaker.open_ms", kDurationMs, 1, kIntMax,
                                                  "duration", kRestart,
                                                  "Pause before one request tries it again"),
    G::Number<kBreaker, &BreakerOptions::open_max_ms>(
        "", "breaker.open_max_ms", kDurationMs, 1, kIntMax, "duration", kRestart,
        "The pause doubles after each failed try, up to this"),
};

using OS = OriginSettings;
constexpr auto kHttp = &OS::http;
constexpr auto kDirectoryOf = &OS::directory;
constexpr auto kRedis = &OS::redis;
constexpr auto kOriginBreaker = &OS::breaker;

template <auto... path>
constexpr auto kAt = &At<OriginSettings, path...>;

constexpr OriginRow Origin(std::string_view name, SettingType type, int64_t min, int64_t max,
                           std::string_view unit, std::string_view doc,
                           std::array<Field (*)(OriginSettings&), 3> fields) {
  return {{.name = name,
           .type = type,
           .min = min,
           .max = max,
           .change = kRestart,
           .unit = unit,
           .doc = doc},
          fields};
}

constexpr OriginRow Text(std::string_view name, std::string_view doc,
                         std::array<Field (*)(OriginSettings&), 3> fields) {
  return Origin(name, kString, 0, 0, "", doc, fields);
}

template <auto... path>
constexpr std::array<Field (*)(OriginSettings&), 3> kEvery = {kAt<path...>, kAt<path...>,
                                                              kAt<path...>};

constexpr OriginRow kOriginRows[] = {
    Text("name", "What routes and INFO call it", kEvery<&OS::name>),
    {{.name = "kind",
      .type = kChoice,
      .change = kRestart,
      .doc = "http, directory (of files) or redis",
      .choices = kOriginKinds},
     kEvery<&OS::kind>},
    Text("url", "URL of a key: {key} is the whole key, {key:0} its first part before ':'",
         {kAt<kHttp, &HttpOriginOptions::url>, nullptr, nullptr}),
    Text("authorization", "Value of an Authorization header; empty: none",
         {kAt<kHttp, &HttpOriginOptions::authorization>, nullptr, nullptr}),
    Text("ca_file", "Certificates to trust; empty: the system's",
         {kAt<kHttp, &HttpOriginOptions::ca_file>, nullptr, nullptr}),
    Text("path", "The directory; the value of a key is the content of the file of that name",
         {nullptr, kAt<kDirectoryOf, &DirectoryOriginOptions::path>, nullptr}),
    Text("host", "Host name or address of the Redis server",
         {nullptr, nullptr, kAt<kRedis, &RegionalOptions::host>}),
    Origin("port", kInt, 1, 65535, "", "Its TCP port",
           {nullptr, nullptr, kAt<kRedis, &RegionalOptions::port>}),
    Text("unix_socket", "Path of its Unix socket, instead of host and port",
         {nullptr, nullptr, kAt<kRedis, &RegionalOptions::unix_socket>}),
    Text("username", "ACL user; empty: the default user",
         {nullptr, nullptr, kAt<kRedis, &RegionalOptions::username>}),
    Text("password", "Password; empty: none",
         {nullptr, nullptr, kAt<kRedis, &RegionalOptions::password>}),
    Origin("connect_timeout", kDurationMs, 1, kIntMax, "duration",
           "Longest time to establish a connection",
           {kAt<kHttp, &HttpOriginOptions::connect_timeout_ms>, nullptr,
            kAt<kRedis, &RegionalOptions::connect_timeout_ms>}),
    Origin("concurrency_max", kInt, 1, kInt64Max, "requests",
           "Requests to it at once; further ones queue",
           {kAt<kHttp, &HttpOriginOptions::concurrency_max>,
            kAt<kDirectoryOf, &DirectoryOriginOptions::concurrency_max>, nullptr}),
    Origin("queue_max", kInt, 0, kInt64Max, "requests",
           "Requests queued; further ones get -TIER at once",
           {kAt<kHttp, &HttpOriginOptions::queue_max>,
            kAt<kDirectoryOf, &DirectoryOriginOptions::queue_max>, nullptr}),
    Origin("in_flight_max", kInt, 1, kInt64Max, "commands",
           "Commands sent and not yet answered; further ones get -TIER",
           {nullptr, nullptr, kAt<kRedis, &RegionalOptions::in_flight_max>}),
    Origin("queue_bytes_max", kBytes, 1, kInt64Max, "bytes",
           "Bytes of commands waiting to be sent or answered; further ones get -TIER",
           {nullptr, nullptr, kAt<kRedis, &RegionalOptions::queue_bytes_max>}),
    Origin("reconnect_delay_min", kDurationMs, 1, kIntMax, "duration",
           "Pause before the first reconnect, doubled after each failure",
           {nullptr, nullptr, kAt<kRedis, &RegionalOptions::reconnect_delay_min_ms>}),
    Origin("reconnect_delay_max", kDurationMs, 1, kIntMax, "duration",
           "Longest pause before a reconnect",
           {nullptr, nullptr, kAt<kRedis, &RegionalOptions::reconnect_delay_max_ms>}),
    Origin("stall_grace", kDurationMs, 1, kIntMax, "duration",
           "A connection that is silent this long while an answer is overdue is given up",
           {nullptr, nullptr, kAt<kRedis, &RegionalOptions::stall_grace_ms>}),
    Origin("breaker.failures_to_open", kInt, 1, kIntMax, "failures",
           "Consecutive failures after which it is not asked any more",
           kEvery<kOriginBreaker, &BreakerOptions::failures_to_open>),
    Origin("breaker.open_ms", kDurationMs, 1, kIntMax, "duration",
           "Pause before one request tries it again",
           kEvery<kOriginBreaker, &BreakerOptions::open_ms>),
    Origin("breaker.open_max_ms", kDurationMs, 1, kIntMax, "duration",
           "The pause doubles after each failed try, up to this",
           kEvery<kOriginBreaker, &BreakerOptions::open_max_ms>),
};

using T = Rows<RouteSettings>;
using TS = RouteSettings;

constexpr T::Row kRouteRows[] = {
    T::Plain<&TS::prefix>("", "prefix", kString, kRestart,
                          "Keys that start with it; empty: every key; the longest prefix wins"),
    T::Plain<&TS::regional>("", "regional", kString, kRestart,
                            "Name of the [[regional]] below the local tier; empty: none"),
    T::Plain<&TS::origin>("", "origin", kString, kRestart,
                          "Name of the [[origin]] that misses are asked of; empty: none"),
    T::Choice<&TS::write>("", "write", kWriteModes, kRestart,
                          "Who has the last word; forward by default with a regional, else local"),
    T::Number<&TS::ttl_ms>("", "ttl", kDurationMs, tiers::kNoTtl, kInt64Max, "duration", kRestart,
                           "Longest life of a copy; 0: never kept; none: as long as its source "
                           "says"),
    T::Number<&TS::negative_ttl_ms>("", "negative_ttl", kDurationMs, 0, kInt64Max, "duration",
                                    kRestart, "Longest life of a known absence; 0: not kept"),
    T::Plain<&TS::jitter>("", "jitter", kFraction, kRestart,
                          "Part of the ttl that is taken off at random, so that copies made "
                          "together do not end together, in any tier"),
    T::Number<&TS::max_value>("", "max_value", kBytes, 0, kInt64Max, "bytes", kRestart,
                              "A larger value is never kept: read where it is on forward routes, "
                              "else -TIER; 0: no limit"),
    T::Number<&TS::timeout_ms>("", "timeout", kDurationMs, 1, kIntMax, "duration", kRestart,
                               "Longest time to find one key in all tiers"),
    T::Number<&TS::regional_timeout_ms>("", "regional_timeout", kDurationMs, 1, kIntMax, "duration",
                                        kRestart, "Longest time of one request to the regional"),
    T::Number<&TS::origin_timeout_ms>("", "origin_timeout", kDurationMs, 1, kIntMax, "duration",
                                      kRestart, "Longest time of one request to the origin"),
    T::Number<&TS::relay_in_flight_max>(
        "", "relay_in_flight_max", kInt, 1, kInt64Max, "commands", kRestart,
        "Commands relayed to the regional and not yet answered; further ones get -TIER"),
};

}  // namespace

std::span<const SettingRow<RegionalSettings>> RegionalRows() { return kRegionalRows; }
std::span<const OriginRow> OriginRows() { return kOriginRows; }
std::span<const SettingRow<RouteSettings>> RouteRows() { return kRouteRows; }

}  // namespace terrace::server
