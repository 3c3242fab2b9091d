"""How much each sign of relevance counts, and what a score means.

The defaults were chosen on the development split of LoCoMo (five conversations, 760 questions of
categories 1 to 4, raw turns) with `tests/bench/quality/offline_ranking.py`. The figures in the docstrings
are recall@10 / NDCG@10 there, in points; the defaults have 80.1 / 62.4 (and 78.6 / 63.5 on the facts of the
deterministic extractor, which nothing was tuned on). The optimum is flat: choosing the weights anew from
four conversations out of a grid of 162 and asking the fifth loses 0.4 / 0.1 against the defaults.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final


@dataclass(frozen=True, slots=True)
class Calibration:
    """Turns a weighted sum into a score of 0..1 by a logistic curve.

    The curve is fitted to tell evidence from the other memories among a question's first thirty, both
    given equal weight: a score of 0.5 belongs to a sum that is as typical of the one as of the other. It
    rises strictly, so it never changes an order, and it is one curve for all queries, so that a
    threshold means the same for each. Fits that leave out one conversation differ by less than 0.03 in
    score. What a threshold does on the development split (hits are a question's; "foreign" are
    questions about another conversation, whose best hit should fail):

    | threshold | evidence kept | hits kept | answerable questions with a hit | foreign ones with a hit |
    |---|---|---|---|---|
    | 0.2 | 96 % | 99 | 100 % | 18 % |
    | 0.3 | 88 % | 40 | 99 % | 5 % |
    | 0.4 | 78 % | 18 | 97 % | 3 % |
    | 0.5 | 65 % | 9 | 91 % | 1 % |
    | 0.6 | 50 % | 5 | 80 % | 1 % |
    | 0.7 | 35 % | 2.4 | 64 % | 0 % |

    With one vector a memory instead of one a sentence, sums are lower: 0.2 then does what 0.3 does here.
    """

    slope: float
    intercept: float

    def score(self, weighted_sum: float) -> float:
        """The score of a weighted sum, in 0..1."""
        exponent = -(self.slope * weighted_sum + self.intercept)
        # Past these bounds the score is 0 or 1 to the last bit of what is sent (a float).
        if exponent > 60.0:
            return 0.0
        return 1.0 / (1.0 + math.exp(exponent))

    def weighted_sum(self, score: float) -> float:
        """The weighted sum that has this score; the inverse of `score` inside 0..1."""
        bounded = min(max(score, 1e-12), 1.0 - 1e-12)
        return (math.log(bounded / (1.0 - bounded)) - self.intercept) / self.slope


HYBRID_CALIBRATION: Final = Calibration(slope=3.0, intercept=-4.2)
SEMANTIC_CALIBRATION: Final = Calibration(slope=8.0, intercept=-4.4)
"""Keeps as much of the evidence at 0.3 and at 0.7 as the hybrid score."""
WITHOUT_VECTORS_CALIBRATION: Final = Calibration(slope=3.7, intercept=-1.75)
"""Keeps as much of the evidence at 0.3 and at 0.7 as the hybrid score."""
KEYWORD_CALIBRATION: Final = Calibration(slope=15.0, intercept=-2.9)
"""Keeps as much of the evidence at 0.7 as the hybrid score; a memory without a matching word has 0.05."""


@dataclass(frozen=True, slots=True)
class SemanticScale:
    """Where an embedding model's cosines lie, so that one set of weights serves every model.

    The semantic part is 0 at `unrelated` and 1 at `same`, linear between, and cut to 0..1. The
    weights were measured with all-MiniLM-L6-v2 on the bare cosine (0 to 1). A model whose unrelated
    texts have a cosine of 0.6 needs `unrelated=0.6`, or its hits all look alike.
    """

    unrelated: float = 0.0
    same: float = 1.0

    def __post_init__(self) -> None:
        if not self.unrelated < self.same:
            raise ValueError("unrelated lies below same")

    def part(self, cosine: float) -> float:
        """The semantic part, 0..1, of a cosine."""
        return min(max((cosine - self.unrelated) / (self.same - self.unrelated), 0.0), 1.0)


@dataclass(frozen=True, slots=True)
class Weights:
    """The factors of the weighted sum; each part they multiply lies in 0..1."""

    semantic: float = 1.0
    """Of the cosine with the memory's nearest vector: the unit that the others are measured in. The best
    of one vector a sentence and one for the whole, against the whole alone: 80.1 / 62.4, 78.5 / 60.2."""
    keyword: float = 1.5
    """Of BM25 as a share of the most that the query could reach, which no memory does (hence the weight
    above 1). 1.0: 79.6 / 62.0; 2.0: 79.5 / 62.1. Cosine and BM25 alone: 68.9 / 53.9 by
    this sum, 61.3 / 46.0 by places (RRF)."""
    entity: float = 0.02
    """Of the names and quoted phrases of the query that the memory has as entities or verbatim. Only breaks
    near ties: with extracted facts 0.05 cost half a point of recall@10, 0.2 cost the adversarial questions
    19 points."""
    time: float = 0.2
    """Of the closeness to a time that the query names. Without it 77.6 / 60.0."""
    speaker: float = 0.05
    """If the query names who said it, or by role: see `fusion`. Without it 80.0 / 62.1; 0.2 and more cost the
    adversarial questions (one speaker asked for what the other did) 10 points of recall and bring nothing."""
    recency: float = 0.01
    """Of a freshness that halves every `recency_half_life_days`: breaks near ties. Without it 80.1 / 62.3;
    from 0.1 on it costs."""
    neighbour: float = 0.4
    """Of the best sum of the memories said just before and after. Without it 75.9 / 59.9."""
    session: float = 0.3
    """Of the mean of the best `session_best` sums in the same sitting. Without it 79.9 / 62.4; recall@30
    87.7 instead of 88.2."""

    bm25_k1: float = 0.9
    """Saturation of repeated terms. 0.9 with b 0.4 (Anserini's values for short passages) instead of the
    usual 1.2 with 0.75 took BM25 from 62.8 to 64.5 recall@10."""
    bm25_b: float = 0.4
    """Share of the length normalisation."""
    neighbour_reach: int = 2
    """Places before and after that count as neighbours."""
    neighbour_decay: float = 0.7
    """Factor for each place beyond the first."""
    neighbour_alone: float = 0.75
    """What a memory from no conversation gets as its neighbour's sum, as a share of its own: the median share
    of those that have neighbours. So it does not lose to turns of a conversation for standing alone."""
    session_best: int = 3
    """Sums of a sitting that are averaged."""
    time_decay_days: float = 7.0
    """Distance from the named time at which closeness has fallen to 1/e."""
    recency_half_life_days: float = 90.0
    """Age at which freshness has fallen to one half."""
    scale: SemanticScale = SemanticScale()
    """Of the embedding model in use."""
    calibration: Calibration = HYBRID_CALIBRATION
    """From the weighted sum to the score."""

    def semantic_only(self) -> Weights:
        """The weights of a search by meaning alone: the score is a calibrated cosine."""
        return replace(self._bare(), semantic=1.0, calibration=SEMANTIC_CALIBRATION)

    def without_vectors(self) -> Weights:
        """The weights of a hybrid search for which there is no embedder: all signs but meaning.

        75.5 / 59.7, where the words alone have 64.8 / 51.4.
        """
        return replace(self, semantic=0.0, calibration=WITHOUT_VECTORS_CALIBRATION)

    def keyword_only(self) -> Weights:
        """The weights of a search by words alone: the score is a calibrated BM25."""
        return replace(self._bare(), keyword=1.0, calibration=KEYWORD_CALIBRATION)

    def _bare(self) -> Weights:
        return replace(
            self,
            semantic=0.0,
            keyword=0.0,
            entity=0.0,
            time=0.0,
            speaker=0.0,
            recency=0.0,
            neighbour=0.0,
            session=0.0,
        )


DEFAULT_WEIGHTS: Final = Weights()
