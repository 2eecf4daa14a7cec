import type { z } from 'zod'

import { didYouMean } from '#kit/did-you-mean.ts'
import { exampleAt, fieldsAt, type JsonSchema, jsonSchemaOf, type Kind, kinds, placesOfFields } from './schema-walk.ts'

/** A problem in terms of the document: `what` says whether the key or the value is to be shown. */
export type Explained = { path: PropertyKey[]; what: 'key' | 'value'; message: string; fix: string }

type Issue = z.core.$ZodIssue
/** What the document is: its name in a sentence, what it may hold, and the kind of workload where it is one. */
type Context = { noun: string; schema: JsonSchema; root: unknown; kind?: Kind }

/** Turns what zod says of a document into what a person wants to read. */
export function explainIssues(kind: Kind, root: unknown, issues: readonly Issue[]): Explained[] {
  return explainFields({ noun: nounOf(kind), kind, schema: jsonSchemaOf(kind), root }, issues)
}

/** The same for any document that has a schema. */
export const explainFields = (context: Context, issues: readonly Issue[]): Explained[] =>
  issues.flatMap((issue) => explain(issue, [...issue.path], context))

function explain(issue: Issue, path: PropertyKey[], context: Context): Explained[] {
  const value = valueAt(context.root, path)
  const say = (message: string, fix: string): Explained[] => [{ path, what: 'value', message, fix }]
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => unknownField(key, path, context))
    case 'invalid_type':
      return [wrongType(path, [issue.expected], context)]
    case 'invalid_union':
      return explainUnion(issue, path, context)
    case 'invalid_value':
      return say(...notOneOf(value, issue.values.map(String)))
    case 'too_big':
      return say(...outOfBounds(issue.origin, 'at most', issue.maximum))
    case 'too_small':
      return say(...outOfBounds(issue.origin, 'at least', issue.minimum))
    case 'invalid_key':
      return issue.issues.map((inner) => {
        const [message, fix] = splitAdvice(inner.message)
        return { path, what: 'key', message: `the name ${message}`, fix }
      })
    case 'custom':
    case 'invalid_format':
      return say(...wrongText(issue, value, path))
    default:
      return say(
        'this value does not fit here',
        `write for example ${exampleAt(context.schema, path) ?? 'another one'}`,
      )
  }
}

/** Of all the ways in which a value may be written, the one that its author meant, by the type of what is there. */
function explainUnion(issue: Issue & { code: 'invalid_union' }, path: PropertyKey[], context: Context): Explained[] {
  const trap = context.kind && acceleratorTrap(valueAt(context.root, path), path)
  if (trap) return [trap]
  const isOfOtherType = (branch: Issue[]): boolean => branch.every((i) => i.code === 'invalid_type' && !i.path.length)
  const meant = issue.errors.find((branch) => branch.length > 0 && !isOfOtherType(branch))
  if (meant) return meant.flatMap((inner) => explain(inner, [...path, ...inner.path], context))
  const expected = issue.errors.flat().flatMap((inner) => (inner.code === 'invalid_type' ? [inner.expected] : []))
  return [wrongType(path, expected, context)]
}

/** `{H100:8}` and `{H100: 8}` look right, and YAML reads them as mappings. */
function acceleratorTrap(value: unknown, path: PropertyKey[]): Explained | undefined {
  if (path.at(-1) !== 'accelerators') return undefined
  if (typeof value === 'number') {
    return {
      path,
      what: 'value',
      message: 'a number does not say which',
      fix: `write a model too, such as H200:${value}`,
    }
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value) || 'any' in value) return undefined
  const [[key, count] = ['H200', 8]] = Object.entries(value)
  const written = count === null ? key : `${key}:${String(count)}`
  const message = 'YAML reads this as a mapping, and accelerators are text'
  return { path, what: 'value', message, fix: `write accelerators: ${written}` }
}

function unknownField(key: string, path: PropertyKey[], context: Context): Explained {
  const known = fieldsAt(context.schema, path)
  const where = path.length === 0 ? context.noun : pathText(path)
  const near = (context.kind && advice(key, path)) ?? similar(key, known) ?? elsewhere(key, context)
  return {
    path: [...path, key],
    what: 'key',
    message: `${where} has no field ${shown(key)}`,
    fix: near ?? `remove it, or use one of ${known.join(', ')}`,
  }
}

const nounOf = (kind: Kind): string => (kind === 'array' ? 'an array' : `a ${kind}`)

const similar = (key: string, known: string[]): string | undefined => {
  const near = didYouMean(key, known)
  return near === undefined ? undefined : `did you mean ${near}?`
}

/** The same thing in other tools. */
const wordsElsewhere: Record<string, string> = {
  gpu: 'write resources: {accelerators: "H200:8"}',
  gpus: 'write resources: {accelerators: "H200:8"}',
  num_nodes: 'did you mean nodes?',
  envs: 'did you mean env?',
  environment: 'did you mean env?',
  command: 'did you mean run?',
  commands: 'did you mean run?',
  cmd: 'did you mean run?',
  script: 'did you mean run?',
  shm_size: 'write resources: {sharedMemory: 16GB}',
  network_tier: 'write resources: {network: {rdma: preferred}}',
  type: 'did you mean kind?',
  timeout: 'write duration: {maximum: 2h}',
  time: 'write duration: {maximum: 2h}',
  region: 'write placement: {sites: [provider/site]}',
  cloud: 'write placement: {providers: [aws]}',
  file_mounts: 'write workdir for files, and data for data sets',
}

