"""The Dockerfile and the content of the images, as far as tests without a build can check them."""

import http.server
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CONTAINER = ROOT / "deploy" / "container"
TEXT = (ROOT / "Dockerfile").read_text()


def stage(name: str) -> str:
    """The instructions of one stage."""
    return next(part for part in re.split(r"^FROM ", TEXT, flags=re.MULTILINE) if f" AS {name}\n" in part)


def hadolint(file: Path) -> subprocess.CompletedProcess:
    command = [str(Path(sys.executable).with_name("hadolint")), "--config", str(ROOT / ".hadolint.yaml"), str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_hadolint_finds_nothing_and_notices_a_fault(tmp_path):
    for file in (ROOT / "Dockerfile", CONTAINER / "single-stage.Dockerfile"):
        done = hadolint(file)
        assert (done.returncode, done.stdout) == (0, "")
    worse = tmp_path / "Dockerfile"
    worse.write_text(TEXT.replace("USER 10001:10001", "USER root"))
    assert "DL3002" in hadolint(worse).stdout


@pytest.mark.parametrize("name", ["serving", "pipeline"])
def test_both_images_end_as_a_user_that_is_not_root(name):
    users = re.findall(r"^USER (\S+)", stage(name), re.MULTILINE)
    assert users == ["10001:10001"]
    assert "useradd --uid 10001" in stage("python")


def test_nothing_of_a_build_is_in_the_serving_image():
    text = stage("serving")
    assert "apt-get" not in text
    assert "openjdk" not in text
    copied = re.findall(r"^COPY --from=(\S+) (\S+)", text, re.MULTILINE)
    assert copied == [("serving-packages", "/opt/venv")]
    assert "--only-binary :all:" in (CONTAINER / "install.sh").read_text()
    assert "--require-hashes" in (CONTAINER / "install.sh").read_text()


def test_no_package_index_is_written_down():
    files = [ROOT / "Dockerfile", ROOT / "deploy/images.sh", *CONTAINER.iterdir()]
    for file in (file for file in files if file.is_file()):
        assert not re.search(r"pypi\.|--index|--extra-index|simple/", file.read_text()), file


@pytest.mark.slow
def test_the_serving_image_has_every_module_that_serving_imports(tmp_path):
    copies = [
        words.split() for words in re.findall(r"^COPY (?!--)(.+)", stage("serving").replace("\\\n", ""), re.MULTILINE)
    ]
    for *sources, target in copies:
        goal = tmp_path / Path(target).relative_to("/opt/bank")
        for source in sources:
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, goal, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                goal.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / source, goal)
    names = [
        ".".join(file.relative_to(tmp_path).with_suffix("").parts)
        for file in (tmp_path / "serving").rglob("*.py")
        if file.name not in {"__init__.py"}
    ]
    code = f"""import importlib, sys; [importlib.import_module(name) for name in {names}]
files = {{one.__cached__: one.__file__ or "" for one in sys.modules.values() if getattr(one, "__cached__", None)}}
print(*(compiled for compiled, file in files.items() if file.startswith("{tmp_path}")))"""
    (compiling,) = re.findall(r"^RUN (.*compileall.*)$", stage("serving"), re.MULTILINE)
    command = compiling.replace("/opt/venv/bin/python", sys.executable).replace("/opt/bank", str(tmp_path))
    subprocess.run(command.split(), check=True, timeout=120)
    done = subprocess.run([sys.executable, "-B", "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2_000:]
    compiled = done.stdout.split()
    assert len(compiled) > len(names)
    assert [path for path in compiled if not Path(path).is_file()] == []
    assert compiling in stage("pipeline")
    shutil.rmtree(tmp_path / "bank_assets" / "contract")
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert "bank_assets.contract" in done.stderr


def test_the_context_is_a_list_of_what_may_enter():
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert [line for line in lines if line and not line.startswith(("#", "!"))] == ["*", "**/__pycache__", "**/*.pyc"]
    allowed = {line.removeprefix("!") for line in lines if line.startswith("!")}
    for words in re.findall(r"^COPY (?!--)(.+)", TEXT.replace("\\\n", ""), re.MULTILINE):
        for source in words.split()[:-1]:
            parts = Path(source).parts
            names = {"/".join(parts[:n]) for n in range(1, len(parts) + 1)} | {f"{parts[0]}/*{Path(source).suffix}"}
            assert names & allowed, source
    for secret in ("deploy/secrets", ".env", ".bank", "data"):
        assert secret not in allowed


def run_entrypoint(*command: str, **env: str) -> subprocess.CompletedProcess:
    words = [sys.executable, str(CONTAINER / "entrypoint.py"), *command]
    return subprocess.run(words, env={"PATH": os.environ["PATH"], **env}, capture_output=True, text=True, timeout=30)


def test_secrets_in_files_become_the_command_s_environment(tmp_path):
    (tmp_path / "url").write_text("postgresql://here\n")
    env = {"BANK_SECRETS": str(tmp_path), "BANK_LEDGER_URL_FILE": str(tmp_path / "url"), "OTHER_FILE": "/etc/hostname"}
    done = run_entrypoint("env", **env)
    assert "BANK_LEDGER_URL=postgresql://here\n" in done.stdout
    assert "OTHER_FILE=/etc/hostname\n" in done.stdout
    assert "BANK_LEDGER_URL_FILE" not in done.stdout


@pytest.mark.parametrize(
    ("content", "env", "what"),
    [
        (None, {}, "expected a readable secret, found No such file"),
        ("", {}, "found an empty file"),
        ("s3cret", {"X": "1"}, "expected it once"),
    ],
)
def test_a_secret_that_cannot_be_used_is_named_and_not_shown(tmp_path, content, env, what):
    if content is not None:
        (tmp_path / "x").write_text(content)
    done = run_entrypoint("true", **env, BANK_SECRETS=str(tmp_path), X_FILE=str(tmp_path / "x"))
    assert done.returncode == 1
    assert what in done.stderr
    assert "s3cret" not in done.stderr


def test_a_command_that_is_not_there_is_named():
    assert "expected to run no-such-program" in run_entrypoint("no-such-program").stderr
    assert "expected a command" in run_entrypoint().stderr


class _Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path in {"/health/live", "/health/ready", "/health"} else 503)
        self.end_headers()
        # MLflow's answer is no JSON.
        self.wfile.write(b"OK" if self.path == "/health" else b'{"code_version": "abc"}')

    def log_message(self, *_):
        pass


def test_the_health_check_says_what_the_process_answers():
    def checked(*arguments: str) -> int:
        command = [sys.executable, str(CONTAINER / "healthcheck.py"), *arguments]
        return subprocess.run(command, env=env, check=False, capture_output=True, timeout=30).returncode

    with http.server.HTTPServer(("127.0.0.1", 0), _Ready) as server:
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        env = {**os.environ, "BANK_PORT": str(server.server_port)}
        assert checked() == 0
        assert checked("/down") == 1
        assert checked("/health/ready", "abc") == 0
        assert checked("/health/ready", "xyz") == 1
        assert checked("/health") == 0
        assert checked("/health", "abc") == 1
        server.shutdown()
    assert checked() == 1, "nothing listens any more"
