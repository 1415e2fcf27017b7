"""Addresses: which are read, what is told of them, and what is said where a package is missing."""

from __future__ import annotations

import logging
from importlib.util import find_spec

import pytest

from osteolens.errors import ConfigError, MissingExtra, ReadError
from pipeline.screening.storage.store import Store, is_address, told_address, version_of


def test_an_address_has_a_scheme_and_a_path_has_none() -> None:
    assert is_address("s3://bucket/films") and is_address("memory://films")
    for source in ("films", "/films", r"C:\films", "C://films", "a b://films", "s3:/bucket"):
        assert not is_address(source), source


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("s3://bucket/films", "s3://bucket/films"),
        ("sftp://anna:secret@host:22/films", "sftp://host:22/films"),
        ("s3://KEY:se/cr@et@bucket/films", "s3://bucket/films"),
        ("https://host/films?token=secret#secret", "https://host/films"),
        ("https://host/films?token=sec@ret", "https://..."),
        ("ftp://anna:se?cr#et@host/films", "ftp://..."),
        ("s3://bucket/\x1b[2J", "s3://bucket/\\x1b[2J"),
    ],
)
def test_it_is_told_without_credentials(address: str, told: str) -> None:
    assert told_address(address) == told


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("osteolens.extras._is_installed", lambda package: package != "fsspec")
    with pytest.raises(MissingExtra, match=r"pip install 'osteolens\[storage\]'"):
        Store("s3://bucket/films")


@pytest.mark.skipif(find_spec("fsspec") is None, reason="the extra 'storage' is not installed")
class TestWithFsspec:
    def test_an_unknown_scheme_is_told_in_one_line(self) -> None:
        with pytest.raises(ConfigError, match=r"nothing://b: fsspec knows no nothing://; expected s3://"):
            Store("nothing://key:secret@b")
        with pytest.raises(ConfigError, match="a chain of addresses"):
            Store("simplecache::memory://films")

    @pytest.mark.skipif(find_spec("s3fs") is not None, reason="s3fs is installed")
    def test_a_scheme_whose_package_is_missing_names_it(self) -> None:
        with pytest.raises(ConfigError, match=r"s3://bucket: s3:// needs a package.*Install s3fs") as raised:
            Store("s3://key:secret@bucket")
        assert "secret" not in str(raised.value)

    def test_failures_tell_neither_names_nor_credentials(self, caplog: pytest.LogCaptureFixture) -> None:
        class StrangeError(Exception):
            pass

        store = Store("memory://anna:secret@films")
        caplog.set_level(logging.DEBUG)
        message = r"memory://films: the store failed while it was tried \(StrangeError\)"
        with pytest.raises(ReadError, match=message) as r, store.errors("it was tried"):
            logging.getLogger("s3fs").error("GET Smith^Anna secret")
            raise StrangeError("Smith^Anna secret")
        assert "Smith" not in str(r.value) and r.value.__cause__ is None and not caplog.records
        logging.getLogger("osteolens").warning("heard again")
        assert len(caplog.records) == 1
        with pytest.raises(ReadError, match="memory://films: not found"):
            store.info()

    def test_names_of_a_web_server_are_without_escapes(self) -> None:
        pytest.importorskip("aiohttp")
        web, other = Store("http://127.0.0.1:9/films/"), Store("memory://films")
        assert web.name_in("http://127.0.0.1:9/films/", "http://127.0.0.1:9/films/p%205.dcm") == "p 5.dcm"
        assert web.name_in("http://127.0.0.1:9/films", "http://127.0.0.1:9/films/%2e%2e%2f/") == "../"
        assert web.name_in("http://127.0.0.1:9/films", "http://elsewhere/films/a.dcm") is None
        assert other.name_in("/films", "/films/p%205.dcm") == "p%205.dcm"


def test_a_version_is_what_the_store_tells_of_changes() -> None:
    assert version_of({"ETag": '"1"', "LastModified": "today", "size": 3}) == 'etag="1" lastmodified=today'
    assert version_of({"name": "a", "size": 3}) == ""
