"""Animations that are kept: the right pictures, at the right time, as often as the source shows them.

What is right is said by tests/unit/films.py, which shares nothing with the engine.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageStat

from engine import (
    animation,
    containers,
    decoding,
    encoding,
    filters,
    frames,
    gravity,
    placeholder,
    reel,
    resizing,
    reuse,
    sandbox,
)
from engine.rejection import Rejection
from pipeline import recipes
from tests.unit import films
from tests.unit.films import CLEAR, KEEP, RESTORE, Cel, Story
from tests.unit.pictures import data, quarters

RECIPE = recipes.load()["recipes"]["default"]
KEPT: Any = {
    **RECIPE,
    "animation": "keep",
    "sizes": {"whole": {"width": 400, "height": 400, "fit": "inside", "gravity": "center"}},
    "filtered": {},
}
STORIES = films.stories()


def recipe(**changes: Any) -> Any:
    limits = {**KEPT["limits"], "memory": 500, **changes.pop("limits", {})}
    return {**KEPT, "limits": limits, **changes}


def inspected(content: bytes, **changes: Any) -> Any:
    wanted = recipe(**changes)
    facts = sandbox.inspect(content, wanted, wanted["limits"], 1000)
    animation.check_renditions(facts, wanted)
    return facts


def refused(content: bytes, **changes: Any) -> Rejection:
    with pytest.raises(Rejection) as caught:
        inspected(content, **changes)
    return caught.value


def handed_on(content: bytes, folder: Path, **changes: Any) -> encoding.Unpacked:
    """As ResizeImage hands it on."""
    wanted = recipe(**changes)
    plays, shown = reel.decoded(content, wanted, wanted["formats"], wanted["sizes"])
    made = (
        (filters.with_watermark(resizing.renditions(image, wanted["sizes"]), wanted), time) for image, time in shown
    )
    file = folder / "resized.tiff"
    with reel.packed(made, plays) as (body, _):
        file.write_bytes(body if isinstance(body, bytes) else body.read())
    return encoding.Unpacked(file)


def seen(moving: Any) -> Iterator[Image.Image]:
    for number in range(moving.n_frames):
        moving.seek(number)
        yield moving.convert("RGBA")


def fault(image: Image.Image, rows: films.Rows) -> float:
    """The largest difference of a pixel, with colours weighed by their alpha."""
    worst = 0.0
    pixels = iter(image.convert("RGBA").get_flattened_data())
    for row in rows:
        for expected in row:
            found: Any = next(pixels)
            weight = min(expected[3], found[3]) / 255
            colors = [abs(a - b) * weight for a, b in zip(expected[:3], found[:3], strict=True)]
            worst = max(worst, *colors, abs(expected[3] - found[3]))
    return worst


def on_white(image: Image.Image) -> Image.Image:
    canvas = Image.new("RGBA", image.size, "white")
    canvas.alpha_composite(image.convert("RGBA"))
    return canvas.convert("RGB")


def difference(image: Image.Image, other: Image.Image) -> float:
    """The mean difference of the worst channel."""
    return max(ImageStat.Stat(ImageChops.difference(on_white(image), on_white(other))).mean)


# --------------------------------------------------------------------------- frames and times


def test_the_stories_are_of_all_kinds() -> None:
    assert len(STORIES) == 30
    cels = [(name.rpartition(".")[2], cel) for name, (story, _) in STORIES.items() for cel in story.cels]
    assert {(kind, cel.disposal) for kind, cel in cels} >= {
        (kind, disposal) for kind in ("gif", "png") for disposal in (KEEP, CLEAR, RESTORE)
    }
    assert {(kind, cel.disposal, cel.over) for kind, cel in cels if kind == "webp"} == {
        ("webp", disposal, over) for disposal in (KEEP, CLEAR) for over in (True, False)
    }
    assert {(cel.disposal, cel.over) for kind, cel in cels if kind == "png"} == {
        (disposal, over) for disposal in (KEEP, CLEAR, RESTORE) for over in (True, False)
    }


@pytest.mark.parametrize("name", STORIES)
def test_every_frame_is_as_the_specification_says(name: str, tmp_path: Path) -> None:
    """In the hand-off, before anything is lost; and in WebP and AVIF, as far as these are exact."""
    story, content = STORIES[name]
    expected, times = films.shown(story), films.whole_times(story)
    facts = inspected(content, limits={"film_seconds": 200})
    assert facts["frames"] == len(story.cels)
    assert (facts["width"], facts["height"]) == (story.width, story.height)

    images = handed_on(content, tmp_path)
    moving = images.reels["whole"]
    assert (moving.times, moving.plays) == (times, story.plays)
    found = list(seen(moving.fresh()))
    assert len(found) == len(expected)
    # Half transparent pixels over others are rounded otherwise by libwebp.
    limit = 2 if name.endswith(".webp") else 1
    assert max(fault(image, rows) for image, (rows, _) in zip(found, expected, strict=True)) <= limit

    for format_ in ("webp", "avif"):
        encoded = encoding.encode(images.picture("whole", format_), format_, KEPT)  # type: ignore[arg-type]
        film = animation.read(format_, encoded)  # type: ignore[arg-type]
        assert film is not None
        assert (film.times, film.plays) == (times, story.plays)
        opened = Image.open(BytesIO(encoded))
        shown = list(seen(opened))
        assert len(shown) == len(expected)
        assert all(difference(image, films.image(rows)) < 6 for image, (rows, _) in zip(shown, expected, strict=True))
        if format_ == "webp":
            assert opened.info["loop"] == story.plays


def test_frames_that_look_the_same_become_one() -> None:
    story, content = STORIES["same.gif"]
    film = animation.read("gif", content)
    assert film is not None
    shown = list(frames.shown("gif", content, film))
    assert len(film.times) == 12
    assert [time for _, time in shown] == [150, 210, 360, 150] == films.whole_times(story)


@pytest.mark.parametrize(("hundredths", "ms"), [(0, 100), (1, 100), (2, 20), (65535, 655350)])
def test_hasty_frames_are_slow(hundredths: int, ms: int) -> None:
    """As in browsers: 10 ms or less are shown for 100."""
    story = films.story(1, [0], times=(10 * hundredths,), frames=2)
    gif = animation.read("gif", films.gif(story))
    assert gif is not None
    assert gif.times == [ms, ms]


def test_a_gif_without_loops_is_shown_once_and_one_with_n_loops_once_more() -> None:
    once, thrice = (films.gif(films.story(1, [0], plays=plays)) for plays in (1, 3))
    assert b"NETSCAPE" not in once
    assert b"NETSCAPE2.0\x03\x01\x02\0" in thrice
    assert [film.plays for film in map(functools.partial(animation.read, "gif"), (once, thrice)) if film] == [1, 3]


@pytest.mark.parametrize("plays", [0, 1, 2, 7])
def test_an_avif_says_how_often_it_is_shown(plays: int, tmp_path: Path) -> None:
    """libavif's own words, which browsers read: the edit list repeats, and for how long."""
    content = films.gif(films.story(2, [0], plays=plays, times=(50,), frames=4))
    encoded = encoding.encode(handed_on(content, tmp_path).picture("whole", "avif"), "avif", KEPT)
    (track,) = animation.tracks(encoded)
    repeats = encoded[track["elst"].start + 3]
    (part,) = struct.unpack_from(">Q", encoded, track["elst"].start + 8)
    (whole,) = struct.unpack_from(">Q", encoded, track["tkhd"].start + 28)
    assert part == 200
    assert (repeats, whole) == ((1, 2**64 - 1) if not plays else (int(plays > 1), plays * 200))
    assert Image.open(BytesIO(encoded)).n_frames == 4  # type: ignore[attr-defined]


