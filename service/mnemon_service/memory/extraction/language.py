"""Which language a text is in: by script, then by stop words. Made for one decision only, whether the
English rules apply, and for choosing the right words for dates; it is not a language identifier.
"""

from __future__ import annotations

import re
from typing import Final

from mnemon_service.memory.extraction.word_lists import words

UNKNOWN: Final = ""
"""No letter, or none of the languages told apart here."""

_SCRIPTS: Final = (
    ("ja", re.compile(r"[\u3040-\u30ff\u31f0-\u31ff]")),  # Kana decides against Chinese
    ("ko", re.compile(r"[\uac00-\ud7af\u1100-\u11ff]")),
    ("zh", re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")),
    ("uk", re.compile(r"[іїєґІЇЄҐ]")),
    ("ru", re.compile(r"[\u0400-\u04ff]")),
    ("ar", re.compile(r"[\u0600-\u06ff]")),
    ("he", re.compile(r"[\u0590-\u05ff]")),
    ("hi", re.compile(r"[\u0900-\u097f]")),
    ("th", re.compile(r"[\u0e00-\u0e7f]")),
    ("el", re.compile(r"[\u0370-\u03ff]")),
)
_STOP_WORDS: Final[dict[str, frozenset[str]]] = {
    "en": words("""
    the and i i'm i've you is are was were my me we our it it's to of for with that this have has had
    not don't in on at be been he she they his her but so just from what your im am do did will would
    can as a an by there their them who when because about thanks hey
"""),
    "de": words("""
    der die das und ich ist nicht ein eine einen mein meine meinen meiner wir uns mit für auf bin habe
    hat war zu im den dem des es sie er auch aber am von seit gestern heute noch mich mir dass wohne
    heiße esse jetzt als aus bei nach letzte letzten kein keine gerne sehr
"""),
    "es": words("""
    el la los las y yo es no un una mi mis de que en por para con soy estoy tengo me se muy pero como al
    del lo su nos fue hace ayer hoy también más vivo trabajo nosotros gusta ahora desde mudé llamo tiene
    años le qué cuando está estaba
"""),
    "fr": words("""
    le la les et je j'ai est pas un une mon ma mes de que en pour avec suis ai nous sur dans du des mais
    au aux il elle ce cette hier très aussi c'est depuis habite chez plus travaille
"""),
    "it": words("""
    il la lo gli e io è non un una mio mia miei di che in per con sono ho mi si ma al del della abbiamo
    ieri molto anche da vivo lavoro questo questa ci nel alla
"""),
    "pt": words("""
    o a os as e eu é não um uma meu minha meus de que em por para com sou estou tenho me muito mas do da
    no na nos foi ontem também mais moro trabalho há são ele ela você agora
"""),
    "nl": words("""
    de het een en ik is niet mijn van dat in op met voor ben heb was wij we ons te aan maar ook er
    gisteren nog woon werk naar zijn hebben bij deze
"""),
}
_WORD: Final = re.compile(r"[a-zà-öø-ÿß]{1,24}(?:['’][a-zà-öø-ÿ]{1,24})?")
_SAMPLE: Final = 600
"""Characters looked at: enough to decide, bounded for long messages."""
_NON_ASCII: Final = re.compile(r"[^\x00-\u02ff\u2000-\u2bff\U0001f000-\U0001faff\ufe00-\ufe0f]")


def detect(text: str, default: str = UNKNOWN) -> str:
    """The ISO 639-1 code of the language, `default` if the text does not say."""
    sample = text[:_SAMPLE]
    if _NON_ASCII.search(sample) and (by_script := _by_script(sample)):
        return by_script
    words = [word.replace("’", "'") for word in _WORD.findall(sample.casefold())]
    if not words:
        return default
    scores = {code: sum(word in stops for word in words) for code, stops in _STOP_WORDS.items()}
    best = max(scores, key=lambda code: (scores[code], code == default, code == "en"))
    return best if scores[best] else default


def _by_script(sample: str) -> str:
    for code, pattern in _SCRIPTS:
        found = len(pattern.findall(sample))
        if found and found * (5 if code in ("ja", "ko", "zh") else 3) >= sum(map(str.isalpha, sample)):
            return code
    return UNKNOWN
