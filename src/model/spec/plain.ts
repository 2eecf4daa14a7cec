import { type Document, isAlias, isMap, isPair, isScalar, isSeq, type Node } from 'yaml'

import { mostDepth } from './documents.ts'

/** What is wrong with the YAML of a document, and at which offset. */
type Flaw = { at: number; path: PropertyKey[]; message: string; fix: string }

/** The value of a document, made of plain objects, lists, text, numbers, booleans and null. */
export type Plain = { value: unknown; flaws: Flaw[] }

/** Values in one document, those that aliases repeat counted as often as they are repeated. */
const mostValues = 50_000
const mostFlaws = 20

/**
 * Turns a YAML document into plain values. Aliases are followed within a bound; keys must be text, appear once, and
 * cannot be `__proto__`; numbers must be finite.
 */
export function toPlain(document: Document.Parsed): Plain {
  const flaws: Flaw[] = []
  const anchors = new Map<string, Node>()
  const open = new Set<Node>()
  let values = 0
  const flaw = (node: Node, path: PropertyKey[], [message, fix]: [message: string, fix: string]): undefined => {
    if (flaws.length < mostFlaws) flaws.push({ at: offsetOf(node), path, message, fix })
  }

  const visit = (node: unknown, path: PropertyKey[]): unknown => {
    if (!isNode(node)) return null
    if (++values > mostValues) return values === mostValues + 1 ? flaw(node, path, tooMany) : undefined
    if (path.length > mostDepth) return flaw(node, path, tooDeep)
    if (isAlias(node)) {
      const target = anchors.get(node.source)
      if (target && open.has(target)) return flaw(node, path, endless)
      return target ? visit(target, path) : flaw(node, path, unknownAnchor(node.source))
    }
    if (node.anchor !== undefined) anchors.set(node.anchor, node)
    if (!isMap(node) && !isSeq(node)) return visitScalar(node, path)
    open.add(node)
    const value = isMap(node)
      ? visitMap(node.items, node, path)
      : node.items.map((item, index) => visit(item, [...path, index]))
    open.delete(node)
    return value
  }

  const visitMap = (items: readonly unknown[], map: Node, path: PropertyKey[]): Record<string, unknown> => {
    const fields: Record<string, unknown> = {}
    for (const pair of items) {
      if (!isPair(pair)) continue
      const key = keyOf(pair.key)
      const at = isNode(pair.key) ? pair.key : map
      const wrong = key === undefined ? keyNotText : wrongKey(key)
      if (key === undefined || wrong) flaw(at, path, wrong ?? keyNotText)
      else if (Object.hasOwn(fields, key)) flaw(at, [...path, key], twice(key))
      else fields[key] = visit(pair.value, [...path, key])
    }
    return fields
  }

  const visitScalar = (node: Node, path: PropertyKey[]): unknown => {
    const value: unknown = isScalar(node) ? node.value : undefined
    if (typeof value === 'number' && !Number.isFinite(value)) return flaw(node, path, notFinite)
    if (typeof value === 'string' && !storable(value)) return flaw(node, path, notStorable)
    if (value === null || ['string', 'number', 'boolean'].includes(typeof value)) return value
    return flaw(node, path, strange)
  }

  return { value: visit(document.contents, []), flaws }
}

/** Nothing stands between two `---`. */
export const isEmpty = ({ contents }: Document.Parsed): boolean =>
  contents === null || (isScalar(contents) && contents.value === null && contents.source === '')

/** Where a path begins in a document: the value's offset, or the key's, or that of the nearest thing around it. */
export function locate(document: Document.Parsed, path: readonly PropertyKey[], what: 'key' | 'value'): number {
  const anchors = anchorsOf(document)
  const follow = (node: unknown): unknown => (isAlias(node) ? anchors.get(node.source) : node)
  let node: unknown = follow(document.contents)
  let at = offsetOf(node)
  for (const [depth, step] of path.entries()) {
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => keyOf(key) === String(step))
      if (!pair) return at
      const last = depth === path.length - 1
      at = offsetOf(last && what === 'value' && hasText(pair.value) ? pair.value : pair.key)
      node = follow(pair.value)
    } else if (isSeq(node)) {
      const item: unknown = node.items[Number(step)]
      if (item === undefined) return at
      at = offsetOf(item)
      node = follow(item)
    } else return at
  }
  return at
}

function anchorsOf(document: Document.Parsed): Map<string, Node> {
  const anchors = new Map<string, Node>()
  const collect = (node: unknown): void => {
    if (!isNode(node) || isAlias(node)) return
    if (node.anchor !== undefined) anchors.set(node.anchor, node)
    if (isMap(node)) for (const pair of node.items) collect(pair.value)
    if (isSeq(node)) node.items.forEach(collect)
  }
  collect(document.contents)
  return anchors
}

type AnyNode = Node & { anchor?: string }
const isNode = (node: unknown): node is AnyNode => isMap(node) || isSeq(node) || isScalar(node) || isAlias(node)

export const offsetOf = (node: unknown): number => (isNode(node) ? (node.range?.[0] ?? 0) : 0)

/** An empty value (`key:`) has a place but nothing to point at. */
const hasText = (node: unknown): boolean => isNode(node) && !!node.range && node.range[1] > node.range[0]

/** Text and numbers serve as keys (`8080: x`); null, booleans, lists and mappings do not. */
function keyOf(key: unknown): string | undefined {
  if (!isScalar(key)) return undefined
  if (typeof key.value === 'string') return key.value
  return typeof key.value === 'number' || typeof key.value === 'boolean' ? (key.source ?? String(key.value)) : undefined
}

function wrongKey(key: string): [message: string, fix: string] | undefined {
  if (key === '<<')
    return ['merge keys (<<) are not part of YAML 1.2', 'write the fields out, or use *alias as a value']
  if (key === '__proto__') return ['__proto__ cannot be the name of anything', 'choose another name']
  return storable(key) ? undefined : notStorable
}

/** Neither an environment nor a database can hold the character 0 or half a surrogate pair. */
const storable = (text: string): boolean => !text.includes('\0') && text.isWellFormed()

const notStorable: [string, string] = [
  'this text holds a character that cannot be stored',
  'remove \\0 and \\ud800 to \\udfff',
]
const tooMany: [string, string] = ['its aliases repeat too many values', 'write fewer aliases (*name)']
const tooDeep: [string, string] = [`this is nested deeper than ${mostDepth} levels`, 'remove some of the nesting']
const endless: [string, string] = ['this alias repeats itself without end', 'write the value instead of the alias']
const keyNotText: [string, string] = ['a key must be text', 'write `key: value`, with the key in quotes if need be']
const notFinite: [string, string] = ['this number has no finite value', 'write a plain number']
const strange: [string, string] = ['this is not a value that specs know', 'write text, a number, true or false']
const twice = (key: string): [string, string] => [`${key} is there twice`, 'keep one of the two']
const unknownAnchor = (name: string): [string, string] => [
  `no anchor &${name} stands above this alias`,
  `write &${name} before the value that it repeats, or put quotes around text that begins with *`,
]
