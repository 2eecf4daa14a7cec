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
  if ('problems' in read) throw invalid(read.problems, request.filename)
  const documents = read.specs.map(({ spec }, index) => ({
    spec: inProject(spec, request.project),
    bundle: request.bundles[index] ?? null,
  }))
  return { documents }
}

const inProject = (spec: Spec, project: string | undefined): Spec =>
  project !== undefined && spec.project === 'default' ? { ...spec, project } : spec

const invalid = (problems: SpecProblem[], filename: string): Problem =>
  new Problem('invalid-spec', renderProblems(problems), {
    problems: problems.map(({ line, column, path, message, fix, caret }) => ({
      line,
      column,
      path,
      message,
      fix,
      caret,
    })),
    next: [`isobar ${commandFor(problems)} ${isPlain(filename) ? filename : '<file>'}`],
  })

/** What helps with a file of another program is another command than what helps with a spec. */
const commandFor = (problems: SpecProblem[]): string =>
  problems.some(({ fix }) => fix.includes('isobar import')) ? 'import' : 'validate'

/** Whether a name may stand in a command as it is, and is one of a file. */
const isPlain = (filename: string): boolean => /^[\w@%+=:,./-]+$/.test(filename)
