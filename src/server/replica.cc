#include "server/replica.h"

#include <unistd.h>

#include <utility>
#include <vector>

namespace terrace::server {

Replica::Replica(Connection* connection, Wants wants, uint64_t kept_bytes_max)
    : worker_(connection->worker),
      connection_id_(connection->id),
      wants_(wants),
      kept_bytes_max_(kept_bytes_max),
      address_(
          connection->replica_identity.address.empty()
              ? connection->view.peer_address.substr(0, connection->view.peer_address.rfind(':'))
              : connection->replica_identity.address),
      listening_port_(connection->replica_identity.port) {}

Replica::~Replica() {
  if (snapshot_fd_ >= 0) close(snapshot_fd_);
}

void Replica::OnEffects(const Told& told) {
  std::lock_guard lock(mutex_);
  if (is_overrun_) return;
  if (kept_bytes_max_ != 0 && kept_.size() + told.all.size() > kept_bytes_max_) {
    is_overrun_ = true;
    std::string().swap(kept_);
    worker_->Kill(connection_id_);
    return;
  }
  kept_ += told.all;
  if (is_scheduled_ || state() != State::kOnline) return;
  is_scheduled_ = true;
  OnLoop([this](Connection& connection) { SendKept(connection); });
}

template <typename Act>
void Replica::OnLoop(Act act) {
  worker_->loop().Post([self = shared_from_this(), act = std::move(act)] {
    Connection* const connection = self->worker_->Find(self->connection_id_);
    if (connection != nullptr) act(*connection);
  });
}

void Replica::SendKept(Connection& connection) {
  std::string bytes;
  {
    std::lock_guard lock(mutex_);
    is_scheduled_ = false;
    bytes = std::exchange(kept_, {});
  }
  if (!bytes.empty()) worker_->Send(connection, bytes);
}

void Replica::SendSnapshot(int fd, uint64_t bytes) {
  worker_->loop().Post([self = shared_from_this(), fd, bytes] { self->Begin(fd, bytes); });
}

void Replica::Begin(int fd, uint64_t bytes) {
  snapshot_fd_ = fd;
  Connection* const connection = worker_->Find(connection_id_);
  if (connection == nullptr || connection->state == ConnectionState::kClosed) return;
  if (fd < 0) return worker_->CloseNow(*connection);
  state_.store(State::kLoads, std::memory_order_release);
  worker_->Send(*connection, "$" + std::to_string(bytes) + "\r\n");
  Continue(*connection);
}

void Replica::Continue(Connection& connection) {
  if (state() != State::kLoads) return;
  std::vector<char> chunk;
  while (connection.state != ConnectionState::kClosed && connection.output.empty()) {
    chunk.resize(kChunkBytes);
    const ssize_t count = read(snapshot_fd_, chunk.data(), chunk.size());
    if (count < 0) return worker_->CloseNow(connection);
    if (count == 0) {
      close(std::exchange(snapshot_fd_, -1));
      {
        // Whoever is told of an effect from now on schedules its sending.
        std::lock_guard lock(mutex_);
        state_.store(State::kOnline, std::memory_order_release);
      }
      return SendKept(connection);
    }
    worker_->Send(connection, {chunk.data(), static_cast<size_t>(count)});
  }
}

void Replica::AnnounceStart(const std::string& stream_id, int64_t offset) {
  if (wants_ == Wants::kSnapshot) return;
  std::string line = "+FULLRESYNC " + stream_id + " " + std::to_string(offset) + "\r\n";
  OnLoop(
      [this, line = std::move(line)](Connection& connection) { worker_->Send(connection, line); });
}

void Replica::SendSignOfLife() {
  OnLoop([this](Connection& connection) {
    if (state() == State::kWaits) worker_->Send(connection, "\n");
  });
}

void Replica::Acknowledge(int64_t offset, int64_t durable, int64_t now_ms) {
  durable_.store(durable, std::memory_order_release);
  acknowledged_.store(offset, std::memory_order_release);
  acknowledged_at_ms_.store(now_ms);
}

}  // namespace terrace::server
