import type { z } from 'zod'

import { renderProblems, type SpecProblem } from '#model/spec/problem.ts'
import { readSpecs } from '#model/spec/read.ts'
import type { Spec } from '#model/spec/spec.ts'
import { Problem } from './problem.ts'
import type { Document } from './submit.ts'
import type { SpecRequest } from './views.ts'

/** Reads the documents of a request. Throws `invalid-spec` with each place, what is wrong there, and the fix. */
export function readDocuments(request: z.output<typeof SpecRequest>): { documents: Document[] } {
  const read = readSpecs(request.text, request.filename)
  if ('problems' in read) throw invalid(read.problems)
  const documents = read.specs.map(({ spec }, index) => ({
    spec: inProject(spec, request.project),
    bundle: request.bundles[index] ?? null,
  }))
  for (const { spec } of documents) refuseUnstorable(spec)
  return { documents }
}

const inProject = (spec: Spec, project: string | undefined): Spec =>
  project !== undefined && spec.project === 'default' ? { ...spec, project } : spec

const invalid = (problems: SpecProblem[]): Problem =>
  new Problem('invalid-spec', renderProblems(problems), {
    problems: problems.map(({ line, column, path, message, fix, caret }) => ({
      line,
      column,
      path,
      message,
      fix,
      caret,
    })),
    next: ['isobar validate <file>'],
  })

/** A zero byte or half a character, as JSON writes it: PostgreSQL keeps neither in text, and no process could be given one. */
const unstorable = /(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f][0-9a-f]{2})/

function refuseUnstorable(spec: Spec): void {
  if (unstorable.test(JSON.stringify(spec)))
    throw new Problem(
      'invalid-spec',
      `"${spec.name}" holds a zero byte or half a Unicode character in a text; remove it.`,
      {
        next: ['isobar validate <file>'],
      },
    )
}
