# syntax=docker/dockerfile:1
# Versions are pinned by tag. To pin by digest, too, append what `docker buildx imagetools inspect rust:1.95.0-bookworm` prints
# as `@sha256:…`. The files then depend on nothing else: the lock file fixes every crate, and no path or time of the machine
# gets into them. For the same time of the image itself, too, build with `--build-arg SOURCE_DATE_EPOCH=0`.
FROM rust:1.95.0-bookworm AS build
# The binary then carries the list of its dependencies, for scanners.
RUN cargo install --locked cargo-auditable@0.7.7
WORKDIR /src
COPY . .
ARG SOURCE_DATE_EPOCH=0
RUN deploy/image/build && deploy/image/rootfs target/release/pullmint /rootfs

FROM scratch
COPY --from=build /rootfs /
LABEL org.opencontainers.image.title="pullmint"
LABEL org.opencontainers.image.description="Keeps short-lived registry pull credentials fresh in Kubernetes, and tells why an image does not pull."
LABEL org.opencontainers.image.version="0.1.0"
LABEL org.opencontainers.image.licenses="Apache-2.0"
USER 65532:65532
EXPOSE 8080/tcp
ENTRYPOINT ["/pullmint"]
CMD ["run"]
