"""The samples: each has the property that it is made for."""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING

import pytest
from PIL import Image, ImageOps, ImageStat

from darkroom import samples

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    began = time.process_time()
    assert len(samples.make_samples(folder)) == len(samples.NAMES)
    assert time.process_time() - began < 40, "the demo must start fast"
    return folder


def test_photos_are_large_enough_to_be_worth_resizing(folder: Path) -> None:
    for name in ("lake at dusk.jpg", "night lights.jpg"):
        with Image.open(folder / name) as image:
            assert 6_000_000 <= image.width * image.height <= 12_000_000
            assert image.format == "JPEG"


def test_the_balloon_is_upright_only_by_its_exif_orientation(folder: Path) -> None:
    with Image.open(folder / "balloon.jpg") as image:
        exif = image.getexif()
        assert exif[0x0112] == 6
        assert exif.get_ifd(0x8825)[2] == (48, 51, 30), "a position that no rendition may carry"
        assert image.width > image.height
        upright = ImageOps.exif_transpose(image)
    assert upright.width < upright.height
    top = upright.crop((0, 0, upright.width, upright.height // 6))
    bottom = upright.crop((0, upright.height * 2 // 5, upright.width, upright.height // 2))
    assert ImageStat.Stat(top).mean[2] > ImageStat.Stat(bottom).mean[2], "blue sky is above brown hills"


def test_the_logo_is_transparent_with_soft_edges(folder: Path) -> None:
    with Image.open(folder / "logo.png") as image:
        alpha = image.getchannel("A").histogram()
    assert alpha[0] > 0
    assert alpha[255] > 0
    assert sum(1 for count in alpha[1:255] if count) > 100


def test_a_sample_is_cmyk_and_another_webp(folder: Path) -> None:
    with Image.open(folder / "print" / "hills cmyk.jpg") as image:
        assert image.mode == "CMYK"
    with Image.open(folder / "misty.webp") as image:
        assert image.format == "WEBP"


def test_the_broken_files_are_broken(folder: Path) -> None:
    image = Image.open(io.BytesIO((folder / "broken" / "truncated.jpg").read_bytes()))
    with pytest.raises(OSError, match="truncated"):
        image.load()
    with pytest.raises(OSError, match="cannot identify"):
        Image.open(io.BytesIO((folder / "broken" / "notes.jpg").read_bytes()))


def test_one_name_has_the_characters_that_links_and_keys_get_wrong(folder: Path) -> None:
    assert (folder / samples.AWKWARD_NAME).is_file()
    assert all(character in samples.AWKWARD_NAME for character in " %+&/")
    assert not samples.AWKWARD_NAME.isascii()


def test_a_photo_is_the_same_for_the_same_seed() -> None:
    first, again, other = (samples.photo(160, 120, seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    with Image.open(io.BytesIO(first)) as image:
        assert image.size == (160, 120)
