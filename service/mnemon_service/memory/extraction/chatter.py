"""What carries no fact: questions, thanks, greetings, requests and bare acknowledgements.

The rule is to keep whatever is not surely chatter: a memory too many can be ranked low, a fact dropped
here is gone. English in full; other languages lose their questions, greetings and thanks.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from mnemon_service.memory.extraction import persons
from mnemon_service.memory.extraction.word_lists import words
from mnemon_service.model.memory import Role

QUESTION: Final = "question"
GREETING: Final = "greeting"
THANKS: Final = "thanks"
ACKNOWLEDGEMENT: Final = "acknowledgement"
REQUEST: Final = "request"
NO_WORDS: Final = "no words"
OFFER: Final = "offer of help"
JOKE: Final = "taken back as a joke"

_HELLO: Final = (
    r"(?:hey+|hi+|hello+|hiya|yo|howdy|greetings|good (?:morning|afternoon|evening|night)|morning|bye+|"
    r"goodbye|"
    r"see (?:you|ya)|catch (?:you|ya)|talk (?:to you )?(?:soon|later)|take care|later|cheers|welcome back)"
)
_GREETING: Final = re.compile(
    _HELLO
    + r"\b|long time no (?:see|talk|chat|speak)|(?:it'?s |it is |so )?(?:great|good|nice|lovely|awesome|"
    r"wonderful|fantastic) to (?:see|hear from|meet|talk to|chat with|catch up)|hope (?:you'?re|you are|"
    r"all'?s|"
    r"you had|your|everything|you've|all is)\b|have (?:a|an) (?:great|good|nice|lovely|wonderful|amazing|"
    r"awesome)|how(?:'s| is| are)\b",
    re.IGNORECASE,
)
_THANKS: Final = re.compile(
    r"(?:(?:aw+|oh|wow|yeah|yes|no|hey|ok|great|cool|nice)[,!]? )?(?:many |big )?(?:thanks|thank you|thx|"
    r"ty\b|"
    r"(?:i )?(?:really |truly |so |do )?appreciate (?:it|that|you|your|the)|i'?m (?:so |"
    r"really )?(?:grateful|thankful) for your)",
    re.IGNORECASE,
)
_REQUEST: Final = re.compile(
    r"(?:(?:ok(?:ay)?|so|and|now|then|hey|alright)[,]? )?(?:please\b|pls\b|(?:can|could|would|"
    r"will) you\b|tell me\b|"
    r"show me\b|give me\b|help me\b|let me know\b|let'?s\b|(?:write|explain|summari[sz]e|translate|list|"
    r"describe|"
    r"make (?:it|this|that|sure)|continue|go on|suggest|recommend|generate|create|draft|rewrite|fix|"
    r"debug|convert|calculate|find|search|check|"
    r"look up|"
    r"compare|define|proofread|remind me)\b(?! (?:is|was|are|were|has)\b)|keep (?:it|up|going|me|on|"
    r"doing|working)\b|check (?:it|this|them|'em|out)\b|"
    r"(?:take a )?look at (?:this|that|it|these)\b|don'?t (?:give up|worry|forget to|hesitate|let)\b|"
    r"go for it\b|stay (?:strong|"
    r"positive|safe)\b|enjoy\b|feel free\b|send me\b|share (?:it|them|some)\b|try (?:it|this)\b|"
    r"wish (?:me|you) )",
    re.IGNORECASE,
)
_SAYS_WHEN: Final = re.compile(
    r"\b(?:tomorrow|tonight|next (?:week|weekend|month|year)|this (?:week|weekend|month|evening|afternoon)|"
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)day)\b",
    re.IGNORECASE,
)
_REMEMBER: Final = re.compile(
    r"(?:(?:please|and|also|can you|could you)[, ]{1,2}){0,2}(?:remember|note|keep in mind|bear in mind|"
    r"don'?t forget|"
    r"save|memori[sz]e|make a note|store)(?: (?:this|the following|to memory))?(?: that|[:,]| (?=I\b|"
    r"my\b|I'|we\b|our\b|the\b))",
    re.IGNORECASE,
)
_OFFER: Final = re.compile(
    r"(?:(?:sure|certainly|of course|absolutely|great|got it|okay|ok|yes)[,!.]{0,2} )?(?:i(?:'d|"
    r" would) be (?:happy|glad) to|"
    r"i'?m (?:here|happy|glad) to|(?:how|what) (?:can|may) i |i can (?:help|assist)|let me (?:know|help)|"
    r"feel free|happy to help|"
    r"i hope (?:this|that) helps|here(?:'s| is| are) (?:a|an|the|some|your)\b[^.]{0,60}:\Z|as an ai|"
    r"is there anything|"
    r"i(?:'m| am) sorry,? (?:but )?(?:i )?(?:can|don))",
    re.IGNORECASE,
)
_TAG: Final = re.compile(
    r"[,.–-]? ?\b(?:right|huh|eh|you know|ya know|isn'?t (?:it|he|she|that)|aren'?t (?:they|you|we)|"
    r"don'?t (?:you think|they|you)|"
    r"doesn'?t (?:it|he|she)|wasn'?t it|didn'?t (?:it|they|he|she)|ok|okay|no|y'?know|hey|remember|cute|"
    r"haha|lol)\s?[?!]{1,4}\Z",
    re.IGNORECASE,
)
_DISCLOSES: Final = re.compile(
    r"\b(?i:i['’]?m|i am|i have|i['’]ve|i live|i work|i was|i got|i need|i love|i just|i can['’]?t|"
    r"i don['’]?t|i want|"
    r"i recently|i moved|i had|i went|i started|i use|i prefer|we have|we['’]re|we are|we['’]ve|"
    r"my \w{1,20} (?:is|was|has|are|have|loves|lives|works|wants))\b|"
    r"\b(?i:my (?:wife|husband|son|daughter|mother|mom|mum|father|dad|sister|brother|boss|dog|cat|"
    r"partner|girlfriend|"
    r"boyfriend|friend)) [A-Z]\w{1,20}\b",
)
_QUESTION_WORD_FIRST: Final = re.compile(
    r"(?:(?:so|and|but|hey|oh|wow|well|ok|okay|btw|by the way|anyway|also|cool|great|nice|yeah|"
    r"yes)[,!]? ){0,2}"
    r"(?:who|what|when|where|why|which|how|whose|do|does|did|is|are|was|were|am|can|could|would|will|"
    r"should|have|has|had|may|any|got|ever|doesn't|don't|isn't|aren't|didn't|won't|want|wanna|need|know)\b",
    re.IGNORECASE,
)
_SUGGESTION: Final = re.compile(
    r"(?:(?:so|and|oh|well|ok|okay|hmm)[,]? )?(?:how about|what about|why don't (?:you|we)|why not)\b",
    re.IGNORECASE,
)
_MENTION: Final = re.compile(
    r"(?:have|did) you (?:ever |also )?(?:see|seen|read|heard? (?:of|about)|tr(?:y|ied)|watch(?:ed)?|"
    r"play(?:ed)?) (?:this|\"|“)",
    re.IGNORECASE,
)
_STATES_FIRST: Final = re.compile(
    r"(?:I|I['’]\w{1,2}|We|We['’]\w{1,2}|My|Our)\s[^?]{3,}[,;–-] ?[^?]{2,}\?", re.IGNORECASE
)
_ANSWER: Final = re.compile(
    r"(?:oh |well |hmm |haha |aw+ )?(?:yes|yeah|yea|yep|yup|no|nope|nah|not really|of course|sure|"
    r"definitely|absolutely|correct|"
    r"right|exactly|indeed|i (?:do|am|did|have|was|will|can)\b|ja|nein|doch|sí|si|oui|non|sim|não|nee|да|"
    r"нет|是的?|不是|对|没有|"
    r"はい|うん|いいえ|네|아니요)(?![^\W_])",
    re.IGNORECASE,
)
_YES_OR_NO: Final = re.compile(
    r"(?:are|is|was|were|do|does|did|have|has|had|can|could|will|would|should|am|isn't|aren't|don't|"
    r"doesn't|didn't|haven't|so)"
    r"\s[^,]|(?:you|your|still|got|ever|any)\b",
    re.IGNORECASE,
)
_OPENING: Final = re.compile(
    r"(?:(?:so|and|but|oh|wow|hey|well|ok|okay|btw|by the way|anyway|cool|nice)[,!?]? |"
    r"[A-Z]\w{1,20}, ){0,2}",
    re.IGNORECASE,
)
_ASIAN_QUESTION: Final = re.compile(
    r"(?:吗|嗎|呢|ですか|ますか|でしょうか|かな|ましたか|까요|나요|습니까)[。.!！~〜]{0,3}\Z"
)
_FOREIGN_CHATTER: Final = re.compile(
    r"(?:hallo|guten (?:tag|morgen|abend)|danke(?: schön| sehr)?|vielen dank|tschüss|bis (?:bald|dann)|"
    r"alles klar|"
    r"super|hola|buenos días|buenas (?:tardes|noches)|(?:muchas )?gracias|de nada|adiós|hasta (?:luego|"
    r"pronto)|vale|"
    r"bonjour|salut|bonsoir|merci(?: beaucoup)?|au revoir|d'accord|ciao|grazie(?: mille)?|prego|"
    r"buongiorno|olá|oi|"
    r"(?:muito )?obrigad[oa]|tchau|hoi|dank je(?: wel)?|bedankt|привет|здравствуйте|спасибо(?: большое)?|"
    r"пока|"
    r"你好|您好|谢谢你?|多谢|再见|好的|嗯+|早上好|晚安|こんにちは|こんばんは|おはよう(?:ございます)?|ありがとう(?:ございます)?|"
    r"さようなら|はい|うん|わかりました|なるほど|안녕하세요|감사합니다|네)[\s,.!。！、~〜]{0,4}",
    re.IGNORECASE,
)
_FOREIGN_REQUEST: Final = re.compile(
    r"(?:bitte\b|kannst du|könntest du|können sie|por favor\b|puedes\b|podrías\b|s'il (?:te|vous) plaît|"
    r"peux-tu|"
    r"pouvez-vous|per favore\b|puoi\b|请你?|帮我|麻烦你?|пожалуйста)",
    re.IGNORECASE,
)
_JUST_KIDDING: Final = re.compile(
    r"\b(?:just kidding|only kidding|i'?m kidding|kidding!|jk\b|just joking|i'?m joking|only joking|"
    r"was a joke|just messing with you|pulling your leg)",
    re.IGNORECASE,
)
_BARE: Final = words("""
    yes yeah yep yup yea no nope nah ok okay k sure fine right true exactly totally definitely absolutely
    certainly indeed agreed agree deal cool great awesome amazing wow whoa woah nice neat sweet lovely
    wonderful fantastic fabulous incredible brilliant perfect excellent superb terrific beautiful gorgeous
    adorable cute stunning impressive inspiring interesting fascinating exciting fun funny hilarious lol
    ha haha hahaha hehe aw aww awww oh ooh ah ahh hmm hm mhm uh um er well so very really pretty quite such
    too that
    that's thats this it it's its is was what a an the how sounds looks seems like good better best bad sad
    sorry congrats congratulations kudos props cheers thanks thank you ya u your you're youre welcome no
    problem worries prob np got gotcha understood see i i'm im you've you'll same here me either
    of course for to hear bet keep up work going job done well proud happy glad again and but way
    one lot lots luck know think believe totes
    bye goodbye later soon take care talk day night hey hi hello there everything all always
    am are be can't wait can imagine course absolutely
    yay woohoo woo hooray hurray bravo phew yikes ouch oops damn dang gosh omg yum yummy ugh
    fingers crossed poor
    idea plan point deserve deserved must feel feels super awesome rock rocks
    go girl dude man buddy pal friend bro sis noted done look looking get makes sense thing way
    just gonna will would be do does did don't never mind nothing much not bad kidding joking jk
