#!/usr/bin/env bash
# Builds the images. Usage: deploy/images.sh [serving] [pipeline] [single-stage]; default serving pipeline.
# deploy/images.sh --tag prints the tag instead.
#
# With a Docker engine, docker builds over debian:<suite>-slim. Otherwise buildah builds with chroot isolation, vfs
# storage, and a base that debootstrap makes here, so that no registry is contacted (--pull-never).
#
#   BANK_IMAGE_PREFIX   name before -serving and -pipeline (default bank)
#   BANK_IMAGE_TAG      default: the revision
#   BANK_IMAGE_BASE     base image; CI gives debian:<suite>-slim@sha256:…
#   BANK_IMAGE_ENGINE   docker or buildah; default: what works
#   BANK_IMAGE_STORAGE  buildah's storage folder; default its own
#   BANK_BUILD_ENV      file of `export NAME=value` lines for the installers, such as UV_INDEX_URL; kept out of layers
#   SSL_CERT_FILE       certificates that the installers trust, if set; kept out of layers
set -euo pipefail
cd "$(dirname "$0")/.."

suite=bookworm
prefix=${BANK_IMAGE_PREFIX:-bank}
revision=$(git describe --always --dirty=-dirty --abbrev=12 2>/dev/null || echo unknown)
# The date of the code, not of the build: the same commit gives the same labels.
created=$(git log -1 --format=%cI 2>/dev/null || date -u +%Y-%m-%dT%H:%M:%SZ)
tag=${BANK_IMAGE_TAG:-$revision}
if [ "${1:-}" = --tag ]; then # the tag of the images
  echo "$tag"
  exit
fi
targets=("$@")
[ "${#targets[@]}" -gt 0 ] || targets=(serving pipeline)

engine=${BANK_IMAGE_ENGINE:-}
if [ -z "$engine" ]; then
  if docker info >/dev/null 2>&1; then engine=docker; else engine=buildah; fi
fi

arguments=(--build-arg "REVISION=$revision" --build-arg "CREATED=$created")
if [ -n "${SSL_CERT_FILE:-}" ]; then arguments+=(--secret "id=ca,src=$SSL_CERT_FILE"); fi
if [ -n "${BANK_BUILD_ENV:-}" ]; then arguments+=(--secret "id=env,src=$BANK_BUILD_ENV"); fi

store=(--storage-driver vfs)
if [ -n "${BANK_IMAGE_STORAGE:-}" ]; then
  store+=(--root "$BANK_IMAGE_STORAGE/storage" --runroot "$BANK_IMAGE_STORAGE/run")
fi

need() { # program, package
  command -v "$1" >/dev/null && return
  echo "images: expected $1 (no Docker engine answers here), found none; apt-get install $2." >&2
  exit 1
}

base_image() { # makes localhost/debian:<suite>-slim once, without docs, translations and package lists, as slim has none
  local name=localhost/debian:$suite-slim root container mirrors mirror
  if buildah "${store[@]}" inspect --type image "$name" >/dev/null 2>&1; then return; fi
  need debootstrap debootstrap
  [ "$(id -u)" -eq 0 ] || { echo "images: debootstrap needs root (or BANK_IMAGE_BASE, an image at hand)." >&2; exit 1; }
  root=$(mktemp -d)
  # The mirrors that this machine uses, because a closed network has its own.
  mirrors=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' | sort -u |
    awk -v suite="$suite" '$2 == suite || $2 == suite "-updates" || $2 == suite "-security"')
  mirror=$(awk -v suite="$suite" '$2 == suite { print $1; exit }' <<<"$mirrors")
  if [ -z "$mirror" ]; then
    echo "images: expected a mirror of Debian $suite among apt's sources, found none; set BANK_IMAGE_BASE." >&2
    exit 1
  fi
  debootstrap --variant=minbase "$suite" "$root" "$mirror" >&2
  awk '{ print "deb", $1, $2, "main" }' <<<"$mirrors" >"$root/etc/apt/sources.list"
  cat >"$root/etc/dpkg/dpkg.cfg.d/slim" <<EOF
path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/info/*
path-exclude /usr/share/locale/*
path-exclude /usr/share/man/*
EOF
  find "$root/usr/share/doc" -type f ! -name copyright -delete
  rm -rf "$root"/usr/share/{info,locale,man}/* "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/* "$root"/var/log/*
  container=$(buildah "${store[@]}" from scratch)
  buildah "${store[@]}" add --quiet "$container" "$root" / >&2
  buildah "${store[@]}" config --cmd /bin/bash "$container"
  buildah "${store[@]}" commit --quiet --rm --format docker "$container" "$name" >&2
  rm -rf "$root"
}

case "$engine" in
  docker)
    build=(docker build --build-arg "BASE=${BANK_IMAGE_BASE:-debian:$suite-slim}")
    ;;
  buildah)
    need buildah buildah
    [ -n "${BANK_IMAGE_BASE:-}" ] || base_image
    # --format docker: the OCI format has no HEALTHCHECK. --layers=false: vfs copies a whole file system for each layer.
    build=(buildah "${store[@]}" build --isolation chroot --format docker --pull-never --layers=false
      --build-arg "BASE=${BANK_IMAGE_BASE:-localhost/debian:$suite-slim}")
    ;;
  *)
    echo "images: expected BANK_IMAGE_ENGINE docker or buildah, found '$engine'." >&2
    exit 2
    ;;
esac

for target in "${targets[@]}"; do
  if [ "$target" = single-stage ]; then # what the figures in docs/deployment.md are compared with
    file=(--file deploy/container/single-stage.Dockerfile)
  else
    file=(--file Dockerfile --target "$target")
  fi
  "${build[@]}" "${file[@]}" "${arguments[@]}" --tag "$prefix-$target:$tag" --tag "$prefix-$target:latest" .
  echo "built $prefix-$target:$tag with $engine"
done
