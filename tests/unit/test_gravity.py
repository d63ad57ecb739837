"""Where crops lie: by a given focus, by marked regions, by attention, in the middle."""

from __future__ import annotations

import io
import json
import random
from typing import Any

import pytest
from PIL import Image, ImageDraw, ImageFilter

from bench.pictures import marks, scenes
from engine import attention, decoding, gravity, resizing
from tests.unit.invoking import call
from tests.unit.pictures import data
from tests.unit.test_handlers import begun, job

SHAPES = ((100, 100), (80, 100), (160, 90), (90, 160), (300, 20))


def size(width: int, height: int, kind: str = "auto") -> Any:
    return {"width": width, "height": height, "fit": "cover", "gravity": kind}


def shown(image: Image.Image, of: Any, facts: Any) -> tuple[float, float, float, float]:
    """The part of the picture that a crop shows, in fractions of it."""
    axis, length = resizing.window(image, of)
    start = gravity.positions(image, {"only": of}, facts).get("only", 0.5) * (1 - length)
    return (start, 0, start + length, 1) if axis == 0 else (0, start, 1, start + length)


# --------------------------------------------------------------------------- the text of a focus


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.3,0.7", (0.3, 0.7)),
        ("0,1", (0, 1)),
        (" 0.25 , .5 ", (0.25, 0.5)),
        ("30%,70%", (0.3, 0.7)),
        ("100%, 0%", (1, 0)),
        ("0.123456,1.0", (0.1235, 1)),
    ],
)
def test_a_focus_is_two_fractions_or_two_percentages(text: str, expected: Any) -> None:
    assert gravity.focus_of(text) == dict(zip("xy", expected, strict=True))


NO_FOCUS = [
    "",
    ",",
    "0.5",
    "0.5,",
    "0.1,0.2,0.3",
    "1.1,0",
    "0,-0.1",
    "101%,0%",
    "30%,0.5",
    "nan,nan",
    "inf,0",
    "1e-1,0",
]
NO_FOCUS += [
    "0.5;0.5",
    "x,y",
    "0x1,0",
    "0_1,0",
    "\u0660.\u0665,0.5",
    "\uff11,0",
    "0.5,0.5\0",
    "0,0" + " " * 99,
    "." * 2000,
    ",.,.",
]


@pytest.mark.parametrize("text", NO_FOCUS)
def test_any_other_text_is_no_focus(text: str) -> None:
    assert gravity.focus_of(text) is None


# --------------------------------------------------------------------------- windows


def test_a_window_is_around_the_point_as_far_as_the_picture_goes() -> None:
    assert gravity.around_point(0.4, 0.5) == pytest.approx(0.15)
    assert gravity.around_point(0.1, 0.5) == 0
    assert gravity.around_point(0.95, 0.5) == 0.5


def test_all_regions_are_kept_if_they_fit() -> None:
    start = gravity.around_regions([(0.1, 0.2), (0.45, 0.55)], 0.5)
    assert start <= 0.1
    assert start + 0.5 >= 0.55
    assert gravity.around_regions([(0.6, 0.7)], 0.4) == pytest.approx(0.45)  # in the middle of the window


def test_of_regions_that_do_not_fit_together_the_larger_ones_are_kept() -> None:
    large, small = (0.0, 0.3), (0.8, 0.9)
    assert gravity.around_regions([large, small], 0.4) <= 0
    two = [(0.7, 0.8), (0.85, 0.95), (0.0, 0.12)]
    start = gravity.around_regions(two, 0.4)
    assert start <= 0.7
    assert start + 0.4 >= 0.95


def test_of_a_region_that_is_too_long_the_middle_is_kept() -> None:
    assert gravity.around_regions([(0.2, 1.0)], 0.4) == pytest.approx(0.4)


def test_a_face_at_the_end_of_a_group_has_some_air_around_it() -> None:
    start = gravity.around_regions([(0.3, 0.6), (0.1, 0.14)], 0.6)
    assert start <= 0.1 - 0.01  # not cut right at the small one
    assert start + 0.6 >= 0.6 + 0.02