def test_the_same_film_has_the_same_bytes(tmp_path: Path) -> None:
    """libavif writes the time of the making: a run that is repeated would change every file."""
    images = handed_on(STORIES["all.gif"][1], tmp_path)
    encoded = encoding.encode(images.picture("whole", "avif"), "avif", KEPT)
    dated = [box for name, box in animation.boxes(encoded) if name[-4:] in ("mvhd", "tkhd", "mdhd")]
    assert len(dated) in (3, 5)
    assert all(encoded[box.start] == 1 for box in dated)  # with dates of 8 bytes
    assert all(encoded[box.start + 4 : box.start + 20] == bytes(16) for box in dated)


@pytest.mark.parametrize(("source", "plays"), [("GIF", 4), ("PNG", 3), ("WEBP", 3), ("AVIF", 0)])
def test_other_peoples_files(source: str, plays: int, tmp_path: Path) -> None:
    """As Pillow writes them: with boxes that differ from frame to frame."""
    pictures = [quarters(64, 48).rotate(15 * number) for number in range(6)]
    options = {"loop": 3} if source != "AVIF" else {"quality": 90, "subsampling": "4:4:4"}
    content = data(pictures[0], source, save_all=True, append_images=pictures[1:], duration=[40, 50, 60] * 2, **options)
    inspected(content)
    moving = handed_on(content, tmp_path).reels["whole"]
    assert (moving.times, moving.plays) == ([40, 50, 60] * 2, plays)
    limit = {"GIF": 3, "PNG": 0, "WEBP": 8, "AVIF": 6}[source]
    for found, picture in zip(seen(moving), pictures, strict=True):
        assert difference(found, picture) <= limit


