import type { Instant } from '#kit/clock.ts'
import { didYouMean } from '#kit/did-you-mean.ts'
import { mostBytes } from './documents.ts'
import { type Explained, explainIssues } from './explain.ts'
import { createSource, type SpecProblem } from './problem.ts'
import { readWritten } from './read-written.ts'
import { brokenRules } from './rules.ts'
import { type Kind, kinds, kindSchemas } from './schema-walk.ts'
import { readSimple } from './simple-yaml.ts'
import type { Spec } from './spec.ts'

/** A spec, and where in its file it stands. */
export type ReadSpec = {
  spec: Spec
  /** From 0. */
  document: number
  /** From 1. */
  line: number
}

/**
 * Reads a file of specs: YAML 1.2 or JSON, one or several documents. Gives all of them, or all that is wrong; never
 * throws. Bounded in size, depth, documents, values and time. With `now`, a deadline that is past is wrong, too.
 */
export function readSpecs(
  text: string,
  filename: string,
  now?: Instant,
): { specs: ReadSpec[] } | { problems: SpecProblem[] } {
  if (text.length > mostBytes) {
    const source = createSource(filename, '')
    const message = `the file holds ${text.length} characters, the most is ${mostBytes}`
    return { problems: [source.problem(0, { message, fix: 'split it into several files' })] }
  }
  const specs = simpleSpecs(text, now)
  return specs ? { specs } : parseSpecs(text, filename, now)
}

/** What is simply written and right; null when a problem has to be looked for, or the parser is needed. */
function simpleSpecs(text: string, now: Instant | undefined): ReadSpec[] | null {
  const specs: ReadSpec[] = []
  for (const { value, document, line } of readSimple(text) ?? []) {
    const kind = kindOf(value)
    const spec = typeof kind === 'string' ? check(kind, value, now) : null
    if (spec === null || Array.isArray(spec)) return null
    specs.push({ spec, document, line })
  }
  return specs.length > 0 ? specs : null
}

function parseSpecs(
  text: string,
  filename: string,
  now: Instant | undefined,
): { specs: ReadSpec[] } | { problems: SpecProblem[] } {
  if (text.startsWith('#!') && /^#SBATCH\b/m.test(text)) {
    const message = 'this is a script for sbatch, and not a spec'
    return { problems: [createSource(filename, text).problem(0, { message, fix: importing })] }
  }
  const read = readWritten<Spec>(
    { text, filename, noun: 'spec', hint: 'let `isobar init` write an example' },
    (value) => {
      const kind = kindOf(value)
      const spec = typeof kind === 'string' ? check(kind, value, now) : [kind]
      return Array.isArray(spec) ? { problems: spec } : { value: spec }
    },
  )
  if ('problems' in read) return read
  return { specs: read.values.map(({ value, ...where }) => ({ spec: value, ...where })) }
}

function check(kind: Kind, value: unknown, now: Instant | undefined): Spec | Explained[] {
  const parsed = kindSchemas[kind].safeParse(value)
  if (!parsed.success) return explainIssues(kind, value, parsed.error.issues)
  const broken = brokenRules(parsed.data, now)
  return broken.length > 0 ? broken.map((rule) => ({ ...rule, what: 'value' })) : parsed.data
}

/** What tasks of SkyPilot have and specs do not. */
const ofSkyPilot = ['num_nodes', 'envs', 'file_mounts']
const importing = 'make a spec of it: isobar import FILE'

const say = (path: PropertyKey[], message: string, fix: string): Explained => ({ path, what: 'value', message, fix })

function kindOf(value: unknown): Kind | Explained {
  const choice = `write kind: ${kinds.join(', kind: ').replace(/, ([^,]*)$/, ' or $1')}`
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return say([], 'a spec is a mapping of fields', 'begin with `kind: job`, one field a line')
  }
  const kind = 'kind' in value ? value.kind : undefined
  if ('apiVersion' in value) {
    const message = `this is an object of Kubernetes${typeof kind === 'string' ? `, a ${kind.slice(0, 60)}` : ''}`
    return say(['apiVersion'], message, importing)
  }
  if (kind === undefined && ofSkyPilot.some((key) => key in value))
    return say([], 'this looks like a task of SkyPilot', importing)
  if (kind === undefined) return say([], 'kind is missing: it says what this is', choice)
  const known = kinds.find((each) => each === kind)
  if (known) return known
  const near = didYouMean(String(kind), kinds)
  const message = `${JSON.stringify(kind)?.slice(0, 60)} is not a kind of workload`
  return say(['kind'], message, near ? `did you mean kind: ${near}?` : choice)
}
