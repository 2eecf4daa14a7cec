import type { Source, SpecProblem } from '#model/spec/problem.ts'

import type { Told } from './book.ts'
import type { Draft } from './draft.ts'

/** What a spec does not say as its source did: where that stands, why, and what to do instead. */
export type ImportNote = Pick<SpecProblem, 'file' | 'line' | 'column' | 'path' | 'message' | 'fix'> & {
  what: Told['what']
}

/** A field of a source, and the field of a spec that it became. */
export type Carried = { kind: string; from: string; to: string }

/** What a source says, before anyone looked whether specs come out of it. */
export type Read = { drafts: Draft[]; notes: ImportNote[]; carried: Carried[] } | { problems: SpecProblem[] }

/** Nobody would read more. */
export const mostNotes = 1000

/** A note with its place in a source. */
export function noteAt(
  source: Source,
  at: number,
  told: Pick<ImportNote, 'path' | 'what' | 'message' | 'fix'>,
): ImportNote {
  const { caret: _, ...problem } = source.problem(at, told)
  return { ...problem, what: told.what }
}

export const tooManyNotes = (source: Source, count: number): Read => ({
  problems: [
    source.problem(0, {
      message: `${count} things in it could not be carried over, which is more than anybody would read`,
      fix: 'split it into several files, or begin with `isobar init`',
    }),
  ],
})
