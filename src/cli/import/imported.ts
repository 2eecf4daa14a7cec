import { stringify } from 'yaml'

import { mostBytes } from '#model/spec/documents.ts'
import { createSource, type SpecProblem } from '#model/spec/problem.ts'
import { readSpecs } from '#model/spec/read.ts'

import { type Draft, inOrder } from './draft.ts'
import { kindsOfObjects } from './kubernetes/manifest.ts'
import { readDocuments } from './documents.ts'
import type { Carried, ImportNote, Read } from './note.ts'
import { isBatchScript, readBatchScript } from './slurm/batch-script.ts'

export type Imported = {
  /** As a person would write them. */
  specs: Draft[]
  /** The same as YAML. */
  text: string
  /** In the order of the source. */
  notes: ImportNote[]
  carried: Carried[]
}

type Asked = {
  text: string
  filename: string
  /** What starts an image for which no command is written. */
  entrypoint?: string | undefined
}

/**
 * Reads what others run with, objects of Kubernetes, a batch script of Slurm or a task of SkyPilot, into specs. What could not be carried over
 * is told with its place; what makes a spec impossible is a problem. Bounded as the reader of specs is; never throws.
 */
export function importSpecs({ text, filename, entrypoint }: Asked): Imported | { problems: SpecProblem[] } {
  const source = createSource(filename, text)
  const fault = (message: string, fix: string) => ({ problems: [source.problem(0, { message, fix })] })
  if (text.length > mostBytes)
    return fault(`the file holds ${text.length} characters, the most is ${mostBytes}`, 'split it into several files')
  const read: Read = isBatchScript(text) ? readBatchScript(text, source) : readDocuments(text, source, entrypoint)
  if ('problems' in read) return read
  if (read.drafts.length === 0)
    return fault(
      'there is no workload in it',
      `what can be imported: ${kindsOfObjects.join(', ')}, a script of sbatch, a task of SkyPilot`,
    )
  const specs = read.drafts.map(inOrder)
  const written = specs.map((spec) => stringify(spec, { lineWidth: 0 })).join('---\n')
  const checked = readSpecs(written, filename)
  if ('problems' in checked)
    return {
      problems: checked.problems.map(({ path, message, fix }) =>
        source.problem(0, { path, message: `what comes of it is no spec: ${message}`, fix }),
      ),
    }
  const notes = read.notes.sort((a, b) => a.line - b.line || a.column - b.column)
  return { specs, text: written, notes, carried: read.carried }
}
