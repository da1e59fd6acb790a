// curl's multi interface says which descriptors and which time it waits for, the loop waits, and
// each event goes back to curl.

#include "tiers/origin_http_client.h"

#include <curl/curl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/check.h"
#include "runtime/loop.h"
#include "tiers/content_decoder.h"
#include "tiers/http_framing.h"
#include "tiers/kept_connections.h"

namespace terrace::tiers {

// One request on the wire. Idle ones are kept: setting up a handle costs more than a request.
struct HttpTransfer {
  explicit HttpTransfer(KeptConnections* table) : easy(curl_easy_init()), connections(table) {
    TERRACE_CHECK(easy != nullptr);
  }
  ~HttpTransfer() { curl_easy_cleanup(easy); }

  void Reset() {
    std::string().swap(body);  // assigning would keep its memory
    decoder.reset();
    problem.clear();
    dropped_bytes = 0;
    headers_complete = false;
    too_large = false;
    cut_short = false;
    connection_dirty = false;
    error[0] = '\0';
  }

  CURL* const easy;
  KeptConnections* const connections;
  uint64_t id = 0;
  size_t body_bytes_max = 0;
  std::string body;
  std::unique_ptr<ContentDecoder> decoder;  // of an encoded value
  std::string problem;                      // with what the server says, or none
  size_t dropped_bytes = 0;
  bool headers_complete = false;  // of the final response
  bool too_large = false;
  bool cut_short = false;         // by us, when all that matters had been received
  bool connection_dirty = false;  // given up before it was sent; a new connection will do
  char error[CURL_ERROR_SIZE] = "";
};

namespace {

// Bodies that are not values (error pages) are read and dropped up to this, which keeps the
// connection usable; a longer one costs its connection.
constexpr size_t kDroppedBodyBytesMax = 64 * 1024;
// Memory reserved on the word of a Content-Length alone.
constexpr size_t kReservedBytesMax = 1024 * 1024;
constexpr size_t kDetailBytesMax = 200;

long StatusOf(const HttpTransfer& transfer) {
  long status = 0;
  curl_easy_getinfo(transfer.easy, CURLINFO_RESPONSE_CODE, &status);
  return status;
}

// All values of a header of the final response, joined.
std::string HeaderOf(const HttpTransfer& transfer, const char* name) {
  std::string joined;
  curl_header* header = nullptr;
  for (size_t i = 0;
       curl_easy_header(transfer.easy, name, i, CURLH_HEADER, -1, &header) == CURLHE_OK; ++i) {
    if (i > 0) joined += ", ";
    joined += header->value;
  }
  return joined;
}

// Prepares for the body that the headers announce; false when they make no sense.
bool BeginBody(HttpTransfer* transfer) {
  transfer->problem = FramingProblem(HeaderOf(*transfer, "Content-Length"),
                                     HeaderOf(*transfer, "Transfer-Encoding"));
  if (StatusOf(*transfer) != 200 || !transfer->problem.empty()) return transfer->problem.empty();
  const std::string encoding = ContentEncodingOf(HeaderOf(*transfer, "Content-Encoding"));
  if (encoding.empty()) return true;
  transfer->decoder = ContentDecoder::For(encoding);
  if (transfer->decoder == nullptr) transfer->problem = "an unknown content encoding: " + encoding;
  return transfer->decoder != nullptr;
}

// Called by curl with each line of the headers. curl takes a connection that ends within them for
// the end of an empty body, so we look for the empty line ourselves.
size_t OnHeader(char* data, size_t, size_t size, void* user) {
  auto* transfer = static_cast<HttpTransfer*>(user);
  const std::string_view line(data, size);
  if (line.starts_with("HTTP/")) transfer->headers_complete = false;
  const bool is_last = line == "\r\n" || line == "\n";
  if (!is_last || transfer->headers_complete || StatusOf(*transfer) < 200) return size;
  transfer->headers_complete = true;
  return BeginBody(transfer) ? size : 0;
}

// Adds a piece of an encoded value.
bool AddDecoded(HttpTransfer* transfer, std::string_view piece) {
  switch (transfer->decoder->Decode(piece, transfer->body_bytes_max, &transfer->body)) {
    case ContentDecoder::Result::kFine:
      return true;
    case ContentDecoder::Result::kTooLarge:
      transfer->too_large = true;
      return false;
    case ContentDecoder::Result::kBroken:
      transfer->problem = "the body is not in its content encoding";
      return false;
  }
  return false;
}

// Called by curl with each piece of a body. Returning less than it was given ends the transfer.
size_t OnBody(char* data, size_t, size_t size, void* user) {
  auto* transfer = static_cast<HttpTransfer*>(user);
  if (StatusOf(*transfer) != 200) {
    transfer->dropped_bytes += size;
    transfer->cut_short = transfer->dropped_bytes > kDroppedBodyBytesMax;
    return transfer->cut_short ? 0 : size;
  }
  if (transfer->decoder != nullptr) return AddDecoded(transfer, {data, size}) ? size : 0;
  if (transfer->body_bytes_max != 0 && size > transfer->body_bytes_max - transfer->body.size()) {
    transfer->too_large = true;
    return 0;
  }
  if (transfer->body.empty()) {
    curl_off_t length = -1;
    curl_easy_getinfo(transfer->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    if (length > 0) {
      transfer->body.reserve(std::min(static_cast<size_t>(length), kReservedBytesMax));
    }
  }
  transfer->body.append(data, size);
  return size;
}

// Called by curl when a connection is there, before the request is sent.
int BeforeRequest(void* user, char* remote_ip, char* local_ip, int remote_port, int local_port) {
  auto* transfer = static_cast<HttpTransfer*>(user);
  const KeptConnections::Addresses addresses{local_ip, local_port, remote_ip, remote_port};
  long connects = 0;
  curl_easy_getinfo(transfer->easy, CURLINFO_NUM_CONNECTS, &connects);
  if (connects > 0) {
    transfer->connections->Name(addresses);
  } else if (!transfer->connections->IsSilent(addresses)) {
    transfer->connection_dirty = true;
    return CURL_PREREQFUNC_ABORT;
  }
  return CURL_PREREQFUNC_OK;
}

curl_socket_t OnOpenSocket(void* table, curlsocktype, curl_sockaddr* address) {
  const int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
  if (fd < 0) return CURL_SOCKET_BAD;
  static_cast<KeptConnections*>(table)->Opened(fd);
  return fd;
}

int OnCloseSocket(void* table, curl_socket_t fd) {
  static_cast<KeptConnections*>(table)->Closed(fd);
  return close(fd);
}

// Text that may quote the server, made fit for a log line.
std::string Printable(std::string_view text) {
  std::string printable(text.substr(0, kDetailBytesMax));
  for (char& c : printable) {
    if (c < 0x20 || c >= 0x7f) c = '?';
  }
  return printable;
}

HttpResponse::End EndOf(CURLcode code) {
  switch (code) {
    case CURLE_OK:
      return HttpResponse::End::kComplete;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:  // the connect timeout, the only one curl is given
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
      return HttpResponse::End::kUnreachable;
    default:
      return HttpResponse::End::kProtocol;
  }
}

HttpResponse ResponseOf(HttpTransfer* transfer, CURLcode code) {
  HttpResponse response;
  if (transfer->too_large) {
    response.end = HttpResponse::End::kTooLarge;
    response.detail =
        "the value is larger than " + std::to_string(transfer->body_bytes_max) + " bytes";
    return response;
  }
  if (transfer->cut_short) code = CURLE_OK;
  if (code == CURLE_OK && transfer->decoder != nullptr && !transfer->decoder->is_complete()) {
    transfer->problem = "the body ends before its content encoding does";
  }
  if (!transfer->problem.empty()) {
    response.end = HttpResponse::End::kProtocol;
    response.detail = Printable(transfer->problem);
    return response;
  }
  if (code != CURLE_OK) {
    response.end = EndOf(code);
    response.detail =
        Printable(transfer->error[0] != '\0' ? transfer->error : curl_easy_strerror(code));
    return response;
  }
  if (!transfer->headers_complete) {
    response.end = HttpResponse::End::kUnreachable;
    response.detail = "the connection was lost within the headers";
    return response;
  }
  response.status = StatusOf(*transfer);
  curl_off_t took_us = 0;
  curl_easy_getinfo(transfer->easy, CURLINFO_TOTAL_TIME_T, &took_us);
  response.took_ms = (took_us + 999) / 1000;
  response.body = std::move(transfer->body);
  response.cache_control = HeaderOf(*transfer, "Cache-Control");
  response.age = HeaderOf(*transfer, "Age");
  response.expires = HeaderOf(*transfer, "Expires");
  response.date = HeaderOf(*transfer, "Date");
  return response;
}

}  // namespace

class HttpClient::Impl {
 public:
  Impl(HttpClientOptions options, runtime::Loop* loop, OnEnd on_end);
  ~Impl();