# --------------------------------------------------------------------------- the recipe's sizes, filters and marks


FIT = {
    "inside": {"width": 40, "height": 40, "fit": "inside", "gravity": "center"},
    "cover": {"width": 20, "height": 30, "fit": "cover", "gravity": "center"},
    "contain": {"width": 50, "height": 50, "fit": "contain", "gravity": "center", "background": "#102030"},
    "clear": {"width": 50, "height": 50, "fit": "contain", "gravity": "center", "background": "transparent"},
}


def turning(count: int = 5) -> bytes:
    pictures = [quarters(80, 60).rotate(90 * number) for number in range(count)]
    return data(pictures[0], "WEBP", save_all=True, append_images=pictures[1:], duration=70, lossless=True)


def test_each_frame_is_made_as_a_still_would_be(tmp_path: Path) -> None:
    marked = {
        "text": "Ann", "min_width": 30, "color": "#ffffff", "position": "top-left", "opacity": 1.0, "scale": 0.5,
        "margin": 0.1,
    }  # fmt: skip
    images = handed_on(turning(), tmp_path, sizes=FIT, watermark=marked)
    for number in range(5):
        still = decoding.decode(data(quarters(80, 60).rotate(90 * number), "WEBP", lossless=True), FIT)  # type: ignore[arg-type]
        expected = filters.with_watermark(resizing.renditions(still, FIT), recipe(watermark=marked))  # type: ignore[arg-type]
        for name, image in expected.items():
            moving = images.picture(name, "avif")
            moving.seek(number)
            assert moving.convert("RGBA").tobytes() == image.convert("RGBA").tobytes(), (name, number)
            if number == 0:
                assert images[name].tobytes() == image.tobytes()


def test_a_crop_stays_where_the_first_frame_puts_it() -> None:
    """What draws attention goes from left to right; the window does not go with it."""

    def frame(left: int) -> Image.Image:
        picture = Image.new("RGB", (300, 100), (200, 200, 200))
        picture.paste(quarters(60, 60), (left, 20))
        return picture

    sizes: Any = {"square": {"width": 100, "height": 100, "fit": "cover", "gravity": "auto"}}
    facts: Any = {"width": 300, "height": 100}
    moving = [(frame(left), 50) for left in (10, 120, 230)]
    alone = [gravity.positions(image, sizes, facts)["square"] for image, _ in moving]
    assert alone[0] < alone[2]
    found = [positions["square"] for _, _, positions in gravity.placed(moving, sizes, facts)]
    assert found == [alone[0]] * 3


def test_stills_of_an_animation_are_its_first_frame_as_shown(tmp_path: Path) -> None:
    """Of an APNG too, whose poster is for readers that know no animations."""
    story, content = STORIES["poster.png"]
    images = handed_on(content, tmp_path, formats=["webp", "png"])
    png = Image.open(BytesIO(encoding.encode(images.picture("whole", "png"), "png", KEPT)))
    assert fault(png, films.shown(story)[0][0]) <= 1
    assert placeholder.placeholder(images["whole"])
    first = handed_on(content, tmp_path, animation="first")
    assert fault(first["whole"], story.cels[0].pixels[::-1]) <= 1
    assert not first.reels


def test_names_that_are_the_same_share_their_frames_and_those_that_part_later_do_not(tmp_path: Path) -> None:
    def made() -> Iterator[tuple[Mapping[str, Image.Image], int]]:
        for number in range(4):
            image = quarters().rotate(90 * number)
            yield {"a": image, "b": image.copy(), "c": quarters() if number == 2 else image.copy()}, 50

    with reel.packed(made(), 0) as (body, sizes):
        assert not isinstance(body, bytes)
        (tmp_path / "file").write_bytes(body.read())
    images = encoding.Unpacked(tmp_path / "file")
    assert sizes == images.sizes
    assert images.pictures["a"] == images.pictures["b"] != images.pictures["c"]
    for number, image in enumerate(seen(images.reels["c"])):  # from the third frame on, it is not that of the others
        assert (
            image.tobytes() == (quarters() if number == 2 else quarters().rotate(90 * number)).convert("RGBA").tobytes()
        )
    names = {
        (name, format_)
        for name, format_, _ in encoding.encode_all(images, [("a", "webp"), ("b", "webp"), ("c", "webp")], KEPT)
    }
    assert names == {("a", "webp"), ("b", "webp"), ("c", "webp")}


