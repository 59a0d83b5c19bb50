# The node in an image of its own: docker build -t fanfare .
FROM rust:1.95.0-slim-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends cmake make && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
ARG FANFARE_COMMIT=unknown
RUN cargo build --release --locked -p cli --bin fanfare

FROM debian:bookworm-slim
# For `rediss://` with the roots of the system.
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*
COPY --from=build /src/target/release/fanfare /usr/local/bin/fanfare
USER 65532:65532
EXPOSE 8000 9000
ENTRYPOINT ["fanfare"]
CMD ["serve"]