  void Get(uint64_t id, const std::string& url, size_t body_bytes_max);
  void Abort(uint64_t id) { Recycle(Detach(id)); }
  void Close();

 private:
  std::unique_ptr<HttpTransfer> NewTransfer();
  // Takes a transfer off the wire; closes its connection unless it has ended well.
  std::unique_ptr<HttpTransfer> Detach(uint64_t id);
  void Recycle(std::unique_ptr<HttpTransfer> transfer);

  static int OnCurlSocket(CURL*, curl_socket_t fd, int what, void* self, void*);
  static int OnCurlTimer(CURLM*, long timeout_ms, void* self);
  // Tells curl what has happened, then reports what has ended by it.
  void Drive(curl_socket_t fd, int events);
  void ReportEnded();

  const HttpClientOptions options_;
  runtime::Loop* const loop_;
  OnEnd on_end_;
  KeptConnections connections_;
  CURLM* multi_ = nullptr;  // none after Close
  curl_slist* headers_ = nullptr;
  std::unordered_map<uint64_t, std::unique_ptr<HttpTransfer>> transfers_;  // on the wire
  std::vector<std::unique_ptr<HttpTransfer>> idle_transfers_;
  std::unordered_map<curl_socket_t, std::unique_ptr<runtime::FdWatcher>> watchers_;
  runtime::TimerId curl_timer_ = runtime::kNoTimer;
};

HttpClient::Impl::Impl(HttpClientOptions options, runtime::Loop* loop, OnEnd on_end)
    : options_(std::move(options)), loop_(loop), on_end_(std::move(on_end)) {
  TERRACE_CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
  multi_ = curl_multi_init();
  TERRACE_CHECK(multi_ != nullptr);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &Impl::OnCurlSocket);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &Impl::OnCurlTimer);
  curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, static_cast<long>(options_.idle_connections_max));
  if (!options_.authorization.empty()) {
    headers_ = curl_slist_append(headers_, ("Authorization: " + options_.authorization).c_str());
  }
}

