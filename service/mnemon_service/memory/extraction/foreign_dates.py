"""Relative dates in ten languages besides English, resolved by the `dateparser` library.

The library is slow (0.3 ms a phrase, 10 to 80 ms for the first one of a language, when it loads its words)
and knows no "two weeks ago" with the number as a word, so it only sees short phrases that a cheap pattern
has found, with digits. The pattern also tells the unit, which the library does not. Full dates are read,
dates without a year are left open.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date, datetime, time
from functools import lru_cache
from typing import Final

from mnemon_service.memory.extraction import calendar
from mnemon_service.memory.extraction.calendar import Moment
from mnemon_service.memory.extraction.dates import DatedPhrase
from mnemon_service.memory.extraction.protected import Protected

_UNITS: Final[dict[str, Callable[[date], Moment]]] = {
    "day": calendar.day,
    "week": calendar.week,
    "month": calendar.month,
    "year": lambda of: calendar.year(of.year),
}
_DIGITS: Final[dict[str, dict[str, int]]] = {
    "de": {
        "einem": 1, "einer": 1, "zwei": 2, "drei": 3, "vier": 4, "fünf": 5, "sechs": 6, "sieben": 7,
        "acht": 8, "neun": 9, "zehn": 10,
    },
    "es": {
        "un": 1, "una": 1, "dos": 2, "tres": 3, "cuatro": 4, "cinco": 5, "seis": 6, "siete": 7, "ocho":
        8, "nueve": 9, "diez": 10,
    },
    "fr": {
        "un": 1, "une": 1, "deux": 2, "trois": 3, "quatre": 4, "cinq": 5, "six": 6, "sept": 7, "huit":
        8, "neuf": 9, "dix": 10,
    },
    "it": {
        "un": 1, "una": 1, "due": 2, "tre": 3, "quattro": 4, "cinque": 5, "sei": 6, "sette": 7, "otto":
        8, "nove": 9, "dieci": 10,
    },
    "pt": {
        "um": 1, "uma": 1, "dois": 2, "duas": 2, "três": 3, "quatro": 4, "cinco": 5, "seis": 6, "sete":
        7, "oito": 8, "nove": 9, "dez": 10,
    },
    "nl": {
        "een": 1, "twee": 2, "drie": 3, "vier": 4, "vijf": 5, "zes": 6, "zeven": 7, "acht": 8, "negen":
        9, "tien": 10,
    },
    "ru": {
        "два": 2, "две": 2, "три": 3, "четыре": 4, "пять": 5, "шесть": 6, "семь": 7, "восемь": 8,
        "девять": 9, "десять": 10,
    },
    "zh": {
        "一": 1, "两": 2, "二": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9, "十": 10,
    },
    "ja": {
        "一": 1, "二": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9, "十": 10,
    },
    "ko": {
        "한": 1, "두": 2, "세": 3, "네": 4,
    },
}  # fmt: skip
_OTHER_WORDS: Final = {
    "昨晚": "昨天",
    "今晚": "今天",
    "前年": "2年前",
    "昨夜": "昨日",
    "一昨年": "2年前",
    "おととい": "一昨日",
    "그저께": "2일 전",
    "모레": "2일 후",
    "다음주": "다음 주",
    "다음달": "다음 달",
    "pasado mañana": "en 2 días",
    "l'altro ieri": "2 giorni fa",
    "la settimana scorsa": "settimana scorsa",
    "la scorsa settimana": "settimana scorsa",
    "il mese scorso": "mese scorso",
    "lo scorso mese": "mese scorso",
    "l'anno scorso": "anno scorso",
    "lo scorso anno": "anno scorso",
    "la semana que viene": "la próxima semana",
    "el mes que viene": "el próximo mes",
    "el año que viene": "el próximo año",
    "a semana passada": "semana passada",
    "o mês passado": "mês passado",
    "o ano passado": "ano passado",
}
"""Phrases as the library knows them."""

_N: Final = {code: r"(?:\d{1,3}|" + "|".join(words) + ")" for code, words in _DIGITS.items()}


def _pattern(code: str, **units: str) -> re.Pattern[str]:
    edge = "" if code in ("zh", "ja") else r"\b"
    inner = "|".join(f"(?P<{unit}>{text.replace('#', _N[code])})" for unit, text in units.items())
    return re.compile(f"{edge}(?:{inner}){edge if code != 'ko' else ''}", re.IGNORECASE)


_PATTERNS: Final = {
    "de": _pattern(
        "de",
        day=r"vorgestern|gestern|heute|übermorgen|(?<!am )(?<!guten )(?<!jeden )morgen|vor # tag(?:en)?|"
        r"\d{1,2}\. (?:januar|februar|märz|april|mai|juni|juli|august|september|oktober|november|"
        r"dezember) \d{4}",
        week=r"vor # wochen?|(?:letzte|vorige|vergangene|nächste|kommende|diese)r? woche",
        month=r"vor # monat(?:en)?|(?:letzte|vorige|vergangene|nächste|kommende|diese)[nm] monat",
        year=r"vor # jahr(?:en)?|(?:letzte|voriges|vergangene|nächste|kommende|diese)[sm]? jahr",
    ),
    "es": _pattern(
        "es",
        day=r"anteayer|ayer|hoy|pasado mañana|hace # días?|"
        r"\d{1,2} de (?:enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|octubre|noviembre|"
        r"diciembre) de \d{4}",
        week=r"hace # semanas?|la semana pasada|la semana que viene|la próxima semana|esta semana",
        month=r"hace # mes(?:es)?|el mes pasado|el mes que viene|el próximo mes|este mes",
        year=r"hace # años?|el año pasado|el año que viene|el próximo año|este año",
    ),
    "fr": _pattern(
        "fr",
        day=r"avant-hier|hier|aujourd['’]hui|après-demain|demain|il y a # jours?|"
        r"\d{1,2} (?:janvier|février|mars|avril|mai|juin|juillet|août|septembre|octobre|novembre|"
        r"décembre) \d{4}",
        week=r"il y a # semaines?|la semaine (?:dernière|prochaine)|cette semaine",
        month=r"il y a # mois|le mois (?:dernier|prochain)|ce mois",
        year=r"il y a # ans?|l['’]année (?:dernière|prochaine)|l['’]an (?:dernier|prochain)|cette année",
    ),
    "it": _pattern(
        "it",
        day=r"l['’]altro ieri|ieri|oggi|dopodomani|domani|# giorn[oi] fa|"
        r"\d{1,2} (?:gennaio|febbraio|marzo|aprile|maggio|giugno|luglio|agosto|settembre|ottobre|"
        r"novembre|dicembre) \d{4}",
        week=r"# settiman[ae] fa|la settimana scorsa|la scorsa settimana",
        month=r"# mes[ei] fa|il mese scorso|lo scorso mese",
        year=r"# ann[oi] fa|l['’]anno scorso|lo scorso anno",
    ),
    "pt": _pattern(
        "pt",
        day=r"anteontem|ontem|hoje|amanhã|há # dias?|"
        r"\d{1,2} de (?:janeiro|fevereiro|março|abril|maio|junho|julho|agosto|setembro|outubro|novembro|"
        r"dezembro) de \d{4}",
        week=r"há # semanas?|(?:a )?semana passada",
        month=r"há # m[eê]s(?:es)?|(?:o )?mês passado",
        year=r"há # anos?|(?:o )?ano passado",
    ),
    "nl": _pattern(
        "nl",
        day=r"eergisteren|gisteren|vandaag|overmorgen|morgen|# dag(?:en)? geleden|"
        r"\d{1,2} (?:januari|februari|maart|april|mei|juni|juli|augustus|september|oktober|november|"
        r"december) \d{4}",
        week=r"# we(?:ek|ken) geleden|(?:vorige|volgende) week|deze week",
        month=r"# maand(?:en)? geleden|(?:vorige|volgende) maand|deze maand",
        year=r"# jaar geleden|(?:vorig|volgend) jaar|dit jaar",
    ),
    "ru": _pattern(
        "ru",
        day=r"позавчера|вчера|сегодня|послезавтра|завтра|# (?:день|дня|дней) назад|"
        r"\d{1,2} (?:января|февраля|марта|апреля|мая|июня|июля|августа|сентября|октября|ноября|"
        r"декабря) \d{4}",
        week=r"# недел[юиь] назад|на прошлой неделе|на следующей неделе",
        month=r"# месяц(?:а|ев)? назад|в прошлом месяце",
        year=r"(?:# )?(?:год|года|лет) назад|в прошлом году",
    ),
    "zh": _pattern(
        "zh",
        day=r"前天|昨天|昨晚|今天|今晚|明天|后天|#天前|\d{4}年\d{1,2}月\d{1,2}[日号]",
        week=r"#(?:个?星期|周)前|上个?(?:星期|周)(?!末)|下个?(?:星期|周)(?!末)",
        month=r"#个月前|上个月|下个月|\d{4}年\d{1,2}月(?!\d)",
        year=r"#年前|去年|前年|今年|明年",
    ),
    "ja": _pattern(
        "ja",
        day=r"一昨日|おととい|昨日|昨夜|今日|明日|明後日|#日前|\d{4}年\d{1,2}月\d{1,2}日",
        week=r"#週間前|先週|今週|来週",
        month=r"#[かヶケ]月前|先月|今月|来月|\d{4}年\d{1,2}月(?!\d)",
        year=r"#年前|一昨年|去年|昨年|今年|来年",
    ),
    "ko": _pattern(
        "ko",
        day=r"그저께|어제|오늘|내일|모레|#일 전",
        week=r"#주 전|지난주|다음 ?주",
        month=r"#(?:개월|달) 전|지난달|다음 ?달",
        year=r"#년 전|작년|올해|내년",
    ),
}


def find(text: str, language: str, said_on: date) -> list[DatedPhrase]:
    """The expressions of time in a sentence of one of these languages, in order; none in any other."""
    return list(_find(text, language, said_on))


def _find(text: str, language: str, said_on: date) -> Iterator[DatedPhrase]:
    pattern = _PATTERNS.get(language)
    if pattern is None or not pattern.search(text):
        return
    protected = Protected(text)
    for match in pattern.finditer(text):
        unit = match.lastgroup
        if unit is None or protected.covers(match.start()):
            continue
        moment = _resolved(_known_form(match[0], language), language, unit, said_on)
        if moment is not None:
            complete = re.search(r"\d{4}", match[0]) is not None
            yield DatedPhrase(match.start(), match.end(), moment, complete)


def _known_form(phrase: str, language: str) -> str:
    """The phrase with digits for number words, and in the words that the library knows."""
    phrase = phrase.casefold().replace("’", "'")
    phrase = _OTHER_WORDS.get(phrase, phrase).replace("星期", "周").replace("个周", "周")
    digits = _DIGITS[language]
    if language in ("zh", "ja"):
        known = phrase in ("一昨日", "一昨年")
        return phrase if known else "".join(str(digits.get(sign, sign)) for sign in phrase)
    return " ".join(str(digits.get(word, word)) for word in phrase.split())


@lru_cache(maxsize=1024)
def _resolved(phrase: str, language: str, unit: str, said_on: date) -> Moment | None:
    import dateparser  # 40 ms and 10 MB that only those pay who write in these languages

    base = datetime.combine(said_on, time(12))
    try:
        found = dateparser.parse(phrase, languages=[language], settings={"RELATIVE_BASE": base})
    except (ValueError, OverflowError):
        return None
    return _UNITS[unit](found.date()) if found else None
