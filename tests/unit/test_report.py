"""The contact sheet: every link leads to a file, and no name or value is read as HTML."""

from __future__ import annotations

import argparse
import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_args
from urllib.parse import unquote, urlsplit

import pytest
from PIL import Image

from contracts import SourceFormat
from darkroom import contact_sheet
from darkroom.commands import report
from darkroom.contact_sheet import write_contact_sheet
from darkroom.project import CommandError
from darkroom.summary import read_summary
from engine import placeholder

HOSTILE = 'it\'s 100% <b>"fun"</b> & #1?/größe+.jpg'


class Links(HTMLParser):
    """Collects a page's images, links, tags and text."""

    def __init__(self) -> None:
        super().__init__()
        self.images: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        values = dict(attrs)
        if tag == "img":
            self.images.append(values["src"] or "")
        elif tag == "a":
            self.links.append(values["href"] or "")

    def handle_data(self, data: str) -> None:
        self.text += data + " "


def develop(out: Path, source: str, kind: str = "jpeg", **placeholder: str) -> dict[str, Any]:
    """Write a set as the demo fetches it, and return its entry in the summary."""
    folder = f"processed/{source}"
    renditions = []
    for name, side in (("small", 640), ("large", 1600)):
        for format_, extension, size in (("avif", "avif", 300), ("webp", "webp", 400), ("jpeg", "jpg", 500)):
            key = f"{folder}/{name}.{extension}"
            (out / key).parent.mkdir(parents=True, exist_ok=True)
            (out / key).write_bytes(b"x" * size)
            renditions.append(
                {"name": name, "key": key, "format": format_, "width": side, "height": side // 2, "bytes": size}
            )
    manifest = {
        "source": {"format": kind, "width": 4000, "height": 2000, "size": 10_000, "has_alpha": False},
        "placeholder": {"color": "#804020"} | placeholder,
        "renditions": renditions,
    }
    (out / folder / "manifest.json").write_text(json.dumps(manifest))
    path = f"{folder}/manifest.json"
    return {"source": source, "status": "SUCCEEDED", "code": None, "reason": None, "manifest": path, "seconds": 1.5}


def refused(source: str, reason: str) -> dict[str, Any]:
    return {"source": source, "status": "REJECTED", "code": "CORRUPT", "reason": reason, "manifest": None, "seconds": 1}


def page(out: Path, photos: Path, *jobs: dict[str, Any]) -> tuple[Links, str]:
    good = sum(1 for job in jobs if job["manifest"])
    summary = {"uploaded": len(jobs), "succeeded": good, "rejected": len(jobs) - good, "failed": 0, "seconds": 3}
    out.mkdir(exist_ok=True)
    html = write_contact_sheet(out, photos, summary | {"jobs": list(jobs)}).read_text(encoding="utf-8")
    links = Links()
    links.feed(html)
    return links, html


def target(out: Path, href: str) -> Path:
    parts = urlsplit(href)
    assert not parts.scheme
    assert not parts.query
    return out / unquote(parts.path)


def test_a_hostile_name_is_linked_and_shown_as_it_is(tmp_path: Path) -> None:
    out, photos = tmp_path / "out", tmp_path / "my photos #2"
    (photos / HOSTILE).parent.mkdir(parents=True)
    (photos / HOSTILE).write_bytes(b"x")
    links, _ = page(out, photos, develop(out, HOSTILE))
    files = [href for href in links.links if not href.startswith("#")]
    assert all(target(out, href).is_file() for href in [*files, *links.images])
    linked = {target(out, href).resolve() for href in files}
    assert (photos / HOSTILE).resolve() in linked
    assert {path.resolve() for path in (out / "processed").rglob("*") if path.is_file()} <= linked
    assert HOSTILE in links.text
    assert "b" not in links.tags


def test_totals_and_sizes(tmp_path: Path) -> None:
    out = tmp_path / "out"
    links, _ = page(out, tmp_path, develop(out, "a.jpg"), develop(out, "b.jpg"), refused("c.jpg", "Export it again."))
    text = " ".join(links.text.split())
    assert "Originals 20.0 kB 12 renditions 4.80 kB 76 % less" in text
    assert "1600 \N{MULTIPLICATION SIGN} 800" in text
    assert "c.jpg" in text
    assert "CORRUPT Export it again." in text


def test_a_rendition_stands_for_a_source_that_browsers_do_not_show(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for name in ("scan.tif", "photo.jpg"):
        (tmp_path / name).write_bytes(b"x")
    jobs = [develop(out, "scan.tif", "tiff"), develop(out, "photo.jpg"), develop(out, "gone.jpg")]
    links, _ = page(out, tmp_path, *jobs)
    previews = [links.images[0], links.images[3], links.images[6]]
    assert previews == ["processed/scan.tif/small.webp", "../photo.jpg", "processed/gone.jpg/small.webp"]
    assert "../scan.tif" in links.links, "the link still leads to the original"


def test_every_source_format_has_a_label(tmp_path: Path) -> None:
    for kind in get_args(SourceFormat):
        links, _ = page(tmp_path / kind, tmp_path, develop(tmp_path / kind, "a", kind))
        label = "WebP" if kind == "webp" else kind.upper()
        assert f"4000 \N{MULTIPLICATION SIGN} 2000 \N{EN SPACE} {label} 10.0 kB" in links.text


def test_the_page_loads_nothing_from_a_network_and_has_no_scripts(tmp_path: Path) -> None:
    out = tmp_path / "out"
    links, html = page(out, tmp_path, develop(out, "a.jpg"))
    assert not links.tags & {"script", "iframe", "object", "embed"}
    assert "default-src 'none'" in html
    assert "http://" not in html.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in html


def test_a_manifest_cannot_inject_styles(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for field in ("color", "css"):
        _, html = page(out, tmp_path, develop(out, "a.jpg", **{field: "#804020;background:url(//evil)"}))
        assert "evil" not in html


def test_images_that_are_loading_show_the_placeholder(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert "--tone:#804020" in page(out, tmp_path, develop(out, "a.jpg"))[1]
    made = placeholder.placeholder(Image.new("RGB", (40, 30), "#804020"))["css"]
    assert f"--tone:{made}" in page(out, tmp_path, develop(out, "a.jpg", css=made))[1]


def test_all_images_of_a_large_page_load_lazily(tmp_path: Path) -> None:
    out = tmp_path / "out"
    _, html = page(out, tmp_path, *[develop(out, "a.jpg")] * 300)
    assert html.count("<img") == html.count('loading="lazy"') == 900
    assert len(html) < 300 * 6000


def test_another_programs_summary_is_not_read(tmp_path: Path) -> None:
    assert read_summary(tmp_path) is None
    for text in ("[]", "{}", "nonsense", '{"jobs": []}'):
        (tmp_path / "summary.json").write_text(text)
        assert read_summary(tmp_path) is None


def test_the_command_makes_the_page_again(tmp_path: Path) -> None:
    out = tmp_path / "out"
    job = develop(out, "a.jpg")
    page(out, tmp_path, job)
    totals = {"uploaded": 1, "succeeded": 1, "rejected": 0, "failed": 0, "seconds": 1.5}
    (out / "summary.json").write_text(json.dumps({**totals, "jobs": [job]}))
    (out / "index.html").unlink()
    args = argparse.Namespace(out=out, photos=None)
    assert report.run(args) == 0
    assert (out / "index.html").is_file()
    (out / job["manifest"]).unlink()
    with pytest.raises(CommandError, match="run the demo again"):
        report.run(args)


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [(100, 24, "76 % less"), (100_000, 1, "99 % less"), (100, 112, "12 % more"), (0, 1, "")],
)
def test_change(before: int, after: int, text: str) -> None:
    assert contact_sheet.change(before, after).replace("\N{NO-BREAK SPACE}", " ") == text
