# syntax=docker/dockerfile:1
# docker build -t outcrop .
# docker run -p 8080:8080 -e AWS_REGION -e AWS_ACCESS_KEY_ID -e AWS_SECRET_ACCESS_KEY -e OUTCROP_API_KEY=sk-choose-one outcrop

FROM docker.io/library/rust:1.95-slim-bookworm AS build
WORKDIR /src
# rust-toolchain.toml stays outside: it would have rustup fetch rustfmt and clippy. The tag above is the same version.
# The dependencies first, for an empty program: this layer is made again only when they change.
COPY Cargo.toml Cargo.lock ./
RUN mkdir src \
 && echo '//! Nothing yet.' > src/lib.rs \
 && echo 'fn main() {}' > src/main.rs \
 && cargo build --release --locked \
 && rm -r src
COPY . .
# Older than the dependencies' build would look unchanged to cargo.
RUN touch src/lib.rs src/main.rs \
 && cargo build --release --locked \
 && cp target/release/outcrop /outcrop

# glibc, libgcc and CA certificates; no shell, no package manager.
FROM gcr.io/distroless/cc-debian12:nonroot
LABEL org.opencontainers.image.title="Outcrop" \
      org.opencontainers.image.description="An OpenAI-compatible HTTP gateway for Amazon Bedrock" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /outcrop /usr/local/bin/outcrop
USER 65532:65532
EXPOSE 8080
# Outside a container the default is loopback, which nobody could reach in here. The server refuses to listen on it
# without a key (OUTCROP_API_KEY, or auth.keys in the configuration) unless auth.mode is none.
ENV OUTCROP_LISTEN=0.0.0.0:8080
HEALTHCHECK --interval=15s --timeout=3s --start-period=5s --retries=3 CMD ["/usr/local/bin/outcrop", "healthcheck"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/outcrop"]
CMD ["serve"]
