"""A folder of a store, by its address: what it lists, and how its files are read. Nothing else opens the network."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import Any, BinaryIO
from urllib.parse import unquote

from osteolens.documents.text import visible
from osteolens.errors import ConfigError, OsteoLensError, ReadError
from osteolens.extras import require

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")

_HERE = ("file", "local")
"""Schemes of folders of this machine, which need no fetching."""

_VERSIONS = ("etag", "versionid", "md5", "mtime", "lastmodified", "last_modified", "updated", "modified", "created")
"""Keys, in small letters, under which stores tell that a file has changed."""


def is_address(source: object) -> bool:
    """Whether a source is an address such as `s3://bucket/films`, and no path."""
    return isinstance(source, str) and _ADDRESS.match(source) is not None


def told_address(address: str) -> str:
    """The address without user, password, key, query and fragment, so that it can stand in results and messages."""
    scheme, _, rest = address.partition("://")
    before, is_with_user, after = rest.rpartition("@")
    if is_with_user and re.search(r"[?#]", before):  # an at sign of the query, or a password with such a sign
        return visible(f"{scheme}://...")
    rest = re.split(r"[?#]", after, maxsplit=1)[0]
    return visible(f"{scheme}://{rest}")


class Store:
    """An open store.

    Attributes:
        told: the address without credentials.
        path: of the folder or file in the store.
        name: of that folder, as a local one would be called.
    """

    def __init__(self, address: str) -> None:
        """Load what reads this scheme.

        Raises:
            MissingExtra: fsspec is not installed.
            ConfigError: the scheme is unknown, its package is not installed, or the address is a chain.
            ReadError: the store cannot be opened.
        """
        self.told = told_address(address)
        require("process with an address", "fsspec", extra="storage")
        import fsspec

        scheme = address.partition("://")[0].lower()
        if "::" in address:
            raise ConfigError(f"{self.told}: a chain of addresses (::) is not read; expected one scheme://")
        try:
            fsspec.get_filesystem_class(scheme)
        except ImportError as error:
            raise ConfigError(
                f"{self.told}: {scheme}:// needs a package that is not installed (fsspec: {visible(error)}); "
                "install it with pip"
            ) from error
        except ValueError as error:
            raise ConfigError(
                f"{self.told}: fsspec knows no {scheme}://; expected s3://, gs://, abfs://, sftp:// or the like, "
                "or a local folder"
            ) from error
        with self.errors("it was opened"):
            self._system, self.path = fsspec.core.url_to_fs(address, skip_instance_cache=True)
            self._system.invalidate_cache()
        self.is_local, self._is_web = scheme in _HERE, scheme in ("http", "https")
        self.name = PurePosixPath(self.told.partition("://")[2]).name

    def info(self) -> Mapping[str, Any]:
        """What the store says of the address itself.

        Raises:
            ReadError: it does not exist, or the store fails.
        """
        with self.errors("the address was looked up"):
            return dict(self._system.info(self.path))

    def entries(self, folder: str) -> list[Mapping[str, Any]]:
        """Files and folders that lie in a folder, but not the folder itself.

        Raises:
            ReadError: the store fails.
        """
        with self.errors("a folder was listed"):
            found = self._system.ls(folder, detail=True)
            return [entry for entry in found if str(entry["name"]).rstrip("/") != folder.rstrip("/")]

    def name_in(self, folder: str, path: str) -> str | None:
        """Name of an entry in its folder; None where it lies elsewhere. Web servers tell names with escapes."""
        before = f"{folder.rstrip('/')}/"
        if not path.startswith(before):
            return None
        name = path.removeprefix(before).removesuffix("/")
        return unquote(name) if self._is_web else name

    def open(self, path: str) -> BinaryIO:
        """A file to read.

        Raises:
            ReadError: the store fails.
        """
        with self.errors("a file was opened"):
            stream: BinaryIO = self._system.open(path, "rb")
            return stream

    @contextmanager
    def errors(self, what: str) -> Iterator[None]:
        """Every failure of the store in one line that holds no name of a file and no credentials.

        Stores raise the errors of libraries that are loaded by name alone, so all are caught. What these libraries log
        and warn of may hold both, and is left out.
        """
        before = logging.root.manager.disable
        logging.disable(logging.CRITICAL)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        except OsteoLensError:
            raise
        except FileNotFoundError:
            raise ReadError(f"{self.told}: not found while {what}; expected a folder of radiographs") from None
        except Exception as error:
            raise ReadError(
                f"{self.told}: the store failed while {what} ({type(error).__name__}); check the address, credentials "
                "and connection, then run the same command to go on"
            ) from None
        finally:
            logging.disable(before)


def version_of(entry: Mapping[str, Any]) -> str:
    """What changes with a file, by what its store says; empty where it says nothing."""
    told = {str(key).lower().replace("-", ""): value for key, value in entry.items()}
    return visible(" ".join(f"{key}={told[key]}" for key in _VERSIONS if told.get(key)))
