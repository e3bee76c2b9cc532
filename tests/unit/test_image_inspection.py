"""`scripts/check-image` finds what an image must not be."""

from pathlib import Path
from typing import Any

import pytest

from scripts.image import inspection
from scripts.image.builder import Image

CONFIG: dict[str, Any] = {
    "User": "10001:10001",
    "Entrypoint": ["tidings"],
    "StopSignal": "SIGTERM",
    "WorkingDir": "/data",
    "Healthcheck": {"Test": ["CMD", "tidings", "health"]},
    "Labels": {
        f"org.opencontainers.image.{name}": "x"
        for name in ("title", "description", "licenses", "version", "revision")
    },
    "Env": ["PATH=/opt/tidings/bin", "HOME=/data"],
}


def image(history: str = "COPY src", **config: Any) -> Image:
    return Image(
        config=CONFIG | config, history=["FROM scratch", history], megabytes=2, base_megabytes=1
    )


def files(root: Path) -> Path:
    """The files of a sound image."""
    package = root / "opt/tidings/lib/python3.12/site-packages/tidings"
    (package / "__pycache__").mkdir(parents=True)
    (package / "__pycache__/main.cpython-312.pyc").touch()
    (root / "data").mkdir()
    (root / "data").chmod(0o777)
    (root / "tmp").mkdir()
    (root / "tmp").chmod(0o1777)
    return package


def test_a_sound_image_has_no_findings(tmp_path: Path) -> None:
    files(tmp_path)

    assert inspection.wrong_config(image()) == []
    assert inspection.told_secrets(image()) == []
    assert inspection.wrong_files(tmp_path) == []


@pytest.mark.parametrize(
    ("config", "finding"),
    [
        ({"User": "root"}, "User is root"),
        ({"User": None}, "User is None"),
        ({"Entrypoint": ["sh", "-c", "tidings"]}, "Entrypoint is"),
        ({"StopSignal": "SIGKILL"}, "StopSignal is SIGKILL"),
        ({"Healthcheck": None}, "the health check is None"),
        ({"Healthcheck": {"Test": ["CMD-SHELL", "true"]}}, "the health check is"),
        ({"Labels": None}, "there is no label version"),
    ],
)
def test_a_wrong_config_is_found(config: dict[str, Any], finding: str) -> None:
    assert finding in "\n".join(inspection.wrong_config(image(**config)))


@pytest.mark.parametrize(
    "told",
    [
        image("ARG PIP_INDEX_URL"),
        image("RUN pip install --index-url https://me:pw@index.example/simple"),
        image(Env=["API_TOKEN=x"]),
    ],
)
def test_what_tells_of_the_machine_that_built_it_is_found(told: Image) -> None:
    assert len(inspection.told_secrets(told)) == 1


def test_code_that_may_be_written_is_found(tmp_path: Path) -> None:
    module = files(tmp_path) / "main.py"
    module.touch()
    module.chmod(0o666)

    (finding,) = inspection.wrong_files(tmp_path)

    assert finding.endswith("tidings/main.py can be written")


def test_a_build_s_leftovers_and_missing_bytecode_are_found(tmp_path: Path) -> None:
    package = files(tmp_path)
    (package / "__pycache__/main.cpython-312.pyc").unlink()
    (package.parent / "pip").mkdir()
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/pip.conf").touch()

    assert inspection.wrong_files(tmp_path) == [
        "there is no bytecode",
        "opt/tidings/lib/python3.12/site-packages/pip is there",
        "etc/pip.conf is there",
    ]