def test_windows_lie_in_the_picture_have_the_shape_and_show_what_they_must() -> None:
    """A thousand pictures, sizes, points and regions."""
    rng = random.Random(11)
    for _ in range(1000):
        image = Image.new("L", (rng.randint(1, 400), rng.randint(1, 400)))
        of = size(rng.randint(1, 300), rng.randint(1, 300))
        axis, length = resizing.window(image, of)
        assert 0 < length <= 1 + 1e-9
        x, y = rng.random(), rng.random()
        left, top, right, bottom = shown(image, of, {"focus": {"x": x, "y": y}})
        assert 0 <= left < right <= 1 + 1e-9
        assert 0 <= top < bottom <= 1 + 1e-9
        assert left - 1e-9 <= x <= right + 1e-9
        assert top - 1e-9 <= y <= bottom + 1e-9
        wide, tall = sorted((rng.random(), rng.random())), sorted((rng.random(), rng.random()))
        region = (wide[0], tall[0], wide[1], tall[1])
        window = shown(image, of, {"regions": [region], "focus": {"x": x, "y": y}})
        if region[axis + 2] - region[axis] <= length:
            assert window[axis] - 1e-9 <= region[axis]
            assert region[axis + 2] <= window[axis + 2] + 1e-9


def test_many_regions_are_kept_as_well_as_they_can_be() -> None:
    """Against every window there is, tried one by one."""
    rng = random.Random(12)
    for _ in range(150):
        length = rng.uniform(0.1, 0.9)
        lows = [rng.uniform(0, 0.9) for _ in range(rng.randint(1, 6))]
        spans = [(low, low + 0.08) for low in lows]  # all alike: then what counts is how many

        def whole(start: float, length: float = length, spans: Any = spans) -> int:
            return sum(start - 1e-9 <= low and high <= start + length + 1e-9 for low, high in spans)

        best = max(whole((1 - length) * step / 500) for step in range(501)) if length > 0.08 else 0
        assert whole(gravity.around_regions(spans, length)) >= best


# --------------------------------------------------------------------------- what counts first


def lone(at: tuple[float, float] = (0.85, 0.5)) -> Image.Image:
    """A red disc on plain ground."""
    image = Image.new("RGB", (600, 400), (200, 200, 196))
    x, y = at[0] * 600, at[1] * 400
    ImageDraw.Draw(image).ellipse((x - 40, y - 40, x + 40, y + 40), fill=(200, 30, 30))
    return image


def start(facts: Any, kind: str = "auto", image: Image.Image | None = None) -> float:
    return shown(image or lone(), size(100, 100, kind), facts)[0]


FACTS: dict[str, Any] = {"focus": {"x": 0.1, "y": 0.5}, "regions": [(0.45, 0.4, 0.5, 0.6)]}


def test_the_order_of_auto() -> None:
    assert start(FACTS) == pytest.approx(0.475 - 1 / 3)  # regions: their focus is only their middle
    assert start({"focus": FACTS["focus"]}) == 0
    assert start({}) > 0.3  # the disc
    assert start({}, image=Image.new("RGB", (600, 400), (90, 120, 200))) == pytest.approx(1 / 6)


def test_focus_does_without_attention_and_center_without_all() -> None:
    assert start(FACTS, "focus") == pytest.approx(0.475 - 1 / 3)
    assert start({"focus": FACTS["focus"]}, "focus") == 0
    assert start({}, "focus") == pytest.approx(1 / 6)
    assert start(FACTS, "center") == pytest.approx(1 / 6)


def test_pixels_are_looked_at_only_where_they_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "profiles", lambda image: pytest.fail("looked at"))
    sizes = {"a": size(100, 100, "focus"), "b": {"width": 100, "fit": "inside", "gravity": "auto"}}
    assert gravity.positions(lone(), sizes, {}) == {}  # type: ignore[arg-type]
    assert not gravity.needs_attention(sizes, {})  # type: ignore[arg-type]
    assert gravity.needs_attention({"a": size(100, 100)}, {})  # type: ignore[arg-type]
    assert not gravity.needs_attention({"a": size(100, 100)}, {"focus": FACTS["focus"]})  # type: ignore[typeddict-item]
    assert gravity.positions(lone(), {"a": size(300, 200)}, {}) == {}  # type: ignore[arg-type]


