import type { z } from 'zod'

import { type Input, InputFault } from '#simulator/traces/input.ts'

/** Reads JSON by a schema; `like` shows what it should be. What is wrong is told with its place. */
export function parseJson<S extends z.ZodType>(input: Input, schema: S, like: string): z.output<S> {
  const fix = `write it like ${like}`
  let value: unknown
  try {
    value = JSON.parse(input.text)
  } catch (cause) {
    throw new InputFault(input.wrong(breakOf(input.text, String(cause)), 'this is not JSON', fix).problems, { cause })
  }
  const read = schema.safeParse(value)
  if (read.success) return read.data
  const [issue] = read.error.issues
  const path = issue?.path ?? []
  const what = issue?.message ?? 'this is not what it should be'
  throw input.wrong(placeOf(input.text, path), path.length > 0 ? `${path.join('.')}: ${what}` : what, fix)
}

/** Where JSON breaks off, as V8 tells it: by a position, or by the token and what stands around it. */
function breakOf(text: string, message: string): number {
  const position = /at position (\d+)/.exec(message)?.[1]
  if (position !== undefined) return Number(position)
  const [, token = '', cut, around = ''] = /Unexpected token '(.)', (\.\.\.)?"([^]*)"/.exec(message) ?? []
  if (token === '') return text.length // it ends too early
  return cut ? text.indexOf(around) + shownBefore : text.indexOf(token)
}

/** V8 shows so many letters before the one that it did not expect. */
const shownBefore = 10

/** Where the value at a path begins in a text that is JSON; of what is missing, where that is which lacks it. */
export function placeOf(text: string, path: readonly PropertyKey[]): number {
  let at = afterBlank(text, 0)
  for (const step of path) {
    const found = memberOf(text, at, step)
    if (found < 0) return at
    at = found
  }
  return at
}

/** Where a member of the list or object at `at` begins; -1 where there is none. */
function memberOf(text: string, at: number, step: PropertyKey): number {
  const isObject = text[at] === '{'
  if (!isObject && text[at] !== '[') return -1
  for (let next = afterBlank(text, at + 1), index = 0; text[next] !== '}' && text[next] !== ']'; index++) {
    let key: PropertyKey = index
    if (isObject) {
      const end = endOfValue(text, next)
      key = String(JSON.parse(text.slice(next, end)))
      next = afterBlank(text, afterBlank(text, end) + 1) // behind the colon
    }
    if (key === step) return next
    next = afterBlank(text, endOfValue(text, next))
    if (text[next] === ',') next = afterBlank(text, next + 1)
  }
  return -1
}

function afterBlank(text: string, from: number): number {
  let at = from
  while (at < text.length && ' \t\r\n'.includes(text[at] ?? '')) at++
  return at
}

function endOfValue(text: string, from: number): number {
  let [at, depth] = [from, 0]
  do {
    const letter = text[at] ?? ''
    if (letter === '"') at = endOfString(text, at)
    else if ('{['.includes(letter)) [at, depth] = [at + 1, depth + 1]
    else if ('}]'.includes(letter)) [at, depth] = [at + 1, depth - 1]
    else if (depth > 0) at++
    else while (at < text.length && !',}] \t\r\n'.includes(text[at] ?? '')) at++
  } while (depth > 0 && at < text.length)
  return at
}

function endOfString(text: string, from: number): number {
  let at = from + 1
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1
  return at + 1
}
