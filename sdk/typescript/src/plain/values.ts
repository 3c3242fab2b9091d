/**
 * Forms of values that several calls take.
 */

/** A moment: a `Date`, or an RFC 3339 string as `"2026-05-07T10:00:00Z"`; a bare day means its first instant in UTC. */
export type TimeInput = Date | string;

/** One of an enumeration's words, in capitals or small letters. */
export type EnumInput<Word extends string> = Word | Lowercase<Word>;

/**
 * A moment of the past to read at: a time, or an exact place in the project's log (`sequence` of an
 * answer or a version). A `Date` counts milliseconds and the log counts microseconds, so use the
 * sequence when "right after this write" is meant.
 */
export type AsOfInput = Date | string | { readonly time: TimeInput } | { readonly sequence: number };
