"""Makes a real, playable film without an encoder: H.264 and a quiet tone in Matroska, a plain colour every ten seconds.

Small enough to seed at once (11 MB for eleven minutes), yet true in all that an import looks at: container, codecs,
resolution, runtime, an audio track. The same arguments give the same bytes, another title another film.

H.264 (ITU-T H.264, 2021): an IDR picture is one I_PCM macroblock, which carries the colour, and intra macroblocks that
predict it from their neighbours and add nothing; all other pictures skip every macroblock. Matroska is RFC 9559, its
EBML RFC 8794.
"""

import colorsys
import hashlib
import math
import re
import struct
from pathlib import Path

COLOUR_S = 10
"""Each colour lasts so long; it is also the distance of key frames, clusters and cues."""
SAMPLES_PER_S = 8000
TONE_HZ = 200
TONE_AMPLITUDE = 300  # of 32767
FRAME_NUM_BITS = 8
LEVELS = ((30, 40_500, 1_620), (31, 108_000, 3_600), (40, 245_760, 8_192), (51, 983_040, 36_864))
"""H.264 level_idc, macroblocks per second, macroblocks per picture (table A-1)."""
IDR_SLICE, P_SLICE, SPS, PPS = 0x65, 0x41, 0x67, 0x68  # nal_ref_idc and nal_unit_type in one byte
VIDEO, AUDIO = 1, 2  # track numbers


def make_film(
    path: Path, *, title: str, duration_s: int = 660, width: int = 1920, height: int = 1080, fps: int = 24
) -> None:
    """Write a film of `duration_s` seconds to `path`; width and height are even, up to 4096x2304."""
    seed = hashlib.sha256(f"{title}/{duration_s}/{width}x{height}/{fps}".encode()).digest()
    head = [_info(title, duration_s=duration_s, uuid=seed[:16]), _tracks(width=width, height=height, fps=fps)]
    clusters = _clusters(seed, duration_s=duration_s, width=width, height=height, fps=fps)
    index = _index(head, cluster_sizes=[len(cluster) for cluster in clusters])
    body = [*index[:1], *head, *index[1:], *clusters]
    path.write_bytes(_ebml_header() + _element(0x18538067, *body))


# H.264


def _exp_golomb(number: int) -> str:
    """ue(v), clause 9.1."""
    digits = f"{number + 1:b}"
    return "0" * (len(digits) - 1) + digits


def _bytes_of(bits: str) -> bytes:
    """Bits with rbsp_trailing_bits, clause 7.3.2.11."""
    bits += "1"
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def _nal_unit(kind: int, payload: bytes) -> bytes:
    """A NAL unit with its emulation prevention bytes, clause 7.4.1."""
    return bytes([kind]) + re.sub(rb"\0\0(?=[\0-\3])", b"\0\0\3", payload)


