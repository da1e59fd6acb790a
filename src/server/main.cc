// Terrace: a multi-layer cache that speaks RESP. See README.md.

#include <csignal>
#include <cstdio>
#include <thread>

#include "base/huge_pages.h"
#include "server/server.h"
#include "server/settings_load.h"

int main(int argc, char** argv) {
  const terrace::server::Startup startup = terrace::server::LoadSettings(argc, argv);
  std::fputs(startup.output.c_str(), startup.exit_code == 0 ? stdout : stderr);
  if (startup.action == terrace::server::Startup::Action::kExit) return startup.exit_code;

  // Signals are taken by one thread that waits for them; every other thread has them blocked.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is an error like any other
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  using terrace::base::HugePages;
  const HugePages huge_pages(startup.settings.disable_thp ? HugePages::Use::kNever
                                                          : HugePages::Use::kWhenLarge);
  terrace::server::Server server(startup);
  std::string error = server.LoadUsers();
  if (error.empty()) error = server.Listen();
  // Clients may connect meanwhile; they are served when everything is there.
  if (error.empty()) error = server.Load();
  if (!error.empty()) {
    std::fprintf(stderr, "terrace: %s\n", error.c_str());
    return 1;
  }
  std::thread([&server, signals] {
    int signal = 0;
    for (sigwait(&signals, &signal); signal == SIGHUP; sigwait(&signals, &signal)) {
      server.ReloadConfig();
    }
    server.Shutdown();
    // A second signal means now.
    sigwait(&signals, &signal);
    std::_Exit(130);
  }).detach();
  return server.Run();
}
