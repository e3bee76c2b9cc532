# One image for all services: `docker run tidings api`, `tidings worker …`, `tidings health`.
# The base is pinned by its exact version. Pin its digest as well where your registry can tell it.
ARG BASE=docker.io/library/python:3.12.12-slim-bookworm

FROM ${BASE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_COMPILE=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
RUN ["python", "-m", "venv", "tools"]
RUN ["python", "-m", "venv", "--without-pip", "/opt/tidings"]
COPY requirements.lock ./
RUN ["tools/bin/pip", "--python", "/opt/tidings", "install", "--require-hashes", "--only-binary", ":all:", "-r", "requirements.lock"]
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN ["tools/bin/pip", "--python", "/opt/tidings", "install", "--no-deps", "--no-build-isolation", "--no-index", "."]
# What only the line above needed.
RUN ["tools/bin/pip", "--python", "/opt/tidings", "uninstall", "--yes", "hatchling", "pathspec", "pluggy", "trove-classifiers"]
# The bytecode is made here: the running container writes none, so it needs no file times to trust it by.
RUN ["/opt/tidings/bin/python", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "/opt/tidings/lib"]
WORKDIR /data

FROM ${BASE}
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Tidings" \
      org.opencontainers.image.description="A self-hosted notification system: who to tell, on which channel, when, and why." \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="${REVISION}"
ENV PATH="/opt/tidings/bin:${PATH}" HOME="/data" PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
COPY --from=build /opt/tidings /opt/tidings
# For a SQLite file, where one container runs everything: `docker run -v tidings:/data tidings up`.
COPY --from=build --chown=10001:10001 /data /data
WORKDIR /data
USER 10001:10001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 CMD ["tidings", "health"]
ENTRYPOINT ["tidings"]
