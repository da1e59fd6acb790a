#include <utility>

#include "runtime/loop.h"
#include "tiers/origin.h"
#include "tiers/regional.h"

namespace terrace::tiers {
namespace {

// A Redis that is only read: the regional tier's client without its writes.
class RedisOrigin final : public Upstream {
 public:
  RedisOrigin(RegionalOptions options, runtime::Loop* loop, uint64_t seed)
      : loop_(loop), client_(NewRegionalTier(std::move(options), loop, seed)) {}

  std::string_view name() const override { return client_->name(); }
  bool has_databases() const override { return true; }
  void Get(GetRequest request, GetDone done) override {
    client_->Get(std::move(request), std::move(done));
  }
  void Put(PutRequest, PutDone done) override { Refuse(std::move(done)); }
  void Invalidate(int, std::string, int64_t, PutDone done) override { Refuse(std::move(done)); }
  Health health() const override { return client_->health(); }
  void Close(base::Task done) override { client_->Close(std::move(done)); }

 private:
  void Refuse(PutDone done) {
    loop_->Post([done = std::move(done)]() mutable {
      PutResult result;
      result.failure = Failure::kRefused;
      result.detail = "this origin is only read";
      done(std::move(result));
    });
  }

  runtime::Loop* const loop_;
  const std::unique_ptr<RegionalTier> client_;
};

}  // namespace

std::unique_ptr<Upstream> NewRedisOrigin(RegionalOptions options, runtime::Loop* loop,
                                         uint64_t seed) {
  return std::make_unique<RedisOrigin>(std::move(options), loop, seed);
}

}  // namespace terrace::tiers
