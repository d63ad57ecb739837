"""Source keys that break naive pipelines: 200, some picked by hand, the others drawn with a seed."""

from __future__ import annotations

import random
import unicodedata

# Bytes after raw/, if the manifest has the longest name of the set.
LONGEST = 1024 - len("processed/") - len("/manifest.json")

PICKED = [
    "+", "a+b.jpg", "a b.jpg", " ", " leading.jpg", "trailing .jpg ", "a  b", "%", "%2B", "%2b.jpg",
    "%252B", "100%.jpg", "%zz", "%00", "%2e%2e%2f", "%", "a%20b", "a&amp;b", "&", "?", "#", "=",
    "?versionId=null", "?acl", "#top", "a?b#c&d=e", "a/b", "/leading", "//two", "a//b", "a///b.jpg",
    "a/./b", "a/../b", "../a", "../../etc/passwd", ".", "..", "...", "./a", "a/..", "a/.",
    ".hidden", "a/.hidden", "a.", "a..b", "raw", "raw/raw.jpg", "raw/raw/raw", "processed/a.jpg",
    "work/a.jpg", "../processed/a", "../work/x", "manifest.json", "a/manifest.json",
    "manifest.json/manifest.json", "manifest.json/x", "tom", "tom.jpg", "tom.png", "tom.JPG",
    "Tom.jpg", "tom.jpg/small.jpg", "tom.jpg/small.jpg/small.jpg", "tom.jpg/manifest.json",
    "tom.jpg/small.webp/x", "tom/small.jpg", "small.jpg", "small", "x.webp", "x.avif", "größe.jpg",
    unicodedata.normalize("NFD", "größe.jpg"), "é", "e\u0301", "\ufb01", "fi", "\u212b", "\u00c5",
    "Å", "写真/夏.jpg", "фото.jpg", "صورة.jpg", "תמונה", "\u202egpj.exe", "a\u202eb\u202c",
    "\u2066a\u2069", "\u200b", "\ufeffbom.jpg", "😀.png", "👩‍👩‍👧‍👦", "🇩🇪", "\U0010ffff", "\ufffd",
    "\ufffe", "\uffff", "\ue000", "İ.jpg", "\u0131", "ß", "ẞ", "'", '"', "`", "''\"\"",
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "<!--", "]]>", "&lt;", "{{7*7}}",
    "${jndi:ldap://x}", "$(id)", "`id`", "; rm -rf", "| cat", "a\\b", "\\", "\\\\server\\share",
    "C:\\x.jpg", "a:b", "::", "http://example.com/a.jpg", "https:/a", "javascript:alert(1)",
    "data:,", "s3://bucket/key", "//example.com/a.jpg", "a\nb", "\n", "a\r\nSubject: x\r\n\r\nb",
    "\r", "\t", "a\tb", "\x00", "a\x00.jpg", "\x01", "\x07", "\x0b", "\x1b[2J", "\x7f", "\x85",
    "\x9b31m", "\u2028", "\u2029", "a\u00a0b", "\u3000", "\u00ad", "{% $states %}", "{\"a\": 1}",
    "[]", "null", "true", "{}", "*", "a*b", "~", "!", "@", "^", "|", ",", "a,b 2x", "a, b.jpg 100w",
    "(", ")", "[a]", "{a}", "a;b", "-rf", "--help", "-", "_", "CON", "nul.jpg", "aux", "lpt1.png",
    "a" * LONGEST, "ü" * (LONGEST // 2), "/" * 300 + "a", "😀" * (LONGEST // 4),
    "a" * 255 + "/" + "b" * 255, "." * 200, "%41" * 200, "+" * 500, " " * 300 + "x", "\"" * 400,
    "<" * 400, "\x01" * 300,
]  # fmt: skip
TOO_LONG = ["a" * (LONGEST + 1), "ü" * (LONGEST // 2 + 1), "x/" * 509 + "x", "😀" * 255, "\x01" * 1020]
NO_SOURCES = ["", "folder/", "a//", " /", "\n/", ".DS_Store", "a/Thumbs.db", "x/desktop.ini", "._tom.jpg", "\x00/._"]
ALPHABETS = [
    "+%20 /.\\?&=#",
    "abc/._-~",
    "\u0300\u0301aeou\u0308",
    "\u202e\u200f\u05d0\u0627a/",
    "<>'\"&;/",
    "\r\n\t\x00\x1b\x7f /",
    "😀👍🏽\u200d\ufe0f❤",
]


def keys(count: int = 200, seed: int = 4) -> list[str]:
    """`count` different source keys, each of which can have a set: the picked ones, then drawn ones."""
    chance = random.Random(seed)
    found = dict.fromkeys(f"raw/{path}" for path in PICKED)
    while len(found) < count:
        alphabet = chance.choice(ALPHABETS)
        path = "".join(chance.choices(alphabet, k=chance.randint(1, 60))) + chance.choice(
            ["", ".jpg", ".jpg/large.jpg"]
        )
        if not path.endswith("/"):
            found[f"raw/{path}"] = None
    return list(found)