def test_modes_may_change_from_frame_to_frame(tmp_path: Path) -> None:
    pictures = [quarters(), quarters().convert("RGBA").rotate(45, expand=False), quarters(mode="L"), quarters()]
    with reel.packed((({"a": picture}, 50) for picture in pictures), 0) as (body, _):
        assert not isinstance(body, bytes)
        (tmp_path / "file").write_bytes(body.read())
    moving = encoding.Unpacked(tmp_path / "file").reels["a"]
    assert moving.mode == "RGBA"
    assert [image.tobytes() for image in seen(moving)] == [picture.convert("RGBA").tobytes() for picture in pictures]
    moving.seek(1)
    assert moving.convert("RGBA").tobytes() == pictures[1].tobytes()
    assert [film.n_frames for format_ in ("webp", "avif") for film in [
        Image.open(BytesIO(encoding.encode(moving.fresh(), format_, KEPT)))]] == [4, 4]  # type: ignore[arg-type, attr-defined]  # fmt: skip


def test_nothing_changes_for_stills_and_for_formats_that_do_not_move(tmp_path: Path) -> None:
    still = data(quarters(), "PNG")
    for content, changes in ((still, {}), (turning(), {"formats": ["jpeg"]}), (turning(), {"animation": "first"})):
        images = handed_on(content, tmp_path, **changes)
        assert not images.reels
        plain = encoding.pack(resizing.renditions(decoding.decode(content, KEPT["sizes"]), KEPT["sizes"]))
        assert (tmp_path / "resized.tiff").read_bytes() == plain


def test_a_film_that_has_more_bytes_than_its_source_stays_a_film(tmp_path: Path) -> None:
    """`never_larger` bounds stills: of a film it would leave the first frame."""
    content = films.gif(films.story(2, [0], times=(50,), frames=4))
    images = handed_on(content, tmp_path)
    facts = inspected(content)
    source = reuse.Original(facts, KEPT, ["whole"], 1, lambda: content)
    for _, format_, encoded in encoding.encode_all(
        images, [("whole", "webp"), ("whole", "avif")], KEPT, original=source
    ):
        assert animation.playing(format_, encoded)["frames"] == 4


def test_the_manifest_says_what_moves(tmp_path: Path) -> None:
    images = handed_on(turning(), tmp_path)
    for format_ in ("avif", "webp", "jpeg", "png"):
        encoded = encoding.encode(images.picture("whole", format_), format_, KEPT)  # type: ignore[arg-type]
        said = animation.playing(format_, encoded)  # type: ignore[arg-type]
        assert said == ({"frames": 5, "duration_ms": 350} if format_ in ("avif", "webp") else {})


# --------------------------------------------------------------------------- limits


def test_the_limits_of_films() -> None:
    story, content = STORIES["keep.gif"]
    pixels, seconds = 24 * 18 * 7, sum(films.whole_times(story)) / 1000
    assert inspected(content, limits={"film_pixels": pixels, "film_seconds": 1})["frames"] == 7
    assert seconds < 1
    too_large = refused(content, limits={"film_pixels": pixels - 1})
    assert (too_large.code, too_large.reason) == (
        "TOO_MANY_PIXELS",
        "The GIF image is 24 x 18 pixels; the limit is 3,023 in all of its 7 frames together: scale it down.",
    )
    too_long = refused(STORIES["long.png"][1], limits={"film_seconds": 60})
    assert (too_long.code, too_long.reason) == (
        "TOO_LONG",
        "The PNG animation plays for 132 seconds; the limit is 60: upload a shorter one.",
    )
    assert refused(content, limits={"frames": 6}).code == "TOO_MANY_FRAMES"
    # The limits of films are for those that are kept.
    few = {"film_pixels": 1, "film_seconds": 1}
    assert inspected(STORIES["long.png"][1], limits=few, animation="first")["frames"] == 7
    assert inspected(STORIES["long.png"][1], limits=few, formats=["jpeg"])["frames"] == 7


def test_renditions_count_together() -> None:
    sizes = {str(side): {"width": side, "height": side, "fit": "inside", "gravity": "auto"} for side in (8, 16, 24, 99)}
    pixels = 7 * (8 * 6 + 16 * 12 + 24 * 18)  # the last two are the same
    content = STORIES["keep.gif"][1]
    assert inspected(content, sizes=sizes, limits={"film_pixels": pixels})
    assert (
        "in all frames of its renditions together"
        in refused(content, sizes=sizes, limits={"film_pixels": pixels - 1}).reason
    )
    filtered = {"gray": {"size": "8", "filters": [{"filter": "grayscale"}], "formats": ["webp"]}}
    more = pixels + 7 * 8 * 6
    assert inspected(content, sizes=sizes, filtered=filtered, limits={"film_pixels": more})
    assert refused(content, sizes=sizes, filtered=filtered, limits={"film_pixels": more - 1}).code == "TOO_MANY_PIXELS"


