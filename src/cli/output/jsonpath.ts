import { CliFault, exitCodes } from '#cli/fault.ts'

type Step = { key: string } | { index: number } | { every: true }

const bad = (path: string, why: string): CliFault =>
  new CliFault(`"${path}" is not a path that isobar can follow`, {
    code: exitCodes.usage,
    why,
    next: ['isobar help output'],
  })

/**
 * Follows a small part of JSONPath, as kubectl writes it: `.items[0].name`, `{.items[*].id}`, `.labels['a.b']`, negative
 * indices from the end, and text around several `{…}`. Every value that a path finds stands on a line of its own (within
 * text: apart by spaces); objects and lists are written as JSON. What is not there is nothing.
 */
export function jsonPath(path: string, value: unknown): string {
  if (!path.includes('{')) return follow(parse(path, path), value).map(show).join('\n')
  const parts = path.split(/(\{[^{}]*\})/)
  const alone = parts.filter(Boolean).length === 1
  return parts
    .map((part) => {
      if (!part.startsWith('{')) return part.replaceAll(String.raw`\n`, '\n').replaceAll(String.raw`\t`, '\t')
      const literal = /^\{"(.*)"\}$/.exec(part)?.[1]
      if (literal !== undefined) return literal.replaceAll(String.raw`\n`, '\n').replaceAll(String.raw`\t`, '\t')
      return follow(parse(part.slice(1, -1), path), value)
        .map(show)
        .join(alone ? '\n' : ' ')
    })
    .join('')
}

const token = /\.?\[(?:(-?\d+)|(\*)|'([^']*)'|"([^"]*)")\]|\.([A-Za-z_][\w-]*)|\.?(\*)|^([A-Za-z_][\w-]*)/y

function parse(text: string, whole: string): Step[] {
  const rest = text.trim().replace(/^\$/, '')
  if (rest === '' || rest === '.') return []
  const steps: Step[] = []
  token.lastIndex = 0
  while (token.lastIndex < rest.length) {
    const from = token.lastIndex
    const match = token.exec(rest)
    if (!match) throw bad(whole, `It stops making sense at "${rest.slice(from)}".`)
    const [, index, starInside, quoted, doubleQuoted, dotted, star, bare] = match
    if (index !== undefined) steps.push({ index: Number(index) })
    else if (starInside || star) steps.push({ every: true })
    else steps.push({ key: quoted ?? doubleQuoted ?? dotted ?? bare ?? '' })
  }
  return steps
}

function follow(steps: Step[], value: unknown): unknown[] {
  let found: unknown[] = [value]
  for (const step of steps) found = found.flatMap((from) => take(step, from))
  return found
}

function take(step: Step, from: unknown): unknown[] {
  if (typeof from !== 'object' || from === null) return []
  if ('every' in step) return Object.values(from)
  if ('index' in step) {
    const item: unknown = Array.isArray(from) ? from.at(step.index) : undefined
    return item === undefined ? [] : [item]
  }
  const entry = Object.entries(from).find(([key]) => key === step.key)
  return entry ? [entry[1]] : []
}

const show = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))
