# The front door of Terrace: `make help` lists what can be done. CMake and Ninja do the building
# behind it; each kind of build has its own folder under build/.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.NOTPARALLEL:

# Every Debian package the project needs, by what needs it. This is the only list.
PACKAGES_BUILD := g++ cmake ninja-build ccache pkg-config libuv1-dev libhiredis-dev \
	libjemalloc-dev libabsl-dev libcli11-dev libgtest-dev libgmock-dev libbenchmark-dev \
	libtomlplusplus-dev libcurl4-openssl-dev libssl-dev libxxhash-dev liblzf-dev \
	zlib1g-dev libbrotli-dev liblua5.1-0-dev lua-cjson-dev \
	redis-server redis-tools python3 xz-utils
PACKAGES_CHECK := clang clang-format libclang-rt-14-dev
PACKAGES_BENCH := memcached
PACKAGES_REDIS_TESTS := tcl

# Settings, e.g. `make run PORT=7000`.
PORT ?= 6379
SEEDS ?= 1000
TARGET ?=
SECONDS ?= 60
OPERATIONS ?= 1000000
DIFF_SEED ?= random
TRACE ?=
SIZE ?= 5%
POLICY ?= s3-fifo
REDIS_SRC ?=
# More options for the script behind run, test, bench, replay or redis-tests.
ARGS ?=
# Parallel compilations; empty means as many as Ninja thinks right.
JOBS ?=

# Asked when a recipe runs, not before: `make deps` may just have installed it.
CCACHE = $(shell command -v ccache 2>/dev/null)
# ccache takes a precompiled header for what it is only when told so.
export CCACHE_SLOPPINESS ?= pch_defines,time_macros
NINJA := ninja $(if $(JOBS),-j$(JOBS))

# Configured only once; afterwards Ninja re-runs CMake itself where needed.
CONFIGURE = cmake -S . -G Ninja $(if $(CCACHE),-DCMAKE_CXX_COMPILER_LAUNCHER=$(CCACHE))
# -O1 keeps the sanitized programs usable, -g1 gives line numbers at little cost.
SANITIZED = -DCMAKE_BUILD_TYPE=None "-DCMAKE_CXX_FLAGS=-O1 -g1"

build/release/build.ninja:
	@$(CONFIGURE) -B build/release -DCMAKE_BUILD_TYPE=Release
build/asan/build.ninja:
	@$(CONFIGURE) -B build/asan $(SANITIZED) "-DTERRACE_SANITIZE=address,undefined"
build/tsan/build.ninja:
	@$(CONFIGURE) -B build/tsan $(SANITIZED) -DTERRACE_SANITIZE=thread
build/fuzz/build.ninja:
	@$(CONFIGURE) -B build/fuzz $(SANITIZED) -DTERRACE_FUZZ=ON \
	  -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++

.PHONY: help
help:  ## Show this list
	@echo 'Terrace: a multi-layer cache that speaks Redis. Targets:'
	@echo
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' \
	  | expand -t 24
	@echo
	@echo 'Start with: make run      (installs what is missing, builds, starts a demo)'

.PHONY: deps deps-build deps-check deps-bench deps-redis-tests
deps:  ## Install the Debian packages that are missing (all of them, for every target)
	@tools/install_deps $(PACKAGES_BUILD) $(PACKAGES_CHECK) $(PACKAGES_BENCH) \
	  $(PACKAGES_REDIS_TESTS)

# The other targets install no more than they need.
deps-build:
	@tools/install_deps $(PACKAGES_BUILD)
deps-check:
	@tools/install_deps $(PACKAGES_BUILD) $(PACKAGES_CHECK)
deps-bench:
	@tools/install_deps $(PACKAGES_BUILD) $(PACKAGES_BENCH)
deps-redis-tests:
	@tools/install_deps $(PACKAGES_BUILD) $(PACKAGES_REDIS_TESTS)

.PHONY: build
build: deps-build build/release/build.ninja  ## Build everything, optimised, into build/release
	@$(NINJA) -C build/release

.PHONY: server
server: deps-build build/release/build.ninja
	@$(NINJA) -C build/release terrace

.PHONY: run
run: server  ## Demo: Terrace on PORT=6379 in front of a Redis and a sample origin
	@tools/run_demo --via-make --port $(PORT) $(ARGS)

.PHONY: test
test: build  ## Run all tests; ends with "N passed, N failed"
	@tools/run_tests $(ARGS)

.PHONY: check
check: deps-check build/release/build.ninja  ## Layers, format, warnings, sanitized unit tests
	@tools/check

.PHONY: asan
asan: deps-build build/asan/build.ninja  ## All tests under AddressSanitizer and UBSan
	@$(NINJA) -C build/asan
	@tools/run_tests --build build/asan $(ARGS)

.PHONY: tsan
tsan: deps-build build/tsan/build.ninja  ## All tests under ThreadSanitizer
	@$(NINJA) -C build/tsan
	@tools/run_tests --build build/tsan $(ARGS)

.PHONY: differential
differential: server  ## Compare with redis-server (REDIS_BIN): OPERATIONS=1000000 DIFF_SEED=random
	@DIFF_OPS=$(OPERATIONS) DIFF_SEED=$(DIFF_SEED) python3 tests/differential/everything_test.py -v

.PHONY: stalls
stalls: server  ## How long clients wait while values of 10,000,000 elements are deleted
	@bench/stalls.py $(ARGS)

.PHONY: sim
sim: build  ## Simulate the whole server on fake time and network: SEEDS=1000
	@build/release/sim --seeds $(SEEDS) $(ARGS)

.PHONY: chaos
chaos: build  ## Break the tiers at random under load for SECONDS=60; CHAOS_SEED repeats a run
	@CHAOS_SECONDS=$(SECONDS) tests/integration/tiers_chaos_test.py

.PHONY: fuzz
fuzz: deps-check  ## Fuzz the parsers: TARGET=names (default all) SECONDS=60 each, two at a time
	@tools/run_fuzz --seconds $(SECONDS) --jobs 2 $(TARGET)

.PHONY: bench
bench: deps-bench build  ## Terrace, redis-server, memcached side by side: CPU, speed, memory
	@bench/load.py $(ARGS)

.PHONY: replay
replay: build  ## Replay TRACE=file with SIZE=5% POLICY=s3-fifo through all tiers
	@[ -n "$(TRACE)" ] || { echo 'make replay needs TRACE=file (key and size a line, .xz or not)'; \
	  exit 2; }
	@bench/replay.py --trace "$(TRACE)" --size "$(SIZE)" --policy "$(POLICY)" $(ARGS)

.PHONY: redis-tests
redis-tests: deps-redis-tests build  ## Run Redis's own test suite: REDIS_SRC=checkout
	@redis-tests/run $(if $(REDIS_SRC),"$(REDIS_SRC)") $(ARGS)

.PHONY: format
format: deps-check  ## Reformat all C++ files
	@git ls-files -co --exclude-standard '*.cc' '*.h' | xargs -r clang-format -i

.PHONY: clean
clean:  ## Remove everything that was built
	rm -rf build