def test_a_bomb_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """1000 frames of 16,000 x 12,000 pixels in 17 kB: refused by its structure."""
    frame = b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\2\2\x44\1\0"
    content = b"GIF89a" + struct.pack("<HHBBB", 16000, 12000, 0x80, 0, 0) + bytes(6) + frame * 1000 + b";"
    large = b"," + struct.pack("<HHHHB", 0, 0, 60000, 60000, 0) + b"\2\2\x44\1\0"
    outside = b"GIF89a" + struct.pack("<HHBBB", 8, 8, 0x80, 0, 0) + bytes(6) + frame + large + b";"
    piece = b"," + struct.pack("<HHHHB", 0, 0, 4000, 4000, 0) + b"\2\2\x44\1\0"
    pieces = b"GIF89a" + struct.pack("<HHBBB", 8, 8, 0x80, 0, 0) + bytes(6) + frame + piece * 9 + b";"
    monkeypatch.setattr(decoding, "inspect", lambda *_: pytest.fail("it was decoded"))
    limits = {"memory": 2**20}
    for each in (content, outside, pieces):
        assert refused(each, limits=limits).code == "TOO_MANY_PIXELS"


@pytest.mark.parametrize("broken", [3, 6])
def test_a_broken_later_frame(broken: int) -> None:
    """Where the animation is kept, it is refused; else the first frame decides, as ever."""
    story = films.story(1, [0])
    whole = films.gif(story)
    film = animation.read("gif", whole)
    assert film is not None
    ((start, end),) = film.pieces[broken].coded
    content = whole[:start] + b"\x08\x01\xff\0" + whole[end:]
    assert refused(content).code == "CORRUPT"
    assert inspected(content, animation="first")["frames"] == 7


def test_a_control_is_for_one_frame() -> None:
    """What is said of the first frame is not said of the second, which has no control: it stays, and is not clear."""
    dot = b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\2\2\x44\1\0"
    head = b"GIF89a" + struct.pack("<HHBBB", 2, 2, 0x80, 0, 0) + b"\x09\x08\x07\xff\xff\xff"
    film = animation.read("gif", head + b"!\xf9\4\x09\x1e\0\0\0" + dot * 3 + b";")
    assert film is not None
    assert film.times == [300, 100, 100]
    assert [piece.disposal for piece in film.pieces] == [CLEAR, KEEP, KEEP]
    assert [piece.transparent for piece in film.pieces] == [0, None, None]


def test_what_an_avif_claims_is_bounded_before_it_is_opened() -> None:
    content = bytearray(data(quarters(), "AVIF", save_all=True, append_images=[quarters().rotate(90)], duration=50))
    (track,) = animation.tracks(bytes(content))
    content[track["stts"].start + 8 : track["stts"].start + 12] = struct.pack(">I", 2**32 - 1)
    assert animation.most_samples(bytes(content)) == 2**32 - 1 + 0
    with pytest.raises(Rejection) as caught:
        containers.walk("avif", bytes(content), recipe()["limits"])
    assert caught.value.code == "TOO_MANY_FRAMES"


def test_a_first_frame_that_is_larger_than_the_canvas_enlarges_it(tmp_path: Path) -> None:
    """As in browsers, and as Pillow has it where only the first frame is used."""
    story = films.story(3, [KEEP], frames=3)
    content = bytearray(films.gif(story))
    content[6:10] = struct.pack("<HH", 5, 4)
    assert inspected(bytes(content))["width"] == 24
    found = list(seen(handed_on(bytes(content), tmp_path).reels["whole"]))
    assert [fault(image, rows) for image, (rows, _) in zip(found, films.shown(story), strict=True)] == [0, 0, 0]


def test_frames_of_no_size_draw_nothing(tmp_path: Path) -> None:
    red = [[films.COLORS[0]] * 4] * 4
    story = Story(4, 4, [Cel(0, 0, red), Cel(0, 0, [[films.COLORS[1]]]), Cel(1, 1, [[films.COLORS[2]]])])
    content = films.gif(story)
    film = animation.read("gif", content)
    assert film is not None
    at = content.index(b"," + struct.pack("<HHHH", 0, 0, 1, 1))
    content = content[: at + 5] + bytes(4) + content[at + 9 :]
    inspected(content)
    moving = handed_on(content, tmp_path).reels["whole"]
    assert moving.times == [100, 50]