# --------------------------------------------------------------------------- attention


@pytest.mark.parametrize("at", [0.15, 0.3, 0.7, 0.85])
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_attention_finds_what_stands_alone(at: float, mode: str) -> None:
    for image, axis in ((lone((at, 0.5)), 0), (lone((at, 0.5)).transpose(Image.Transpose.ROTATE_270), 1)):
        if mode == "RGBA":
            image.putalpha(image.convert("HSV").getchannel("S").point(lambda level: 255 if level > 60 else 0))
        profile = attention.profiles(image.convert(mode))[axis]
        begun = attention.window(profile, 0.4)
        assert begun - 0.01 <= at - 40 / 600
        assert at + 40 / 600 <= begun + 0.4 + 0.01


def test_attention_finds_what_is_sharp_before_what_is_not() -> None:
    rng = random.Random(3)
    ground = Image.frombytes("L", (60, 40), rng.randbytes(2400)).resize((600, 400), Image.Resampling.BICUBIC)
    ground = ground.point([122 + level // 16 for level in range(256)])
    fine = Image.frombytes("L", (24, 40), bytes(90 + 80 * ((n + n // 24) % 2) for n in range(960)))
    ground.paste(fine.resize((120, 200), Image.Resampling.NEAREST), (460, 100))
    profile = attention.profiles(ground.convert("RGB"))[0]
    assert attention.window(profile, 0.4) > 0.55


def test_attention_finds_a_colour_that_stands_alone_even_if_it_is_not_sharp() -> None:
    for colour, ground in (((40, 70, 200), (120, 150, 110)), ((230, 200, 60), (150, 190, 160))):
        image = Image.new("RGB", (600, 400), ground)
        ImageDraw.Draw(image).ellipse((440, 140, 560, 260), fill=colour)
        profile = attention.profiles(image.filter(ImageFilter.GaussianBlur(25)))[0]
        assert attention.window(profile, 0.4) > 0.55


def test_attention_finds_what_stands_alone_in_large_pictures_with_transparency() -> None:
    image = lone((0.8, 0.5)).resize((3600, 2400))
    image.putalpha(image.convert("HSV").getchannel("S").point(lambda level: 255 if level > 60 else 0))
    assert attention.window(attention.profiles(image)[0], 0.4) == pytest.approx(0.6, abs=0.03)


@pytest.mark.parametrize("shape", [0.4, 2 / 3, 0.9])
def test_flat_pictures_are_cropped_in_their_middle(shape: float) -> None:
    grain = Image.frombytes("L", (600, 400), random.Random(1).randbytes(240_000))
    flat = Image.new("RGB", (600, 400), (90, 120, 200))
    noisy = Image.blend(flat, grain.convert("RGB"), 0.06)
    ramp = Image.linear_gradient("L").resize((600, 400)).convert("RGB")
    for image in (flat, noisy, ramp):
        assert attention.window(attention.profiles(image)[0], shape) == pytest.approx((1 - shape) / 2)


@pytest.mark.parametrize("sides", [(1, 1), (1, 3000), (3000, 1), (2, 2), (64, 48), (47, 4000)])
def test_attention_takes_pictures_of_any_size(sides: tuple[int, int]) -> None:
    for mode in ("L", "RGB", "RGBA"):
        across, down = attention.profiles(Image.new(mode, sides))
        assert 1 <= len(across) <= 48
        assert 1 <= len(down) <= 48
        assert attention.window(across, 0.5) == attention.window(down, 0.5) == 0.25


def test_attention_looks_only_at_what_the_source_fills() -> None:
    image = lone((0.15, 0.5))
    wider = Image.new("RGB", (606, 404), (0, 255, 0))
    wider.paste(image)
    wider.info["extent"] = (0, 0, 600, 400)
    for found, expected in zip(attention.profiles(wider), attention.profiles(image), strict=True):
        assert found == pytest.approx(expected, abs=0.004)


def test_attention_keeps_more_than_the_middle_does_in_made_scenes() -> None:
    """A taste of bench.pictures.gravity, which measures it: one scene of each kind."""
    kept = centred = 0
    for scene in scenes.scenes(scenes.TUNED | scenes.HELD_OUT, each=1):
        profiles = attention.profiles(scene.image)
        for shape in SHAPES[:4]:
            axis, length = resizing.window(scene.image, size(*shape))
            sides = scene.image.size
            for box in scene.regions:
                low, high = box[axis] / sides[axis], box[axis + 2] / sides[axis]
                if length < 0.98 and high - low <= length:
                    begun, middle = attention.window(profiles[axis], length), (1 - length) / 2
                    kept += begun <= low and high <= begun + length
                    centred += middle <= low and high <= middle + length
    assert kept > 1.25 * centred


# --------------------------------------------------------------------------- pixels


def test_a_crop_shows_the_pixels_of_its_window() -> None:
    ramp = Image.linear_gradient("L").resize((100, 400)).transpose(Image.Transpose.ROTATE_90)  # dark to light, across
    for position in (0.0, 0.25, 0.5, 1.0):
        crop = resizing.resize(ramp, size(50, 50), position=position)
        first = position * 300
        ends = [crop.getpixel((x, 25)) for x in (1, 48)]
        assert ends == pytest.approx([(first + 3) * 255 / 400, (first + 97) * 255 / 400], abs=3)
    tall = resizing.resize(ramp.transpose(Image.Transpose.ROTATE_270), size(50, 50), position=1.0)
    assert tall.getpixel((25, 48)) == pytest.approx(253, abs=4)
    assert resizing.resize(
        ramp, {"width": 50, "height": 50, "fit": "inside", "gravity": "auto"}, position=1.0
    ).size == (50, 12)


def test_a_crop_stays_in_what_the_source_fills() -> None:
    image = Image.new("RGB", (400, 104), (0, 255, 0))
    image.paste((200, 30, 30), (0, 0, 397, 101))
    image.info["extent"] = (0, 0, 396.5, 100.5)
    crop = resizing.renditions(image, {"a": size(50, 50)}, {"a": 1.0})["a"]
    assert max(crop.getchannel("G").getextrema()) < 60


# --------------------------------------------------------------------------- through the functions


def source(**options: Any) -> bytes:
    """A picture with a red disc on the right, blue on the left."""
    image = Image.new("RGB", (1500, 600), (200, 200, 196))
    draw = ImageDraw.Draw(image)
    draw.ellipse((1260, 240, 1440, 420), fill=(200, 30, 30))
    draw.rectangle((60, 240, 240, 420), fill=(30, 30, 200))
    return data(image, "JPEG", quality=95, **options)


SQUARE = size(300, 300)


@pytest.fixture
def run(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a source through all functions, by a recipe with a crop and a filtered crop: manifest and both pictures."""
    from validate import app

    recipe = app.RECIPES["recipes"]["default"]
    changes: dict[str, Any] = {
        "sizes": {"square": SQUARE, "large": {"width": 1400, "height": 1400, "fit": "inside", "gravity": "auto"}},
        "filtered": {"gray": {"size": "square", "filters": [{"filter": "grayscale"}], "formats": ["png"]}},
        "formats": ["png"],
    }
    for name, value in changes.items():
        monkeypatch.setitem(recipe, name, value)  # type: ignore[misc]

    def through(body: bytes, given: str | None = None) -> tuple[dict[str, Any], Any, Any]:
        the_job = job(cloud, body)
        if given is not None:
            the_job["source"]["given"] = {"focus": given}
        begun(the_job)
        valid = call("validate", {"job": the_job})
        facts = {"job": the_job, "image": valid["image"], "recipe": valid["recipe"]}
        made = [call("resize", facts), call("filters", facts)]
        result = call("optimize", facts | {"intermediates": made})
        manifest = json.loads(cloud.output(result["manifest_key"]))
        files = {each["name"]: cloud.output(each["key"]) for each in manifest["renditions"]}
        square, gray = (Image.open(io.BytesIO(files[name])).convert("RGB") for name in ("square", "gray"))
        return manifest, square, gray

    return through


def reddest(image: Image.Image) -> int:
    """The column whose pixels are most red, -1 without any."""
    red, green, _ = image.split()
    redness = [red.getpixel((x, 165)) - green.getpixel((x, 165)) for x in range(image.width)]  # type: ignore[operator]
    return redness.index(max(redness)) if max(redness) > 80 else -1


def bluest(image: Image.Image) -> bool:
    return any(image.getpixel((x, 165))[2] - image.getpixel((x, 165))[0] > 80 for x in range(image.width))  # type: ignore[index]


def test_a_given_focus_is_what_crops_show(run: Any) -> None:
    manifest, square, gray = run(source(), "0.1,0.5")
    assert manifest["source"]["focus"] == {"x": 0.1, "y": 0.5}
    assert bluest(square)
    assert reddest(square) < 0
    manifest, square, gray = run(source(), "90%,50%")
    assert manifest["source"]["focus"] == {"x": 0.9, "y": 0.5}
    assert reddest(square) > 0
    assert near_gray(square, gray)


def near_gray(colour: Image.Image, gray: Image.Image) -> bool:
    """Whether the filtered picture shows the same window as the coloured one."""
    from PIL import ImageChops, ImageStat

    difference = ImageChops.difference(colour.convert("L"), gray.convert("L"))
    return ImageStat.Stat(difference).rms[0] < 3


def test_marked_regions_are_what_crops_show_but_no_manifest_says_where_they_are(run: Any) -> None:
    face = (0.84, 0.4, 0.96, 0.7)
    xmp = marks.packet(marks.mwg([face], (1500, 600)))
    manifest, square, gray = run(source(xmp=xmp))
    assert reddest(square) > 0
    assert not bluest(square)
    assert near_gray(square, gray)
    assert manifest["source"]["focus"] == {"x": 0.9, "y": 0.55}
    assert "regions" not in json.dumps(manifest)
    assert "0.84" not in json.dumps(manifest)


def test_a_given_focus_counts_before_marked_regions(run: Any) -> None:
    xmp = marks.packet(marks.mwg([(0.84, 0.4, 0.96, 0.7)], (1500, 600)))
    manifest, square, _ = run(source(xmp=xmp), "0.1,0.5")
    assert bluest(square)
    assert manifest["source"]["focus"] == {"x": 0.1, "y": 0.5}


@pytest.mark.parametrize("text", ["", "the face", "7,7", "\u0661,0"])
def test_a_focus_that_makes_no_sense_is_ignored_and_logged(
    run: Any, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    xmp = marks.packet(marks.mwg([(0.84, 0.4, 0.96, 0.7)], (1500, 600)))
    _, square, _ = run(source(xmp=xmp), text)
    assert reddest(square) > 0
    assert "focus ignored" in caplog.text


def test_both_branches_choose_the_same_window_by_attention(run: Any) -> None:
    """Although the filtered rendition alone would be made from a smaller decode."""
    rng = random.Random(5)
    image = Image.new("RGB", (2600, 1300), (160, 160, 160))
    draw = ImageDraw.Draw(image)
    for _ in range(60):  # much of a muchness: a small difference would move the window
        x, y, r = rng.uniform(0, 2600), rng.uniform(0, 1300), rng.uniform(20, 90)
        draw.ellipse((x - r, y - r, x + r, y + r), fill=tuple(rng.randbytes(3)))
    manifest, square, gray = run(data(image, "JPEG", quality=92))
    assert "focus" not in manifest["source"]
    assert near_gray(square, gray)


def test_the_filtered_crop_is_decoded_as_the_sized_one_is(monkeypatch: pytest.MonkeyPatch, run: Any) -> None:
    asked: list[set[str]] = []
    decode = decoding.decode

    def noted(content: bytes, sizes: Any, wanted: Any) -> Any:
        asked.append(set(sizes))
        return decode(content, sizes, wanted)

    monkeypatch.setattr(decoding, "decode", noted)
    run(source())
    assert asked == [{"square", "large"}, {"square", "large"}]
    asked.clear()
    run(source(), "0.5,0.5")
    assert asked == [{"square", "large"}, {"gray"}]
