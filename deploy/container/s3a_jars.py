"""Adds the two jars that Spark needs for s3a:// while an image is built. Called by the Dockerfile.

The version of hadoop-aws is read from Spark's own jars; the builder gives the checksums of trusted files.
"""

import hashlib
import os
import ssl
import sys
import urllib.request
from importlib.util import find_spec
from pathlib import Path

CA = Path("/run/secrets/ca")


class JarError(RuntimeError):
    """A jar cannot be used; the message says what was expected and found."""


def hadoop_version(jars: Path) -> str:
    """Version of the Hadoop client among Spark's jars.

    Raises:
        JarError: there is none.
    """
    found = sorted(jars.glob("hadoop-client-api-*.jar"))
    if not found:
        raise JarError(f"{jars}: expected hadoop-client-api-<version>.jar, found none; install pyspark first.")
    return found[-1].stem.removeprefix("hadoop-client-api-")


def verified(content: bytes, name: str, sha256: str) -> bytes:
    """The content, if it has the checksum.

    Raises:
        JarError: it has another, or none was given.
    """
    found = hashlib.sha256(content).hexdigest()
    if found != sha256.lower():
        raise JarError(
            f"{name}: expected sha256 {sha256 or '(none given)'}, found {found}; compare with the project's release "
            "page and pass the checksum as a build argument."
        )
    return content


def main(base: str, hadoop_sha256: str, bundle_version: str, bundle_sha256: str) -> None:
    """Download, verify and place both jars.

    Args:
        base: address of a Maven repository.
        hadoop_sha256: checksum of hadoop-aws.
        bundle_version: version of the AWS SDK bundle that this hadoop-aws was built with.
        bundle_sha256: its checksum.
    """
    spec = find_spec("pyspark")
    if spec is None or spec.origin is None:
        raise JarError("expected pyspark in this environment, found none.")
    if not base.startswith("https://"):
        raise JarError(
            f"expected MAVEN, the https address of a Maven repository, found {base!r}; add it to the arguments."
        )
    jars = Path(spec.origin).parent / "jars"
    version = hadoop_version(jars)
    wanted = (
        (f"org/apache/hadoop/hadoop-aws/{version}/hadoop-aws-{version}.jar", hadoop_sha256),
        (f"software/amazon/awssdk/bundle/{bundle_version}/bundle-{bundle_version}.jar", bundle_sha256),
    )
    context = ssl.create_default_context(cafile=str(CA) if CA.is_file() else os.environ.get("SSL_CERT_FILE"))
    for path, sha256 in wanted:
        with urllib.request.urlopen(f"{base}/{path}", context=context, timeout=300) as answer:
            content = verified(answer.read(), path, sha256)
        target = jars / path.rsplit("/", 1)[1]
        target.write_bytes(content)
        print(f"{target.name}: sha256 {sha256}")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:5])
    except (JarError, OSError) as error:
        sys.exit(f"s3a: {error}")
