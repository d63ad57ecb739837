"""What a recipe keeps of a source's metadata: read from XMP, IPTC-IIM and EXIF, and written as XMP.

Everything else is left behind, GPS positions and serial numbers first: renditions get what `packet` makes of a few
fields, and never a part of the source's own metadata.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterator
from contextlib import suppress
from html import escape
from typing import TYPE_CHECKING, TypedDict

from engine import c2pa, iptc

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from contracts import C2pa, ImageFacts, Rights, SourceFormat
    from engine.pillow import Image

_MOST_CREATORS = 10
_LONGEST_NAME, _LONGEST_TEXT, _LONGEST_URL = 200, 2000, 1000  # characters
_EXIF_ARTIST, _EXIF_COPYRIGHT = 0x013B, 0x8298
_SPACES = {
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "dc": "http://purl.org/dc/elements/1.1/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "xmpRights": "http://ns.adobe.com/xap/1.0/rights/",
    "plus": "http://ns.useplus.org/ldf/xmp/1.0/",
    "cc": "http://creativecommons.org/ns#",
    "Iptc4xmpCore": "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "xml": "http://www.w3.org/XML/1998/namespace",
}


class Kept(TypedDict, total=False):
    """Those fields of ImageFacts that say what is kept."""

    rights: Rights
    digital_source_type: str
    alt: str
    c2pa: C2pa


def read(image: Image.Image, data: bytes, name: SourceFormat, keep: Collection[str], root: Element | None) -> Kept:
    """What a recipe's `keep` asks for, from `data`, of which `image` is what Pillow opened, and `root` that of its XMP.
    Never raises.

    Each field is taken from XMP, else from IIM, else from EXIF: XMP is where IPTC defines them and what editors write
    last; IIM cuts names at 32 bytes; what EXIF has is often the camera's setting. Makers of AI pictures often say so in
    their C2PA manifest only: that mark outlives it.
    """
    kept: Kept = {}
    signed = b""
    with suppress(Exception):
        signed = c2pa.manifests(image, data, name)
    if signed:
        kept["c2pa"] = {"bytes": len(signed)}
    if not keep:
        return kept
    resource = [] if root is None else _resource(root)
    with suppress(Exception):
        if "rights" in keep and (rights := _rights(image, data, name, resource)):
            kept["rights"] = rights
    with suppress(Exception):
        if "ai" in keep and (
            kind := _first(resource, "Iptc4xmpExt:DigitalSourceType", _LONGEST_URL) or c2pa.source_type(signed)
        ):
            kept["digital_source_type"] = kind
        if "alt" in keep and (alt := _first(resource, "Iptc4xmpCore:AltTextAccessibility", _LONGEST_TEXT)):
            kept["alt"] = alt
    return kept


def with_alt(facts: ImageFacts, given: object) -> ImageFacts:
    """The facts with the alternative text that the uploader gave, if any: it goes before the file's own."""
    alt = cleaned(given)
    return {**facts, "alt": alt} if alt else facts


def packet(facts: ImageFacts, keep: Collection[str]) -> bytes | None:
    """The XMP packet that renditions carry; None if there is nothing to say. At most 60,000 bytes: a JPEG holds 65,502.

    `keep` counts again: the page's alternative text may come from the upload, and still not be for the files.
    """
    rights = facts.get("rights", {}) if "rights" in keep else {}
    licensor = rights.get("licensor")
    properties = {
        "dc:creator": _list("Seq", rights.get("creator", [])),
        "photoshop:Credit": escape(rights.get("credit", "")),
        "dc:rights": _default(rights.get("copyright")),
        "xmpRights:WebStatement": escape(rights.get("licence", "")),
        "plus:Licensor": licensor and _structure("plus:LicensorURL", licensor),
        "Iptc4xmpExt:DigitalSourceType": escape(facts.get("digital_source_type", "")) if "ai" in keep else "",
        "Iptc4xmpCore:AltTextAccessibility": _default(facts.get("alt")) if "alt" in keep else "",
    }
    stated = {name: value for name, value in properties.items() if value}
    if not stated:
        return None
    prefixes = dict.fromkeys(["rdf", *(name.partition(":")[0] for name in stated)])
    spaces = "".join(f' xmlns:{prefix}="{_SPACES[prefix]}"' for prefix in prefixes)
    body = "".join(f"<{name}>{value}</{name}>" for name, value in stated.items())
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        f'<rdf:RDF{spaces}><rdf:Description rdf:about="">{body}</rdf:Description></rdf:RDF>'
        '</x:xmpmeta><?xpacket end="r"?>'
    ).encode()


def _list(kind: str, texts: list[str]) -> str:
    items = "".join(f"<rdf:li>{escape(text)}</rdf:li>" for text in texts)
    return items and f"<rdf:{kind}>{items}</rdf:{kind}>"


def _default(text: str | None) -> str:
    """A text of which there may be one for each language."""
    return f'<rdf:Alt><rdf:li xml:lang="x-default">{escape(text)}</rdf:li></rdf:Alt>' if text else ""


def _structure(name: str, text: str) -> str:
    """A list with one structure of one field."""
    field = f"<{name}>{escape(text)}</{name}>"
    return f'<rdf:Seq><rdf:li rdf:parseType="Resource">{field}</rdf:li></rdf:Seq>'


