#include "tiers/client_lease.h"

#include <utility>

namespace terrace::tiers {

void ClientLease::Relay(RelayRequest request, RelayDone done) {
  RelayResult refusal;
  if (is_over_ && purpose_ == Purpose::kWatch) {
    // To watch more is as good as nothing: the transaction will not execute.
    refusal.reply = "+OK\r\n";
    return AnswerSoon(std::move(done), std::move(refusal));
  }
  if (is_over_) {
    refusal.failure = Failure::kClosing;
    refusal.nothing_done = true;
    return AnswerSoon(std::move(done), std::move(refusal));
  }
  if (lease_ == nullptr) {
    lease_ = route_->regional->Lease(&refusal.failure, &refusal.detail);
    refusal.nothing_done = true;
    if (lease_ == nullptr) return AnswerSoon(std::move(done), std::move(refusal));
    if (purpose_ == Purpose::kWatch) {
      watch_timer_ = home_->After(lease_->watch_max_ms(), [self = shared_from_this()] {
        self->watch_timer_ = runtime::kNoTimer;
        self->GiveBack();
      });
    }
  }
  lease_->Relay(std::move(request),
                [self = shared_from_this(), done = std::move(done)](RelayResult result) mutable {
                  // First, so that what comes of the answer comes behind the fence of a lost
                  // connection.
                  if (self->purpose_ == Purpose::kWait || result.failure != Failure::kNone)
                    self->GiveBack();
                  done(std::move(result));
                });
}

void ClientLease::RelayTransaction(TransactionRequest request, RelayDone done) {
  if (is_over_ || lease_ == nullptr) {
    RelayResult result;
    result.reply = "*-1\r\n";
    return AnswerSoon(std::move(done), std::move(result));
  }
  home_->Cancel(std::exchange(watch_timer_, runtime::kNoTimer));
  lease_->RelayTransaction(std::move(request), [self = shared_from_this(), done = std::move(done)](
                                                   RelayResult result) mutable {
    self->GiveBack();
    // The watches went with a connection on which nothing had been sent yet.
    if (result.failure == Failure::kUnreachable && result.nothing_done) {
      result = RelayResult();
      result.reply = "*-1\r\n";
    }
    done(std::move(result));
  });
}

void ClientLease::End() {
  home_->Post([self = shared_from_this()] { self->GiveBack(); });
}

void ClientLease::EndWait(bool with_error) {
  home_->Post([self = shared_from_this(), with_error] {
    if (self->lease_ != nullptr) self->lease_->EndWait(with_error);
  });
}

void ClientLease::GiveBack() {
  is_over_ = true;
  home_->Cancel(std::exchange(watch_timer_, runtime::kNoTimer));
  lease_.reset();
}

void ClientLease::AnswerSoon(RelayDone done, RelayResult result) {
  home_->Post(
      [done = std::move(done), result = std::move(result)]() mutable { done(std::move(result)); });
}

}  // namespace terrace::tiers
