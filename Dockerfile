# The node in an image of its own: docker build -t fanfare . (or buildah bud)
#
# Nothing but one static program. The same commit gives the same layer, and with fixed times the same image:
#
#   export SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) commit=$(git rev-parse --short=12 HEAD)
#   buildah bud --timestamp $SOURCE_DATE_EPOCH --build-arg SOURCE_DATE_EPOCH --build-arg FANFARE_COMMIT=$commit .
#   docker buildx build --build-arg SOURCE_DATE_EPOCH --build-arg FANFARE_COMMIT=$commit \
#       --output type=oci,dest=fanfare.tar,rewrite-timestamp=true .
#
# PROGRAM=prebuilt takes what image/build.sh has left in target/dist instead of building it.
ARG PROGRAM=build

FROM docker.io/library/rust:1.95.0-slim-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends cmake make musl-tools \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
ARG TARGETARCH
ARG FANFARE_COMMIT=unknown
ARG SOURCE_DATE_EPOCH=0
RUN image/build.sh && mv target/dist/linux-* /out

FROM scratch AS prebuilt
ARG TARGETARCH
COPY target/dist/linux-${TARGETARCH}/fanfare /out/fanfare

FROM ${PROGRAM} AS program

FROM scratch
ARG FANFARE_VERSION=unknown
ARG FANFARE_COMMIT=unknown
ARG FANFARE_SOURCE=unknown
LABEL org.opencontainers.image.title="Fanfare" \
    org.opencontainers.image.description="Pushes publications to WebSocket clients" \
    org.opencontainers.image.source="${FANFARE_SOURCE}" \
    org.opencontainers.image.version="${FANFARE_VERSION}" \
    org.opencontainers.image.revision="${FANFARE_COMMIT}" \
    org.opencontainers.image.licenses="Apache-2.0"
COPY --from=program /out/fanfare /fanfare
# So that `docker exec NODE fanfare` finds it.
ENV PATH=/
USER 65532:65532
EXPOSE 8000 9000
ENTRYPOINT ["/fanfare"]
CMD ["serve"]
