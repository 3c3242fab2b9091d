import assert from "node:assert/strict";
import { test } from "node:test";
import { mismatch, type Json } from "./support/matching.js";

const cases: [pattern: Json, value: Json | undefined, matches: boolean][] = [
  [{ a: 1 }, { a: 1, b: 2 }, true],
  [{ a: 1 }, { b: 2 }, false],
  [[1, 2], [1, 2], true],
  [[1], [1, 2], false],
  [12, "12", true],
  [12, "13", false],
  ["12", 12, false],
  [null, null, true],
  [{ $present: true }, "x", true],
  [{ $present: true }, {}, false],
  [{ $absent: true }, undefined, true],
  [{ $absent: true }, "0", true],
  [{ $absent: true }, [1], false],
  [{ $length: 2 }, [1, 2], true],
  [{ $length: 2 }, "abc", false],
  [{ $has: [{ a: 1 }] }, [{ a: 2 }, { a: 1 }], true],
  [{ $has: [3] }, [1, 2], false],
  [{ $lacks: [3] }, [1, 2], true],
  [{ $lacks: [{ a: 2 }] }, [{ a: 2, b: 1 }], false],
  [{ $set: [1, 2] }, [2, 1], true],
  [{ $set: [1, 1] }, [1, 2], false],
  [{ $set: [{ $present: true }, 1] }, [1, 2], true],
  [{ $matches: "^a.c$" }, "abc", true],
  [{ $matches: "^a$" }, "abc", false],
  [{ $between: [0, 1] }, 1, true],
  [{ $between: [0, 1] }, 1.1, false],
  [{ $not: "a" }, "b", true],
  [{ $not: { a: 1 } }, { a: 1 }, false],
];

test("patterns match as tests/scenarios/README.md says", () => {
  for (const [pattern, value, matches] of cases) {
    const wrong = mismatch(pattern, value);
    assert.equal(
      wrong === undefined,
      matches,
      `${JSON.stringify(pattern)} and ${JSON.stringify(value)}: ${String(wrong)}`,
    );
  }
});

test("a mismatch names its place, and a matcher that does not exist is an error", () => {
  assert.equal(mismatch({ a: [{ b: 1 }] }, { a: [{ b: 2 }] }), "answer.a[0].b: 2 is not 1");
  assert.throws(() => mismatch({ $near: 1 }, 1), /no matcher \$near/);
});
