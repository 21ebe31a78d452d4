"""Languages as release names write them: words, three-letter codes, two-letter codes.

Names are Radarr's. Words and three-letter codes are taken wherever the technical part of a name has them; two-letter
codes are also English words, services and groups, so only those beside another language count.
"""

ORIGINAL = "Original"

# name: (words, three-letter codes, two-letter codes); words in lower case, "~" for an optional separator
_TABLE: dict[str, tuple[str, str, str]] = {
    "English": ("english inglés ingles", "eng", "en"),
    "French": ("french truefrench vff vfq vfi vf2 vf vostfr francais français", "fra fre", "fr"),
    "German": ("german deutsch videomann", "ger deu", "de"),
    "Spanish": ("spanish castellano español espanol", "spa esp", "es"),
    "Spanish (Latino)": ("latino", "", ""),
    "Italian": ("italian italiano", "ita", "it"),
    "Portuguese": ("portuguese", "por", "pt"),
    "Portuguese (Brazil)": ("brazilian dublado pt~br", "", ""),
    "Dutch": ("dutch flemish", "dut nld", "nl"),
    "Danish": ("danish", "dan", "dk"),
    "Swedish": ("swedish", "swe", "sv se"),
    "Norwegian": ("norwegian", "nor", "no"),
    "Finnish": ("finnish", "fin", "fi"),
    "Icelandic": ("icelandic", "ice isl", "is"),
    "Polish": ("polish dub~pl pl~dub lektor~pl", "pol", "pl"),
    "Czech": ("czech cz", "cze ces", "cs"),
    "Slovak": ("slovak sk", "slo slk", ""),
    "Hungarian": ("hungarian hundub", "hun", "hu"),
    "Romanian": ("romanian", "rum ron", "ro"),
    "Bulgarian": ("bulgarian bgaudio", "bul", "bg"),
    "Greek": ("greek", "gre ell", "el gr"),
    "Turkish": ("turkish", "tur", "tr"),
    "Russian": ("russian", "rus", "ru"),
    "Ukrainian": ("ukrainian", "ukr", "uk ua"),
    "Lithuanian": ("lithuanian", "lit", "lt"),
    "Latvian": ("latvian", "lat lav", "lv"),
    "Estonian": ("estonian", "est", "et ee"),
    "Georgian": ("georgian", "geo kat", "ka"),
    "Hebrew": ("hebrew hebdub hebdubbed", "heb", "he"),
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
    "Tagalog": ("tagalog", "tgl", "tl"),
    "Mongolian": ("mongolian khalkha", "mon", "mn"),
    "Thai": ("thai", "tha", "th"),
    "Vietnamese": ("vietnamese", "vie", "vi"),
    "Korean": ("korean", "kor", "ko kr"),
    "Japanese": ("japanese", "jpn jap", "ja jp"),
    "Chinese": ("chinese mandarin cantonese", "chi zho", "zh cn"),
    "Catalan": ("catalan", "cat", "ca"),
    "Croatian": ("croatian", "hrv cro", "hr"),
    "Serbian": ("serbian", "srp", "sr"),
    "Slovenian": ("slovenian", "slv", "sl"),
    "Albanian": ("albanian", "alb sqi", "sq"),
    "Macedonian": ("macedonian", "mkd", "mk"),
    "Afrikaans": ("afrikaans", "afr", "af"),
}


def _by_spelling(column: int) -> dict[str, str]:
    return {spelling: name for name, columns in _TABLE.items() for spelling in columns[column].split()}


LANGUAGE_WORDS = _by_spelling(0)
LANGUAGE_CODES = _by_spelling(1)
SHORT_LANGUAGE_CODES = {code: name for code, name in _by_spelling(2).items() if code != "ml"}  # ML: multi-language
