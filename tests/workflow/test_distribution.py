"""The set as readers get it: through the stack's distribution, and in a real browser."""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from darkroom.local.emulator import NODE
from darkroom.local.state import certificate
from tests.workflow.pipeline import Pipeline, deployed, picture

pytestmark = pytest.mark.skipif(not NODE, reason="Node.js is not installed: make test installs it")

KEY = "raw/cats/tom & jerry.jpg"
PATH = "/processed/cats/tom%20%26%20jerry.jpg"
AVIF, WEBP, JPEG = "image/avif,image/webp,*/*;q=0.8", "image/webp,*/*", "image/jpeg,*/*"
SIGNATURES = {"image/avif": b"ftypavif", "image/webp": b"WEBP", "image/jpeg": b"\xff\xd8\xff"}
CHROMIUM = shutil.which("chromium")


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes


class Readers:
    """Readers of what a stack publishes. The emulator knows a distribution by the name that they ask for."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.host = pipeline.outputs["DistributionDomainName"]
        address = urlsplit(pipeline.stack.endpoint)
        self.address, self.port = str(address.hostname), int(address.port or 0)
        self._trust = ssl.create_default_context(cafile=certificate(pipeline.stack.name))

    def get(self, url: str, host: str | None = None, **headers: str) -> Answer:
        """An answer to GET of a URL or path; a header's name may be written with _."""
        connection = http.client.HTTPSConnection(self.address, self.port, timeout=30, context=self._trust)
        parts = urlsplit(url)
        # The emulator takes this header's word for how the reader is connected.
        sent = {"Host": host or self.host, "X-Forwarded-Proto": "https"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request("GET", parts.path + (f"?{parts.query}" if parts.query else ""), headers=sent)
            answer = connection.getresponse()
            return Answer(answer.status, {name.lower(): text for name, text in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def manifest(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.get(f"{PATH}/manifest.json").body)
        return document


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Readers]:
    folder = tmp_path_factory.mktemp("faults")
    for pipeline in deployed(folder, EnableCdn="true", CorsOrigins="https://example.com,https://www.example.com"):
        version = pipeline.upload(KEY, picture(size=(2000, 1500)))
        assert pipeline.finished(KEY, version)["status"] == "SUCCEEDED"
        yield Readers(pipeline)


def urls(srcset: str) -> dict[int, str]:
    """The URLs of a srcset by width in pixels."""
    found = (each.rsplit(" ", 1) for each in srcset.split(", "))
    return {int(width.removesuffix("w")): url for url, width in found}


@pytest.mark.parametrize(("accept", "kind"), [(AVIF, "image/avif"), (WEBP, "image/webp"), (JPEG, "image/jpeg")])
def test_one_url_gives_each_reader_the_best_format(readers: Readers, accept: str, kind: str) -> None:
    answer = readers.get(f"{PATH}/large", Accept=accept)
    assert (answer.status, answer.headers["content-type"]) == (200, kind)
    assert SIGNATURES[kind] in answer.body[:16]
    assert answer.headers["vary"] == "Accept"
    assert answer.headers["cache-control"] == "no-cache"


def test_manifests_name_the_distribution_and_each_file_s_version(readers: Readers) -> None:
    manifest = readers.manifest()
    by_key = {entry["key"]: entry for entry in manifest["renditions"]}
    for srcset in manifest["srcset"].values():
        for url in urls(srcset).values():
            answer = readers.get(url)
            entry = by_key[urlsplit(url).path.removeprefix("/").replace("%20", " ").replace("%26", "&")]
            assert url.startswith(f"https://{readers.host}/processed/")
            assert url.endswith(f"?v={entry['sha256'][:16]}")
            assert hashlib.sha256(answer.body).hexdigest() == entry["sha256"]
            assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


def test_a_file_without_its_version_is_asked_for_again(readers: Readers) -> None:
    answer = readers.get(f"{PATH}/large.avif")
    assert answer.headers["cache-control"] == "no-cache"
    again = readers.get(f"{PATH}/large.avif", If_None_Match=answer.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    stale = readers.get(f"{PATH}/large.avif?v=0123456789abcdef")
    assert (stale.status, stale.headers["cache-control"]) == (200, "no-cache")


def test_an_overwrite_is_seen_when_the_manifest_is_read_again(readers: Readers) -> None:
    before = urls(readers.manifest()["srcset"]["avif"])
    version = readers.pipeline.upload(KEY, picture("#cc3333", size=(2000, 1500)))
    assert readers.pipeline.finished(KEY, version)["status"] == "SUCCEEDED"
    manifest = readers.manifest()
    assert manifest["source"]["version_id"] == version
    after = urls(manifest["srcset"]["avif"])
    assert after.keys() == before.keys()
    for width, url in after.items():
        assert url != before[width]
        assert readers.get(url).headers["cache-control"] == "public, max-age=31536000, immutable"
        # An old page's URL shows the new picture, but is not kept: its version may come back.
        assert readers.get(before[width]).headers["cache-control"] == "no-cache"


def test_the_buckets_are_private(readers: Readers) -> None:
    outputs = readers.pipeline.outputs
    address = f"{readers.address}:{readers.port}"
    direct = readers.get(f"/{outputs['OutputBucketName']}{PATH}/large.avif", host=address)
    assert direct.status == 403
    assert readers.get(f"/{outputs['SourceBucketName']}/{KEY}".replace(" ", "%20"), host=address).status == 403
    intermediate = "work/x.tiff"
    readers.pipeline.s3.put_object(Bucket=outputs["OutputBucketName"], Key=intermediate, Body=b"x")
    assert readers.get(f"/{intermediate}").status == 403
    assert readers.get("/").status == 403
    assert readers.get(f"{PATH}/absent.avif").status == 403


def test_answers_are_safe_to_show(readers: Readers) -> None:
    headers = readers.get(f"{PATH}/large.avif").headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["strict-transport-security"] == "max-age=31536000"
    assert headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert headers["cross-origin-resource-policy"] == "cross-origin"


@pytest.mark.parametrize(
    ("origin", "allowed"), [("https://www.example.com", "https://www.example.com"), ("https://evil.example", None)]
)
def test_scripts_of_named_pages_may_read(readers: Readers, origin: str, allowed: str | None) -> None:
    answer = readers.get(f"{PATH}/manifest.json", Origin=origin)
    assert answer.headers.get("access-control-allow-origin") == allowed


def test_a_part_of_a_file_can_be_read(readers: Readers) -> None:
    whole = readers.get(f"{PATH}/large.jpg").body
    part = readers.get(f"{PATH}/large.jpg", Range="bytes=10-19")
    assert (part.status, part.body) == (206, whole[10:20])


def test_plain_http_leads_to_https(readers: Readers) -> None:
    answer = readers.get(f"{PATH}/large.avif", X_Forwarded_Proto="http")
    assert answer.status == 301
    assert answer.headers["location"] == f"https://{readers.host}{PATH}/large.avif"


PAGE = """<!doctype html><html><body style="margin: 0">{picture}<script>
addEventListener("load", () => {{
  const image = document.querySelector("img");
  document.title = [image.currentSrc, image.naturalWidth].join(" ");
}});
</script></body></html>"""


@pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed: the package chromium has it")
@pytest.mark.parametrize(("viewport", "scale", "needed"), [(500, 1, 640), (1280, 1, 1024), (1280, 2, 1600)])
def test_a_browser_shows_the_avif_in_the_width_that_it_needs(
    readers: Readers, tmp_path: Path, viewport: int, scale: int, needed: int
) -> None:
    """A column of 45 rem is 720 pixels wide: 1024 are enough, unless the screen has twice as many."""
    secure = readers.pipeline.stack.client("cloudfront")
    distribution = readers.pipeline.outputs["DistributionId"]
    found = secure.get_distribution_config(Id=distribution)
    config = found["DistributionConfig"]
    config["DefaultCacheBehavior"]["ViewerProtocolPolicy"] = "allow-all"  # the emulator cannot tell that it is HTTPS
    secure.update_distribution(Id=distribution, IfMatch=found["ETag"], DistributionConfig=config)
    page = tmp_path / "page.html"
    page.write_text(PAGE.format(picture=readers.manifest()["picture"]), encoding="utf-8")
    shown = subprocess.run(
        [
            str(CHROMIUM),
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--ignore-certificate-errors",
            f"--user-data-dir={tmp_path}/profile",
            f"--host-resolver-rules=MAP {readers.host} {readers.address}:{readers.port}",
            f"--window-size={viewport},800",
            f"--force-device-scale-factor={scale}",
            "--virtual-time-budget=10000",
            "--dump-dom",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )
    title = re.search("<title>(.*?)</title>", shown.stdout)
    assert title, shown.stderr[-2000:]
    source, shown_width = title[1].replace("&amp;", "&").split(" ")
    assert source == urls(readers.manifest()["srcset"]["avif"])[needed]
    assert int(shown_width) == min(viewport, 720)  # the browser has decoded it
