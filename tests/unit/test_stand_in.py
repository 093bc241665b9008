"""A stand-in for a file is recognized by its first bytes, and a real file never is."""

from __future__ import annotations

import pytest

from mlrepo.stand_in import stand_in

_LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"4d" * 32 + b"\nsize 1234567\n"


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (_LFS, "a Git LFS pointer"),
        (_LFS.replace(b"\n", b"\r\n"), "a Git LFS pointer"),
        (b"\xef\xbb\xbf" + _LFS, "a Git LFS pointer"),
        (_LFS.decode().encode("utf-16"), "a Git LFS pointer"),
        (_LFS.replace(b"git-lfs", b"hawser"), "a Git LFS pointer"),
        (b"/annex/objects/SHA256E-s12--4d4d.json\n", "a git-annex pointer"),
        (b"../../../.git/annex/objects/0F/2k/SHA256E-s12--4d/SHA256E-s12--4d", "a git-annex"),
        (b".git/annex/objects/0F/2k/SHA256E-s12--4d/SHA256E-s12--4d", "a git-annex pointer"),
        (b"#$# git-fat 4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d                12\n", "git-fat"),
        (b"../../Offline/accuracy/mlperf_log_accuracy.json", "a symbolic link"),
        (b"/mnt/logs of May/run_1/mlperf_log_detail.txt", "a symbolic link"),
        (b"box-tvm.json", "a symbolic link"),
        (b"\r\n<!DOCTYPE HTML><html><title>Sign in", "an HTML page"),
        (b"<html lang=en>", "an HTML page"),
        (b'<?xml version="1.0"?><Error><Code>NoSuchKey</Code>', "an XML document"),
        (b"404: Not Found", "answer that the file is missing"),
        (b"\x1f\x8b\x08\x00\x00", "compressed data"),
        (b"PK\x03\x04\x14\x00", "compressed data"),
        (b"\0" * 4096, "nothing but NUL bytes"),
        ('[\n{ "seq_id" : 0'.encode("utf-16"), "text in UTF-16"),
        ('{"submitter": "Org"}'.encode("utf-16-be"), "text in UTF-16"),
    ],
)
def test_what_stands_in_for_a_file_is_named(data: bytes, what: str) -> None:
    """Also after a conversion of line ends or encoding, and whatever follows the first bytes."""
    assert what in stand_in(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        b"[\n]\n",
        b"[]",
        b'[\n{ "seq_id" : 0, "qsl_idx" : 46960, "data" : "00" },\n',
        b':::MLLOG {"key": "loadgen_version", "value": "5.1 @ 4d4d"}\n',
        b'{"submitter": "Org"}',
        b"================================================\nMLPerf Results Summary\n",
        b"accuracy=76.456%, good=38228, total=50000\n\nhash=4d4d\n",
        b"TEST PASS\n",
        b"TEST PASS",
        b"Verifying performance.\nreference score = 12.5\n",
        b"\n\n",
        b"*.Server.target_qps = 10\n",
        b"pid : tid : ts\n1 : 2 : 3ns : LoadGen Version 1.0\n",
        b"\xff\xfe"[:1],
        b"{}",
        b"null",
        b"x" * 5000,
        b'{"mAP": 37.5, "file": "../a.json"}',
        b"\xef\xbb\xbf{}",
        b"mAP=37.5\n",
    ],
)
def test_a_file_of_its_own_is_none(data: bytes) -> None:
    """Logs, descriptions and texts as LoadGen, scripts and people write them, whole or damaged."""
    assert stand_in(data) == ""


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"\x1f\x8b\x08\x00\x00", "run.log.gz"),
        (b"PK\x03\x04\x14\x00", "summary.xlsx"),
        (b"<!DOCTYPE html>", "index.html"),
        (b"<?xml version='1.0'?>", "pom.xml"),
        ("a,b".encode("utf-16"), "table.csv"),
    ],
)
def test_a_document_under_its_own_name_is_none(data: bytes, name: str) -> None:
    """In the place of JSON or text it is, and a pointer is under every name."""
    assert stand_in(data, name) == ""
    for text in ("mlperf_log_detail.txt", "server.json", "user.conf", ""):
        assert stand_in(data, text)
    assert "Git LFS" in stand_in(_LFS, name)
