"""Safekeeping of a model: a folder with a manifest of SHA-256 digests, checked before anything is loaded.

The manifest's own digest is kept elsewhere (in a tag of the registered version), so whoever can write to the artifact
folder alone cannot have a changed model loaded.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Protocol, Self, TypeVar, overload

from models.errors import BundleError
from models.win import WinModel

MANIFEST = "manifest.json"


class Saved(Protocol):
    """A model that is saved as files of data, no code."""

    def save(self, folder: Path) -> None:
        """Write it into an empty folder."""

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""


M = TypeVar("M", bound=Saved)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def save_bundle(model: Saved, folder: Path) -> str:
    """Write a model and its manifest into a folder that is empty or not there yet.

    Returns:
        The manifest's digest.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model.save(folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    manifest = {"format": 1, "files": {path.relative_to(folder).as_posix(): _digest(path) for path in files}}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1))
    return _digest(folder / MANIFEST)


def check_bundle(folder: Path, digest: str | None = None) -> None:
    """Compare every file with the manifest, and the manifest with its digest.

    Args:
        folder: The bundle.
        digest: Digest of the manifest, from the registry; without it only the files are checked.

    Raises:
        BundleError: A file is missing, added or changed; names it.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise BundleError(f"no {MANIFEST} in the saved model; it is not loaded")
    if digest is not None and _digest(path) != digest:
        raise BundleError(f"{MANIFEST} of the saved model does not match its registered digest; it is not loaded")
    listed: dict[str, str] = json.loads(path.read_text())["files"]
    found = {item.relative_to(folder).as_posix() for item in folder.rglob("*") if item.is_file()} - {MANIFEST}
    for name in sorted(found.symmetric_difference(listed)):
        what = "is missing" if name in listed else "was added"
        raise BundleError(f"{name} {what} in the saved model; it is not loaded")
    for name, expected in listed.items():
        if _digest(folder / name) != expected:
            raise BundleError(f"{name} of the saved model was changed after it was saved; it is not loaded")


@overload
def load_bundle(folder: Path, digest: str | None = None) -> WinModel: ...
@overload
def load_bundle(folder: Path, digest: str | None = None, *, kind: type[M]) -> M: ...
def load_bundle(folder: Path, digest: str | None = None, *, kind: type[Saved] = WinModel) -> Saved:
    """Check a bundle and load its model, a win model by default; see `check_bundle`."""
    check_bundle(folder, digest)
    return kind.load(folder)
