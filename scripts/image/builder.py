"""Builds the Dockerfile with buildah, on a base that debootstrap makes."""

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.compose import OUR_IMAGE, ROOT

_PACKAGES = "python3,python3-venv,python3-pip"
#: how pip finds its index on this machine, shown to the build and to nothing else
_PIP_OPTIONS = frozenset(
    {"cert", "index-url", "extra-index-url", "trusted-host", "proxy", "timeout"}
)


class CommandFailed(Exception):
    """A command of the build that ended badly; its message is the end of what it wrote."""


def run(*command: str | Path) -> str:
    """Run a command to its end; what it wrote. Raises CommandFailed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if done.returncode:
        told = f"{done.stdout}{done.stderr}"[-3000:]
        raise CommandFailed(f"{' '.join(map(str, command))}\n{told}")
    return done.stdout


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """The finished image."""

    config: Mapping[str, Any]
    history: Sequence[str]
    megabytes: int
    base_megabytes: int


class Builder:
    """One private image store in a folder; whoever removes the folder removes it all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._store = [
            "--storage-driver=vfs",
            f"--root={folder / 'storage'}",
            f"--runroot={folder / 'run'}",
        ]

    def make_base(self) -> None:
        """Make what stands in for the base image, under its name."""
        tree = self._folder / "base"
        run("debootstrap", "--variant=minbase", f"--include={_PACKAGES}", "bookworm", tree)
        (tree / "usr/local/bin/python").symlink_to("/usr/bin/python3")
        for leftover in ("var/cache/apt/archives", "var/lib/apt/lists"):
            run("find", tree / leftover, "-type", "f", "-delete")
        archive = self._folder / "base.tar"
        run("tar", "-C", tree, "-cf", archive, ".")
        container = self.buildah("from", "--isolation=chroot", "scratch").strip()
        self.buildah("add", "--quiet", container, str(archive), "/")
        self.buildah("commit", "--quiet", "--rm", container, _base_image())
        archive.unlink()

    def build(self) -> Image:
        """Build the Dockerfile; nothing is pulled."""
        context = ["--tag", OUR_IMAGE, str(ROOT)]
        how = ["--isolation=chroot", "--pull-never", "--format=docker", "--layers=false"]
        self.buildah("bud", *how, *self._pip_mounts(), *context)
        about = json.loads(self.buildah("inspect", "--type=image", OUR_IMAGE))["Docker"]
        return Image(
            config=about["config"],
            history=[str(step.get("created_by", "")) for step in about["history"]],
            megabytes=self._megabytes(OUR_IMAGE),
            base_megabytes=self._megabytes(_base_image()),
        )

    def start_container(self) -> tuple[str, Path]:
        """A container to run commands in, and where its files lie."""
        name = self.buildah("from", "--pull-never", "--isolation=chroot", OUR_IMAGE).strip()
        return name, Path(self.buildah("mount", name).strip())

    def command(self, *words: str) -> Sequence[str]:
        """A buildah command on this store."""
        return ["buildah", *self._store, *words]

    def buildah(self, *words: str) -> str:
        """Run buildah on this store."""
        return run(*self.command(*words))

    def _megabytes(self, image: str) -> int:
        images = json.loads(self.buildah("images", "--json", image))
        number, unit = re.fullmatch(r"([\d.]+) ([MG])B", images[0]["size"]).groups()  # type: ignore[union-attr]  # buildah's own form
        return round(float(number) * (1000 if unit == "G" else 1))

    def _pip_mounts(self) -> Sequence[str]:
        """This machine's way to the package index, mounted while the build runs."""
        options = _pip_options()
        config = self._folder / "pip.conf"
        lines = [f"{name} = {value}" for name, value in options.items()]
        config.write_text("\n".join(["[global]", *lines, ""]), encoding="utf-8")
        certificate = options.get("cert")
        mounts = [f"{config}:/etc/pip.conf:ro"]
        mounts += [f"{certificate}:{certificate}:ro"] if certificate else []
        return [word for mount in mounts for word in ("--volume", mount)]


def _base_image() -> str:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    (name,) = re.findall(r"^ARG BASE=(\S+)$", dockerfile, re.MULTILINE)
    return str(name)


def _pip_options() -> Mapping[str, str]:
    listed = run(sys.executable, "-m", "pip", "config", "list")
    found = re.findall(r"^[\w:]+\.(?:default-)?([\w-]+)='(.*)'$", listed, re.MULTILINE)
    return {name: value for name, value in found if name in _PIP_OPTIONS and "file:" not in value}
