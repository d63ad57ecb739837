"""Numbers chosen picture by picture: for a score, and for a number of bytes."""

from __future__ import annotations

import random
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from bench.pictures import sorts
from contracts import Format, Recipe
from engine import encoding, quality
from engine.resizing import flatten
from engine.scoring import Ruler
from pipeline import recipes
from tests.unit.pictures import opened

LOSSY: tuple[Format, ...] = ("avif", "webp", "jpeg")
SIDE = 240


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return recipes.route(recipes.load(), "raw/x")


def with_(recipe: Recipe, format_: Format, **fields: Any) -> Recipe:
    """The recipe with other values for a format, as quality=…, max_bytes=…"""
    changed: Any = {name: {**recipe[name], format_: value} for name, value in fields.items()}  # type: ignore[literal-required]
    return {**recipe, **changed}


def made(sort: str, seed: int = 7, side: int = SIDE) -> Image.Image:
    return sorts.picture(sort, (side, side), seed)


@pytest.fixture
def encodes(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The options of each encode."""
    found: list[dict[str, Any]] = []
    save = encoding._saved

    def noted(image: Image.Image, format_: Format, options: dict[str, Any]) -> bytes:
        found.append(options)
        return save(image, format_, options)

    monkeypatch.setattr(encoding, "_saved", noted)
    return found


# --------------------------------------------------------------------------- numbers


AVIF = {"speed": 6, "subsampling": "4:4:4", "max_threads": 1, "autotiling": False, "advanced": encoding._AVIF_ADVANCED}
BY_HAND: dict[Format, dict[str, Any]] = {
    "avif": {"quality": 53, **AVIF},
    "webp": {"quality": 82, "method": 4},
    "jpeg": {"qtables": encoding._quantization(75), "progressive": True, "optimize": True},
}


@pytest.mark.parametrize("format_", LOSSY)
def test_a_number_makes_the_encoders_own_bytes(recipe: Recipe, format_: Format, encodes: list[Any]) -> None:
    expected = BytesIO()
    made("scene").save(expected, format_.upper(), **BY_HAND[format_])
    assert encoding.encode(made("scene"), format_, recipe) == expected.getvalue()
    assert len(encodes) == 1


@pytest.mark.parametrize("number", [1, 99, 100])
def test_avif_is_encoded_at_each_end_of_its_scale(recipe: Recipe, number: int) -> None:
    assert opened(encoding.encode(made("flat"), "avif", with_(recipe, "avif", quality=number))).size == (SIDE, SIDE)


# --------------------------------------------------------------------------- targets


def score(image: Image.Image, content: bytes, background: str = "#ffffff") -> float:
    return Ruler(flatten(image, background)).score(flatten(opened(content), background).convert("RGB"))


@pytest.mark.parametrize("format_", LOSSY)
@pytest.mark.parametrize("sort", sorts.SORTS)
def test_a_target_is_met_within_three_encodes(
    recipe: Recipe, sort: str, format_: Format, encodes: list[dict[str, Any]]
) -> None:
    """With its default number the same format scores these pictures from 50 to 90."""
    image = made(sort)
    content = encoding.encode(image.copy(), format_, with_(recipe, format_, quality={"target": 74, "floor": 5}))
    reached = score(image, content)
    # A palette of few colours has large steps, but only upwards.
    assert 71 <= reached <= (92 if sort in ("lettering", "drawing") and format_ == "webp" else 78), reached
    assert len(encodes) <= quality.ENCODES


@pytest.mark.parametrize("format_", LOSSY)
def test_a_higher_target_scores_higher(recipe: Recipe, format_: Format) -> None:
    image = made("scene")
    scores = []
    for target in (55, 70, 85):
        wanted = with_(recipe, format_, quality={"target": target, "floor": 1})
        scores.append(score(image, encoding.encode(image.copy(), format_, wanted)))
    assert all(abs(reached - target) < 4 for reached, target in zip(scores, (55, 70, 85), strict=True)), scores


@pytest.mark.parametrize("format_", LOSSY)
@pytest.mark.parametrize("sort", ["scene", "flat"])
def test_no_number_is_below_the_floor(
    recipe: Recipe, format_: Format, sort: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers: list[int] = []
    options = encoding._options

    def noted(image: Image.Image, format_: Any, recipe: Recipe, number: int) -> dict[str, Any]:
        numbers.append(number)
        return options(image, format_, recipe, number)

    monkeypatch.setattr(encoding, "_options", noted)
    encoding.encode(made(sort), format_, with_(recipe, format_, quality={"target": 30, "floor": 61}))
    assert set(numbers) == {61}


def test_coloured_lettering_gets_its_full_colour(recipe: Recipe) -> None:
    """4:2:0 scores it below 50 at any number."""
    image = Image.new("RGB", (SIDE, SIDE), (0, 0, 200))
    image.paste(made("lettering"), mask=made("lettering", 9).convert("L").point(lambda value: 255 * (value < 128)))
    for format_ in ("jpeg", "webp"):
        wanted = with_(recipe, format_, quality={"target": 74, "floor": 40})
        assert score(image, encoding.encode(image.copy(), format_, wanted)) > 70, format_
        plain = with_(recipe, format_, quality=95)
        assert score(image, encoding.encode(image.copy(), format_, plain)) < 60, format_


def test_small_drawn_pictures_are_webps_without_loss(recipe: Recipe) -> None:
    """Half the resolution of colour spoils small letters, and the score does not see it."""
    wanted = with_(recipe, "webp", quality={"target": 74, "floor": 40})
    assert encoding.encode(made("lettering", seed=100), "webp", wanted)[12:16] == b"VP8L"


@pytest.mark.parametrize(("size", "seed"), [((240, 240), 100), ((640, 480), 102)])
def test_flat_webps_stay_lossy_where_that_takes_fewer_bytes(recipe: Recipe, size: tuple[int, int], seed: int) -> None:
    wanted = with_(recipe, "webp", quality={"target": 74, "floor": 5})
    assert encoding.encode(sorts.picture("flat", size, seed), "webp", wanted)[12:16] == b"VP8 "


@pytest.mark.parametrize("target", [60, 74, 85])
def test_webps_without_loss_have_no_more_colours_than_the_target_takes(recipe: Recipe, target: int) -> None:
    image = sorts.picture("drawing", (512, 384), 101)
    content = encoding.encode(image.copy(), "webp", with_(recipe, "webp", quality={"target": target, "floor": 5}))
    assert content[12:16] == b"VP8L"
    assert abs(score(image, content) - target) < 5


@pytest.mark.parametrize("format_", LOSSY)
@pytest.mark.parametrize("size", [(1, 1), (1, 50), (3, 2), (50, 1), (17, 33)])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_tiny_pictures_have_a_target_too(recipe: Recipe, format_: Format, size: tuple[int, int], mode: str) -> None:
    image = Image.effect_noise(size, 90).convert(mode)
    content = encoding.encode(image, format_, with_(recipe, format_, quality={"target": 74, "floor": 40}))
    assert opened(content).size == size


def test_transparency_survives_a_target(recipe: Recipe) -> None:
    image = made("lettering").convert("RGBA")
    image.putalpha(made("scene").convert("L"))
    for format_ in ("avif", "webp"):
        content = encoding.encode(image.copy(), format_, with_(recipe, format_, quality={"target": 74, "floor": 40}))
        alpha = opened(content).convert("RGBA").getchannel("A")
        assert alpha.tobytes() != b"\xff" * (SIDE * SIDE), format_
        assert score(image, content) > 68, format_


# --------------------------------------------------------------------------- bytes


def drawn_by(seed: int) -> Image.Image:
    """A picture of any kind: noise, flat, a pixel, a line, with transparency, gray."""
    rng = random.Random(seed)
    size = rng.choice(((1, 1), (1, 200), (200, 1), (64, 48), (131, 97), (200, 150)))
    kind = rng.choice(("noise", "flat", *sorts.SORTS))
    if kind == "noise":
        image = Image.frombytes("RGB", size, rng.randbytes(3 * size[0] * size[1]))
    elif kind == "flat":
        image = Image.new("RGB", size, (rng.randrange(256), 3, 200))
    else:
        image = made(kind, seed).crop((0, 0, *size))
    mode = rng.choice(("L", "RGB", "RGBA"))
    image = image.convert(mode)
    if mode == "RGBA":
        image.putalpha(Image.frombytes("L", size, rng.randbytes(size[0] * size[1])))
    return image


@pytest.mark.parametrize("format_", LOSSY)
@pytest.mark.parametrize("seed", range(25))
def test_max_bytes_is_never_exceeded(recipe: Recipe, format_: Format, seed: int, encodes: list[Any]) -> None:
    rng = random.Random(-seed)
    image, wanted = drawn_by(seed), rng.choice((75, 1, 95, {"target": 74, "floor": 40}, {"target": 90, "floor": 90}))
    most = rng.choice((1024, 1500, 4000, 12_000))
    content = encoding.encode(image.copy(), format_, with_(recipe, format_, quality=wanted, max_bytes=most))
    assert len(content) <= most
    assert opened(content).size == image.size
    if not any(options.get("quality") == quality._SOFT_NUMBER for options in encodes):
        assert len(encodes) <= 2 * quality.ENCODES


@pytest.mark.parametrize("format_", LOSSY)
def test_a_bound_takes_three_encodes_and_wastes_little(recipe: Recipe, format_: Format, encodes: list[Any]) -> None:
    for sort in ("scene", "grain", "drawing"):
        whole = len(encoding.encode(made(sort), format_, recipe))
        for part in (0.8, 0.5):
            encodes.clear()
            most = max(1024, int(part * whole))
            bounded = len(encoding.encode(made(sort), format_, with_(recipe, format_, max_bytes=most)))
            assert 0.6 * most < bounded <= most, (sort, part)
            assert len(encodes) <= quality.ENCODES


@pytest.mark.parametrize(("format_", "most"), [("webp", 1024), ("jpeg", 2000)])
def test_what_no_number_makes_small_enough_loses_detail_and_keeps_its_size(
    recipe: Recipe, format_: Format, most: int
) -> None:
    noise = Image.frombytes("RGB", (400, 300), random.Random(1).randbytes(360_000))
    assert len(encoding.encode(noise.copy(), format_, with_(recipe, format_, quality=1))) > most
    content = encoding.encode(noise, format_, with_(recipe, format_, max_bytes=most))
    assert len(content) <= most
    assert opened(content).size == (400, 300)


def test_a_bound_that_holds_changes_nothing(recipe: Recipe) -> None:
    for format_ in LOSSY:
        plain = encoding.encode(made("scene"), format_, recipe)
        assert encoding.encode(made("scene"), format_, with_(recipe, format_, max_bytes=len(plain))) == plain


@pytest.mark.parametrize("size", [(800, 600), (240, 240), (1500, 9), (1, 1)])
def test_a_jpeg_is_never_larger_than_what_a_recipe_may_ask_for(recipe: Recipe, size: tuple[int, int]) -> None:
    """pipeline.recipes refuses a lower bound."""
    noise = Image.frombytes("RGB", size, random.Random(2).randbytes(3 * size[0] * size[1]))
    most = max(1024, recipes._JPEG_BYTES + size[0] * size[1] // recipes._JPEG_PIXELS_PER_BYTE)
    assert len(encoding.encode(noise, "jpeg", with_(recipe, "jpeg", max_bytes=most))) <= most
