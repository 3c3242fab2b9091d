"""How much each sign of relevance counts, and what a score means.

The defaults were chosen on the development split of LoCoMo (five conversations, 760 questions of
categories 1 to 4, raw turns) with `tests/bench/quality/offline_ranking.py`, which prints every figure in
the docstrings: recall@10 / NDCG@10 there, in points, with as many candidates as a search for ten hits looks
at. The defaults have 80.1 / 62.2, and 78.4 / 63.3 on the facts of the deterministic extractor (`--facts`),
which only the weight of entities was chosen on. The optimum is flat: choosing the weights anew from four
conversations out of a grid of 162 and asking the fifth loses 0.4 / 0.2 against the defaults
(`tests/bench/quality/calibration.py --choose`).
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
    score. What a threshold does on the development split, as `tests/bench/quality/calibration.py` prints
    it (evidence of what was found at all; hits are a question's; "foreign" are questions about
    another conversation, whose best hit should fail):

    | threshold | evidence kept | hits kept | answerable questions with a hit | foreign ones with a hit |
    |---|---|---|---|---|
    | 0.2 | 96 % | 65 | 100 % | 22 % |
    | 0.3 | 90 % | 33 | 99 % | 6 % |
    | 0.4 | 80 % | 18 | 97 % | 2 % |
    | 0.5 | 70 % | 9 | 91 % | 1 % |
    | 0.6 | 56 % | 5 | 82 % | 0 % |
    | 0.7 | 41 % | 2.8 | 66 % | 0 % |

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
    of one vector a sentence and one for the whole, against the whole alone: 80.1 / 62.2, 78.0 / 59.4."""
    keyword: float = 1.5
    """Of BM25 as a share of the most that the query could reach, which no memory does (hence the weight
    above 1). 1.0: 79.6 / 61.7; 2.0: 79.2 / 61.6. Cosine and BM25 alone: 68.9 / 53.8 by
    this sum, 61.3 / 46.0 by places (RRF)."""
    entity: float = 0.02
    """Of the names and quoted phrases of the query that the memory has as entities or verbatim. Only breaks
    near ties: with extracted facts 0.05 cost the adversarial questions 2 points of recall@10, 0.2 cost them
    18."""
    time: float = 0.2
    """Of the closeness to a time that the query names. Without it 78.0 / 59.9."""
    speaker: float = 0.05
    """If the query names who said it, or by role: see `fusion`. Without it 79.9 / 61.9; 0.2 brings nothing
    (79.7 / 62.3) and costs the adversarial questions (one speaker asked for what the other did) a point."""
    recency: float = 0.01
    """Of a freshness that halves every `recency_half_life_days`: breaks near ties. Without it 80.2 / 62.2;
    with 0.1 78.8 / 61.0."""
    message: float = 0.0
    """Of the match of words of the best message that the memory was drawn from. Unless it is 0, each search
    looks through the messages of the scope. Through the service, facts of the deterministic extractor: 0
    has 78.6 / 63.4, 0.3 79.0 / 63.0, 1.0 77.8 / 62.1."""
    neighbour: float = 0.4
    """Of the best sum of the memories said just before and after. Without it 75.4 / 59.7."""
    session: float = 0.3
    """Of the mean of the best `session_best` sums in the same sitting. Without it 79.6 / 61.9; recall@30
    87.1 instead of 87.7."""

    bm25_k1: float = 0.9
    """Saturation of repeated terms. 0.9 with b 0.4 (Anserini's values for short passages) instead of the
    usual 1.2 with 0.75 took BM25 alone from 63.0 to 64.8 recall@10."""
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

        75.1 / 58.7, where the words alone have 64.8 / 51.3.
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
            message=0.0,
            neighbour=0.0,
            session=0.0,
        )


DEFAULT_WEIGHTS: Final = Weights()
