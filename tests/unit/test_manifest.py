"""The manifest: keys, schema, srcset and the <picture> element."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any
from urllib.parse import unquote, urlsplit

import fastjsonschema
import pytest

from contracts import Recipe
from engine.rejection import Rejection
from pipeline import keys, manifest, recipes

SCHEMA = json.loads((recipes.FUNCTIONS / "manifest.schema.json").read_text())
SIZES = {"thumbnail": (240, 240), "small": (640, 480), "medium": (1024, 768), "large": (1600, 1200)}
SOURCE = {"bucket": "b", "version_id": "v", "etag": "e", "size": 5, "sequencer": "0A"}
IMAGE = {
    "format": "jpeg", "width": 4000, "height": 3000, "orientation": 1, "frames": 1, "has_alpha": False, "mode": "RGB",
}  # fmt: skip
VERSION = "3a6eb0790f39ac87"  # of b"data"
HARD_KEY = "raw/a b/100% +ü'\"<&>,#?;=@~%20.jpg"


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return recipes.route(recipes.load(), "raw/x")


def build(
    recipe: Recipe, key: str = "raw/cats/tom.jpg", sizes: dict[str, tuple[int, int]] = SIZES, **options: Any
) -> dict[str, Any]:
    entries = [
        manifest.rendition(key, name, format_, sizes.get(name, sizes.get("medium", (1, 1))), b"data")
        for name, format_ in reversed(recipes.outputs(recipe))
    ]
    return manifest.build(
        job={"job_id": "0" * 24, "round": 1, "attempt": 1, "source": {**SOURCE, "key": key}},
        image=IMAGE,
        recipe=recipe,
        placeholder={
            "blurhash": "L00000fQfQfQ",
            "thumbhash": "13ovv14I9wiIh4hw",
            "css": "#ffffff",
            "color": "#ffffff",
        },
        renditions=entries,
        created_at="2026-01-02T03:04:05.678Z",
        **options,
    )


class Elements(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_keys() -> None:
    assert keys.output("raw/cats/tom.jpg", "large", "jpeg") == "processed/cats/tom.jpg/large.jpg"
    assert keys.output("raw/cats/tom.png", "large", "avif") == "processed/cats/tom.png/large.avif"
    assert keys.manifest("raw/raw/x") == "processed/raw/x/manifest.json"
    with pytest.raises(ValueError, match="not a source key"):
        keys.manifest("cats/tom.jpg")


def test_another_prefix_leads_to_the_same_folders(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "SOURCE_PREFIX", "photos/2024/")
    assert keys.output("photos/2024/cats/tom.jpg", "large", "jpeg") == "processed/cats/tom.jpg/large.jpg"
    assert keys.source("cats/tom.jpg") == keys.source("photos/2024/cats/tom.jpg") == "photos/2024/cats/tom.jpg"
    for key in ("raw/cats/tom.jpg", "photos/2023/tom.jpg", "photos/2024"):
        with pytest.raises(ValueError, match="not a source key"):
            keys.manifest(key)
    key = "photos/2024/cats/tom.jpg"
    fastjsonschema.validate(SCHEMA, json.loads(json.dumps(build(recipe, key))))


def test_every_format_has_a_content_type_and_an_extension() -> None:
    formats = json.loads(recipes.SCHEMA.read_text())["definitions"]["formats"]["items"]["enum"]
    assert set(manifest.CONTENT_TYPES) == set(keys.EXTENSIONS) == set(formats)


def test_the_longest_key_counts_bytes(recipe: Recipe) -> None:
    rest = len("processed//thumbnail.avif")
    manifest.check_key("raw/" + "x" * (1024 - rest), recipe)
    manifest.check_key("raw/" + "ü" * ((1024 - rest) // 2), recipe)
    with pytest.raises(Rejection):
        manifest.check_key("raw/" + "ü" * ((1024 - rest) // 2 + 1), recipe)
    with pytest.raises(Rejection) as caught:
        manifest.check_key("raw/" + "x" * (1025 - rest), recipe)
    assert caught.value.code == "UNSUPPORTED_KEY"
    assert "1 bytes too long" in caught.value.reason


@pytest.mark.parametrize("key", [HARD_KEY, "raw/../x.jpg", "raw/a//b", "raw/\u202e"])
def test_any_other_key_is_carried_through(recipe: Recipe, key: str) -> None:
    manifest.check_key(key, recipe)
    assert keys.manifest(key) == f"processed/{key.removeprefix('raw/')}/manifest.json"


@pytest.mark.parametrize("key", ["raw/cats/tom.jpg", HARD_KEY])
@pytest.mark.parametrize("name", ["raw/x", "raw/products/x"])
def test_a_manifest_keeps_to_its_schema(key: str, name: str) -> None:
    fastjsonschema.validate(SCHEMA, json.loads(json.dumps(build(recipes.route(recipes.load(), name), key))))


def test_renditions_are_listed_in_the_recipes_order(recipe: Recipe) -> None:
    listed = [(entry["name"], entry["format"]) for entry in build(recipe)["renditions"]]
    assert listed == recipes.outputs(recipe)
    entry = build(recipe)["renditions"][-1]
    assert entry["key"] == "processed/cats/tom.jpg/grayscale.webp"
    assert entry["content_type"] == "image/webp"
    assert entry["bytes"] == 4
    assert entry["sha256"].startswith("3a6eb0790f39ac87")


def test_srcset_has_the_uncropped_sizes_narrow_to_wide(recipe: Recipe) -> None:
    made = build(recipe, public_base_url="https://cdn.example/img/")
    assert list(made["srcset"]) == ["avif", "webp", "jpeg"]
    assert made["srcset"]["jpeg"] == ", ".join(
        f"https://cdn.example/img/processed/cats/tom.jpg/{name}.jpg?v={VERSION} {width}w"
        for name, width in (("small", 640), ("medium", 1024), ("large", 1600))
    )


def test_sizes_that_come_out_equal_are_named_once(recipe: Recipe) -> None:
    made = build(recipe, sizes={"thumbnail": (240, 240), **dict.fromkeys(("small", "medium", "large"), (500, 375))})
    assert made["srcset"]["webp"] == f"processed/cats/tom.jpg/small.webp?v={VERSION} 500w"


def test_a_square_thumbnail_of_a_square_source_is_still_a_crop(recipe: Recipe) -> None:
    square = {name: (width, width) for name, (width, _) in SIZES.items()}
    assert "thumbnail" not in build(recipe, sizes=square)["srcset"]["avif"]


def test_the_picture_element(recipe: Recipe) -> None:
    found = Elements(build(recipe)["picture"]).found
    assert [tag for tag, _ in found] == ["picture", "source", "source", "img"]
    assert [attributes["type"] for tag, attributes in found if tag == "source"] == ["image/avif", "image/webp"]
    image = found[-1][1]
    assert image["src"] == f"processed/cats/tom.jpg/large.jpg?v={VERSION}"
    assert (image["width"], image["height"], image["alt"]) == ("1600", "1200", "")
    assert (image["loading"], image["decoding"]) == ("lazy", "async")


def test_who_wants_less_motion_gets_the_still_picture(recipe: Recipe) -> None:
    made: Any = build(recipe)
    for entry in made["renditions"]:
        if entry["format"] in ("avif", "webp"):
            entry |= {"frames": 12, "duration_ms": 900}
    fastjsonschema.validate(SCHEMA, manifest.addressed(made, recipe, ""))
    found = Elements(manifest.addressed(made, recipe, "")["picture"]).found
    assert [attributes["type"] for tag, attributes in found if tag == "source"] == [
        "image/jpeg",
        "image/avif",
        "image/webp",
    ]
    assert found[1][1]["media"] == "(prefers-reduced-motion: reduce)"
    assert found[1][1]["srcset"] == found[-1][1]["srcset"] == made["srcset"]["jpeg"]
    # Where nothing is still, there is nothing else to show.
    made["renditions"] = [entry for entry in made["renditions"] if "frames" in entry]
    found = Elements(manifest.addressed(made, {**recipe, "formats": ["avif", "webp"]}, "")["picture"]).found
    assert [attributes["type"] for tag, attributes in found if tag == "source"] == ["image/avif"]


@pytest.mark.parametrize("sizes", ["(min-width: 45rem) 45rem, 100vw", "calc(50vw - 2rem)"])
def test_the_page_says_how_wide_it_shows_the_picture(recipe: Recipe, sizes: str) -> None:
    found = Elements(build({**recipe, "picture_sizes": sizes})["picture"]).found
    assert [attributes.get("sizes") for tag, attributes in found if tag != "picture"] == [sizes] * 3


def test_other_bytes_have_another_url(recipe: Recipe) -> None:
    urls = []
    for data in (b"data", b"other"):
        entry = manifest.rendition("raw/x", "large", "jpeg", (1600, 1200), data)
        assert manifest.version(entry) == entry["sha256"][:16]
        urls.append(manifest._url(entry, ""))
    assert urls[0] != urls[1]
    assert {url.partition("?v=")[0] for url in urls} == {"processed/x/large.jpg"}


@pytest.mark.parametrize("base", ["", "https://cdn.example/a&b"])
def test_urls_lead_back_to_their_keys(recipe: Recipe, base: str) -> None:
    made = build(recipe, HARD_KEY, public_base_url=base)
    keys = {entry["key"] for entry in made["renditions"]}
    for _, attributes in Elements(made["picture"]).found:
        urls = [part.split(" ")[0] for part in attributes.get("srcset", "").split(", ") if part]
        for url in [*urls, *([attributes["src"]] if "src" in attributes else [])]:
            assert url.startswith(base)
            rest = url.removeprefix(base).lstrip("/")
            assert unquote(urlsplit(rest).path) in keys
            assert url.isascii()
    assert made["picture"].count("<") == 5


def test_without_jpeg_the_fallback_is_png() -> None:
    made = build(
        recipes.route(recipes.load(), "raw/products/x"), sizes={"thumbnail": (300, 300), "large": (1200, 1200)}
    )
    assert Elements(made["picture"]).found[-1][1]["src"].endswith(f"/large.png?v={VERSION}")
    assert made["srcset"]["png"].count("w, ") == 1


def test_the_source_is_told_without_its_bucket(recipe: Recipe) -> None:
    told = {"key": "raw/cats/tom.jpg", **{name: SOURCE[name] for name in ("version_id", "etag", "size")}}
    assert build(recipe)["source"] == told | IMAGE


def test_other_urls_change_nothing_but_the_urls(recipe: Recipe) -> None:
    made, base = build(recipe, HARD_KEY), "https://cdn.example"
    moved = manifest.addressed(made, recipe, base)
    assert moved == build(recipe, HARD_KEY, public_base_url=base)
    assert {name for name in made if made[name] != moved[name]} == {"srcset", "picture", "digest"}
    assert manifest.addressed(moved, recipe, base) == moved
    shown = manifest.addressed(made, {**recipe, "picture_sizes": "100vw"}, "")
    assert {name for name in made if made[name] != shown[name]} == {"picture", "digest"}


def stored(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False, indent=2).encode()


@pytest.mark.parametrize("key", ["raw/cats/tom.jpg", HARD_KEY])
def test_a_manifest_is_read_as_it_was_written(recipe: Recipe, key: str) -> None:
    made = build(recipe, key)
    assert manifest.read(stored(made), key) == made


def changes(document: Any) -> Iterator[Any]:
    """The document with one of its values changed, or one field more or less, in every place."""
    if isinstance(document, dict):
        yield {**document, "added": 1}
        for name, value in document.items():
            yield {other: each for other, each in document.items() if other != name}
            yield from ({**document, name: changed} for changed in changes(value))
    elif isinstance(document, list):
        yield [*document, *document[:1]]
        yield document[1:]
        yield from ([changed, *document[1:]] for changed in changes(document[0]))
    else:
        yield document + ("x" if isinstance(document, str) else 1)


def test_an_edit_by_hand_of_any_field_shows(recipe: Recipe) -> None:
    made = json.loads(json.dumps(build(recipe)))
    edits = [edit for edit in changes(made) if edit != made]
    assert len(edits) > 60
    for edit in edits:
        with pytest.raises(manifest.ForeignError):
            manifest.read(stored(edit), "raw/cats/tom.jpg")


def test_a_manifest_of_another_key_is_foreign(recipe: Recipe) -> None:
    with pytest.raises(manifest.ForeignError, match="another source"):
        manifest.read(stored(build(recipe, "raw/cats/tim.jpg")), "raw/cats/tom.jpg")


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"{}", b'{"source": 1}', b'{"source": {"key": "raw/x"}}', b"\xff", b"[" * 100_000],
)
def test_a_damaged_manifest_is_foreign(body: bytes) -> None:
    with pytest.raises(manifest.ForeignError, match="damaged"):
        manifest.read(body, "raw/x")


def test_a_truncated_manifest_is_foreign(recipe: Recipe) -> None:
    body = stored(build(recipe))
    for length in range(0, len(body), 97):
        with pytest.raises(manifest.ForeignError):
            manifest.read(body[:length], "raw/cats/tom.jpg")


def test_an_attempt_knows_the_manifest_that_it_made(recipe: Recipe) -> None:
    made = build(recipe)
    job = {"job_id": "0" * 24, "round": 1, "attempt": 1}
    assert manifest.is_made_by(made, job)
    for other in ({"job_id": "1" * 24}, {"round": 2}, {"attempt": 2}):
        assert not manifest.is_made_by(made, job | other)
    assert not manifest.is_made_by(None, job)
