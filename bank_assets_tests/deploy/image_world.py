"""Runs built images without an engine, as strictly as compose.yaml requires.

The image is mounted read-only in a mount namespace, with a tmpfs at /tmp, the home at BANK_HOME, the image's own user,
environment, entrypoint and command, and no new privileges. It shares the machine's network, without its host name.
"""

import json
import os
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
set -eu
mount --make-rprivate /
echo "127.0.0.1 localhost" > "$IMAGE/etc/hosts"
mount --bind "$IMAGE" "$IMAGE"
mount -o remount,ro,bind "$IMAGE"
mount -t proc proc "$IMAGE/proc"
mount -t tmpfs -o mode=1777 tmpfs "$IMAGE/tmp"
mount --bind /dev "$IMAGE/dev"
mount --bind "$HOME_FOLDER" "$IMAGE/var/lib/bank"
mount --bind /etc/resolv.conf "$IMAGE/etc/resolv.conf" 2>/dev/null || true
exec setpriv --no-new-privs --bounding-set=-all,+setuid,+setgid,+sys_chroot -- \\
  chroot --userspec="$USER_SPEC" "$IMAGE" /usr/bin/env -i -C "$FOLDER" "$@"
"""


def need(name: str, package: str) -> None:
    from shutil import which

    if which(name) is None:
        pytest.fail(f"needs {name}: apt-get install {package}")


@dataclass(frozen=True)
class Images:
    """A storage with built images."""

    storage: Path
    tag: str

    def buildah(self, *arguments: str) -> str:
        store = ["--storage-driver", "vfs", "--root", f"{self.storage}/storage", "--runroot", f"{self.storage}/run"]
        done = subprocess.run(["buildah", *store, *arguments], capture_output=True, text=True, check=False, timeout=600)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def build(self, *targets: str) -> None:
        env = dict(os.environ) | {"BANK_IMAGE_STORAGE": str(self.storage), "BANK_IMAGE_TAG": self.tag}
        env["BANK_IMAGE_ENGINE"] = "buildah"
        command = ["bash", str(ROOT / "deploy/images.sh"), *targets]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=1_800)
        assert done.returncode == 0, (done.stdout + done.stderr)[-4_000:]

    def name(self, target: str) -> str:
        return f"localhost/bank-{target}:{self.tag}"

    def has(self, target: str) -> bool:
        return self.name(target) in self.buildah("images", "--format", "{{.Name}}:{{.Tag}}").split()

    def config(self, target: str) -> dict:
        return json.loads(self.buildah("inspect", "--type", "image", self.name(target)))["Docker"]["config"]

    def bytes(self, target: str) -> int:
        """Bytes of its files: what a pull unpacks."""
        container = self.buildah("from", "--pull-never", self.name(target))
        try:
            folder = self.buildah("mount", container)
            return int(
                subprocess.run(["du", "-sbx", folder], capture_output=True, text=True, check=True).stdout.split()[0]
            )
        finally:
            self.buildah("rm", container)


class Container:
    """One run of an image; use it as a context."""

    def __init__(self, images: Images, target: str, home: Path, *command: str, **env: str) -> None:
        self.images, self.target, self.home = images, target, home
        self.config = images.config(target)
        self.command, self.env = list(command), env
        self.log = home.parent / f"{target}.log"

    def __enter__(self) -> "Container":
        subprocess.run(["chown", "-R", self.config["User"], str(self.home)], check=True)
        self.container = self.images.buildah("from", "--pull-never", self.images.name(self.target))
        self.folder = Path(self.images.buildah("mount", self.container))
        settings = [*self.config["Env"], *(f"{name}={value}" for name, value in self.env.items())]
        command = [*(self.config.get("Entrypoint") or []), *(self.command or self.config["Cmd"])]
        env = {
            "PATH": os.environ["PATH"],
            "IMAGE": str(self.folder),
            "HOME_FOLDER": str(self.home),
            "USER_SPEC": self.config["User"],
            "FOLDER": self.config["WorkingDir"],
        }
        unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "bash", "-c", SCRIPT, "bash"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([*unshare, *settings, *command], env=env, stdout=log, stderr=log)
        return self

    def __exit__(self, *_error) -> None:
        # One by one: not every kernel ends a namespace with its first process.
        with suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.process.pid).children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    child.kill()
        self.process.kill()
        self.process.wait(60)
        self.images.buildah("rm", self.container)

    def says(self) -> str:
        return self.log.read_text(errors="replace")
