"""Finds the Java that Spark will start and checks its version; the error names the command that installs one."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MINIMUM: Final = 17  # Spark 4 is compiled for Java 17

# Spark 4.3 adds this module to the JVM's command line; a trimmed JRE lacks it and does not start.
VECTOR_MODULE: Final = "jdk.incubator.vector"

HOW_TO_INSTALL: Final = (
    "install one: `sudo apt-get install -y openjdk-17-jre-headless` (Debian, Ubuntu), "
    "`sudo dnf install -y java-17-openjdk-headless` (Fedora, RHEL), `brew install openjdk@17` (macOS), "
    "or point JAVA_HOME to one"
)


class JavaError(RuntimeError):
    """There is no usable Java; the message says what was found and how to install one."""


@dataclass(frozen=True, slots=True)
class Java:
    """A usable Java: its executable and full version, such as `17.0.15`."""

    path: Path
    version: str


def find_java(java_home: str | None = None) -> Java:
    """Find and check the Java that Spark will start: in `java_home` (default: JAVA_HOME), or else on the PATH."""
    home = os.environ.get("JAVA_HOME", "") if java_home is None else java_home
    found = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    where = f"JAVA_HOME={home}" if home else "PATH"

    def refused(what: str) -> JavaError:
        return JavaError(f"Java: expected version {MINIMUM} or newer, found {what}; {HOW_TO_INSTALL}.")

    if not found or not os.access(found, os.X_OK):
        raise refused(f"none in {where}")
    full = _ask(found, f"--add-modules={VECTOR_MODULE}", "-version")
    # Java 8 lacks --add-modules and a trimmed JRE lacks the module: ask again without, to tell which it is.
    text = full.stderr if full.returncode == 0 else _ask(found, "-version").stderr
    match = re.search(r'version "((\d+)(?:\.(\d+))?[^"]*)"', text)
    if match is None:
        raise refused(f"{found}, which does not say its version ({text.strip()[:200]!r})")
    major = int(match[3] or 0) if match[2] == "1" else int(match[2])
    if major < MINIMUM:
        raise refused(f"{match[1]} at {found}")
    if full.returncode != 0:
        raise JavaError(
            f"Java: expected one with the module {VECTOR_MODULE}, found {match[1]} at {found} without it "
            f"(a trimmed runtime); {HOW_TO_INSTALL}."
        )
    return Java(Path(found), match[1])


def _ask(java: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run([java, *arguments], capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        raise JavaError(f"Java: expected {java} to start, found {error}; {HOW_TO_INSTALL}.") from error