HttpClient::Impl::~Impl() {
  Close();
  idle_transfers_.clear();
  curl_slist_free_all(headers_);
  curl_global_cleanup();
}

void HttpClient::Impl::Close() {
  while (!transfers_.empty()) Abort(transfers_.begin()->first);
  if (multi_ != nullptr) curl_multi_cleanup(std::exchange(multi_, nullptr));
  watchers_.clear();
  loop_->Cancel(std::exchange(curl_timer_, runtime::kNoTimer));
}

std::unique_ptr<HttpTransfer> HttpClient::Impl::NewTransfer() {
  auto transfer = std::make_unique<HttpTransfer>(&connections_);
  CURL* easy = transfer->easy;
  curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer.get());
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &OnHeader);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer.get());
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &OnBody);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer.get());
  curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, &BeforeRequest);
  curl_easy_setopt(easy, CURLOPT_PREREQDATA, transfer.get());
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, &OnOpenSocket);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, &connections_);
  curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, &OnCloseSocket);
  curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, &connections_);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options_.connect_timeout_ms));
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "terrace");
  // Values are wanted as they are. A server that compresses all the same is undone here: curl does
  // not tell a compressed body that is cut short from a whole one.
  curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "identity");
  curl_easy_setopt(easy, CURLOPT_HTTP_CONTENT_DECODING, 0L);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers_);
  if (!options_.ca_file.empty()) {
    curl_easy_setopt(easy, CURLOPT_CAINFO, options_.ca_file.c_str());
  }
  // Only the server of the URL is asked, and nothing around us changes how.
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
  // Without this, giving up on a name that is still being resolved waits for the resolver.
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
  return transfer;
}

