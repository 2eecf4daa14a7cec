import type { z } from 'zod'

import type { Instant } from '#kit/clock.ts'
import { renderProblems, type SpecProblem } from '#model/spec/problem.ts'
import { readSpecs } from '#model/spec/read.ts'
import type { Spec } from '#model/spec/spec.ts'
import { Problem } from './problem.ts'
import type { Document } from './submit.ts'
import type { SpecRequest } from './views.ts'

type Request = z.output<typeof SpecRequest>

/**
 * Reads the documents of a request. Throws `invalid-spec` with each place, what is wrong there, and the fix. Without `now`
 * they may have a deadline that is past: of what may have been taken already.
 */
export function readDocuments(request: Request, now?: Instant): { documents: Document[] } {
  const read = readSpecs(request.text, request.filename, now)
  if ('problems' in read) throw invalid(read.problems, request.filename)
  const documents = read.specs.map(({ spec }, index) => ({
    spec: inProject(spec, request.project),
    bundle: request.bundles[index] ?? null,
  }))
  return { documents }
}

/** Refuses what was read without the time and could not end by its deadline any more. */
export function refuseLate(request: Request, documents: Document[], now: Instant): void {
  if (documents.some(({ spec: { deadline } }) => deadline !== undefined && deadline <= now)) readDocuments(request, now)
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
