"""Words that carry grammar, not content, by language, as tokens of `model.text_analysis`.

Written for questions to a memory: articles, pronouns, auxiliaries, question words. Not a stop list for
documents, which keep all their words.
"""

from __future__ import annotations

from typing import Final

from mnemon_service.model.text_analysis import tokenize

_WORDS: Final = {
    "english": """a an the of to in on at for with and or but is are was were be been
        being am do does did doing have has had having i you he she it we they me him
        her us them my your his its our their this that these those what which who whom
        whose when where why how as by from about into than then so if not no don't
        didn't doesn't isn't wasn't i'm it's there any some can could would should
        now currently""",
    "german": """der die das den dem des ein eine einen einem einer eines und oder aber
        ist sind war waren sein bin hat haben hatte habe ich du er sie es wir ihr mich
        dich ihn uns euch mir dir ihm ihnen mein meine dein deine seine ihre unser was
        wer wen wem welche welcher welches wann wo wohin woher warum wie zu in im an am
        auf für mit von vom bei aus nach über als dass ob nicht kein keine""",
    "french": """le la les un une des du de et ou mais est sont était étaient être suis a
        ai as ont avait avoir je tu il elle nous vous ils elles me te se lui leur mon ma
        mes ton ta tes son sa ses notre votre leurs ce cet cette ces que qui quoi quel
        quelle quels quelles quand où pourquoi comment combien à au aux en dans sur pour
        avec par est-ce ne pas""",
    "spanish": """el la los las un una unos unas de del y o pero es son era eran fue ser
        soy está están ha han he había haber yo tú él ella nosotros ellos ellas me te se
        le les nos mi mis tu tus su sus nuestro que qué quién quiénes cuál cuáles cuándo
        dónde por para con en a al como cómo no lo""",
    "italian": """il lo la i gli le un uno una di del della dei delle e o ma è sono era
        erano essere ha hanno ho aveva avere io tu lui lei noi voi loro mi ti si ci vi
        mio mia tuo tua suo sua che chi quale quali quando dove perché come in a al alla
        da dal per con su non""",
    "portuguese": """o a os as um uma uns umas de do da dos das e ou mas é são era eram
        foi ser sou está estão tem têm tinha ter eu tu ele ela nós eles elas você me te
        se lhe meu minha teu tua seu sua que quem qual quais quando onde por porque como
        em no na nos nas para com não ao""",
    "dutch": """de het een en of maar is zijn was waren ben heeft hebben had heb ik jij je
        hij zij ze wij we jullie mij me jou hem haar ons hun mijn jouw uw wat wie welke
        welk wanneer waar waarom hoe te in op aan voor met van bij uit naar over als dat
        niet geen""",
    "russian": """и или но а в во на с со к ко у о об от до по за из для при это этот эта
        эти тот та те что кто какой какая какие когда где куда откуда почему как сколько
        я ты он она оно мы вы они меня тебя его её нас вас их мне тебе ему ей нам вам им
        мой моя мои твой твоя свой был была было были есть быть не ли""",
}

FUNCTION_WORDS: Final[dict[str, frozenset[str]]] = {
    language: frozenset(tokenize(words)) for language, words in _WORDS.items()
}
"""The tokens of each language's function words; the first language wins where counts are equal."""
