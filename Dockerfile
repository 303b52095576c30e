# The agent as one static binary on an empty image: nothing in it to patch, no shell in it.
#
#   docker build --build-arg REVISION="$(git rev-parse HEAD)" -t pullprobe .

# Where Docker Hub is not reachable: --build-arg RUST_IMAGE=mirror.example/library/rust:1.95-bookworm
ARG RUST_IMAGE=docker.io/library/rust:1.95-bookworm

FROM ${RUST_IMAGE} AS build
WORKDIR /src
COPY . .
# Shown by `pullprobe --version` and in pullprobe_build_info.
ARG REVISION=
ENV PULLPROBE_REVISION=${REVISION}
# Naming the target, even the machine's own, keeps crt-static away from build scripts and procedural
# macros: a procedural macro cannot be loaded from a static library. The caches make a second build
# compile only what changed; the binary leaves them because a later stage cannot see into a cache.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target,sharing=locked \
    set -eu; \
    target="$(rustc -vV | sed -n 's/^host: //p')"; \
    cargo build --config agent/static.toml --release --locked --package pullprobe --bin pullprobe --target "$target"; \
    install -m 0755 "target/$target/release/pullprobe" /pullprobe

FROM scratch
COPY --from=build /pullprobe /pullprobe
# Root without capabilities: it reads root's 0600 client keys and can do nothing else as root.
USER 0:0
# Of C's library: one heap for all threads, what is freed goes back to the kernel, and a few more small pieces stay at hand.
# docs/benchmark.md says what it saves.
ENV GLIBC_TUNABLES=glibc.malloc.arena_max=1:glibc.malloc.mmap_threshold=131072:glibc.malloc.trim_threshold=131072:glibc.malloc.tcache_count=20
EXPOSE 10048
ENTRYPOINT ["/pullprobe"]
CMD ["--help"]
