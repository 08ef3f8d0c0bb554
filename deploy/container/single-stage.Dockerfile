# Not for use: the same pipeline in one stage, as it is often written. docs/deployment.md compares sizes with it.
ARG BASE=debian:bookworm-slim
FROM ${BASE}
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
# hadolint ignore=DL3009
RUN mkdir -p /usr/share/man/man1 && apt-get update && apt-get install -y --no-install-recommends \
    build-essential ca-certificates libgomp1 openjdk-17-jre-headless procps python3 python3-dev python3-venv
WORKDIR /opt/bank
COPY . .
RUN --mount=type=secret,id=ca --mount=type=secret,id=env \
    if [ -s /run/secrets/ca ]; then export SSL_CERT_FILE=/run/secrets/ca PIP_CERT=/run/secrets/ca; fi \
    && if [ -s /run/secrets/env ]; then . /run/secrets/env; fi \
    && python3 -m venv /opt/venv \
    && /opt/venv/bin/pip install --require-hashes -r requirements/bootstrap.lock \
    && /opt/venv/bin/uv pip install --python /opt/venv/bin/python --no-deps --require-hashes \
       -r requirements/pipeline.lock
CMD ["/opt/venv/bin/python", "-m", "bank_assets", "run"]