""")
_PRAISE: Final = words("""
    wow cool great awesome amazing nice congrats congratulations thanks hey hi hello exactly totally
    definitely absolutely idea course true right job yay bravo woah whoa bye goodbye sure sorry
""")
_VOCATIVE: Final = re.compile(
    r"(?:, |\b(?:hey|hi|hello|bye|thanks|congrats|wow) )([A-Z][\w'-]{1,20})(?:[!.,]|\Z)", re.IGNORECASE
)
_TOKEN: Final = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_HAS_WORDS: Final = re.compile(r"[^\W_]")
_LONGEST_CHATTER: Final = 12
"""Words; what is longer is kept even if it begins like a greeting or thanks."""


def is_retraction(sentence: str) -> bool:
    """True if the sentence says that what came before it was a joke."""
    return _JUST_KIDDING.search(sentence) is not None


def is_answer(sentence: str) -> bool:
    """True if the sentence begins with yes or no, or what stands for it."""
    return _ANSWER.match(sentence) is not None


def asks_yes_or_no(question: str, spoken: str) -> bool:
    """True if "yes" would be a full answer, and one that tells something. Unsure of other languages: True."""
    if spoken != "en":
        return True
    opening = _OPENING.match(question)
    asked = question[opening.end() if opening else 0 :]
    content = sum(token.casefold() not in _BARE for token in _TOKEN.findall(asked))
    return _YES_OR_NO.match(asked) is not None and content > 0


def why_chatter(sentence: str, role: Role, language: str, names: Collection[str]) -> str | None:
    """Why the sentence carries no fact, or None if it may carry one.

    `names`: first names of the people who take part, in lower case; being addressed says nothing.
    """
    if not _HAS_WORDS.search(sentence):
        return NO_WORDS
    if language not in ("", "en"):
        return _why_foreign(sentence)
    if _REMEMBER.match(sentence):
        return None
    plain = sentence.replace("’", "'")
    tokens = [token.casefold().replace("’", "'") for token in _TOKEN.findall(plain)]
    told = [token for token in tokens if token not in names]
    if len(told) > 1 and (address := _VOCATIVE.search(plain)) and not _PRAISE.isdisjoint(told):
        told = [token for token in told if token != address[1].casefold()]
    if plain.rstrip("\"')!* ").endswith(("?", "？")):
        return _why_question(plain, told)
    if all(token in _BARE for token in told):
        return THANKS if _THANKS.match(plain) else GREETING if _GREETING.match(plain) else ACKNOWLEDGEMENT
    return _why_phrase(plain, told, role)


def _why_question(sentence: str, told: list[str]) -> str | None:
    """A question is dropped unless it states something first: "I moved to Rome, any tips?"."""
    tag = _TAG.search(sentence)
    if tag and tag.start() > 0:
        body = sentence[: tag.start()]
        if not _QUESTION_WORD_FIRST.match(body) and any(token not in _BARE for token in told):
            return None
    if _DISCLOSES.search(sentence) or _STATES_FIRST.match(sentence) or _MENTION.match(sentence):
        return None
    if _SUGGESTION.match(sentence) and sum(token not in _BARE for token in told) > 1:
        return None
    return QUESTION


def _why_phrase(sentence: str, told: list[str], role: Role) -> str | None:
    if _DISCLOSES.search(sentence) and len(told) > 4:
        return OFFER if role is Role.ASSISTANT and _OFFER.match(sentence) else None
    if role is Role.ASSISTANT and _OFFER.match(sentence):
        return OFFER
    if len(told) > _LONGEST_CHATTER:
        return None
    if _THANKS.match(sentence):
        return THANKS
    if _GREETING.match(sentence):
        return GREETING
    if _REQUEST.match(sentence) and not persons.has_first_person(sentence.replace("me", "", 1)):
        return None if _SAYS_WHEN.search(sentence) else REQUEST
    return None


def _why_foreign(sentence: str) -> str | None:
    if sentence.rstrip("\"')»”」』 ").endswith(("?", "？", "؟")) or _ASIAN_QUESTION.search(sentence):
        return QUESTION
    if _FOREIGN_CHATTER.fullmatch(sentence.lstrip("¡¿ ")):
        return GREETING
    return REQUEST if _FOREIGN_REQUEST.match(sentence) and len(sentence) < 200 else None
