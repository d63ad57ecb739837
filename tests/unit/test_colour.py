"""Colours: right to a written reference in every encoding; in sRGB, or in Display P3 where a recipe keeps it."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageCms

from contracts import Recipe
from engine import cicp, colour, decoding, encoding, filters, gamut, icc, placeholder, resizing, reuse, tonemap
from engine.rejection import FORMATS, Rejection
from pipeline import manifest, recipes
from tests.hostile.files import tiff
from tests.unit import colour_reference as reference
from tests.unit.colour_patches import (
    COLORS,
    ENCODINGS,
    chart,
    coded_avif,
    coded_png,
    curve_tag,
    differences,
    gamma_tag,
    pixels_of,
    rgb_profile,
    with_chunk,
    with_nclx,
)
from tests.unit.pictures import HEIC, chunk, data, near, opened, png, quarters

BOX: Any = {"all": {"width": 10_000, "height": 10_000, "fit": "inside"}}
LIMITS: Any = {**recipes.route(recipes.load(), "raw/x")["limits"], "formats": list(FORMATS)}
# What CIEDE2000 may be: 3 for PQ and HLG, whose levels are coarse; 2 for all others.
LIMIT = {name: 3.0 if name.startswith(("pq", "hlg")) else 2.0 for name in ENCODINGS}
ORANGE = (200, 100, 50)


def flat(color: Any = ORANGE, mode: str = "RGB", side: int = 16) -> Image.Image:
    return Image.new(mode, (side, side), color)


def decode(content: bytes, wanted: Any = "srgb") -> Image.Image:
    return decoding.decode(content, BOX, wanted)


def pixel(content: bytes, wanted: Any = "srgb") -> Any:
    return decode(content, wanted).getpixel((3, 3))


def p3_profile() -> bytes:
    return rgb_profile(reference.P3, curve_tag(reference.srgb_light))


# --------------------------------------------------------------------------- the reference itself


# From the table of Sharma, Wu and Dalal: "The CIEDE2000 Color-Difference Formula" (2005).
SHARMA = [
    ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
    ((50, 3.1571, -77.2803), (50, 0, -82.7485), 2.8615),
    ((50, 2.8361, -74.0200), (50, 0, -82.7485), 3.4412),
    ((50, -1.3802, -84.2814), (50, 0, -82.7485), 1.0000),
    ((50, -1.1848, -84.8006), (50, 0, -82.7485), 1.0000),
    ((50, -0.9009, -85.5211), (50, 0, -82.7485), 1.0000),
    ((50, 0, 0), (50, -1, 2), 2.3669),
    ((50, -1, 2), (50, 0, 0), 2.3669),
    ((50, 2.49, -0.001), (50, -2.49, 0.0009), 7.1792),
    ((50, 2.49, -0.001), (50, -2.49, 0.0010), 7.1792),
    ((50, 2.49, -0.001), (50, -2.49, 0.0011), 7.2195),
    ((50, 2.49, -0.001), (50, -2.49, 0.0012), 7.2195),
    ((50, -0.001, 2.49), (50, 0.0009, -2.49), 4.8045),
    ((50, -0.001, 2.49), (50, 0.0010, -2.49), 4.8045),
    ((50, -0.001, 2.49), (50, 0.0011, -2.49), 4.7461),
    ((50, 2.5, 0), (50, 0, -2.5), 4.3065),
    ((50, 2.5, 0), (73, 25, -18), 27.1492),
    ((50, 2.5, 0), (61, -5, 29), 22.8977),
    ((50, 2.5, 0), (56, -27, -3), 31.9030),
    ((50, 2.5, 0), (58, 24, 15), 19.4535),
    ((50, 2.5, 0), (50, 3.1736, 0.5854), 1.0000),
    ((50, 2.5, 0), (50, 3.2972, 0), 1.0000),
    ((50, 2.5, 0), (50, 1.8634, 0.5757), 1.0000),
    ((50, 2.5, 0), (50, 3.2592, 0.3350), 1.0000),
    ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ((63.0109, -31.0961, -5.8663), (62.8187, -29.7946, -4.0864), 1.2630),
    ((61.2901, 3.7196, -5.3901), (61.4292, 2.2480, -4.9620), 1.8731),
    ((35.0831, -44.1164, 3.7933), (35.0232, -40.0716, 1.5901), 1.8645),
    ((22.7233, 20.0904, -46.6940), (23.0331, 14.9730, -42.5619), 2.0373),
    ((36.4612, 47.8580, 18.3852), (36.2715, 50.5065, 21.2231), 1.4146),
    ((90.8027, -2.0831, 1.4410), (91.1528, -1.6435, 0.0447), 1.4441),
    ((90.9257, -0.5406, -0.9208), (88.6381, -0.8985, -0.7239), 1.5381),
    ((6.7747, -0.2908, -2.4247), (5.8714, -0.0985, -2.2286), 0.6377),
    ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
]


@pytest.mark.parametrize(("first", "second", "expected"), SHARMA)
def test_the_measure_is_that_of_the_paper(first: Any, second: Any, expected: float) -> None:
    assert reference.delta_e(first, second) == pytest.approx(expected, abs=0.00005)
    assert reference.delta_e(second, first) == pytest.approx(expected, abs=0.00005)


def test_the_reference_is_right_at_known_points() -> None:
    assert [round(each, 4) for each in reference.to_xyz(reference.SRGB)[1]] == [0.2126, 0.7152, 0.0722]
    assert [round(each, 4) for each in reference.to_xyz(reference.BT2020)[1]] == [0.2627, 0.6780, 0.0593]
    for code, primaries in ((1, reference.SRGB), (9, reference.BT2020), (12, reference.P3)):
        assert [each for point in cicp.PRIMARIES[code][:3] for each in point] == list(primaries)
    assert reference.pq_coded(100) == pytest.approx(0.5081, abs=0.0001)  # BT.2408, table 1: 51 %
    assert reference.pq_coded(203) == pytest.approx(0.5807, abs=0.0001)  # 58 %
    assert reference.hlg_coded(1 / 12) == 0.5
    assert 1000 * reference.hlg_scene(0.75) ** 1.2 == pytest.approx(203, abs=0.5)  # reference white of HLG
    assert reference.bt2390(1000, 1000) == pytest.approx(203)
    assert reference.bt2390(80, 1000) == pytest.approx(80)


# --------------------------------------------------------------------------- patches


@pytest.mark.parametrize("wanted", ["srgb", "p3"])
@pytest.mark.parametrize("name", ENCODINGS)
def test_24_patches_are_right(name: str, wanted: Any) -> None:
    found = differences(name, wanted)
    assert len(found) == 24
    assert max(found) <= LIMIT[name], found


def test_the_patches_are_in_srgb_and_outside() -> None:
    outside = [gamut.of(decode(coded_png(flat(color), 12, 13), "p3")) for color in COLORS]
    assert outside == ["srgb"] * 13 + ["p3"] * 11


@pytest.mark.parametrize("name", ENCODINGS)
def test_patches_whose_colours_are_ignored_are_wrong(name: str) -> None:
    """The measure tells: as sRGB, every encoding is beyond its limit."""
    encoding_ = ENCODINGS[name]
    as_srgb = pixels_of(opened(chart(encoding_)))
    wanted = [reference.coded_in(encoding_.shown(encoding_.coded(number))) for number in range(len(COLORS))]
    found = map(reference.delta_e, map(reference.lab_of, as_srgb), map(reference.lab_of, wanted))
    assert max(found) > 2 * LIMIT[name]


def test_the_example() -> None:
    assert pixel(coded_avif(flat(side=64), 12, 13)) == (215, 93, 31)
    assert pixel(coded_png(flat(), 12, 13)) == (215, 93, 31)
    assert pixel(data(flat(), "PNG", icc_profile=p3_profile())) == (215, 93, 31)


def test_a_heic_by_its_nclx() -> None:
    plain = decode(HEIC)
    for primaries, transfer in ((12, 13), (9, 14)):
        made = decode(with_nclx(HEIC, primaries, transfer))
        expected = colour.convert(plain, cicp.profile(primaries, transfer))
        assert made.tobytes() == expected.tobytes() != plain.tobytes()
    bright = decode(with_nclx(HEIC, 9, 18))
    coded = [level / 255 for level in plain.getpixel((6, 58))]  # type: ignore[union-attr]
    assert near(bright.getpixel((6, 58)), reference.coded_in(reference.hlg_shown(coded)), 2)


@pytest.mark.parametrize("transfer", [4, 5, 7, 8, 9, 10, 17])
def test_rarer_curves(transfer: int) -> None:
    """By the formulas of H.273, solved for light."""
    curves: dict[int, Callable[[float], float]] = {
        4: lambda v: v**2.2,
        5: lambda v: v**2.8,
        7: lambda v: v / 4 if v < 0.0912 else ((v + 0.1115) / 1.1115) ** (1 / 0.45),
        8: lambda v: v,
        9: lambda v: 10 ** (2 * (v - 1)) if v else 0,
        10: lambda v: 10 ** (2.5 * (v - 1)) if v else 0,
        17: lambda v: min(1.0, v**2.6 * 52.37 / 48),
    }
    for level in (0, 30, 120, 220):
        light = curves[transfer](level / 255)
        assert pixel(coded_png(flat((level,) * 3), 1, transfer))[0] == pytest.approx(
            255 * reference.srgb_coded(light), abs=1.1
        )


@pytest.mark.parametrize("primaries", [4, 5, 6, 7, 8, 9, 10, 11, 12, 22])
def test_white_stays_white_under_all_primaries(primaries: int) -> None:
    assert near(pixel(coded_png(flat((255, 255, 255)), primaries, 13)), (255, 255, 255), 1)
    assert pixel(coded_png(flat(), primaries, 13)) != ORANGE


@pytest.mark.parametrize(
    ("primaries", "transfer"), [(1, 13), (2, 2), (1, 2), (2, 13), (0, 0), (99, 99), (1, 1), (1, 6), (2, 14), (255, 255)]
)
def test_srgb_unspecified_and_reserved_codes_change_nothing(primaries: int, transfer: int) -> None:
    assert decode(coded_png(quarters(), primaries, transfer)).tobytes() == quarters().tobytes()


def test_the_engines_table_keeps_to_its_nodes() -> None:
    """Near white, where Little CMS would place too few: see tonemap."""
    colors = [(197, 224, 255), (215, 224, 255), (216, 213, 206), (203, 238, 60), (239, 219, 124), (225, 225, 225)]
    for transfer, shown in ((18, reference.hlg_shown), (16, lambda coded: reference.pq_shown(coded, 10_000))):
        for color in colors:
            body = with_chunk(coded_png(flat(color), 9, transfer), b"cLLI", struct.pack(">II", 100_000_000, 0))
            found, wanted = pixel(body), reference.coded_in(shown([level / 255 for level in color]))
            assert reference.delta_e(reference.lab_of(found), reference.lab_of(wanted)) < 2, (transfer, color)


@pytest.mark.parametrize("peak", [100, 203, 600, 1000, 4000, 10_000])
def test_a_picture_says_how_bright_it_is(peak: int) -> None:
    """By cLLI of PNG; grays from black to the peak."""
    for nits in (5, 80, 150, 203, 500, 900, 3000):
        level = round(255 * reference.pq_coded(nits))
        content = coded_png(flat((level,) * 3), 9, 16)
        content = with_chunk(content, b"cLLI", struct.pack(">II", peak * 10_000, 0))
        expected = reference.coded_in(reference.pq_shown([level / 255] * 3, max(203, peak)))
        assert near(pixel(content), expected, 2), nits


def test_how_bright_by_mastering_display_and_by_default() -> None:
    level = round(255 * reference.pq_coded(900))
    plain = coded_png(flat((level,) * 3), 9, 16)
    mastered = with_chunk(plain, b"mDCV", bytes(16) + struct.pack(">II", 40_000_000, 50))
    for content, peak in ((plain, 1000), (mastered, 4000), (with_chunk(mastered, b"cLLI", bytes(8)), 4000)):
        assert near(pixel(content), reference.coded_in(reference.pq_shown([level / 255] * 3, peak)), 2), peak


def test_sixteen_bits_of_a_png() -> None:
    """The decoder cuts them to eight."""
    levels = [round(65535 * reference.pq_coded(each)) for each in (150, 60, 30)]
    content = png(1, 1, 16, 2, b"\0" + struct.pack(">3H", *levels), chunk(b"cICP", bytes((9, 16, 0, 1))))
    wanted = reference.coded_in(reference.pq_shown([level / 65535 for level in levels]))
    found = decoding.decode(content, BOX).getpixel((0, 0))
    assert reference.delta_e(reference.lab_of(found), reference.lab_of(wanted)) < 2  # type: ignore[arg-type]


def test_narrow_range_is_widened() -> None:
    narrow = with_chunk(data(flat((16, 235, 126)), "PNG"), b"cICP", bytes((1, 13, 0, 0)))
    assert pixel(narrow) == (0, 255, 128)
    assert pixel(with_chunk(data(flat(16, "L"), "PNG"), b"cICP", bytes((1, 13, 0, 0)))) == 0


def test_gray_and_alpha_by_code_points() -> None:
    level = round(255 * reference.pq_coded(100))
    gray = decode(coded_png(flat(level, "L"), 9, 16))
    assert gray.mode == "L"
    assert gray.getpixel((0, 0)) == pytest.approx(reference.coded_in(reference.pq_shown([level / 255] * 3))[0], abs=1)
    assert decode(coded_png(flat(90, "L"), 12, 13)).getpixel((0, 0)) == 90
    clear = flat((*ORANGE, 77), "RGBA")
    assert pixel(coded_png(clear, 12, 13)) == (215, 93, 31, 77)
    assert pixel(coded_png(clear, 9, 16))[3] == 77


def test_gamma_and_chromaticities_of_a_png() -> None:
    gamma = with_chunk(data(flat(), "PNG"), b"gAMA", struct.pack(">I", 55_556))
    expected = [255 * reference.srgb_coded((level / 255) ** 1.8) for level in ORANGE]
    assert near(pixel(gamma), expected, 1)
    points = [31_270, 32_900, *(round(100_000 * each) for each in reference.ADOBE)]
    adobe = with_chunk(data(flat(), "PNG"), b"cHRM", struct.pack(">8I", *points))
    shown = reference.shown([level / 255 for level in ORANGE], reference.ADOBE, reference.srgb_light)
    assert near(pixel(adobe), reference.coded_in(shown), 1)
    gray = with_chunk(data(flat(100, "L"), "PNG"), b"gAMA", struct.pack(">I", 100_000))
    assert pixel(gray) == round(255 * reference.srgb_coded(100 / 255))


@pytest.mark.parametrize("gamma", [45_455, 45_000, 0, 1, 2**32 - 1])
def test_srgbs_gamma_and_nonsense_change_nothing(gamma: int) -> None:
    assert pixel(with_chunk(data(flat(), "PNG"), b"gAMA", struct.pack(">I", gamma))) == ORANGE


def test_adobe_rgb_of_a_camera_without_a_profile() -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA005] = {1: "R03"}
    content = data(flat(), "JPEG", quality=100, subsampling=0, exif=exif)
    shown = reference.shown([level / 255 for level in ORANGE], reference.ADOBE, lambda v: v ** (563 / 256))
    assert near(pixel(content), reference.coded_in(shown), 2)
    exif.get_ifd(0x8769)[0xA005] = {1: "R98"}
    assert near(pixel(data(flat(), "JPEG", quality=100, subsampling=0, exif=exif)), ORANGE, 2)
    assert near(pixel(data(flat(), "JPEG", quality=100, subsampling=0, exif=b"Exif\0\0R03")), ORANGE, 2)


def test_a_source_in_adobe_rgb_is_not_handed_out_as_it_is() -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA005] = {1: "R03"}
    assert reuse._is_srgb(data(flat(), "JPEG"), "jpeg")
    assert not reuse._is_srgb(data(flat(), "JPEG", exif=exif), "jpeg")
    assert not reuse._is_srgb(data(flat(), "JPEG", icc_profile=p3_profile()), "jpeg")


# --------------------------------------------------------------------------- TIFF


def pixels_tiff(bits: int, photometric: int, channels: int, pixels: bytes, number: int = 1) -> bytes:
    """Two pixels. `number`: 1 for integers, 3 for floating point."""
    entries: dict[int, tuple[int, int, int | bytes]] = {
        256: (4, 1, 2),
        257: (4, 1, 1),
        258: (3, channels, struct.pack(f"<{channels}H", *[bits] * channels) if channels > 2 else bits),
        259: (3, 1, 1),
        262: (3, 1, photometric),
        273: (4, 1, b"@"),
        277: (3, 1, channels),
        278: (4, 1, 1),
        279: (4, 1, len(pixels)),
        339: (3, channels, struct.pack(f"<{channels}H", *[number] * channels) if channels > 2 else number),
    }
    return tiff(entries, pixels)


@pytest.mark.parametrize("color", [(50, 32, -28), (80, -40, 60), (30, 0, 0), (95, 2, 3), (60, 90, 60)])
def test_cielab_of_a_tiff(color: tuple[int, int, int]) -> None:
    levels = struct.pack("<Bbb", round(color[0] * 2.55), *color[1:])
    image = decode(pixels_tiff(8, 8, 3, 2 * levels))
    shown = reference.adapted(reference.from_lab(color, reference.D50), reference.D50)
    found, wanted = image.getpixel((0, 0)), reference.coded_in(shown)
    assert image.mode == "RGB"
    assert reference.delta_e(reference.lab_of(found), reference.lab_of(wanted)) < 1  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (pixels_tiff(32, 2, 3, bytes(24), 3), "32 bits per channel"),
        (pixels_tiff(32, 2, 3, bytes(24)), "32 bits per channel"),
        (pixels_tiff(32, 1, 1, bytes(8), 3), "32 bits per channel"),
        (pixels_tiff(32, 5, 4, bytes(32)), "32 bits per channel"),
        (pixels_tiff(64, 2, 3, bytes(48), 3), "64 bits per channel"),
        (pixels_tiff(16, 2, 3, bytes(12), 3), "floating-point"),
        (pixels_tiff(16, 8, 3, bytes(12)), "CIELAB of 16 bits"),
        (pixels_tiff(8, 9, 3, bytes(6)), "ICCLAB"),
    ],
)
def test_what_no_decoder_reads_is_refused_by_its_name(content: bytes, words: str) -> None:
    with pytest.raises(Rejection, match=words) as caught:
        decoding.inspect(content, LIMITS)
    assert caught.value.code == "UNSUPPORTED_FORMAT"


@pytest.mark.parametrize(("photometric", "channels"), [(1, 1), (2, 3), (5, 4)])
def test_sixteen_bits_of_a_tiff_are_read(photometric: int, channels: int) -> None:
    image = decode(pixels_tiff(16, photometric, channels, struct.pack("<H", 32896) * 2 * channels))
    level = image.convert("RGB").getpixel((0, 0))
    assert near(level, (64, 64, 64) if channels == 4 else (128, 128, 128), 2)


# --------------------------------------------------------------------------- Display P3 that is kept


FORMATS_OUT = ["avif", "webp", "jpeg", "png"]
VIVID = (255, 20, 10)


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return {**recipes.route(recipes.load(), "raw/x"), "gamut": "p3"}


def vivid(side: int = 64) -> Image.Image:
    """An image in Display P3."""
    return decode(data(flat(VIVID, side=side), "PNG", icc_profile=p3_profile()), "p3")


def test_only_what_exceeds_srgb_is_kept_in_p3() -> None:
    def kept(color: Any, patch: int = 100) -> str:
        """`patch`: pixels of 10,000 that are outside of sRGB."""
        image = flat(color, side=100)
        image.paste(VIVID, (0, 0, patch, 1))
        return gamut.of(decode(data(image, "PNG", icc_profile=p3_profile()), "p3"))

    assert kept(ORANGE) == "p3"
    assert kept(ORANGE, 10) == "p3"
    assert kept(ORANGE, 9) == "srgb"
    assert pixel(data(flat(), "PNG", icc_profile=p3_profile()), "p3") == (215, 93, 31)
    assert gamut.of(decode(data(flat(VIVID), "PNG"), "p3")) == "srgb"
    assert decode(data(flat(VIVID), "PNG", icc_profile=rgb_profile(reference.SRGB, gamma_tag(2.2))), "p3").info == {}
    assert gamut.of(decode(data(flat(VIVID), "PNG", icc_profile=p3_profile()), "srgb")) == "srgb"
    clear = flat((*VIVID, 0), "RGBA")
    clear.putpixel((0, 0), (*ORANGE, 255))
    made = decode(data(clear, "PNG", icc_profile=p3_profile()), "p3")
    assert (gamut.of(made), made.getpixel((0, 0))) == ("srgb", (215, 93, 31, 255))
    clear.putpixel((0, 0), (*VIVID, 255))
    assert gamut.of(decode(data(clear, "PNG", icc_profile=p3_profile()), "p3")) == "p3"


def test_noise_within_srgb_does_not_exceed_it() -> None:
    noisy = Image.merge("RGB", [Image.effect_noise((300, 300), 60) for _ in range(3)])
    in_p3 = colour.srgb_to_p3(noisy)
    assert gamut.of(decode(data(in_p3, "PNG", icc_profile=p3_profile()), "p3")) == "srgb"


@pytest.mark.parametrize("format_", FORMATS_OUT)
def test_p3_is_kept_and_tagged_in_every_format(recipe: Recipe, format_: Any) -> None:
    content = encoding.encode(vivid(), format_, recipe)
    made = opened(content)
    profile = ImageCms.ImageCmsProfile(_io(made.info["icc_profile"])).profile
    assert profile.profile_description == "Display P3"
    assert near(made.convert("RGB").getpixel((30, 30)), VIVID, 6)
    # An independent profile of Display P3 sees no difference.
    there = ImageCms.profileToProfile(made.convert("RGB"), _io(made.info["icc_profile"]), _io(p3_profile()))
    assert there is not None
    assert near(there.getpixel((30, 30)), made.convert("RGB").getpixel((30, 30)), 1)
    plain = encoding.encode(flat(VIVID), format_, recipe)
    assert "icc_profile" not in opened(plain).info


def _io(content: bytes) -> Any:
    from io import BytesIO

    return BytesIO(content)


def test_the_hand_off_carries_the_gamut(tmp_path: Path) -> None:
    file = tmp_path / "packed.tiff"
    srgb = flat(VIVID, side=64)
    file.write_bytes(encoding.pack({"wide": vivid(), "plain": srgb, "again": srgb.copy()}))
    unpacked = encoding.Unpacked(file)
    assert unpacked.gamuts == {"wide": "p3", "plain": "srgb", "again": "srgb"}
    assert [gamut.of(unpacked[name]) for name in ("wide", "plain")] == ["p3", "srgb"]
    assert unpacked["wide"].tobytes() == unpacked["plain"].tobytes()
    assert unpacked.pictures["wide"] != unpacked.pictures["plain"] == unpacked.pictures["again"]


@pytest.mark.parametrize("fit", ["inside", "cover", "contain"])
def test_renditions_keep_the_gamut(fit: Any) -> None:
    size = {"width": 30, "height": 20, "fit": fit, "background": "#ff0000"}
    made = resizing.renditions(vivid(), {"a": size, "b": {**size, "width": 10}})  # type: ignore[dict-item]
    assert {gamut.of(image) for image in made.values()} == {"p3"}
    if fit == "contain":  # sRGB's red
        assert near(made["a"].getpixel((1, 10)), (234, 51, 35), 1)


def test_backgrounds_and_watermarks_are_srgb_colours(recipe: Recipe) -> None:
    clear = vivid().convert("RGBA")
    clear.putalpha(0)
    clear = clear.copy()
    assert near(resizing.flatten(clear, "#ff0000").getpixel((5, 5)), (234, 51, 35), 1)
    jpeg = encoding.encode(clear, "jpeg", {**recipe, "background": "#ff0000"})
    assert near(opened(jpeg).getpixel((5, 5)), (234, 51, 35), 4)
    marked = filters.watermark(vivid(), text="I", color="#00ff00", opacity=1, scale=1, margin=0)
    assert gamut.of(marked) == "p3"
    colors = [color for _, color in marked.getcolors(10_000) or []]
    assert any(near(color, (117, 251, 76), 2) for color in colors), "sRGB's green, in Display P3"


def test_filters_keep_p3_but_those_that_weigh_channels() -> None:
    for name in filters.FILTERS:
        chain: Any = [{"filter": name, "text": "x"} if name == "watermark" else {"filter": name}]
        made = filters.apply(vivid(), chain)
        assert gamut.of(made) == ("srgb" if name in ("grayscale", "sepia", "saturation") else "p3"), name
    gray = filters.apply(vivid(), [{"filter": "grayscale"}])
    expected = filters.apply(
        decode(data(flat(VIVID, side=64), "PNG", icc_profile=p3_profile())), [{"filter": "grayscale"}]
    )
    assert near(gray.convert("RGB").getpixel((9, 9)), expected.convert("RGB").getpixel((9, 9)), 1)


def test_the_placeholder_is_in_srgb() -> None:
    in_srgb = colour.p3_to_srgb(vivid())
    assert placeholder.placeholder(vivid()) == placeholder.placeholder(in_srgb)
    assert placeholder.placeholder(vivid())["color"] == "#ff0000"
    clear = Image.new("RGBA", (64, 64))
    clear.info = dict(gamut.P3)
    assert placeholder.placeholder(clear, "#c86432")["color"] in ("#c86432", "#c76432", "#c86433", "#c76433")


def test_the_manifest_tells() -> None:
    entry = manifest.rendition("raw/a.jpg", "large", "avif", (1, 1), b"x", "p3")
    assert entry["gamut"] == "p3"
    assert "gamut" not in manifest.rendition("raw/a.jpg", "large", "avif", (1, 1), b"x")


def test_orientation_and_scaling_keep_the_gamut() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    content = data(flat(VIVID, side=333), "JPEG", quality=95, icc_profile=p3_profile(), exif=exif)
    small = decoding.decode(content, {"only": {"width": 40, "height": 40}}, "p3")  # type: ignore[dict-item]
    assert gamut.of(small) == "p3"
    assert set(small.info) == {"gamut", "extent"}
    assert gamut.of(resizing.resize(small, {"width": 40, "height": 40, "fit": "inside", "gravity": "auto"})) == "p3"


# --------------------------------------------------------------------------- damaged statements


@pytest.mark.parametrize(
    "points",
    [bytes(32), b"\xff" * 32, struct.pack(">8I", 31270, 32900, *[30000, 30000] * 3), b"\0\0\x7a\x26" * 8],
)
def test_chromaticities_that_span_no_space_are_ignored(points: bytes) -> None:
    assert decode(with_chunk(data(quarters(), "PNG"), b"cHRM", points)).tobytes() == quarters().tobytes()


def test_a_profile_that_cannot_be_made_is_an_error_that_is_ignored() -> None:
    with pytest.raises(ValueError, match="no space"):
        icc.to_d50(icc.Chromaticities((0.3, 0.3), (0.3, 0.3), (0.3, 0.3), (0.3, 0.3)))
    with pytest.raises(ValueError, match="too large"):
        icc.profile("x", cicp.PRIMARIES[1], icc.Power(1e9))


def test_the_curves_of_tone_mapping_meet_their_published_points() -> None:
    assert tonemap.light_to_pq(tonemap.pq_to_light(0.7)) == pytest.approx(0.7)
    assert tonemap.eetf(1000)(87) == 87
    assert tonemap.eetf(1000)(89) < 89
    assert tonemap.eetf(1000)(1000) == pytest.approx(203)
    assert near(pixel(coded_png(flat((round(255 * reference.pq_coded(203)),) * 3), 9, 16)), (229,) * 3, 2)
