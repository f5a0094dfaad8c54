"""Where an application or blueprint lives on disk."""

import importlib.util
import sys
from pathlib import Path


def root_path(import_name: str | None) -> Path:
    """Give the folder of the module or package called ``import_name``, absolute.

    It is the working directory for ``None``, for a module without a file (an interactive session) and for a name that
    is no module.
    """
    file, folders = _origin(import_name) if import_name else (None, [])
    if file is not None:
        return Path(file).resolve().parent
    if folders:
        return Path(folders[0]).resolve()
    return Path.cwd()


def _origin(import_name: str) -> tuple[str | None, list[str]]:
    module = sys.modules.get(import_name)
    if module is not None:
        return getattr(module, "__file__", None), list(getattr(module, "__path__", ()))
    try:
        spec = importlib.util.find_spec(import_name)
    except (ImportError, ValueError, AttributeError):
        return None, []
    if spec is None:
        return None, []
    file = spec.origin if spec.has_location else None
    return file, list(spec.submodule_search_locations or ())


def resolve_folder(import_name: str | None, folder: str | Path) -> Path:
    """Give ``folder`` absolute; a relative one counts from :func:`root_path`."""
    return root_path(import_name) / folder