def _blocks_across(pixels: int) -> int:
    return -(-pixels // 16)


def _sequence_parameters(*, width: int, height: int, fps: int) -> bytes:
    """Constrained Baseline, one reference picture, output in decoding order, BT.709; clauses 7.3.2.1.1 and E.1.1."""
    ue = _exp_golomb
    columns, rows = _blocks_across(width), _blocks_across(height)
    level = next(
        level for level, per_s, per_picture in LEVELS if columns * rows <= per_picture and columns * rows * fps <= per_s
    )
    crop = (0, (columns * 16 - width) // 2, 0, (rows * 16 - height) // 2)
    bits = (
        f"{66:08b}11000000{level:08b}"
        + (ue(0) + ue(FRAME_NUM_BITS - 4) + ue(2) + ue(1) + "0")  # ids, order count type 2, one reference, no gaps
        + (ue(columns - 1) + ue(rows - 1) + "1" + "1")  # frames only, direct_8x8_inference
        + ("1" + "".join(map(ue, crop)) if any(crop) else "0")
        + "1"  # vui_parameters_present
        + f"1{1:08b}"  # square samples
        + "0"
        + f"1{5:03b}01{1:08b}{1:08b}{1:08b}"  # limited range, BT.709
        + "0"
        + f"1{1:032b}{2 * fps:032b}1"  # fixed frame rate
        + "000"
        + ("11" + ue(0) * 5 + ue(1))  # no reordering, one picture buffered
    )
    return _nal_unit(SPS, _bytes_of(bits))


def _picture_parameters() -> bytes:
    """CAVLC, no weights, deblocking controlled by the slices; clause 7.3.2.2."""
    ue = _exp_golomb
    return _nal_unit(PPS, _bytes_of(ue(0) * 2 + "00" + ue(0) * 3 + "000" + ue(0) * 3 + "100"))


def _colour_picture(colour: bytes, *, columns: int, rows: int, idr_pic_id: int) -> bytes:
    """An IDR picture of one colour (Y, Cb, Cr); clauses 7.3.3 and 7.3.5."""
    ue = _exp_golomb
    header = ue(0) + ue(7) + ue(0) + "0" * FRAME_NUM_BITS + ue(idr_pic_id) + "00" + ue(0) + ue(1)
    opening = header + ue(25)  # I_PCM
    opening += "0" * (-len(opening) % 8)
    samples = bytes(colour[:1]) * 256 + bytes(colour[1:2]) * 64 + bytes(colour[2:3]) * 64
    predicted = ue(3) + ue(0) + ue(0)  # Intra_16x16 by DC, chroma by DC, the same quantiser
    plain = predicted + "1"  # coeff_token of no coefficient, where no neighbour has any (table 9-5)
    beside_pcm = predicted + "000011"  # the same beside I_PCM, which counts as 16 coefficients
    following = beside_pcm + plain * (columns - 2) + beside_pcm + plain * (columns * (rows - 1) - 1)
    picture = int(opening, 2).to_bytes(len(opening) // 8, "big") + samples + _bytes_of(following)
    return _nal_unit(IDR_SLICE, picture)


def _same_picture(frame_num: int, *, blocks: int) -> bytes:
    """A P picture that repeats the one before: a single mb_skip_run; clause 7.3.4."""
    ue = _exp_golomb
    number = f"{frame_num % 2**FRAME_NUM_BITS:0{FRAME_NUM_BITS}b}"
    return _nal_unit(P_SLICE, _bytes_of(ue(0) + ue(5) + ue(0) + number + "000" + ue(0) + ue(1) + ue(blocks)))


def _decoder_configuration(*, width: int, height: int, fps: int) -> bytes:
    """AVCDecoderConfigurationRecord with four-byte lengths; ISO/IEC 14496-15, clause 5.3.3."""
    sps, pps = _sequence_parameters(width=width, height=height, fps=fps), _picture_parameters()
    return b"\x01" + sps[1:4] + b"\xff\xe1" + struct.pack(">H", len(sps)) + sps + struct.pack(">BH", 1, len(pps)) + pps


def _colour(seed: bytes, number: int) -> bytes:
    """Y, Cb, Cr (BT.709, limited range) of the film's colour `number`: the golden angle apart from its neighbours."""
    hue = (int.from_bytes(seed[:2], "big") / 65536 + number * 0.618034) % 1
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.6, 0.5)
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return bytes(
        (
            round(16 + 219 * luma),
            round(128 + 224 * (blue - luma) / 1.8556),
            round(128 + 224 * (red - luma) / 1.5748),
        )
    )


# Matroska


def _element(identifier: int, *payload: bytes) -> bytes:
    size = sum(map(len, payload))
    width = next(width for width in range(1, 9) if size < 2 ** (7 * width) - 1)
    length = (size | 1 << 7 * width).to_bytes(width, "big")
    return b"".join((identifier.to_bytes(-(-identifier.bit_length() // 8), "big"), length, *payload))


def _number(identifier: int, value: int) -> bytes:
    return _element(identifier, value.to_bytes(max(1, -(-value.bit_length() // 8)), "big"))


def _position(identifier: int, value: int) -> bytes:
    """A number whose size does not depend on its value."""
    return _element(identifier, value.to_bytes(8, "big"))


def _float(identifier: int, value: float) -> bytes:
    return _element(identifier, struct.pack(">d", value))


def _text(identifier: int, value: str) -> bytes:
    return _element(identifier, value.encode())


def _ebml_header() -> bytes:
    versions = [
        _number(identifier, value) for identifier, value in ((0x4286, 1), (0x42F7, 1), (0x42F2, 4), (0x42F3, 8))
    ]
    return _element(0x1A45DFA3, *versions, _text(0x4282, "matroska"), _number(0x4287, 4), _number(0x4285, 2))


def _info(title: str, *, duration_s: int, uuid: bytes) -> bytes:
    return _element(
        0x1549A966,
        _element(0x73A4, uuid),
        _number(0x2AD7B1, 1_000_000),  # TimestampScale: all times are milliseconds
        _float(0x4489, duration_s * 1000),
        _text(0x7BA9, title),
        _text(0x4D80, "understudy"),
        _text(0x5741, "understudy"),
    )


def _tracks(*, width: int, height: int, fps: int) -> bytes:
    video = _element(
        0xAE,
        *(_number(0xD7, VIDEO), _number(0x73C5, VIDEO), _number(0x83, 1), _number(0x9C, 0), _text(0x22B59C, "und")),
        _text(0x86, "V_MPEG4/ISO/AVC"),
        _element(0x63A2, _decoder_configuration(width=width, height=height, fps=fps)),
        _number(0x23E383, 1_000_000_000 // fps),  # DefaultDuration
        _element(0xE0, _number(0xB0, width), _number(0xBA, height), _number(0x9A, 2)),  # progressive
    )
    audio = _element(
        0xAE,
        *(_number(0xD7, AUDIO), _number(0x73C5, AUDIO), _number(0x83, 2), _number(0x9C, 0), _text(0x22B59C, "und")),
        _text(0x86, "A_PCM/INT/LIT"),
        _element(0xE1, _float(0xB5, SAMPLES_PER_S), _number(0x9F, 1), _number(0x6264, 16)),
    )
    return _element(0x1654AE6B, video, audio)


def _block(track: int, time_ms: int, data: bytes) -> bytes:
    """A SimpleBlock; every audio block and every IDR picture is a key frame."""
    is_key = track == AUDIO or data[4] == IDR_SLICE
    return _element(0xA3, struct.pack(">BhB", 0x80 | track, time_ms, 0x80 if is_key else 0), data)


def _clusters(seed: bytes, *, duration_s: int, width: int, height: int, fps: int) -> list[bytes]:
    """One cluster per colour. Times within it are relative, so that all but the picture of the colour is the same."""
    columns, rows = _blocks_across(width), _blocks_across(height)
    tone = _tone()
    seconds = []
    for second in range(COLOUR_S):
        blocks = [_block(AUDIO, second * 1000, tone)]
        for frame in range(second * fps, (second + 1) * fps):
            picture = _same_picture(frame, blocks=columns * rows)
            if frame:
                blocks.append(_block(VIDEO, round(frame * 1000 / fps), struct.pack(">I", len(picture)) + picture))
        seconds.append(b"".join(blocks))
    clusters = []
    for number, start_s in enumerate(range(0, duration_s, COLOUR_S)):
        picture = _colour_picture(_colour(seed, number), columns=columns, rows=rows, idr_pic_id=number % 2)
        key_block = _block(VIDEO, 0, struct.pack(">I", len(picture)) + picture)
        clusters.append(
            _element(0x1F43B675, _number(0xE7, start_s * 1000), key_block, *seconds[: duration_s - start_s])
        )
    return clusters


def _tone() -> bytes:
    """One second of a sine, 16 bit little-endian, whose periods are whole."""
    step = 2 * math.pi * TONE_HZ / SAMPLES_PER_S
    samples = [round(TONE_AMPLITUDE * math.sin(step * number)) for number in range(SAMPLES_PER_S)]
    return struct.pack(f"<{SAMPLES_PER_S}h", *samples)


def _index(head: list[bytes], *, cluster_sizes: list[int]) -> tuple[bytes, bytes]:
    """SeekHead, which stands before the head, and Cues, which follow it; positions count from the segment's start."""

    def seek_head(info: int, tracks: int, cues: int) -> bytes:
        entries = ((0x1549A966, info), (0x1654AE6B, tracks), (0x1C53BB6B, cues))
        return _element(
            0x114D9B74,
            *(_element(0x4DBB, _element(0x53AB, key.to_bytes(4, "big")), _position(0x53AC, at)) for key, at in entries),
        )

    def cues(positions: list[int]) -> bytes:
        return _element(
            0x1C53BB6B,
            *(
                _element(
                    0xBB,
                    _position(0xB3, number * COLOUR_S * 1000),
                    _element(0xB7, _number(0xF7, VIDEO), _position(0xF1, position)),
                )
                for number, position in enumerate(positions)
            ),
        )

    info_at = len(seek_head(0, 0, 0))
    tracks_at = info_at + len(head[0])
    cues_at = tracks_at + len(head[1])
    at = cues_at + len(cues([0] * len(cluster_sizes)))
    positions = []
    for size in cluster_sizes:
        positions.append(at)
        at += size
    return seek_head(info_at, tracks_at, cues_at), cues(positions)
