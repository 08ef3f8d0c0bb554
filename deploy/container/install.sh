#!/usr/bin/env bash
# Installs one group of locked requirements while an image is built. Usage: install.sh tools | serving | pipeline
# Every file is checked against the hash in its lock; no index address is stored.
set -euo pipefail

secrets=/run/secrets
if [ -s "$secrets/ca" ]; then # a network that inspects TLS has its own certificate authority
  export SSL_CERT_FILE="$secrets/ca" PIP_CERT="$secrets/ca"
fi
# shellcheck source=/dev/null
if [ -s "$secrets/env" ]; then . "$secrets/env"; fi

case "$1" in
  tools)
    python3 -m venv /opt/tools
    /opt/tools/bin/pip install --quiet --disable-pip-version-check --no-cache-dir --require-hashes -r /build/bootstrap.lock
    python3 -m venv --without-pip /opt/venv
    ;;
  serving)
    # Wheels only, so no compiler is needed.
    options=(--only-binary :all:)
    ;;
  pipeline)
    # Spark comes as a source archive of scripts and jars, which the locked setuptools packages.
    options=(--only-binary :all: --no-binary pyspark --build-constraints /build/pipeline.lock)
    ;;
  *)
    echo "install.sh: expected tools, serving or pipeline, found '$1'." >&2
    exit 2
    ;;
esac

if [ "$1" != tools ]; then
  # --no-deps: the lock is complete; it omits a GPU library (469 MB) that a CPU never loads.
  # Compiled now, because a read-only file system cannot keep what Python compiles at the first start.
  /opt/tools/bin/uv pip install --quiet --no-cache --no-config --link-mode copy --compile-bytecode --require-hashes \
    --no-deps "${options[@]}" --python /opt/venv/bin/python -r "/build/$1.lock"
  # Packages' own tests are never imported.
  find /opt/venv -type d -name tests -path '*/site-packages/*' -prune -exec rm -rf {} +
fi
