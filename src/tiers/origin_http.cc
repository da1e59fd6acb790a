// The HTTP(S) origin: keys become URLs, and responses become values, absences and failures.

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/check.h"
#include "runtime/loop.h"
#include "tiers/bulkhead.h"
#include "tiers/http_freshness.h"
#include "tiers/origin.h"
#include "tiers/origin_http_client.h"
#include "tiers/url_template.h"

namespace terrace::tiers {
namespace {

GetResult FromStatus(HttpResponse response, const base::Clock& clock) {
  const HttpFreshness freshness =
      ReadHttpFreshness({std::move(response.cache_control), std::move(response.age),
                         std::move(response.expires), std::move(response.date)},
                        clock.WallMs());
  const std::string detail = "HTTP " + std::to_string(response.status);
  GetResult result;
  switch (response.status) {
    case 200:
      result.outcome = Outcome::kValue;
      result.value.bytes = std::move(response.body);
      if (freshness.ttl_ms != kNoTtl) {
        result.value.copies_until_ms = clock.NowMs() - response.took_ms + freshness.ttl_ms;
      }
      result.value.storable = freshness.storable;
      return result;
    case 204:
    case 404:
    case 410:
      result.outcome = Outcome::kAbsent;
      result.absent_ttl_ms = freshness.storable ? freshness.ttl_ms : 0;
      result.detail = detail;
      return result;
    default:
      break;
  }
  if (response.status >= 300 && response.status < 400) {
    return FailedGet(Failure::kRefused, detail + ": redirects are not followed");
  }
  if (response.status >= 400 && response.status < 600) {
    return FailedGet(Failure::kRefused, detail);
  }
  return FailedGet(Failure::kProtocol, detail + ": not a status that means a value or its absence");
}

GetResult FromResponse(HttpResponse response, const base::Clock& clock) {
  switch (response.end) {
    case HttpResponse::End::kTooLarge:
      return FailedGet(Failure::kTooLarge, std::move(response.detail));
    case HttpResponse::End::kUnreachable:
      return FailedGet(Failure::kUnreachable, std::move(response.detail));
    case HttpResponse::End::kProtocol:
      return FailedGet(Failure::kProtocol, std::move(response.detail));
    case HttpResponse::End::kComplete:
      break;
  }
  return FromStatus(std::move(response), clock);
}

class HttpOrigin final : public Upstream, private Bulkhead::Worker {
 public:
  HttpOrigin(const HttpOriginOptions& options, UrlTemplate url_template, runtime::Loop* loop)
      : name_(options.name),
        url_template_(std::move(url_template)),
        loop_(loop),
        bulkhead_(std::max<size_t>(options.concurrency_max, 1), options.queue_max, this, loop),
        client_({options.connect_timeout_ms, std::max<size_t>(options.concurrency_max, 1),
                 options.ca_file, options.authorization},
                loop, [this](uint64_t job_id, HttpResponse response) {
                  bulkhead_.Answer(job_id, FromResponse(std::move(response), loop_->clock()));
                }) {}

  std::string_view name() const override { return name_; }

  void Get(GetRequest request, GetDone done) override {
    std::string url;
    switch (url_template_.Expand(request.key, &url)) {
      case UrlTemplate::Expansion::kUrl:
        bulkhead_.Submit(std::move(url), request.value_bytes_max, request.deadline_us,
                         std::move(done));
        return;
      case UrlTemplate::Expansion::kAbsent: {
        GetResult absent;
        absent.outcome = Outcome::kAbsent;
        AnswerSoon(loop_, std::move(done), std::move(absent));
        return;
      }
      case UrlTemplate::Expansion::kTooLong:
        AnswerSoon(loop_, std::move(done),
                   FailedGet(Failure::kRefused, "the key is too long for a URL"));
        return;
    }
  }

  void Put(PutRequest, PutDone done) override { Refuse(std::move(done)); }
  void Invalidate(int, std::string, int64_t, PutDone done) override { Refuse(std::move(done)); }

  Health health() const override { return bulkhead_.health(); }

  void Close(base::Task done) override {
    bulkhead_.Close(std::move(done));  // stops the requests under way
    client_.Close();
  }

 private:
  void Start(Bulkhead::Job job) override { client_.Get(job.id, job.target, job.value_bytes_max); }

  bool Stop(uint64_t job_id) override {
    client_.Abort(job_id);
    return true;
  }

  void Refuse(PutDone done) {
    AnswerSoon(loop_, std::move(done), PutResult{Failure::kRefused, "an HTTP origin is read-only"});
  }

  const std::string name_;
  const UrlTemplate url_template_;
  runtime::Loop* const loop_;
  Bulkhead bulkhead_;
  HttpClient client_;
};

}  // namespace

std::unique_ptr<Upstream> NewHttpOrigin(HttpOriginOptions options, runtime::Loop* loop) {
  std::string problem;
  std::optional<UrlTemplate> url_template = UrlTemplate::Parse(options.url, &problem);
  TERRACE_CHECK(url_template.has_value());
  return std::make_unique<HttpOrigin>(options, std::move(*url_template), loop);
}

}  // namespace terrace::tiers
