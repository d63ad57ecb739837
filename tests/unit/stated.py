"""Reads what an output states in its XMP: by a parser and by places in the files that are not the engine's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from xml.dom import minidom


def packets_in(content: bytes) -> list[bytes]:
    """Every XMP packet in a JPEG, PNG, WebP or AVIF, where its format has it."""
    if content[:2] == b"\xff\xd8":
        pattern = rb"\xff\xe1(..)http://ns\.adobe\.com/xap/1\.0/\0"
        starts = ((match.end(), match) for match in re.finditer(pattern, content, re.DOTALL))
        return [content[start : match.start() + 2 + int.from_bytes(match[1], "big")] for start, match in starts]
    if content[:4] == b"\x89PNG":
        heads = re.finditer(rb"(....)iTXtXML:com\.adobe\.xmp\0\0\0\0\0", content, re.DOTALL)
        return [content[head.end() : head.start() + 8 + int.from_bytes(head[1], "big")] for head in heads]
    if content[:4] == b"RIFF":
        heads = re.finditer(rb"XMP (....)", content, re.DOTALL)
        found = [content[head.end() : head.end() + int.from_bytes(head[1], "little")] for head in heads]
        assert bool(content[20] & 4) is bool(found)  # the flag without which browsers and libwebp do not look
        return found
    # An item of type "mime", whose place is in the box iloc: the packet itself is all that begins like one.
    count = content.count(b"application/rdf+xml\0")
    found = re.findall(rb'<\?xpacket begin=.*?<\?xpacket end="r"\?>', content, re.DOTALL)
    assert len(found) == count
    return found


def stated(content: bytes) -> dict[str, Any]:
    """What an output says, in the shape of facts; {} if it says nothing."""
    packets = packets_in(content)
    assert len(packets) <= 1
    if not packets:
        return {}
    document = minidom.parseString(packets[0])
    (description,) = document.getElementsByTagName("rdf:Description")
    assert list(description.attributes.keys()) == ["rdf:about"]
    found = {node.nodeName: list(_texts(node)) for node in description.childNodes}
    assert set(found) <= set(NAMES)
    rights = {
        field: found[name] if field == "creator" else found[name][0]
        for name, field in NAMES.items()
        if name in found and field in ("creator", "credit", "copyright", "licence", "licensor")
    }
    others = {field: found[name][0] for name, field in NAMES.items() if name in found and field not in rights}
    return {**({"rights": rights} if rights else {}), **others}


NAMES = {
    "dc:creator": "creator",
    "photoshop:Credit": "credit",
    "dc:rights": "copyright",
    "xmpRights:WebStatement": "licence",
    "plus:Licensor": "licensor",
    "Iptc4xmpExt:DigitalSourceType": "digital_source_type",
    "Iptc4xmpCore:AltTextAccessibility": "alt",
}


def _texts(node: Any) -> Iterator[str]:
    for child in node.childNodes:
        if child.nodeType == child.TEXT_NODE:
            yield child.data
        else:
            yield from _texts(child)
