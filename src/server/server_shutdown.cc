// How the server ends: no new clients, requests under way are answered, tiers drain, loops stop.

#include "server/server.h"

namespace terrace::server {
namespace {

// How often it is looked whether the requests under way have been answered.
constexpr int64_t kEndPollMs = 5;

}  // namespace

bool Server::WillSave(LastSave last_save) const {
  return last_save == LastSave::kYes ||
         (last_save == LastSave::kAsConfigured && persistence_->has_save_points());
}

void Server::Shutdown(LastSave last_save, Patience patience) {
  if (stopping_.exchange(true)) return;
  last_save_.store(WillSave(last_save) ? LastSave::kYes : LastSave::kNo);
  loops_[0]->Post([this, patience] {
    log_.Notice("stopping", {});
    persistence_->EndChild();
    StopListening();
    const int64_t wait_ms = patience == Patience::kNone ? 0 : settings().shutdown_timeout * 1000;
    EndRequests(wait_ms);
  });
}

// Clients that wait for lower tiers are answered first; all others have been told what there is.
void Server::EndRequests(int64_t wait_ms) {
  struct Poll {
    Server* server;
    int64_t wait_ms;
    int64_t deadline_us;
    void operator()() const {
      const tiers::Resolver* resolver = server->core_.resolver;
      if (resolver != nullptr && resolver->parked_count() > 0 &&
          server->clock_.MonoUs() < deadline_us) {
        server->loops_[0]->After(kEndPollMs, *this);
      } else {
        server->EndTiers(wait_ms);
      }
    }
  };
  core_.is_ending.store(true, std::memory_order_relaxed);
  for (const auto& worker : workers_) {
    worker->loop().Post([owner = worker.get()] { owner->CloseIdle(); });
  }
  Poll{this, wait_ms, clock_.MonoUs() + wait_ms * 1000}();
}

void Server::EndTiers(int64_t wait_ms) {
  // What is ready goes out with this turn of each loop; then the tiers drain, then they stop.
  loops_[0]->After(1, [this, wait_ms] {
    for (size_t i = 1; i < loops_.size(); ++i) loops_[i]->Stop();
    tiers_->Close(wait_ms, [this] { loops_[0]->Stop(); });
  });
}

}  // namespace terrace::server
