"""XMP that marks regions, as programs write it. Regions are (left, top, right, bottom) in fractions of the picture."""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO

from PIL import Image

Region = tuple[float, float, float, float]

# EXIF orientation → how an upright picture is turned to be stored.
STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def packet(inner: str) -> bytes:
    """An XMP packet around the elements of one description."""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""'
        ' xmlns:mwg-rs="http://www.metadataworkinggroup.com/schemas/regions/"'
        ' xmlns:stArea="http://ns.adobe.com/xmp/sType/Area#" xmlns:stDim="http://ns.adobe.com/xap/1.0/sType/Dimensions#"'
        ' xmlns:MP="http://ns.microsoft.com/photo/1.2/" xmlns:MPRI="http://ns.microsoft.com/photo/1.2/t/RegionInfo#"'
        ' xmlns:MPReg="http://ns.microsoft.com/photo/1.2/t/Region#" xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
        f' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">{inner}</rdf:Description></rdf:RDF>'
        '</x:xmpmeta><?xpacket end="w"?>'
    ).encode()


def mwg(regions: Iterable[Region], size: tuple[int, int] | None, kind: str = "Face", unit: str = "normalized") -> str:
    """As phones write it. `size`: AppliedToDimensions; None leaves them out."""
    applied = size and f'<mwg-rs:AppliedToDimensions stDim:w="{size[0]}" stDim:h="{size[1]}" stDim:unit="pixel"/>'
    wide, tall = size if size and unit == "pixel" else (1, 1)
    items = "".join(
        f'<rdf:li><rdf:Description mwg-rs:Type="{kind}"><mwg-rs:Area'
        f' stArea:x="{(left + right) / 2 * wide}" stArea:y="{(top + bottom) / 2 * tall}"'
        f' stArea:w="{(right - left) * wide}" stArea:h="{(bottom - top) * tall}" stArea:unit="{unit}"/>'
        "</rdf:Description></rdf:li>"
        for left, top, right, bottom in regions
    )
    return (
        f'<mwg-rs:Regions rdf:parseType="Resource">{applied or ""}<mwg-rs:RegionList><rdf:Bag>{items}</rdf:Bag>'
        "</mwg-rs:RegionList></mwg-rs:Regions>"
    )


def microsoft(regions: Iterable[Region]) -> str:
    items = "".join(
        f'<rdf:li><rdf:Description MPReg:Rectangle="{left}, {top}, {right - left}, {bottom - top}"/></rdf:li>'
        for left, top, right, bottom in regions
    )
    bag = f"<rdf:Bag>{items}</rdf:Bag>"
    return f'<MP:RegionInfo rdf:parseType="Resource"><MPRI:Regions>{bag}</MPRI:Regions></MP:RegionInfo>'


def iptc(regions: Iterable[Region], role: str = "mainSubjectArea", size: tuple[int, int] | None = None) -> str:
    """Rectangles. `size`: that of the picture, to give them in pixels."""
    wide, tall = size or (1, 1)
    items = "".join(
        '<rdf:li rdf:parseType="Resource"><Iptc4xmpExt:RegionBoundary rdf:parseType="Resource">'
        f"<Iptc4xmpExt:rbShape>rectangle</Iptc4xmpExt:rbShape>"
        f"<Iptc4xmpExt:rbUnit>{'pixel' if size else 'relative'}</Iptc4xmpExt:rbUnit>"
        f"<Iptc4xmpExt:rbX>{left * wide}</Iptc4xmpExt:rbX><Iptc4xmpExt:rbY>{top * tall}</Iptc4xmpExt:rbY>"
        f"<Iptc4xmpExt:rbW>{(right - left) * wide}</Iptc4xmpExt:rbW>"
        f"<Iptc4xmpExt:rbH>{(bottom - top) * tall}</Iptc4xmpExt:rbH></Iptc4xmpExt:RegionBoundary>"
        '<Iptc4xmpExt:rRole><rdf:Bag><rdf:li rdf:parseType="Resource"><xmp:Identifier><rdf:Bag><rdf:li>'
        f"http://cv.iptc.org/newscodes/imageregionrole/{role}"
        "</rdf:li></rdf:Bag></xmp:Identifier></rdf:li></rdf:Bag></Iptc4xmpExt:rRole></rdf:li>"
        for left, top, right, bottom in regions
    )
    return f"<Iptc4xmpExt:ImageRegion><rdf:Bag>{items}</rdf:Bag></Iptc4xmpExt:ImageRegion>"


def stored(region: Region, orientation: int) -> Region:
    """A region of the upright picture, in the picture as it is stored."""
    left, top, right, bottom = region
    if orientation in (2, 3, 6, 7):
        left, right = 1 - right, 1 - left
    if orientation in (3, 4, 7, 8):
        top, bottom = 1 - bottom, 1 - top
    return (top, left, bottom, right) if orientation >= 5 else (left, top, right, bottom)


def jpeg(upright: Image.Image, xmp: bytes | None = None, orientation: int = 1, quality: int = 88) -> bytes:
    """A picture as a camera stores it that was held so."""
    exif, buffer = Image.Exif(), BytesIO()
    exif[0x0112] = orientation
    turned = upright.transpose(STORED[orientation]) if orientation in STORED else upright
    options = {"xmp": xmp} if xmp else {}
    turned.save(buffer, "JPEG", quality=quality, exif=exif, **options)
    return buffer.getvalue()