const advice = (key: string, path: PropertyKey[]): string | undefined =>
  path.length === 0 && Object.hasOwn(wordsElsewhere, key) ? wordsElsewhere[key] : undefined

function elsewhere(key: string, { kind, schema }: Context): string | undefined {
  const other = kind && kinds.find((each) => each !== kind && fieldsAt(jsonSchemaOf(each), []).includes(key))
  if (other) return `only ${nounOf(other)} has ${key}: write kind: ${other}, or remove it`
  const places = placesOfFields(schema)
  const near = places.has(key) ? key : didYouMean(key, places.keys())
  const place = near === undefined ? undefined : places.get(near)
  if (place === undefined) return undefined
  return place === '' ? `move it to the top level: ${near}` : `write ${near} below ${place}`
}

const typeWords: Record<string, string> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping of fields',
  record: 'a mapping of names to values',
}

function wrongType(path: PropertyKey[], expected: string[], { root, schema }: Context): Explained {
  const value = valueAt(root, path)
  const types = [...new Set(expected)]
  const wanted = types.map((type) => typeWords[type] ?? type).join(' or ')
  const example = exampleAt(schema, path)
  if (value === undefined) {
    const name = String(path.at(-1) ?? 'kind')
    return {
      path,
      what: 'key',
      message: 'this field is missing',
      fix: `add \`${name}: …\` (${wanted}${suchAs(example)})`,
    }
  }
  const message = `must be ${wanted}, and this is ${describe(value)}`
  const fields = types.includes('object') ? `: ${fieldsAt(schema, path).join(', ')}` : ''
  return { path, what: 'value', message, fix: retype(value, types) ?? `write ${wanted}${fields}${suchAs(example)}` }
}

const suchAs = (example: string | undefined): string => (example === undefined ? '' : `, such as ${example}`)

/** What to do with a value that has only the wrong type. */
function retype(value: unknown, types: string[]): string | undefined {
  const wants = (type: string): boolean => types.includes(type)
  if (value === null) return 'write a value, or remove the key'
  if (typeof value === 'string' && wants('boolean') && /^(yes|on|y)$/i.test(value)) return 'write true'
  if (typeof value === 'string' && wants('boolean') && /^(no|off|n)$/i.test(value)) return 'write false'
  if (typeof value === 'string' && /^-?\d+$/.test(value) && (wants('int') || wants('number'))) {
    return `remove the quotes: ${value}`
  }
  if (wants('string') && ['number', 'boolean'].includes(typeof value)) return `put it in quotes: "${String(value)}"`
  if (wants('array') && ['string', 'number'].includes(typeof value)) return `write a list: [${String(value)}]`
  return undefined
}

function describe(value: unknown): string {
  if (value === null) return 'empty'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'a mapping'
  return typeof value === 'string' ? `the text ${shown(value)}` : `the ${typeof value} ${String(value)}`
}

function notOneOf(value: unknown, allowed: string[]): [message: string, fix: string] {
  const near = typeof value === 'string' ? didYouMean(value, allowed) : undefined
  const list = `use one of ${allowed.join(', ')}`
  return [`${shown(value)} is not allowed here`, near === undefined ? list : `did you mean ${near}? (${list})`]
}

function outOfBounds(origin: string, limit: string, bound: number | bigint): [message: string, fix: string] {
  const thing = origin === 'string' ? 'character' : 'entry'
  if (origin !== 'string' && origin !== 'array') return [`must be ${limit} ${bound}`, `write ${limit} ${bound}`]
  const amount = `${limit} ${bound} ${bound === 1 ? thing : thing === 'entry' ? 'entries' : 'characters'}`
  return [`must have ${amount}`, `write ${amount}`]
}

function wrongText(issue: Issue, value: unknown, path: PropertyKey[]): [message: string, fix: string] {
  if (typeof value === 'string' && issue.code === 'invalid_format') {
    const name = path[0] === 'name' || path[0] === 'project' ? nameFrom(value) : undefined
    if (name) return [`${shown(value)} ${splitAdvice(issue.message)[0]}`, `write ${name}`]
    const [message, fix] = splitAdvice(issue.message)
    return [`${shown(value)} ${message}`, fix]
  }
  if (typeof value === 'string' && /^\d+:\d\d(:\d\d)?$/.test(value)) {
    return [`${shown(value)} is not a duration: YAML 1.2 does not know that form`, 'write it with units, such as 1h30m']
  }
  return splitAdvice(issue.message)
}

/** `My_Model` → `my-model`. */
const nameFrom = (text: string): string =>
  text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, 63)
    .replaceAll(/^-+|-+$/g, '')

/** Parsers say "cause; advice", and patterns "cause, such as example". */
function splitAdvice(text: string): [message: string, fix: string] {
  const [cause = text, ...advised] = text.split('; ')
  if (advised.length > 0) return [cause, advised.join('; ')]
  const [rule = text, example] = text.split(', such as ')
  return [rule, example === undefined ? 'correct it' : `write for example ${example}`]
}

const shown = (value: unknown): string => {
  const text = JSON.stringify(value) ?? 'nothing'
  return text.length <= 60 ? text : `${text.slice(0, 57)}…"`
}

export const pathText = (path: readonly PropertyKey[]): string =>
  path.map((step, index) => (typeof step === 'number' ? `[${step}]` : `${index ? '.' : ''}${String(step)}`)).join('')

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  let value = root
  for (const step of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined
    value = (value as Record<PropertyKey, unknown>)[step] // own property, checked above
  }
  return value
}
