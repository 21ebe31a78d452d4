"""One parser in one process: reads a task from standard input, parses, says the answers and the times.

    python -P benchmarks/rivals/parse_names.py understudy|guessit|parsett|parse-torrent-title < task.json

The task is {"asked": [[name, call], ...], "timed": [name, ...], "hostile": [name, ...]}; `call` as in the corpus. Each
rival's answer is translated to one set of keys, in its favour where its words are ambiguous. Times are without that,
and of the processor, which others may be using too.
"""

import contextlib
import json
import signal
import sys
import time

CODES = {
    "ar": "Arabic", "bg": "Bulgarian", "bn": "Bengali", "bs": "Bosnian", "ca": "Catalan", "cs": "Czech", "da": "Danish",
    "de": "German", "el": "Greek", "en": "English", "es": "Spanish", "et": "Estonian", "fa": "Persian", "fi": "Finnish",
    "fr": "French", "he": "Hebrew", "hi": "Hindi", "hr": "Croatian", "hu": "Hungarian", "id": "Indonesian",
    "is": "Icelandic", "it": "Italian", "ja": "Japanese", "ka": "Georgian", "kn": "Kannada", "ko": "Korean",
    "la": "Spanish (Latino)", "lt": "Lithuanian", "lv": "Latvian", "mk": "Macedonian", "ml": "Malayalam",
    "mn": "Mongolian", "mr": "Marathi", "nl": "Dutch", "no": "Norwegian", "pl": "Polish", "pt": "Portuguese",
    "pt-BR": "Portuguese (Brazil)", "ro": "Romanian", "ru": "Russian", "sk": "Slovak", "sl": "Slovenian",
    "sq": "Albanian", "sr": "Serbian", "sv": "Swedish", "ta": "Tamil", "te": "Telugu", "th": "Thai", "tr": "Turkish",
    "uk": "Ukrainian", "ur": "Urdu", "vi": "Vietnamese", "zh": "Chinese",
}  # fmt: skip
FIXED = {"cam": "CAM", "telesync": "TELESYNC", "telecine": "TELECINE", "workprint": "WORKPRINT", "screener": "DVDSCR"}
HOSTILE_LIMIT_S = 1


def quality(source, lines, *, is_remux=False, container=None):
    """The name in the quality table of a source (bluray, bdrip, web, webrip, tv, dvd, dvdr, ...) and a height."""
    rungs = ((1500, 2160), (1000, 1080), (700, 720), (560, 576), (1, 480))
    lines = next((rung for least, rung in rungs if lines >= least), 0)
    if source in FIXED:
        return FIXED[source]
    if source in ("dvd", "dvdr", "regional", "brdisk"):
        return {"dvd": "DVD", "dvdr": "DVD-R", "regional": "REGIONAL", "brdisk": "BR-DISK"}[source]
    if is_remux and source in ("bluray", "bdrip", None):
        return f"Remux-{lines or 1080}p" if lines in (0, 1080, 2160) else f"Bluray-{lines}p"
    if source in ("bluray", "bdrip"):
        return f"Bluray-{lines or (480 if source == 'bdrip' else 720)}p"
    if source in ("web", "webrip"):
        return f"{'WEBDL' if source == 'web' else 'WEBRip'}-{480 if lines == 576 else lines or 480}p"
    if source == "tv" or lines:
        return f"HDTV-{lines}p" if lines >= 720 else "SDTV"
    return {"avi": "SDTV", "mkv": "HDTV-720p"}.get(container, "Unknown")


def height(text):
    text = str(text or "").lower()
    if text in ("4k", "2k"):
        return {"4k": 2160, "2k": 1440}[text]
    digits = text.split("x")[-1].rstrip("pi")
    return int(digits) if digits.isdigit() else 0


def listed(value):
    return list(value) if isinstance(value, (list, tuple)) else [] if value is None else [value]


def understudy():
    from movies.parse_contract import NameKind, parsed_json
    from movies.release import parse_release

    def answer(name, call):
        said = parsed_json(name, NameKind(call))
        return None if said.get("parsed") is False else said

    return parse_release, answer


def guessit():
    from guessit import guessit as parse

    sources = {
        "Blu-ray": "bluray", "Ultra HD Blu-ray": "bluray", "HD-DVD": "bluray", "Web": "web", "DVD": "dvd",
        "Camera": "cam", "HD Camera": "cam", "Telesync": "telesync", "HD Telesync": "telesync", "Telecine": "telecine",
        "HD Telecine": "telecine", "Workprint": "workprint", "HDTV": "tv", "Ultra HDTV": "tv", "Digital TV": "tv",
        "TV": "tv", "Satellite": "tv", "Analog HDTV": "tv", "VHS": "tv",
    }  # fmt: skip
    options = {"type": "movie"}

    def answer(name, call):
        said = parse(name, {} if call in ("quality", "languages", "release_group") else options)
        others = listed(said.get("other"))
        if call in ("release", "folder", "path") and ("episode" in said or "title" not in said):
            return None
        source = sources.get(next(iter(listed(said.get("source"))), ""))
        if "Rip" in others:
            source = {"web": "webrip", "bluray": "bdrip"}.get(source, source)
        if "Screener" in others or "Region 5" in others:
            source = "screener" if "Screener" in others else "regional"
        languages = [CODES.get(str(language), str(language)) for language in listed(said.get("language"))]
        edition = " ".join(map(str, listed(said.get("edition"))))
        return {
            "title": said.get("title"),
            "year": said.get("year"),
            "edition": edition or None,
            "quality": quality(
                source,
                height(said.get("screen_size")),
                is_remux="Remux" in others,
                container=said.get("container"),
            ),
            "languages": [language for language in languages if language not in ("mul", "und")],
            "release_group": said.get("release_group"),
            "version": said.get("version") or 1 + (said.get("proper_count") or 0),
            "hardcoded_subs": "Hardcoded Subtitles" in others,
        }

    return (lambda name: parse(name, options)), answer


