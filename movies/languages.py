"""Languages as release names write them: words, three-letter codes, two-letter codes.

Names are Radarr's. Words and three-letter codes are taken wherever the technical part of a name has them; two-letter
codes are also English words, services and groups, so only those beside another language count, and in capitals those
that are nothing else.
"""

ORIGINAL = "Original"

# name: (words, three-letter codes, two-letter codes); words in lower case, "~" for an optional separator
_TABLE: dict[str, tuple[str, str, str]] = {
    "English": ("english inglés ingles", "eng", "en"),
    "French": ("french truefrench subfrench vff vfq vfi vf2 vf vof vostfr francais français", "fra fre", "fr"),
    "German": ("german deutsch swissgerman videomann", "ger deu", "de"),
    "Spanish": ("spanish castellano castilian español espanol", "spa esp", "es"),
    "Spanish (Latino)": ("latino", "", ""),
    "Italian": ("italian italiano", "ita", "it"),
    "Portuguese": ("portuguese", "por", "pt"),
    "Portuguese (Brazil)": ("brazilian dublado pt~br", "", ""),
    "Dutch": ("dutch", "dut nld", "nl"),
    "Flemish": ("flemish", "vls", ""),
    "Danish": ("danish", "dan", "da dk"),
    "Swedish": ("swedish", "swe", "sv se"),
    "Norwegian": ("norwegian", "nor", "no"),
    "Finnish": ("finnish", "fin", "fi"),
    "Icelandic": ("icelandic", "ice isl", "is"),
    "Polish": ("polish dub~pl pl~dub lek~pl lektor~pl", "pol", "pl"),
    "Czech": ("czech", "cze ces", "cs cz"),
    "Slovak": ("slovak", "slo slk", "sk"),
    "Hungarian": ("hungarian hun~dub{,bed}", "hun", "hu"),
    "Romanian": ("romanian ro~dub{,bed}", "rum ron", "ro"),
    "Bulgarian": ("bulgarian bg~audio", "bul", "bg"),
    "Greek": ("greek", "gre ell", "el gr"),
    "Turkish": ("turkish", "tur", "tr"),
    "Russian": ("russian rus~dub{,bed}", "rus", "ru"),
    "Ukrainian": ("ukrainian", "ukr", "uk ua"),
    "Lithuanian": ("lithuanian", "lit", "lt"),
    "Latvian": ("latvian", "lat lav", "lv"),
    "Estonian": ("estonian", "est", "et ee"),
    "Georgian": ("georgian", "geo kat", "ka"),
    "Hebrew": ("hebrew heb~dub{,bed}", "heb", "he"),
    "Arabic": ("arabic", "ara", "ar"),
    "Persian": ("persian farsi", "per fas", "fa"),
    "Hindi": ("hindi", "hin", "hi"),
    "Bengali": ("bengali", "ben", "bn"),
    "Tamil": ("tamil", "tam", "ta"),
    "Telugu": ("telugu", "tel", "te"),
    "Malayalam": ("malayalam", "mal", "ml"),
    "Kannada": ("kannada", "kan", "kn"),
    "Marathi": ("marathi", "mar", "mr"),
    "Urdu": ("urdu", "urd", "ur"),
    "Tagalog": ("tagalog filipino", "tgl fil", "tl"),
    "Mongolian": ("mongolian khalkha", "mon", "mn"),
    "Thai": ("thai", "tha", "th"),
    "Vietnamese": ("vietnamese", "vie", "vi"),
    "Korean": ("korean", "kor", "ko kr"),
    "Japanese": ("japanese", "jpn jap", "ja jp"),
    "Chinese": (
        "chinese mandarin cantonese chs cht big5 国语 粤语 中字 中文字幕 字幕 中英字幕 国{英,粤}双语 中英双语"
        " {简,簡,繁,简繁,繁简}{,体,體}{,中,中文,中字,字幕,内封,日双语,英双语}",
        "chi zho",
        "zh cn",
    ),
    "Catalan": ("catalan català catalán", "cat", "ca"),
    "Bosnian": ("bosnian", "bos", "bs"),
    "Croatian": ("croatian", "hrv cro", "hr"),
    "Serbian": ("serbian", "srp", "sr"),
    "Slovenian": ("slovenian", "slv", "sl"),
    "Albanian": ("albanian", "alb sqi", "sq"),
    "Macedonian": ("macedonian", "mkd", "mk"),
    "Indonesian": ("indonesian", "ind", "id"),
    "Romansh": ("romansh romansch rumantsch", "roh", "rm"),
    "Afrikaans": ("afrikaans", "afr", "af"),
}


def _by_spelling(column: int) -> dict[str, str]:
    return {spelling: name for name, columns in _TABLE.items() for spelling in columns[column].split()}


LANGUAGE_WORDS = _by_spelling(0)
LANGUAGE_CODES = _by_spelling(1)
SHORT_LANGUAGE_CODES = {code: name for code, name in _by_spelling(2).items() if code != "ml"}  # ML: multi-language
CAPITAL_CODES = frozenset({"bg", "cz", "de", "en", "es", "fr", "gr", "hu", "lt", "nl", "pl", "ro", "ru", "sk", "ua"})
