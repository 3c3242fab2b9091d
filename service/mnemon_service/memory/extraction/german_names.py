"""Names in German, where every noun has a capital: only where the words around say that it is one.

Precision goes first: a name that stands without such words is not found here (it is, once it is known in
the scope). What counts: a title or a relation before it ("Dr. Weber", "meine Schwester Lena"), "heiße" and
"namens", a verb of living, going or working with its preposition ("wohne in Leipzig", "nach Hamburg
gezogen", "arbeite bei Bosch"), and words that no common noun looks like ("YouTube", "BMW").
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from mnemon_service.memory.extraction.word_lists import words

_WORD: Final = r"[A-ZÄÖÜ][a-zäöüßéèáàóñç]{1,30}(?:-[A-ZÄÖÜ][a-zäöüßé]{1,30}){0,2}"
_NAME: Final = rf"{_WORD}(?: {_WORD}(?= (?:ist|war|hat|hatte|wird|kann|muss|soll|will)\b))?"
"""A second word only before a verb: in "Frau Müller Blumen bringen" the flowers are no name."""
_PLACE: Final = (
    rf"(?:(?:Bad|San|Santa|Sankt|St\.|New|Los|Las|Rio de|Den) )?{_WORD}"
    rf"(?: (?:am|an der|im|ob der) {_WORD})?"
)
_FIRM: Final = (
    rf"(?:{_WORD}|[A-Z]{{2,6}}|[A-Z][a-z]{{1,12}}[A-Z]\w{{1,20}})(?: (?:AG|GmbH|SE|KG|Bank|Group))?"
)
_TITLES: Final = r"(?:(?:Dr|Prof)\. ){0,2}"
_NO_TITLE: Final = r"(?!(?:Dr|Prof)\b)"
_BETWEEN: Final = r"(?:(?:\w{1,20},?|\([^()\n]{1,40}\)) ){0,6}?"
"""Up to six words of the same clause, or a date that was written after its phrase."""

_PATTERNS: Final = tuple(
    (re.compile(pattern), kind)
    for kind, pattern in (
        (
            "PERSON",
            rf"\b(?:Herrn?|Frau|Familie|Onkel|Tante|Oma|Opa) {_TITLES}({_NO_TITLE}{_NAME})",
        ),
        ("PERSON", rf"\b(?:Dr|Prof)\. {_TITLES}({_NO_TITLE}{_NAME})"),
        (
            "PERSON",
            r"\b(?:[Mm]ein|[Dd]ein|[Ss]ein|[Ii]hr|[Uu]nser)(?:e|er|em|en|es)? (?:beste[rn]? )?"
            r"(?:Bruder|Schwester|Mutter|Vater|Freund(?:in)?|Mann|Frau|Sohn|Tochter|Kolleg(?:e|en|in)|"
            r"Chef(?:in)?|Nachbar(?:n|in)?|Cousin(?:e)?|Onkel|Tante|Oma|Opa|Partner(?:in)?|Ehemann|Ehefrau|"
            rf"Mitbewohner(?:in)?|Enkel(?:in)?|Neffe|Nichte|Verlobte[rn]?) ({_WORD})",
        ),
        ("", rf"\b(?:heiße|heißt|heißen|hieß|namens) ({_WORD})"),
        (
            "PLACE",
            r"\b(?:[Ww]ohn|[Ll]eb|[Aa]rbeit|[Ss]tudier)(?:e|t|st|en|te|ten|test)? "
            rf"{_BETWEEN}in ({_PLACE})",
        ),
        (
            "PLACE",
            rf"\b[Ii]n ({_PLACE}) {_BETWEEN}(?:wohn|leb|arbeite|studier|geboren|aufgewachsen|gewohnt|gelebt|"
            r"gearbeitet|übernachtet)",
        ),
        (
            "PLACE",
            r"\b(?:[Zz]iehe|[Zz]ieht|[Zz]iehen|[Zz]og|[Zz]ogen|[Ff]liege|[Ff]liegt|[Ff]liegen|[Ff]log|"
            r"[Ff]ahre|[Ff]ährt|[Ff]ahren|[Ff]uhr|[Rr]eise|[Rr]eist|[Rr]eisen|[Rr]eiste|[Pp]endle|"
            rf"[Gg]ehe) {_BETWEEN}nach ({_PLACE})",
        ),
        (
            "PLACE",
            rf"\b[Nn]ach ({_PLACE}) {_BETWEEN}(?:gezogen|umgezogen|umziehen|ziehen|ziehe|geflogen|fliegen|"
            r"fliege|gefahren|fahren|fahre|gereist|reisen|reise|gegangen|zurückgekehrt)\b",
        ),
        ("PLACE", rf"\b(?:Urlaub|Reise|Flug|Ausflug|Umzug|Wohnung|Ferien) (?:in|nach) ({_PLACE})"),
        ("PLACE", rf"\b(?:[Kk]omm(?:e|t|en)|[Ss]tamm(?:e|t|en)) {_BETWEEN}aus ({_PLACE})"),
        (
            "ORGANIZATION",
            rf"\b(?:[Aa]rbeit(?:e|et|en|ete)|[Jj]obbe|Job|Stelle|Praktikum|Ausbildung|angestellt) "
            rf"{_BETWEEN}bei ({_FIRM})",
        ),
        (
            "ORGANIZATION",
            rf"\b[Bb]ei ({_FIRM}) {_BETWEEN}(?:arbeite|gearbeitet|angefangen|anfange|angestellt|gekündigt|"
            r"beworben)",
        ),
        ("", r"(?<![\w'’@./-])([A-Z][a-z]{1,12}[A-Z][A-Za-z0-9]{1,20}|i[A-Z][a-z]{2,10})(?![\w@/])"),
        ("", r"(?<![\w'’@./-])([A-Z]{2,5})(?![\w@/]|[.'’-]\w)"),
    )
)
_NO_NAMES: Final = words("""
    hause haus rente ruhestand teilzeit vollzeit elternzeit ordnung kürze zukunft ruhe frieden miete
    untermiete scheidung trennung gefahr angst schichten quarantäne therapie behandlung panik eile holz
    stein leder plan wunsch feierabend arbeit schule norden süden osten westen montag dienstag mittwoch
    donnerstag freitag samstag sonnabend sonntag januar februar märz april mai juni juli august september
    oktober november dezember frühling sommer herbst winter mitternacht mittag abend nacht ostern
    weihnachten silvester freunden bekannten eltern verwandten regen schnee nacht anfang ende
    doktor professor präsidentin präsident chefin chef arzt ärztin lehrer lehrerin kollegen leuten
    wohngemeinschaft zweiter dritter erster armut freiheit sicherheit stille deutschlehrerin
""")
_NO_SHORT_NAMES: Final = words("""
    ok okay tv pc wg lkw pkw km kg cm ca ki edv dvd cd sms pdf faq fyi lol omg ps usw ja nein ich du er sie
    es wir ihr der die das und oder nicht so zu am im um an in auf
""")


def find(text: str) -> Iterator[tuple[int, str, str]]:
    """Place, name and kind (PERSON, PLACE, ORGANIZATION or empty) of every name that is surely one."""
    shouted = text.isupper()
    for pattern, kind in _PATTERNS:
        for match in pattern.finditer(text):
            name = match[1]
            barred = _NO_SHORT_NAMES if name.isupper() else _NO_NAMES
            if not shouted and name.split()[0].casefold() not in barred:
                yield match.start(1), name, kind
