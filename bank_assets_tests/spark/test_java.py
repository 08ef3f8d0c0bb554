"""A missing, old or trimmed Java is named with the command that installs one."""

from pathlib import Path

import pytest

from bank_assets.settings import Settings
from bank_assets.spark.java import JavaError, find_java
from bank_assets.spark.session import archive_path, spark_config, start_session

MODERN = "echo 'openjdk version \"21.0.2\" 2024-01-16' >&2"
OLD = 'case "$1" in --add-modules*) exit 1;; esac; echo \'openjdk version "1.8.0_392"\' >&2'
ELEVEN = "echo 'openjdk version \"11.0.22\" 2024-01-16' >&2"
TRIMMED = 'case "$1" in --add-modules*) exit 1;; esac; echo \'openjdk version "17.0.9" 2023\' >&2'
MUTE = "echo nothing useful >&2"


@pytest.fixture
def fake_java(tmp_path: Path):
    """A JAVA_HOME whose `java` is a shell script."""

    def make(body: str) -> str:
        folder = tmp_path / "jdk" / "bin"
        folder.mkdir(parents=True)
        (folder / "java").write_text(f"#!/bin/sh\n{body}\n")
        (folder / "java").chmod(0o755)
        return str(tmp_path / "jdk")

    return make


def test_a_modern_java_is_accepted(fake_java):
    java = find_java(fake_java(MODERN))
    assert java.version == "21.0.2"


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (OLD, "found 1.8.0_392"),
        (ELEVEN, "found 11.0.22"),
        (TRIMMED, "found 17.0.9"),
        (MUTE, "does not say its version"),
    ],
)
def test_an_unusable_java_is_refused_with_the_command_that_installs_one(fake_java, body, found):
    with pytest.raises(JavaError) as caught:
        find_java(fake_java(body))
    assert found in str(caught.value)
    assert "apt-get install -y openjdk-17-jre-headless" in str(caught.value)


def test_a_trimmed_java_is_distinguished_from_an_old_one(fake_java):
    with pytest.raises(JavaError, match=r"jdk\.incubator\.vector"):
        find_java(fake_java(TRIMMED))


def test_no_java_is_named_where_spark_would_look(tmp_path, monkeypatch):
    with pytest.raises(JavaError, match=f"found none in JAVA_HOME={tmp_path}"):
        find_java(str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(JavaError, match="found none in PATH"):
        find_java("")


def test_the_session_refuses_before_it_starts_anything(tmp_path, monkeypatch):
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "nowhere"))
    monkeypatch.setattr("bank_assets.spark.session.active_session", lambda: None)
    with pytest.raises(JavaError, match="expected version 17 or newer, found none"):
        start_session(Settings(home=tmp_path / "home"))
    assert not (tmp_path / "home").exists()


def test_a_class_archive_is_used_only_if_it_is_there(fake_java, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    java = find_java(fake_java(MODERN))
    settings = Settings(home=tmp_path / "home")
    options = "spark.driver.extraJavaOptions"
    assert "SharedArchiveFile" not in spark_config(settings, java=java)[options]
    archive_path(java).parent.mkdir(parents=True)
    archive_path(java).touch()
    assert str(archive_path(java)) in spark_config(settings, java=java)[options]


def test_a_cluster_is_not_limited_to_this_machine(fake_java, tmp_path):
    java = find_java(fake_java(MODERN))
    local = spark_config(Settings(home=tmp_path), java=java)
    cluster = spark_config(Settings(home=tmp_path, spark_master="spark://head:7077"), java=java)
    assert local["spark.driver.host"] == "127.0.0.1"
    assert "spark.driver.host" not in cluster
    assert cluster["spark.master"] == "spark://head:7077"