def parsett():
    from PTT import parse_title as parse

    sources = {
        "BluRay": "bluray", "BluRay REMUX": "bluray", "REMUX": "bluray", "BDRip": "bdrip", "BRRip": "bdrip",
        "UHDRip": "webrip", "HDRip": "webrip", "WEB": "web", "WEB-DL": "web", "WEBRip": "webrip", "WEB-DLRip": "webrip",
        "WEBMux": "webrip", "DVD": "dvd", "DVDRip": "dvd", "HDTV": "tv", "HDTVRip": "tv", "TVRip": "tv", "SATRip": "tv",
        "PDTV": "tv", "PPVRip": "tv", "VHS": "tv", "VHSRip": "tv", "CAM": "cam", "TeleSync": "telesync",
        "TeleCine": "telecine", "SCR": "screener", "R5": "regional",
    }  # fmt: skip

    def answer(name, call):
        said = parse(name)
        is_refused = not said.get("title") or said.get("episodes") or said.get("seasons")
        if call in ("release", "folder", "path") and is_refused:
            return None
        kind = said.get("quality") or ""
        return {
            "title": said.get("title"),
            "year": said.get("year"),
            "edition": said.get("edition"),
            "quality": quality(
                sources.get(kind),
                height(said.get("resolution")),
                is_remux="REMUX" in kind,
                container=said.get("container"),
            ),
            "languages": [CODES.get(code, code) for code in said.get("languages") or []],
            "release_group": said.get("group"),
            "version": 2 if said.get("proper") or said.get("repack") else 1,
            "hardcoded_subs": bool(said.get("hardcoded")),
        }

    return parse, answer


def parse_torrent_title():
    from PTN import parse

    sources = {
        "Blu-ray": "bluray", "BDRip": "bdrip", "BRRip": "bdrip", "WEB-DL": "web", "WEBRip": "webrip", "HDRip": "webrip",
        "HDTV": "tv", "PDTV": "tv", "TVRip": "tv", "DVD": "dvd", "DVDRip": "dvd", "DVD-Rip": "dvd", "DVD-R": "dvdr",
        "Cam": "cam", "Telesync": "telesync", "Telecine": "telecine", "Screener": "screener", "Workprint": "workprint",
    }  # fmt: skip
    editions = {
        "extended": "Extended", "directorsCut": "Directors Cut", "unrated": "Unrated", "remastered": "Remastered",
        "internationalCut": "International Cut", "uncensored": "Uncensored",
    }  # fmt: skip

    def answer(name, call):
        said = parse(name)
        if call in ("release", "folder", "path") and ("episode" in said or "season" in said or not said.get("title")):
            return None
        return {
            "title": said.get("title"),
            "year": said.get("year"),
            "edition": " ".join(word for key, word in editions.items() if said.get(key)) or None,
            "quality": quality(
                sources.get(said.get("quality")),
                height(said.get("resolution")),
                is_remux=bool(said.get("remux")),
                container=said.get("container"),
            ),
            "languages": listed(said.get("language")),
            "release_group": said.get("encoder"),
            "version": 2 if said.get("proper") or said.get("repack") else 1,
            "hardcoded_subs": bool(said.get("hardcoded")),
        }

    return parse, answer


PARSERS = {
    "understudy": understudy,
    "guessit": guessit,
    "parsett": parsett,
    "parse-torrent-title": parse_torrent_title,
}


class TooSlow(Exception):
    pass


def give_up(number, frame):
    raise TooSlow


def timed_s(parse, name):
    start = time.process_time()
    with contextlib.suppress(Exception):  # too slow, or a rival's error: its time counts all the same
        parse(name)
    return time.process_time() - start


def worst_of(parse, names):
    """The slowest name and its milliseconds, the best of three tries each; none gets much more than a second."""
    signal.signal(signal.SIGALRM, give_up)
    worst = (0.0, "")
    for name in names:
        signal.alarm(HOSTILE_LIMIT_S)
        times = [timed_s(parse, name)]
        while len(times) < 3 and times[0] < 0.5:
            times.append(timed_s(parse, name))
        signal.alarm(0)
        worst = max(worst, (min(times) * 1000, name))
    return worst


def answered(answer, name, call):
    """What a parser says, of a path by its file or else by its folder where it does not read paths itself."""
    if call == "path" and sys.argv[1] not in ("understudy", "guessit"):
        *_, folder, file = name.split("/")
        return answered(answer, file, "release") or answered(answer, folder, "release")
    try:
        return answer(name, call)
    except Exception as error:  # noqa: BLE001 - a rival's error is a wrong answer
        return {"title": repr(error)}


def main():
    parse, answer = PARSERS[sys.argv[1]]()
    task = json.load(sys.stdin)
    timed = task.get("timed", [])
    for name in timed[:50]:
        parse(name)  # what is built on first use
    start = time.process_time()
    for name in timed:
        parse(name)
    rate = len(timed) / (time.process_time() - start) if timed else 0
    worst_ms, worst_name = worst_of(parse, task.get("hostile", []))
    answers = [answered(answer, name, call) for name, call in task.get("asked", [])]
    print(json.dumps({"rate": rate, "worst_ms": worst_ms, "worst_name": worst_name, "answers": answers}))


main()
