"""XML as indexers send it, parsed without entities, DTDs, network or unbounded trees.

A document that is not well-formed gets one more try after the repairs that real feeds need: wrong
bytes for their encoding, control characters, HTML entities, bare ampersands, undeclared prefixes.
"""

import re
from contextlib import suppress
from html.entities import html5

from lxml import etree

from clients.errors import BadAnswer, BadAnswerReason

# In every encoding that keeps ASCII, once the zero bytes of UTF-16 and UTF-32 are taken out.
_FORBIDDEN_DTD = re.compile(rb"<!(?:DOCTYPE[^<>\[]*\[|ENTITY)", re.I)
_HTML = re.compile(rb"\s*<(?:!doctype\s+html|html|head|body)\b", re.I)
_XML = re.compile(rb"\s*<(?:\?xml|rss|caps|error|feed)\b", re.I)
MAX_TAGS = 500_000  # a tree takes about 120 bytes of memory a node; a page of 100 items has some 5,000 tags
MAX_REPAIRED_BYTES = 2 * 1024 * 1024
_UTF8_BOM = b"\xef\xbb\xbf"
_DECLARATION = re.compile(r"^\s*<\?xml\b[^>]*\?>")
_DECLARED_ENCODING = re.compile(rb"^\s*<\?xml\b[^>]*\bencoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"']")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_AMPERSAND = re.compile(r"&(?:(#[0-9]{1,8}|#[xX][0-9a-fA-F]{1,8}|[A-Za-z][A-Za-z0-9]{1,31});)?")
_XML_ENTITIES = ("amp", "lt", "gt", "quot", "apos")
_ROOT = re.compile(r"<[A-Za-z_][\w.:-]*")


def parse_xml(body: bytes, *, content_type: str = "") -> etree._Element:
    """The root element of `body`.

    BadAnswer tells what it is instead: EMPTY, HTML (a login page or a block), DTD (an internal
    subset or an entity declaration), TOO_LARGE, TRUNCATED, or NOT_XML.
    """
    if not body.strip():
        raise BadAnswer("the answer is empty", reason=BadAnswerReason.EMPTY)
    plain = body.replace(b"\0", b"").removeprefix(_UTF8_BOM)
    if _HTML.match(plain) or (content_type in ("text/html", "application/xhtml+xml") and not _XML.match(plain)):
        raise BadAnswer("the answer is a web page: a login or a block", reason=BadAnswerReason.HTML)
    if _FORBIDDEN_DTD.search(plain):
        raise BadAnswer("the answer declares entities or a DTD", reason=BadAnswerReason.DTD)
    if plain.count(b"<") > MAX_TAGS:
        raise BadAnswer(f"the answer has more than {MAX_TAGS} tags", reason=BadAnswerReason.TOO_LARGE)
    try:
        return _parsed(body)
    except _NotWellFormed as error:
        failure = error
    if len(body) <= MAX_REPAIRED_BYTES:
        try:
            return _parsed(_repaired(body))
        except _NotWellFormed as error:
            failure = error
    is_cut_off = "Premature end of data" in str(failure) or not plain.rstrip().endswith(b">")
    if is_cut_off and plain.lstrip().startswith(b"<"):
        raise BadAnswer("the answer is cut off", reason=BadAnswerReason.TRUNCATED) from failure
    raise BadAnswer(f"the answer is not XML: {failure}"[:200], reason=BadAnswerReason.NOT_XML) from failure


class _NotWellFormed(Exception):
    """The document needs repair before it can be read."""


def _parsed(body: bytes) -> etree._Element:
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError as error:
        raise _NotWellFormed(error.msg) from error
    dtd = root.getroottree().docinfo.internalDTD
    if dtd is None:
        return root
    if any(dtd.entities()):  # type: ignore[union-attr]  # lxml-stubs lacks it; sees what the search for bytes cannot
        raise BadAnswer("the answer declares entities or a DTD", reason=BadAnswerReason.DTD)
    if any(True for _ in root.iter(etree.Entity)):  # beside a DOCTYPE, &nbsp; is well-formed and stays
        raise _NotWellFormed("an entity nobody declared")
    return root


def _repaired(body: bytes) -> bytes:
    text = _CONTROL.sub("", _decoded(body)).lstrip("\ufeff \t\r\n")
    text = _AMPERSAND.sub(_repaired_reference, _DECLARATION.sub("", text, count=1))
    used = set(re.findall(r"</?([A-Za-z_][\w.-]*):", text))
    missing = used - set(re.findall(r"\bxmlns:([A-Za-z_][\w.-]*)", text))
    declarations = "".join(f' xmlns:{prefix}="urn:undeclared:{prefix}"' for prefix in sorted(missing)[:20])
    return _ROOT.sub(lambda root: root[0] + declarations, text, count=1).encode()


def _decoded(body: bytes) -> str:
    """The text in the encoding that is marked or declared, in UTF-8 where that makes no sense."""
    if body.startswith((b"\xff\xfe", b"\xfe\xff")):
        return body.decode("utf-16", "replace")
    declared = _DECLARED_ENCODING.match(body.removeprefix(_UTF8_BOM))
    with suppress(LookupError, UnicodeError):
        text = body.decode(declared[1].decode() if declared else "utf-8", "replace")
        if "<" in text:
            return text
    return body.decode("utf-8", "replace")


def _repaired_reference(reference: re.Match[str]) -> str:
    name: str | None = reference[1]
    if name is None:
        return "&amp;"
    if name.startswith("#"):
        number = int(name[2:], 16) if name[1] in "xX" else int(name[1:])
        is_character = number in (9, 10, 13) or 32 <= number < 0xD800 or 0xE000 <= number < 0xFFFE
        return reference[0] if is_character or 0x10000 <= number < 0x110000 else ""
    if name in _XML_ENTITIES:
        return reference[0]
    return html5.get(name + ";", "&amp;" + reference[0][1:])
