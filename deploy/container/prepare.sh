#!/bin/sh
# Prepares Compose for a new version; the service `migrate` runs it once in the pipeline image.
set -eu
# Dagster's instance settings are in the home, which all of its processes share.
mkdir -p "$DAGSTER_HOME"
cp deploy/dagster.yaml "$DAGSTER_HOME/.dagster.yaml" && mv "$DAGSTER_HOME/.dagster.yaml" "$DAGSTER_HOME/dagster.yaml"
python deploy/container/bucket.py "$BANK_BUCKET"
exec python deploy/aws/databases.py
