# Two images from one file:
#   serving    the web app: no Java, no compilers, no pip, nothing that it does not import
#   pipeline   Java, Spark and Dagster: code location, web server, daemon, MLflow server, the command line
# Built by `make image` (docs/deployment.md). Neither runs as root; both run with a read-only root file system, a volume
# at BANK_HOME and a tmpfs at /tmp.
ARG BASE=debian:bookworm-slim

# Only the interpreter: Debian's Python, which Debian's security team updates with the rest of the image.
FROM ${BASE} AS python
RUN apt-get update -qq \
    && apt-get upgrade -qq -y \
    && apt-get install -qq -y --no-install-recommends ca-certificates python3 tzdata \
    && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/* \
    && find / -xdev -type f -perm /6000 -exec chmod a-s {} +
# The setuid bits are gone, so no program can change its user. The user id is fixed, so that volumes and policies can
# name it.
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /var/lib/bank --shell /usr/sbin/nologin bank \
    && install -d -o bank -g bank /var/lib/bank

# Build tools, which no image keeps. Networks with their own certificate authority or package index pass both as build
# secrets (`ca`: a PEM bundle, `env`: lines like `export UV_INDEX_URL=...`); neither reaches a layer.
FROM python AS tools
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
RUN apt-get update -qq \
    && apt-get install -qq -y --no-install-recommends python3-venv \
    && rm -rf /var/lib/apt/lists/*
COPY requirements/bootstrap.lock /build/
COPY deploy/container/install.sh /build/
RUN --mount=type=secret,id=ca --mount=type=secret,id=env bash /build/install.sh tools

FROM tools AS serving-packages
COPY requirements/serving.lock /build/
RUN --mount=type=secret,id=ca --mount=type=secret,id=env bash /build/install.sh serving

FROM tools AS pipeline-packages
COPY requirements/pipeline.lock /build/
RUN --mount=type=secret,id=ca --mount=type=secret,id=env bash /build/install.sh pipeline

FROM python AS serving
ARG REVISION=unknown
ARG CREATED=unknown
LABEL org.opencontainers.image.title="bank marketing decisions: web app" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
COPY --from=serving-packages /opt/venv /opt/venv
# Only the modules of the package that serving imports; bank_assets_tests/deploy/test_dockerfile.py runs the app so.
COPY bank_assets/__init__.py bank_assets/environment.py bank_assets/revision.py bank_assets/settings.py \
    /opt/bank/bank_assets/
COPY bank_assets/contract /opt/bank/bank_assets/contract
COPY bank_assets/contracts /opt/bank/bank_assets/contracts
COPY bank_assets/core /opt/bank/bank_assets/core
COPY bank_assets/landing/__init__.py bank_assets/landing/contract_in_use.py bank_assets/landing/formats.py \
    bank_assets/landing/header.py bank_assets/landing/register.py bank_assets/landing/withdrawals.py \
    /opt/bank/bank_assets/landing/
COPY bank_assets/ledger /opt/bank/bank_assets/ledger
COPY bank_assets/reports/__init__.py bank_assets/reports/charts.py bank_assets/reports/drift_page.py \
    bank_assets/reports/drift_words.py bank_assets/reports/formats.py bank_assets/reports/model_charts.py \
    bank_assets/reports/page.py /opt/bank/bank_assets/reports/
COPY bank_assets/store/__init__.py bank_assets/store/alert_log.py bank_assets/store/atomic_files.py \
    bank_assets/store/bundles.py bank_assets/store/call_lists.py bank_assets/store/campaign_files.py \
    bank_assets/store/champion_history.py bank_assets/store/contact_history.py bank_assets/store/decision_records.py \
    bank_assets/store/home_json.py bank_assets/store/list_designs.py bank_assets/store/list_exports.py \
    bank_assets/store/list_states.py bank_assets/store/locks.py bank_assets/store/personal_files.py \
    bank_assets/store/places.py bank_assets/store/registry.py bank_assets/store/relocation.py \
    bank_assets/store/standard_webhooks.py /opt/bank/bank_assets/store/
COPY serving /opt/bank/serving
COPY templates /opt/bank/templates
COPY deploy/container/entrypoint.py deploy/container/healthcheck.py /opt/bank/deploy/container/
# A read-only file system keeps nothing that Python compiles, so each start would compile all of it again. By hash,
# because a copied layer may change the times of files; unchecked, because the files of an image never change.
RUN /opt/venv/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/bank
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    BANK_HOME=/var/lib/bank \
    BANK_HOST=0.0.0.0 \
    BANK_PORT=8000 \
    BANK_REVISION=${REVISION} \
    BANK_CODE_VERSION=${REVISION}
WORKDIR /opt/bank
USER 10001:10001
# /tmp too: Fargate gives a volume the owner and mode of a path only where the image declares it.
VOLUME ["/var/lib/bank", "/tmp"]
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["python", "deploy/container/healthcheck.py"]
ENTRYPOINT ["python", "deploy/container/entrypoint.py"]
CMD ["python", "-m", "serving"]

FROM python AS pipeline
ARG REVISION=unknown
ARG CREATED=unknown
LABEL org.opencontainers.image.title="bank marketing decisions: pipeline" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
# Slim images lack the man page folders, in which Java's packages register theirs.
RUN mkdir -p /usr/share/man/man1 \
    && apt-get update -qq \
    && apt-get install -qq -y --no-install-recommends libgomp1 openjdk-17-jre-headless procps tini \
    && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/*
COPY --from=pipeline-packages /opt/venv /opt/venv
COPY bank_assets /opt/bank/bank_assets
COPY serving /opt/bank/serving
COPY templates /opt/bank/templates
COPY dagster.yaml workspace.yaml /opt/bank/
COPY deploy/dagster.yaml /opt/bank/deploy/
COPY deploy/container /opt/bank/deploy/container
COPY deploy/aws/databases.py /opt/bank/deploy/aws/
COPY deploy/aws/dagster /opt/bank/deploy/aws/dagster
RUN /opt/venv/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/bank
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONPATH=/opt/bank \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    BANK_HOME=/var/lib/bank \
    DAGSTER_HOME=/var/lib/bank/dagster \
    BANK_REVISION=${REVISION} \
    BANK_CODE_VERSION=${REVISION}
WORKDIR /opt/bank
USER 10001:10001
# /tmp too: Fargate gives a volume the owner and mode of a path only where the image declares it.
VOLUME ["/var/lib/bank", "/tmp"]
# A killed run leaves Spark's children behind; the init process reaps them. No HEALTHCHECK here: this image runs
# as code server, web server, daemon, MLflow server or one job, and compose.yaml checks each in its own way.
ENTRYPOINT ["/usr/bin/tini", "--", "python", "deploy/container/entrypoint.py"]
CMD ["python", "-m", "bank_assets", "run"]
