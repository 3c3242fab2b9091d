/**
 * Keeps the order of hits while a server revises it.
 */
import type { Move, SearchHit } from "./plain/types.js";

/** What changes in an order of hits. */
export interface Rearrangement {
  /** Memories that are hits no more. */
  readonly removed?: readonly string[];
  /** Hits that changed place, fell out (`toRank` 0) or came in (with the hit itself). */
  readonly moves?: readonly Move[];
  /** Hits that are new, at their rank. */
  readonly added?: readonly SearchHit[];
}

/** The order after a change: who moved or is new stands at its rank, the others keep their order around it. */
export function rearrange(hits: readonly SearchHit[], change: Rearrangement): readonly SearchHit[] {
  const known = new Map(hits.map((hit) => [hitId(hit), hit]));
  const placed = new Map<number, SearchHit>();
  const gone = new Set(change.removed);
  for (const move of change.moves ?? []) {
    gone.add(move.memoryId);
    const hit = move.hit ?? known.get(move.memoryId);
    if (move.toRank > 0 && hit !== undefined) placed.set(move.toRank, { ...hit, score: move.score });
  }
  for (const hit of change.added ?? []) {
    gone.add(hitId(hit));
    placed.set(hit.rank, hit);
  }
  const others = hits.filter((hit) => !gone.has(hitId(hit)));
  const order: SearchHit[] = [];
  for (const [rank, hit] of [...placed].sort(([a], [b]) => a - b)) {
    order.push(...others.splice(0, rank - 1 - order.length), hit);
  }
  order.push(...others);
  return Object.freeze(order.map((hit, index) => Object.freeze({ ...hit, rank: index + 1 })));
}

function hitId(hit: SearchHit): string {
  return hit.memory?.id ?? hit.message?.id ?? "";
}