void HttpClient::Impl::Get(uint64_t id, const std::string& url, size_t body_bytes_max) {
  std::unique_ptr<HttpTransfer> transfer;
  if (idle_transfers_.empty()) {
    transfer = NewTransfer();
  } else {
    transfer = std::move(idle_transfers_.back());
    idle_transfers_.pop_back();
  }
  transfer->id = id;
  transfer->body_bytes_max = body_bytes_max;
  TERRACE_CHECK(curl_easy_setopt(transfer->easy, CURLOPT_URL, url.c_str()) == CURLE_OK);
  curl_easy_setopt(transfer->easy, CURLOPT_FRESH_CONNECT, 0L);
  // Does not send yet: curl asks for a timer at once, and sends when it fires.
  TERRACE_CHECK(curl_multi_add_handle(multi_, transfer->easy) == CURLM_OK);
  transfers_.emplace(id, std::move(transfer));
}

std::unique_ptr<HttpTransfer> HttpClient::Impl::Detach(uint64_t id) {
  auto found = transfers_.extract(id);
  TERRACE_CHECK(!found.empty());
  curl_multi_remove_handle(multi_, found.mapped()->easy);
  return std::move(found.mapped());
}

void HttpClient::Impl::Recycle(std::unique_ptr<HttpTransfer> transfer) {
  transfer->Reset();
  idle_transfers_.push_back(std::move(transfer));
}

int HttpClient::Impl::OnCurlSocket(CURL*, curl_socket_t fd, int what, void* user, void*) {
  auto* self = static_cast<Impl*>(user);
  if (what == CURL_POLL_REMOVE) {
    self->watchers_.erase(fd);
    return 0;
  }
  auto& watcher = self->watchers_[fd];
  if (watcher == nullptr) {
    watcher = self->loop_->Watch(fd, [self, fd](int ready) {
      self->Drive(fd, ((ready & runtime::kReadable) ? CURL_CSELECT_IN : 0) |
                          ((ready & runtime::kWritable) ? CURL_CSELECT_OUT : 0));
    });
  }
  watcher->SetEvents(((what & CURL_POLL_IN) ? runtime::kReadable : 0) |
                     ((what & CURL_POLL_OUT) ? runtime::kWritable : 0));
  return 0;
}

int HttpClient::Impl::OnCurlTimer(CURLM*, long timeout_ms, void* user) {
  auto* self = static_cast<Impl*>(user);
  self->loop_->Cancel(std::exchange(self->curl_timer_, runtime::kNoTimer));
  if (timeout_ms < 0) return 0;
  self->curl_timer_ = self->loop_->After(timeout_ms, [self] {
    self->curl_timer_ = runtime::kNoTimer;
    self->Drive(CURL_SOCKET_TIMEOUT, 0);
  });
  return 0;
}

void HttpClient::Impl::Drive(curl_socket_t fd, int events) {
  int running = 0;
  TERRACE_CHECK(curl_multi_socket_action(multi_, fd, events, &running) == CURLM_OK);
  ReportEnded();
}

// The owner may ask again, which is fine here outside of curl, or close.
void HttpClient::Impl::ReportEnded() {
  while (multi_ != nullptr) {
    int left = 0;
    const CURLMsg* message = curl_multi_info_read(multi_, &left);
    if (message == nullptr) return;
    if (message->msg != CURLMSG_DONE) continue;
    const CURLcode code = message->data.result;
    char* user = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &user);
    auto* ended = reinterpret_cast<HttpTransfer*>(user);
    if (ended->connection_dirty) {
      // Once is enough: a new connection is never found dirty.
      curl_multi_remove_handle(multi_, ended->easy);
      ended->Reset();
      curl_easy_setopt(ended->easy, CURLOPT_FRESH_CONNECT, 1L);
      TERRACE_CHECK(curl_multi_add_handle(multi_, ended->easy) == CURLM_OK);
      continue;
    }
    const uint64_t id = ended->id;
    HttpResponse response = ResponseOf(ended, code);
    Recycle(Detach(id));
    on_end_(id, std::move(response));
  }
}

HttpClient::HttpClient(HttpClientOptions options, runtime::Loop* loop, OnEnd on_end)
    : impl_(std::make_unique<Impl>(std::move(options), loop, std::move(on_end))) {}
HttpClient::~HttpClient() = default;
void HttpClient::Get(uint64_t id, const std::string& url, size_t body_bytes_max) {
  impl_->Get(id, url, body_bytes_max);
}
void HttpClient::Abort(uint64_t id) { impl_->Abort(id); }
void HttpClient::Close() { impl_->Close(); }

}  // namespace terrace::tiers