def cleaned(text: object, longest: int = _LONGEST_TEXT) -> str:
    """A stranger's text on one line: no control characters or lone surrogates, nothing that turns the line's direction.

    Characters that join others stay: scripts and emoji need them.
    """
    plain = "".join(" " if _is_unwanted(character) else character for character in str(text or "")[: 4 * longest])
    return " ".join(plain.split())[:longest].strip()


def _is_unwanted(character: str) -> bool:
    return (
        unicodedata.category(character) in ("Cc", "Cs", "Cn", "Zl", "Zp")
        or "\u202a" <= character <= "\u202e"
        or "\u2066" <= character <= "\u2069"
        or character == "\ufeff"
    )


# --------------------------------------------------------------------------- rights


def _rights(image: Image.Image, data: bytes, name: SourceFormat, resource: list[Element]) -> Rights:
    records: dict[tuple[int, int], list[str]] = {}
    with suppress(Exception):
        records = iptc.texts(iptc.records(image, data, name))
    exif: dict[int, object] = {}
    with suppress(Exception):
        exif = dict(image.getexif())

    def of_iptc(key: tuple[int, int], longest: int) -> list[str]:
        return _distinct(records.get(key, []), longest)

    def of_exif(tag: int, longest: int) -> list[str]:
        return _distinct([_exif_text(exif.get(tag))], longest)

    creators = (
        _texts(resource, "dc:creator", _LONGEST_NAME)
        or of_iptc(iptc.BYLINE, _LONGEST_NAME)
        or of_exif(_EXIF_ARTIST, _LONGEST_NAME)
    )
    credits_ = _texts(resource, "photoshop:Credit", _LONGEST_NAME) or of_iptc(iptc.CREDIT, _LONGEST_NAME)
    notices = (
        _texts(resource, "dc:rights", _LONGEST_TEXT)
        or of_iptc(iptc.COPYRIGHT, _LONGEST_TEXT)
        or of_exif(_EXIF_COPYRIGHT, _LONGEST_TEXT)
    )
    licences = _urls(resource, "xmpRights:WebStatement") or _urls(resource, "cc:license")
    # A structure has several spellings: all that is in it is looked at.
    licensors = [
        each for element in resource for held in element.findall(_name("plus:Licensor")) for each in held.iter()
    ]
    shops = _urls(licensors, "plus:LicensorURL")
    rights: Rights = {}
    if creators:
        rights["creator"] = creators[:_MOST_CREATORS]
    if credits_:
        rights["credit"] = credits_[0]
    if notices:
        rights["copyright"] = notices[0]
    if licences:
        rights["licence"] = licences[0]
    if shops:
        rights["licensor"] = shops[0]
    return rights


def _exif_text(value: object) -> str:
    """A text of EXIF. Pillow reads it as Latin-1; most cameras and programs write UTF-8."""
    text = str(value or "")
    with suppress(UnicodeError):
        text = text.encode("latin-1").decode("utf-8")
    return text


def _distinct(texts: list[str], longest: int) -> list[str]:
    return list(dict.fromkeys(text for each in texts if (text := cleaned(each, longest))))


# --------------------------------------------------------------------------- RDF


def _name(prefixed: str) -> str:
    prefix, _, name = prefixed.partition(":")
    return f"{{{_SPACES[prefix]}}}{name}"


def _resource(root: Element) -> list[Element]:
    """The descriptions of the picture itself: those of its ingredients stand deeper."""
    rdf = root if root.tag == _name("rdf:RDF") else next(root.iter(_name("rdf:RDF")), None)
    return [] if rdf is None else list(rdf)


def _first(resource: list[Element], name: str, longest: int) -> str:
    return next(iter(_texts(resource, name, longest)), "")


def _texts(resource: list[Element], name: str, longest: int) -> list[str]:
    """The cleaned values of a property, that of the default language first."""
    values = sorted(_values(resource, name), key=lambda value: value[0].lower() != "x-default")
    return _distinct([text for _, text in values], longest)


def _urls(resource: list[Element], name: str) -> list[str]:
    """Only of the web: a page may make a link of it."""
    urls = [text.strip() for _, text in _values(resource, name)]
    return [url for url in urls if _is_url(url)]


def _is_url(text: str) -> bool:
    return (
        text.lower().startswith(("https://", "http://"))
        and len(text) <= _LONGEST_URL
        and all(character.isprintable() and not character.isspace() for character in text)
    )


def _values(resource: list[Element], name: str) -> Iterator[tuple[str, str]]:
    """(language, text) of each value of a property: an attribute, an element, or the items of a list."""
    tag = _name(name)
    for description in resource:
        if value := description.get(tag):
            yield "", value
        for found in description.findall(tag):
            items = [item for kind in ("rdf:Alt", "rdf:Seq", "rdf:Bag") for item in _items(found, kind)]
            for element in items or [found]:
                yield element.get(_name("xml:lang"), ""), _text(element)


def _items(element: Element, kind: str) -> list[Element]:
    return [item for held in element.findall(_name(kind)) for item in held.findall(_name("rdf:li"))]


def _text(element: Element) -> str:
    """A plain value, a link, or a value with qualifiers."""
    text = element.get(_name("rdf:resource")) or element.text or ""
    return text if text.strip() else element.findtext(f".//{_name('rdf:value')}") or ""
