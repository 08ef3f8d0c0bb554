"""A real MLflow server that a test stops and starts."""

import os
import signal
import subprocess
import sys

from bank_assets.demo.processes import LOOPBACK, answers, free_port
from bank_assets_tests.world.waiting import wait_until


class MlflowServer:
    """A real tracking server over the home's own database, to be stopped and started."""

    def __init__(self, settings):
        self.settings, self.port = settings, free_port()
        self.process = None

    @property
    def url(self):
        return f"http://{LOOPBACK}:{self.port}"

    def start(self):
        artifacts = str(self.settings.home / "mlartifacts")
        store = ["--backend-store-uri", self.settings.mlflow_uri, "--artifacts-destination", artifacts]
        place = ["--host", LOOPBACK, "--port", str(self.port), "--workers", "1"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *place, *store],
            env=os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},  # eight processes that no test needs
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait_until(lambda: answers(self.port, "/health"), 180, "the MLflow server")

    def stop(self):
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None
